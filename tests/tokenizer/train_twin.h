/* Training by the definition alone: all pairs counted anew before each merge. What bpe_train is held against. */
#ifndef QUERN_TESTS_TRAIN_TWIN_H
#define QUERN_TESTS_TRAIN_TWIN_H

#include "tokenizer/bpe_train.h"

/* The merges, at most options->vocab_size of them in `out`; returns how many. Small inputs only. */
size_t train_twin(const struct counts *counts, const struct bpe_train_options *options, struct vocabulary_merge *out);

#endif
