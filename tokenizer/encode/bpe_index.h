/* A vocabulary made ready for encoding: what the files of tokenizer/ share.
 *
 *     pairs   (left, right) -> rank and id of the merge     open addressing, 16 bytes a slot
 *     bytes   the same for two bytes, by these: where every piece begins, and a hundredth of the memory
 *     trees   the tokens that merging can give, each with its merges, a table of these, and a trie (bpe_trees.h, bpe_pairs.h)
 *     borders  pairs of characters that stand in some token (bpe_borders.h)
 *     wholes   tokens that only a whole piece can be (bpe_wholes.h)
 *     added    the two automata of added tokens (added_tokens.h): those looked for first, and those marked `normalized`
 */
#ifndef QUERN_TOKENIZER_BPE_INDEX_H
#define QUERN_TOKENIZER_BPE_INDEX_H

#include "tokenizer/encode/added_tokens.h"
#include "tokenizer/encode/bpe_borders.h"
#include "tokenizer/encode/bpe_chain.h"
#include "tokenizer/encode/bpe_trees.h"
#include "tokenizer/encode/bpe_wholes.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/vocabulary/vocabulary.h"

#include <stdbool.h>
#include <stdint.h>

#define BPE_NO_RANK UINT32_MAX
#define BPE_NO_MERGE UINT64_MAX

struct bpe_merge_slot {
    uint64_t pair; /* left * 2^32 + right; UINT64_MAX: empty */
    uint32_t rank;
    uint32_t id;
};

struct tokenizer {
    struct vocabulary vocabulary;
    struct bpe_merge_slot *pairs;
    size_t pairs_capacity;
    uint64_t *byte_pairs;  /* [left byte * 256 + right byte]: rank * 2^32 + id; BPE_NO_MERGE */
    struct q_arena tables; /* of trees and borders: read here and there for each piece, so they share huge pages */
    struct bpe_trees trees;
    struct bpe_borders *borders;
    struct bpe_wholes wholes;
    struct added_tokens *added[2];
    uint32_t special_id[TOKENIZER_SPECIAL_COUNT];
    bool *is_special; /* [size] */
};

/* Takes the vocabulary over (also on failure: it is zeroed then). */
q_status tokenizer_create(struct vocabulary *vocabulary, struct tokenizer **out) Q_MUST_USE;

static inline const struct bpe_merge_slot *bpe_find_merge(const struct tokenizer *tokenizer, uint32_t left,
                                                          uint32_t right)
{
    uint64_t pair = (uint64_t)left << 32 | right;
    uint64_t mixed = (pair ^ pair >> 29) * 0x9E3779B97F4A7C15ull;
    size_t at = (size_t)(mixed >> 32) & (tokenizer->pairs_capacity - 1);
    while (tokenizer->pairs[at].pair != pair) {
        if (tokenizer->pairs[at].pair == UINT64_MAX)
            return NULL;
        at = (at + 1) & (tokenizer->pairs_capacity - 1);
    }
    return &tokenizer->pairs[at];
}

/* Memory for merging pieces of any length; ready when zeroed, one per thread. */
struct bpe_workspace {
    struct bpe_chain chain;
    uint64_t *dead; /* bpe_match's */
    size_t dead_capacity;
};

void bpe_workspace_release(struct bpe_workspace *workspace);

/* The tokens of a piece: what merging the neighbours with the lowest rank first, the leftmost of equals, gives when none has a merge. ids: room for `size` of
 * them; *count is how many came. Near-linear in the piece. Q_ERR_MEMORY also for a piece of 4 GiB whose merges are not ordered. */
q_status bpe_merge(const struct tokenizer *tokenizer, struct bpe_workspace *workspace, const uint8_t *piece,
                   size_t size, uint32_t *ids, size_t *count) Q_MUST_USE;
/* For a piece that comes in parts, by trees that are ordered, in their numbers: the tokens of piece[0, size) behind the token `before`, BPE_NO_TREE
 * at the start of the piece. *count = 0: none lets `before` stay. numbers: room for `size`. */
q_status bpe_match_numbers(const struct bpe_trees *trees, struct bpe_workspace *workspace, uint32_t before,
                           const uint8_t *piece, size_t size, uint32_t *numbers, size_t *count) Q_MUST_USE;
/* Of these the first *count, *bytes long, which the piece's encoding begins with however it goes on; they end between two characters. numbers: room for 2 *
 * `size`. */
q_status bpe_match_settled(const struct bpe_trees *trees, struct bpe_workspace *workspace, uint32_t before,
                           const uint8_t *piece, size_t size, uint32_t *numbers, size_t *count,
                           size_t *bytes) Q_MUST_USE;
/* The same by the definition alone: look at all pairs, merge one, begin again. What tests hold the others against. */
size_t bpe_merge_plain(const struct tokenizer *tokenizer, const uint8_t *piece, size_t size, uint32_t *ids);
/* The ways of bpe_merge. With ordered trees bpe_short, and bpe_match_numbers for what that leaves: it gives the numbers of a short piece, for which there is
 * room for `size`; 0: the piece is not short, or begins with too many tokens. Without trees bpe_merge_long, by a chain. */
enum { BPE_SHORT_BYTES = 64 };
size_t bpe_short(const struct bpe_trees *trees, const uint8_t *piece, size_t size, uint32_t *numbers);
q_status bpe_merge_long(const struct tokenizer *tokenizer, struct bpe_workspace *workspace, const uint8_t *piece,
                        size_t size, uint32_t *ids, size_t *count) Q_MUST_USE;

#endif
