/* Bits per byte: how many bits a model needs for a byte of text it has not seen, special tokens' bits included, their bytes not counted as
 * text (Gao et al., "The Pile", section 3.1). Comparable between vocabularies, unlike the loss per token.
 */
#ifndef QUERN_TRAIN_EVAL_BITS_H
#define QUERN_TRAIN_EVAL_BITS_H

#include "shards/shards.h"
#include "tokenizer/tokenizer.h"
#include "train/files/opened_model.h"

#include <stdint.h>

struct eval_bits {
    double nats;
    uint64_t targets;
    uint64_t bytes; /* of text that the targets stand for */
};

static inline double eval_bits_per_byte(const struct eval_bits *bits)
{
    return bits->bytes ? bits->nats / 0.69314718055994530942 / (double)bits->bytes : 0;
}

/* Which sequences of a split are looked at: `count` of them, evenly spread. */
struct eval_selection {
    const struct shards *shards;
    uint64_t count;
};
struct eval_selection eval_select(const struct shards *shards, uint64_t sequences_max);
uint64_t eval_selected(const struct eval_selection *selection, uint64_t index); /* sequence number */

/* by_source[shards->source_count] is filled; sums in order, in double: the same for any number of threads. */
q_status eval_bits_of_model(const struct eval_selection *selection, struct opened_model *model,
                            const uint32_t *token_bytes, struct eval_bits *by_source) Q_MUST_USE;

/* The same for a model that knows only how often each token came in `counts` [vocabulary]: p = (count + 1) / (sum + vocabulary). */
q_status eval_bits_of_unigram(const struct eval_selection *selection, const uint64_t *counts,
                              const uint32_t *token_bytes, struct eval_bits *by_source) Q_MUST_USE;

/* bytes[id] for every id below `vocabulary`: what it adds to a text; special and unused ids add nothing. */
void eval_token_bytes(const struct tokenizer *tokenizer, uint32_t vocabulary, uint32_t *bytes);

struct eval_bits eval_bits_sum(const struct eval_bits *parts, size_t count);

#endif
