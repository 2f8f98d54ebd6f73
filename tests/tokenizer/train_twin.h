/* Training by the definition alone: all pairs counted anew before each merge. What bpe_train is held against. */
#ifndef QUERN_TESTS_TRAIN_TWIN_H
#define QUERN_TESTS_TRAIN_TWIN_H

#include "tokenizer/train/bpe_train.h"

/* The merges (behind those of options->base), at most options->vocab_size of them in `out`; returns how many. Small inputs only. */
size_t train_twin(const struct counts *counts, const struct bpe_train_options *options, struct vocabulary_merge *out);

/* Words of few letters, so that equal counts are common; added to the counts. */
void train_twin_corpus(uint64_t *dice, struct counts *counts);
/* One of the many ways to do the same: threads, bounds on memory that let the floor rise and fall, lists that are shared or read twice. */
void train_twin_tune(uint64_t *dice, struct bpe_train_options *options);

#endif
