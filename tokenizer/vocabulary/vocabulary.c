#include "tokenizer/vocabulary/vocabulary.h"

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
    pretokenizer_release(vocabulary->pretokenizer);
    *vocabulary = (struct vocabulary){0};
}

/* ByteLevel spells these bytes as themselves, so that an added token of them alone is also the token of its bytes. */
static bool is_visible_ascii(q_string text)
{
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] <= ' ' || text.data[i] > '~')
            return false;
    return true;
}

q_status vocabulary_complete(struct vocabulary *vocabulary)
{
    Q_TRY(q_arena_alloc(&vocabulary->arena, vocabulary->size, sizeof(*vocabulary->kinds), &vocabulary->kinds));
    for (uint32_t id = 0; id < vocabulary->size; id++)
        if (vocabulary->tokens[id].data)
            vocabulary->kinds[id] = VOCABULARY_MODEL | VOCABULARY_BYTES;
    for (size_t i = 0; i < vocabulary->added_count; i++) {
        struct vocabulary_added *added = &vocabulary->added[i];
        added->match = added->text;
        vocabulary->kinds[added->id] |= VOCABULARY_ADDED;
        if (!is_visible_ascii(added->text))
            vocabulary->kinds[added->id] &= (uint8_t)~VOCABULARY_BYTES;
    }
    return Q_OK;
}
