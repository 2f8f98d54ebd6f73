#include "tokenizer/vocabulary/vocabulary_layout.h"

#include "base/check.h"
#include "tokenizer/tokenizer.h"

#include <stdlib.h>

const char *const vocabulary_layout_names[] = {"plain", "deepseek-v3", NULL};

/* The texts before the bytes; the rest of tokenizer_special_texts is at the end. */
enum { HEAD = 3, IDS_PER_PLACEHOLDER = 161 };

static const char placeholder_start[] = "<｜place▁holder▁no▁", placeholder_end[] = "｜>";

bool vocabulary_is_placeholder(q_string text)
{
    return q_string_starts(text, placeholder_start) && q_string_ends(text, placeholder_end);
}

q_status vocabulary_layout_special(enum vocabulary_layout layout, uint64_t vocab_size, struct q_arena *arena,
                                   const char *const **texts, size_t *count)
{
    size_t named = tokenizer_special_texts_count, placeholders = (size_t)(vocab_size / IDS_PER_PLACEHOLDER);
    const char **list;
    if (layout == VOCABULARY_PLAIN) {
        *texts = tokenizer_special_texts;
        *count = named;
        return Q_OK;
    }
    Q_TRY(q_arena_alloc(arena, named + placeholders, sizeof(*list), &list));
    for (size_t i = 0; i < HEAD; i++)
        list[i] = tokenizer_special_texts[i];
    for (size_t i = 0; i < placeholders; i++)
        Q_TRY(q_arena_printf(arena, &list[HEAD + i], "%s%zu%s", placeholder_start, i, placeholder_end));
    for (size_t i = HEAD; i < named; i++)
        list[placeholders + i] = tokenizer_special_texts[i];
    *texts = list;
    *count = named + placeholders;
    return Q_OK;
}

/* Ids in three groups, each in the order it has: the first special tokens, then all that is no special token, then the other special tokens. */
static void number(const struct vocabulary *v, const uint8_t *group, uint32_t *id_of)
{
    uint32_t next = 0;
    for (uint8_t wanted = 0; wanted < 3; wanted++)
        for (uint32_t id = 0; id < v->size; id++)
            if (group[id] == wanted)
                id_of[id] = next++;
    q_check(next == v->size);
}

static int by_id(const void *left, const void *right)
{
    uint32_t a = ((const struct vocabulary_added *)left)->id, b = ((const struct vocabulary_added *)right)->id;
    return (a > b) - (a < b);
}

/* Begin, end, padding and placeholders are found before all others and marked special. The named ones behind them are looked for after them, and but for
 * the end of a turn they are text to whoever leaves special tokens out when decoding. */
static void set_flags(struct vocabulary_added *added)
{
    bool named = true;
    for (size_t i = 0; i < HEAD; i++)
        named = named && !q_string_is(added->text, tokenizer_special_texts[i]);
    named = named && !vocabulary_is_placeholder(added->text);
    added->normalized = named;
    added->special = !named || q_string_is(added->text, "<|EOT|>");
}

/* Those behind the merges are no tokens of the model, as in DeepSeek-V3's file, unless a merge gives one ("<|EOT|>" out of text that is full of it):
 * Hugging Face's reader then numbers the others by the model's size, and they must be in it. */
static void set_kinds(struct vocabulary *v)
{
    for (size_t i = 0; i < v->merge_count; i++)
        if (v->kinds[v->merges[i].id] & VOCABULARY_ADDED)
            return;
    for (size_t i = HEAD; i < v->added_count; i++)
        v->kinds[v->added[i].id] = VOCABULARY_ADDED;
}

static void renumber(struct vocabulary *v, const uint32_t *id_of, q_string *tokens, uint8_t *kinds)
{
    for (uint32_t id = 0; id < v->size; id++) {
        tokens[id_of[id]] = v->tokens[id];
        kinds[id_of[id]] = v->kinds[id];
    }
    v->tokens = tokens;
    v->kinds = kinds;
    for (unsigned byte = 0; byte < 256; byte++)
        v->byte_id[byte] = id_of[v->byte_id[byte]];
    for (size_t i = 0; i < v->merge_count; i++) {
        struct vocabulary_merge *merge = &v->merges[i];
        *merge = (struct vocabulary_merge){id_of[merge->left], id_of[merge->right], id_of[merge->id]};
    }
    for (size_t i = 0; i < v->added_count; i++) {
        v->added[i].id = id_of[v->added[i].id];
        set_flags(&v->added[i]);
    }
    if (v->added_count)
        qsort(v->added, v->added_count, sizeof(*v->added), by_id);
    set_kinds(v);
}

q_status vocabulary_layout_apply(enum vocabulary_layout layout, struct vocabulary *vocabulary)
{
    q_string *tokens;
    uint32_t *id_of;
    uint8_t *group, *kinds;
    if (layout == VOCABULARY_PLAIN)
        return Q_OK;
    Q_TRY(q_arena_alloc(&vocabulary->arena, vocabulary->size, sizeof(*tokens), &tokens));
    Q_TRY(q_arena_alloc(&vocabulary->arena, vocabulary->size, sizeof(*kinds), &kinds));
    Q_TRY(q_alloc_zero(vocabulary->size, sizeof(*id_of) + sizeof(*group), &id_of));
    group = (uint8_t *)(id_of + vocabulary->size);
    memset(group, 1, vocabulary->size);
    for (size_t i = 0; i < vocabulary->added_count; i++)
        group[vocabulary->added[i].id] = i < HEAD ? 0 : 2;
    number(vocabulary, group, id_of);
    renumber(vocabulary, id_of, tokens, kinds);
    q_release(id_of);
    return Q_OK;
}
