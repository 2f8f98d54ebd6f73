/* The settings of stage 3: the recipe's section `tokenizer` (docs/settings/tokenizer.md is made from the table). */
#ifndef QUERN_TOKENIZER_TOKENIZER_SETTINGS_H
#define QUERN_TOKENIZER_TOKENIZER_SETTINGS_H

#include "base/options.h"
#include "base/settings.h"
#include "tokenizer/pretokenize/pretokenize.h"
#include "tokenizer/train/bpe_train.h"
#include "tokenizer/vocabulary/vocabulary_layout.h"

/* The stage's steps, as bits of q_setting.steps. */
enum { TOKENIZER_STEP_COUNT = 1 << 0, TOKENIZER_STEP_TRAIN = 1 << 1 };

struct tokenizer_settings {
    uint64_t vocab_size;
    uint64_t min_frequency;
    uint64_t max_token_length;
    int pretokenizer; /* index into pretokenizers[] */
    int layout;       /* enum vocabulary_layout */
    uint64_t sample_bytes;
    struct q_texts compare; /* [NAME=]PATH, relative to the recipe */
    struct q_texts weights; /* count_weights.h */
    double sample;
    double checkpoint_s;
    uint64_t memory; /* bytes; 0: the standard (count_texts.h) */
};

extern const struct q_settings_table tokenizer_settings_table;

/* What training takes from the settings; the special tokens are those of the layout, which is to be applied to what training made
 * (vocabulary_layout_apply). The arena owns their texts. */
q_status tokenizer_train_options(const struct tokenizer_settings *settings, struct q_arena *arena,
                                 struct bpe_train_options *out) Q_MUST_USE;

#endif
