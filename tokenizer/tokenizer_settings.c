#include "tokenizer/tokenizer_settings.h"

#include "tokenizer/tokenizer.h"

/* The names of pretokenizers[], in its order (test_pretokenize.c compares them). */
static const char *const pretokenizer_names[] = {"deepseek-v3", "gpt2", "cl100k", "o200k", "llama3", "qwen2", NULL};

#define AT(member) offsetof(struct tokenizer_settings, member)

static const struct q_setting rows[] = {
    {.name = "vocab_size",
     .type = Q_SETTING_COUNT,
     .offset = AT(vocab_size),
     .unit = "tokens",
     .standard = "128000",
     .min = 512,
     .max = VOCABULARY_SIZE_MAX,
     .steps = TOKENIZER_STEP_TRAIN,
     .meaning = "size of the vocabulary: special tokens, the 256 bytes and the merges; fewer where the text has no "
                "more to merge"},
    {.name = "min_frequency",
     .type = Q_SETTING_U64,
     .offset = AT(min_frequency),
     .standard = "1",
     .min = 1,
     .max = 1e15,
     .steps = TOKENIZER_STEP_TRAIN,
     .meaning = "how often a pair must occur to become a token"},
    {.name = "max_token_length",
     .type = Q_SETTING_U64,
     .offset = AT(max_token_length),
     .unit = "bytes",
     .standard = "0",
     .min = 0,
     .max = VOCABULARY_TOKEN_BYTES_MAX,
     .steps = TOKENIZER_STEP_TRAIN,
     .meaning = "a merge that would make a token of this length or more is not made; 0 is no bound"},
    {.name = "pretokenizer",
     .type = Q_SETTING_CHOICE,
     .offset = AT(pretokenizer),
     .standard = "deepseek-v3",
     .choices = pretokenizer_names,
     .steps = TOKENIZER_STEP_COUNT,
     .meaning = "how text is cut into the pieces that merges never cross"},
    {.name = "layout",
     .type = Q_SETTING_CHOICE,
     .offset = AT(layout),
     .standard = "plain",
     .choices = vocabulary_layout_names,
     .steps = TOKENIZER_STEP_TRAIN,
     .meaning = "order of the ids: special tokens first, or begin, end and padding first and all others, with "
                "placeholders, last (docs/formats/tokenizer.md)"},
    {.name = "sample_bytes",
     .type = Q_SETTING_BYTES,
     .offset = AT(sample_bytes),
     .unit = "bytes",
     .standard = "64KiB",
     .min = 0,
     .max = 1e12,
     .steps = TOKENIZER_STEP_COUNT,
     .meaning = "text of each language that a part gives for the report's bytes per token"},
    {.name = "compare",
     .type = Q_SETTING_TEXTS,
     .offset = AT(compare),
     .tag = Q_TAG_OPERATIONAL,
     .meaning =
         "other vocabularies, as [NAME=]PATH relative to the recipe, that the report sets against this one on the "
         "same sample"},
    {.name = "weights",
     .type = Q_SETTING_TEXTS,
     .offset = AT(weights),
     .steps = TOKENIZER_STEP_COUNT,
     .meaning = "how much documents count, as `lang:en=0.5` or `source:wiki=3`, `*` for all others; both multiply. "
                "0 leaves them out"},
    {.name = "sample",
     .type = Q_SETTING_DOUBLE,
     .offset = AT(sample),
     .standard = "1",
     .min = 0,
     .max = 1,
     .steps = TOKENIZER_STEP_COUNT,
     .meaning = "share of the documents that are counted, chosen by the run's seed and their ids"},
    {.name = "memory",
     .type = Q_SETTING_BYTES,
     .tag = Q_TAG_OPERATIONAL,
     .offset = AT(memory),
     .unit = "bytes",
     .standard = "0",
     .min = 0,
     .max = 0x1p50,
     .meaning = "what the process takes at most; what does not fit goes to disk. 0 is half of the machine's memory"},
    {.name = "checkpoint_s",
     .type = Q_SETTING_DOUBLE,
     .tag = Q_TAG_OPERATIONAL,
     .offset = AT(checkpoint_s),
     .unit = "seconds",
     .standard = "60",
     .min = 0,
     .max = 1e9,
     .meaning = "how often training writes its merges, to go on from after a kill. 0: only when asked to stop"},
    {0},
};

const struct q_settings_table tokenizer_settings_table = {"tokenizer", rows, sizeof(struct tokenizer_settings)};

q_status tokenizer_train_options(const struct tokenizer_settings *settings, struct q_arena *arena,
                                 struct bpe_train_options *out)
{
    *out = (struct bpe_train_options){
        .vocab_size = settings->vocab_size,
        .min_frequency = settings->min_frequency,
        .max_token_length = settings->max_token_length,
    };
    return vocabulary_layout_special((enum vocabulary_layout)settings->layout, settings->vocab_size, arena,
                                     &out->special, &out->special_count);
}
