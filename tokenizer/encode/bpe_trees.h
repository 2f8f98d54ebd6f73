/* How merging makes each token, and what follows from it: the same ids without merging.
 *
 * A token comes about in one way only: whatever text it stands in, the merges inside it are those that its own bytes undergo alone (as long as none
 * crosses its ends, nothing outside has a say). So every token that can come about at all has one tree of merges. Here they are numbered anew, in
 * the order of their merges' ranks: 0..255 are the bytes, then each part of a token has a lower number than the token. A merge list for which that
 * is not so (a merge that becomes possible after its turn, through a part that a later rank makes) is not `ordered`, and is left to bpe_merge_long; so is one
 * of more than BPE_PAIRS_MAX tokens.
 *
 * Two facts carry bpe_match.c:
 *   1  A sequence of tokens is the encoding of its bytes if and only if each two neighbours are the encoding of theirs: the first merge to cross a border
 *      would be seen by the two at that border alone.
 *   2  Whether two are is found by taking their trees apart, the later merge first (bpe_trees_agree): at each moment of the merging two parts face
 *      each other at the border, and it is crossed if there is a merge of these whose turn comes before that of the next merge to change one of
 *      them.
 *
 * Source: H. van Antwerpen and A. Neubeck, So many tokens, so little time, GitHub 2024, and its crate `bpe`; there for vocabularies in the order of ids.
 */
#ifndef QUERN_TOKENIZER_BPE_TREES_H
#define QUERN_TOKENIZER_BPE_TREES_H

#include "base/status.h"
#include "tokenizer/encode/bpe_characters.h"
#include "tokenizer/encode/bpe_pairs.h"
#include "tokenizer/encode/bpe_trie.h"

#include <stdbool.h>
#include <stdint.h>

struct tokenizer;

#define BPE_NO_TREE BPE_NO_NUMBER

struct bpe_tree {
    uint32_t parts[2]; /* left and right: numbers below its own; nothing for bytes */
    uint32_t shorter;  /* the longest token that is a beginning of this one; BPE_NO_TREE */
    uint32_t size;     /* bytes */
};

struct bpe_trees {
    bool ordered; /* else nothing else is filled */
    uint32_t count;
    uint32_t longest; /* bytes of the longest token */
    struct bpe_tree *trees;
    uint32_t *ids;
    uint32_t even_from;     /* from this number on the ids rise with the numbers, one by one */
    struct bpe_trie trie;   /* bytes to number */
    struct bpe_pairs pairs; /* parts to number */
    uint32_t *byte_pairs;   /* the same for two bytes: [left * 256 + right] */
    uint32_t *lowest;       /* [left * 256 + right]: of the merges across a border between these bytes; BPE_NO_TREE */
    struct bpe_characters *characters; /* tokens that short pieces begin with */
};

/* Fills `trees` of a tokenizer whose pairs are there (bpe_find_merge), in the memory of its `tables`. Not ordered: only that is said, without an error. */
size_t bpe_trees_bytes(size_t merges); /* of that memory */
q_status bpe_trees_create(struct tokenizer *tokenizer) Q_MUST_USE;
void bpe_trees_release(struct bpe_trees *trees);

/* Most vocabularies have their ids in the order of merges: then none has to be fetched. */
static inline uint32_t bpe_tree_id(const struct bpe_trees *t, uint32_t number)
{
    return number >= t->even_from ? t->ids[t->count - 1] - (t->count - 1 - number) : t->ids[number];
}

/* Two tokens side by side, being taken apart (fact 2). `limit` is the number of the merge by which the present parts end: one of the left part comes
 * before the merge across, should both be the same pair, and one of the right part after it. */
struct bpe_facing {
    uint32_t left, right, limit;
};

enum bpe_agreement { BPE_UNDECIDED, BPE_AGREE, BPE_DISAGREE };

static inline struct bpe_facing bpe_facing_of(uint32_t left, uint32_t right)
{
    return (struct bpe_facing){left, right, BPE_NO_TREE};
}

/* One step: is there a merge across, and else what is there before the later of the two came about. Which side that is, and when the end comes, no processor
 * foresees: there is no branch but the one for a pair that the filter knows. */
static inline enum bpe_agreement bpe_facing_step(const struct bpe_trees *t, uint8_t first, struct bpe_facing *f)
{
    uint64_t of_left = f->left > f->right;
    uint32_t later = of_left ? f->left : f->right;
    bool across = bpe_pairs_find(&t->pairs, first, f->left, f->right) < f->limit;
    uint32_t part = t->trees[later].parts[of_left];
    f->limit = later + 1 - (uint32_t)of_left;
    f->left = of_left ? part : f->left;
    f->right = of_left ? f->right : part;
    return across ? BPE_DISAGREE : later < 256 ? BPE_AGREE : BPE_UNDECIDED;
}

/* What bpe_trees_agree wants to know of the border before at[0]. */
static inline uint32_t bpe_lowest_across(const struct bpe_trees *t, const uint8_t *at)
{
    return t->lowest[at[-1] << 8 | at[0]];
}

/* Two tokens stay as they are side by side. `first`: the first byte of `right`. `lowest`: no merge across the border between them has a lower number; 0
 * where that is not known. */
static inline bool bpe_trees_agree(const struct bpe_trees *t, uint8_t first, uint32_t left, uint32_t right,
                                   uint32_t lowest)
{
    struct bpe_facing facing = bpe_facing_of(left, right);
    enum bpe_agreement agreement = BPE_UNDECIDED;
    while (agreement == BPE_UNDECIDED && facing.limit > lowest)
        agreement = bpe_facing_step(t, first, &facing);
    return agreement != BPE_DISAGREE;
}

#endif
