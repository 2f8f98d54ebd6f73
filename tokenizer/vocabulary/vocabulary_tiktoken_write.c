#include "base/check.h"
#include "tokenizer/vocabulary/tiktoken_merges.h"
#include "tokenizer/vocabulary/vocabulary_pipeline.h"
#include "tokenizer/vocabulary/vocabulary_tiktoken.h"

/* The characters that rule 2 of DeepSeek-V3's pretokenizer makes runs of. */
#define CJK "\\u4E00-\\u9FA5\\u3040-\\u309F\\u30A0-\\u30FF"
/* tiktoken has one pattern and drops what it does not match, where DeepSeek-V3 has three in sequence and keeps everything. This is one
 * that cuts alike: numbers and CJK are hard borders, so each alternative stays on one side of them, a border counts as white space to
 * (?!\S), and what nothing matches is matched at the end (pretokenize_deepseek.c says why one pass is enough). */
static const char deepseek_pattern[] =
    "\\p{N}{1,3}"
    "|[!-/:-@\\[-`{-~][A-Za-z]+"
    "|[^\\r\\n\\p{L}\\p{P}\\p{S}\\p{N}" CJK "]?[[\\p{L}\\p{M}]--[" CJK "]]+"
    "| ?[[\\p{P}\\p{S}]--[" CJK "]]+[\\r\\n]*"
    "|[[" CJK "]--[\\p{L}\\p{P}\\p{S}]]?[[" CJK "]&&[\\p{L}\\p{M}]]+"
    "|[[" CJK "]&&[\\p{P}\\p{S}]]+"
    "|\\s*[\\r\\n]+|\\s+(?![^\\s\\p{N}" CJK "])|\\s+"
    "|[^\\s\\p{L}\\p{M}\\p{P}\\p{S}\\p{N}" CJK "]+(?=[^\\s\\p{L}\\p{M}\\p{P}\\p{S}\\p{N}" CJK "][[\\p{L}\\p{M}]--[" CJK
    "]])"
    "|[^\\s\\p{L}\\p{M}\\p{P}\\p{S}\\p{N}" CJK "]+"
    "|[[" CJK "]--[\\p{L}\\p{M}\\p{P}\\p{S}]]+(?=[[" CJK "]--[\\p{L}\\p{M}\\p{P}\\p{S}]][[" CJK "]&&[\\p{L}\\p{M}]])"
    "|[[" CJK "]--[\\p{L}\\p{M}\\p{P}\\p{S}]]+";

static q_status put_base64(struct q_buffer *out, q_string bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *at = (const uint8_t *)bytes.data;
    for (size_t i = 0; i < bytes.size; i += 3) {
        size_t left = bytes.size - i;
        uint32_t bits = (uint32_t)at[i] << 16 | (left > 1 ? (uint32_t)at[i + 1] << 8 : 0) | (left > 2 ? at[i + 2] : 0);
        char four[4] = {digits[bits >> 18], digits[bits >> 12 & 63], left > 1 ? digits[bits >> 6 & 63] : '=',
                        left > 2 ? digits[bits & 63] : '='};
        Q_TRY(q_buffer_append(out, four, sizeof(four)));
    }
    return Q_OK;
}

static q_status refuse(const char *name, const char *what)
{
    return q_fail(Q_ERR_INPUT, "'%s' has %s, which a .tiktoken file cannot express", name, what);
}

static q_status check_pipeline(const struct vocabulary *v, const char *name)
{
    if (v->normalization != NORMALIZATION_NONE)
        return refuse(name, "a normalizer");
    if (v->prefix_space)
        return refuse(name, "a ByteLevel with add_prefix_space");
    for (size_t i = 0; i < v->added_count; i++)
        if (v->added[i].single_word || v->added[i].lstrip || v->added[i].rstrip)
            return refuse(name, "an added token with the flag single_word, lstrip or rstrip");
    return Q_OK;
}

/* The tokens that get a rank: bytes that are no added token, and of these not those that no text gives (no merge makes them, and pieces
 * are not looked up as they are). */
