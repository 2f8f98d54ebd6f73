/* Pieces that are a token as a whole, where the vocabulary says so (ignore_merges).
 *
 * For a token that merging its bytes gives, both ways come to the same. Here are the others: most vocabularies have none, and then nothing is looked up. Only
 * whole pieces of the pretokenizer count, so this comes before a piece is cut at hard borders, and outside the cache.
 */
#ifndef QUERN_TOKENIZER_BPE_WHOLES_H
#define QUERN_TOKENIZER_BPE_WHOLES_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

struct tokenizer;

struct bpe_wholes {
    uint32_t *ids; /* by the hash of their bytes; UINT32_MAX: empty */
    size_t capacity, count;
    size_t bytes_max; /* of the longest */
};

/* From a tokenizer that can merge. Empty where the vocabulary does not ignore merges. */
q_status bpe_wholes_create(const struct tokenizer *tokenizer, struct bpe_wholes *out) Q_MUST_USE;
void bpe_wholes_release(struct bpe_wholes *wholes);

/* The token that this piece is though merging would give others; UINT32_MAX where there is none. */
uint32_t bpe_wholes_find(const struct tokenizer *tokenizer, const uint8_t *piece, size_t size);

#endif
