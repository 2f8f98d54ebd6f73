#include "tokenizer/vocabulary.h"

#include "base/check.h"
#include "tokenizer/tokenizer.h"

/* The texts of DeepSeek-V3's special tokens, so that its prompts work unchanged. */
const char *const tokenizer_special_texts[] = {
    "<｜begin▁of▁sentence｜>",
    "<｜end▁of▁sentence｜>",
    "<｜▁pad▁｜>",
    "<｜fim▁hole｜>",
    "<｜fim▁begin｜>",
    "<｜fim▁end｜>",
    "<｜User｜>",
    "<｜Assistant｜>",
    "<|EOT|>",
    "<｜tool▁calls▁begin｜>",
    "<｜tool▁calls▁end｜>",
    "<｜tool▁call▁begin｜>",
    "<｜tool▁call▁end｜>",
    "<｜tool▁outputs▁begin｜>",
    "<｜tool▁outputs▁end｜>",
    "<｜tool▁output▁begin｜>",
    "<｜tool▁output▁end｜>",
    "<｜tool▁sep｜>",
};
const size_t tokenizer_special_texts_count = Q_COUNT_OF(tokenizer_special_texts);

void vocabulary_release(struct vocabulary *vocabulary)
{
    q_arena_release(&vocabulary->arena);
    *vocabulary = (struct vocabulary){0};
}
