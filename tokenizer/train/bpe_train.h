/* Training of byte-level BPE from counts of pieces, with exactly the merges of Hugging Face's BpeTrainer.
 *
 * The pair of neighbouring tokens with the highest count becomes a token, again and again. The order in full, since ids depend on it:
 *
 *   - highest count first; of equal counts the pair with the smaller (left id, right id);
 *   - counts are of overlapping windows ("aaa" holds two "aa"); merging goes from left to right and does not overlap;
 *   - ids: special tokens, the 256 bytes in ByteLevel's alphabet, then a token per merge; a merge whose bytes are a special token's text gives
 *     that token's id, and the vocabulary does not grow by it;
 *   - a pair whose token would have max_token_length bytes or more is not counted (the first pairs, of two bytes, always are);
 *   - the end: the vocabulary is full, or no pair is left with max(1, min_frequency).
 *
 * Unlike the model it follows, counts are 64-bit.
 *
 * The result depends on the counts alone, never on their order.
 */
#ifndef QUERN_TOKENIZER_BPE_TRAIN_H
#define QUERN_TOKENIZER_BPE_TRAIN_H

#include "base/status.h"
#include "tokenizer/count/counts.h"
#include "tokenizer/train/bpe_source.h"
#include "tokenizer/vocabulary/vocabulary.h"

#include <stdbool.h>
#include <stdint.h>

/* What decides over time and memory alone, never over the result; 0 is the standard. For tests, which want every path on small corpora. */
struct bpe_train_tuning {
    uint64_t chunk;        /* places that a thread keeps from one walk to the next */
    uint64_t shared_bytes; /* of a list, from which threads share it */
    uint64_t floor_share;  /* of the mean count of a token */
    uint64_t budget;       /* bytes for the queue and the lists of places, whatever `memory` is */
    uint64_t stop_after;   /* merges, as if asked to stop then */
};

/* Whether to begin with the merges of the checkpoint, if there is one. One of another training is a failure, or is left alone. */
enum bpe_resume { BPE_RESUME_NO, BPE_RESUME, BPE_RESUME_IF_SAME };

struct bpe_train_options {
    uint64_t vocab_size;        /* special tokens, bytes and merges; at most VOCABULARY_SIZE_MAX */
    uint64_t min_frequency;     /* of a pair that is merged; 0 and 1 are the same */
    uint64_t max_token_length;  /* bytes; a longer token is not made. 0: no bound */
    const char *const *special; /* texts of the special tokens, distinct */
    size_t special_count;
    const struct vocabulary *base; /* extended: its ids, special tokens and merges come first. NULL: none */
    /* How it is done, which the result does not depend on. */
    unsigned threads; /* 0: one */
    uint64_t memory;  /* bytes that the process may have resident at its peak; 0: no bound */
    const char *
        checkpoint; /* where the merges so far are written from time to time, and where there is a stop. NULL: nowhere */
    double checkpoint_s;
    enum bpe_resume resume;
    struct bpe_train_tuning tuning;
};

/* Whether there is room for special tokens and bytes, and the size is within bounds: Q_ERR_USAGE. What can be known before any text is read. */
q_status bpe_train_check(const struct bpe_train_options *options) Q_MUST_USE;

/* Reads the source twice: pieces of this pretokenizer, counts in units of 1/scale (count_stream.h), by which min_frequency is multiplied. source->finish is
 * called as soon as the source is not needed any more, and where it was not by the time of a failure, never. Reports progress as "train", in merges. *out is to
 * be zeroed before and released after a failure too. Q_ERR_USAGE: as bpe_train_check; the memory is too little (the text says the least that would do).
 * Q_ERR_INPUT: counts that stand for more than 2^60 bytes; a checkpoint that is damaged or belongs to another training; a base that cannot be extended.
 * Q_STOPPED: asked to stop; the checkpoint has all merges so far. */
q_status bpe_train_source(struct bpe_source *source, const struct pretokenizer *pretokenizer, uint32_t scale,
                          const struct bpe_train_options *options, struct vocabulary *out) Q_MUST_USE;

/* The same from a table, which is released on the way. */
q_status bpe_train(struct counts *counts, const struct bpe_train_options *options, struct vocabulary *out) Q_MUST_USE;

#endif