static q_status choose_tokens(const struct vocabulary *v, struct token_table *table, size_t *left_out)
{
    uint8_t *made;
    Q_TRY(q_alloc_zero(v->size, 1, &made));
    for (size_t i = 0; i < v->merge_count; i++)
        made[v->merges[i].id] = 1;
    *left_out = 0;
    q_status status = token_table_create(v->size, table);
    table->tokens = v->tokens;
    for (uint32_t id = 0; id < v->size && !status; id++) {
        if (!(v->kinds[id] & VOCABULARY_BYTES) || v->kinds[id] & VOCABULARY_ADDED)
            continue;
        if (v->tokens[id].size == 1 || made[id] || v->ignore_merges)
            *token_table_slot(table, v->tokens[id]) = id + 1;
        else
            ++*left_out;
    }
    q_release(made);
    return status;
}

/* tiktoken's merges of these ranks must be the vocabulary's, in its order. */
static q_status check_merges(const struct vocabulary *v, const struct token_table *table, const char *name)
{
    struct vocabulary_merge *merges = NULL;
    size_t count = 0, capacity = 0, i = 0;
    q_status status = tiktoken_merges(table, v->size, &merges, &count, &capacity);
    while (i < count && i < v->merge_count && memcmp(&merges[i], &v->merges[i], sizeof(*merges)) == 0)
        i++;
    if (!status && (i < count || i < v->merge_count)) {
        const struct vocabulary_merge *merge = i < v->merge_count ? &v->merges[i] : &merges[i];
        status = q_fail(Q_ERR_INPUT,
                        "'%s' cannot be a .tiktoken file: tiktoken merges in the order of ids, and would not come to "
                        "merge %zu, that of token %u",
                        name, i, merge->id);
    }
    q_release(merges);
    return status;
}

static q_status put_ranks(const struct vocabulary *v, const struct token_table *table, struct q_buffer *ranks)
{
    for (uint32_t id = 0; id < v->size; id++) {
        if (!(v->kinds[id] & VOCABULARY_BYTES) || token_table_find(table, v->tokens[id]) != id)
            continue;
        Q_TRY(put_base64(ranks, v->tokens[id]));
        Q_TRY(q_buffer_printf(ranks, " %u\n", id));
    }
    return Q_OK;
}

/* The one pattern that cuts as the pretokenizer does; NULL where there is none. */
static q_string pattern_of(const struct pretokenizer *pretokenizer)
{
    const struct pretokenize_rule *rule = pretokenizer->rules;
    if (!strcmp(pretokenizer->name, "deepseek-v3"))
        return (q_string){deepseek_pattern, sizeof(deepseek_pattern) - 1};
    return pretokenizer->rule_count == 1 && rule->kind == PRETOKENIZE_REGEX && rule->behavior == PRETOKENIZE_ISOLATED &&
                   !rule->invert
               ? rule->pattern
               : (q_string){0};
}

static q_status put_companion(const struct vocabulary *v, const char *name, struct q_buffer *out)
{
    q_string built_in = q_string_of(v->pretokenizer->name), pattern = pattern_of(v->pretokenizer);
    if (!pattern.size)
        return refuse(name, "a pretokenizer of several patterns");
    Q_TRY(q_buffer_printf(out, "{\n  "));
    if (pretokenizer_named(built_in))
        Q_TRY(q_buffer_printf(out, "\"pretokenizer\": \"%s\",\n  ", v->pretokenizer->name));
    Q_TRY(q_buffer_printf(out, "\"pat_str\": "));
    Q_TRY(vocabulary_put_quoted(out, pattern));
    Q_TRY(q_buffer_printf(out, ",\n  \"special_tokens\": {"));
    for (size_t i = 0; i < v->added_count; i++) {
        Q_TRY(q_buffer_printf(out, "%s\n    ", i ? "," : ""));
        Q_TRY(vocabulary_put_quoted(out, v->added[i].text));
        Q_TRY(q_buffer_printf(out, ": %u", v->added[i].id));
    }
    return q_buffer_printf(out, "%s}\n}\n", v->added_count ? "\n  " : "");
}

q_status vocabulary_write_tiktoken(const struct vocabulary *vocabulary, const char *name, struct q_buffer *ranks,
                                   struct q_buffer *companion, size_t *left_out)
{
    struct token_table table = {0};
    Q_TRY(check_pipeline(vocabulary, name));
    q_status status = choose_tokens(vocabulary, &table, left_out);
    if (!status)
        status = check_merges(vocabulary, &table, name);
    if (!status)
        status = put_ranks(vocabulary, &table, ranks);
    if (!status)
        status = put_companion(vocabulary, name, companion);
    token_table_release(&table);
    return status;
}
