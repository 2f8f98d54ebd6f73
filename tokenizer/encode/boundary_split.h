/* The remedy for the token boundary bias: tokens that join punctuation with line breaks are split at random in training data.
 *
 * A pretokenizer like DeepSeek-V3's gives tokens such as ".\n" or " {\n\n". A prompt that ends behind the full stop then never looks like the text a model was
 * trained on, where the line break was part of the token (Lundberg, "The art of prompt design: prompt boundaries and token healing", 2023).
 * DeepSeek-V3 splits "a certain proportion" of such tokens in training (arXiv 2412.19437, 4.1); the report does not tell the proportion.
 *
 * In full, since ids depend on it:
 *
 *   joined token   one of the vocabulary's that is no added token and has a place
 *   place          in a token's bytes: behind a whole character of the classes P or S (Unicode 16), before a carriage return or line feed
 *   the draws      the joined token with index i among the ids of a text that begins at byte b of its document takes two numbers under the key (seed,
 *                  "boundary split", document): it is split where number 2 (b + i) is below the share, and at place number
 *                  [2 (b + i) + 1] x places, rounded down
 *   the split      the bytes before the place and those from it on are each encoded as a piece on its own (without dropout)
 *
 * A text has no more ids than bytes, so no two tokens of a document share a draw, and the ids are a pure function of (seed, document, place, text,
 * share). The text they decode to stays the same.
 */
#ifndef QUERN_TOKENIZER_BOUNDARY_SPLIT_H
#define QUERN_TOKENIZER_BOUNDARY_SPLIT_H

#include "base/hash.h"
#include "base/random.h"
#include "tokenizer/encode/bpe_index.h"

/* How many places a token has, and where place `which` is, 0 <= which < that number. */
size_t boundary_split_places(q_string token);
size_t boundary_split_place(q_string token, size_t which);

struct boundary_split {
    double share; /* of joined tokens, 0..1 */
    q_random_key key;
};

static inline struct boundary_split boundary_split_of(double share, uint64_t seed, q_hash document)
{
    return (struct boundary_split){share, q_random_key_of(seed, "boundary split", document.high, document.low)};
}

struct boundary_cut {
    size_t index; /* of the token among the text's ids */
    size_t count; /* ids that stand for it */
};

/* Ready when zeroed, one per thread and tokenizer. */
struct boundary_split_workspace {
    uint64_t *joined; /* a bit for each id; NULL: not made yet */
    struct bpe_workspace merging;
    struct boundary_cut *cuts;
    size_t cut_capacity;
    struct tokenizer_ids parts; /* the ids of all splits of a text, end to end */
};

void boundary_split_workspace_release(struct boundary_split_workspace *workspace);

/* Splits among ids[from, count) of a text that begins at byte `position` of its document; *ids grows. After a failure the ids are as they were. */
q_status boundary_split_apply(const struct tokenizer *tokenizer, struct boundary_split_workspace *workspace,
                              const struct boundary_split *split, uint64_t position, size_t from,
                              struct tokenizer_ids *ids) Q_MUST_USE;

#endif
