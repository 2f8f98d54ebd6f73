/* The built-in pretokenizers, and what all of them have in common. */
#include "tokenizer/pretokenize/pretokenize.h"

#include "base/check.h"
#include "tokenizer/pretokenize/pretokenize_general.h"
#include "tokenizer/pretokenize/pretokenize_pattern.h"
#include "tokenizer/unicode/utf8_decode.h"

#include <pthread.h>
#include <stdlib.h>

#define REGEX(text)                                                                                                    \
    {                                                                                                                  \
        .kind = PRETOKENIZE_REGEX, .pattern = Q_STRING(text), .behavior = PRETOKENIZE_ISOLATED                         \
    }

static const struct pretokenize_rule deepseek_rules[] = {
    REGEX("\\p{N}{1,3}"),
    REGEX("[\xE4\xB8\x80-\xE9\xBE\xA5\xE3\x81\x80-\xE3\x82\x9F\xE3\x82\xA0-\xE3\x83\xBF]+"),
    REGEX("[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"
          "| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"),
};
static const struct pretokenize_rule gpt2_rules[] = {
    REGEX("'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"),
};
/* tiktoken writes {1,3}+ for the digits, which Hugging Face's Oniguruma reads as any number of them, and $ for the end, which there is that of a line: without
 * the + and by \z it is the same to both. */
static const struct pretokenize_rule cl100k_rules[] = {
    REGEX("'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}++|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*+|\\s++\\z"
          "|\\s*[\\r\\n]|\\s+(?!\\S)|\\s"),
};
static const struct pretokenize_rule o200k_rules[] = {
    REGEX("[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+"
          "(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+"
          "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*"
          "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"),
};
static const struct pretokenize_rule llama3_rules[] = {
    REGEX("(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"
          "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"),
};
static const struct pretokenize_rule qwen2_rules[] = {
    REGEX("(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"
          "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"),
};

/* Cut by the row of their own number in a struct pretokenize_way. */
static const struct pretokenizer built_in[PRETOKENIZE_BUILT_INS] = {
    [PRETOKENIZE_DEEPSEEK_V3] = {"deepseek-v3", deepseek_rules, Q_COUNT_OF(deepseek_rules), NULL},
    [PRETOKENIZE_GPT2] = {"gpt2", gpt2_rules, Q_COUNT_OF(gpt2_rules), NULL},
    [PRETOKENIZE_CL100K] = {"cl100k", cl100k_rules, Q_COUNT_OF(cl100k_rules), NULL},
    [PRETOKENIZE_O200K] = {"o200k", o200k_rules, Q_COUNT_OF(o200k_rules), NULL},
    [PRETOKENIZE_LLAMA3] = {"llama3", llama3_rules, Q_COUNT_OF(llama3_rules), NULL},
    [PRETOKENIZE_QWEN2] = {"qwen2", qwen2_rules, Q_COUNT_OF(qwen2_rules), NULL},
};

const struct pretokenizer *const pretokenizers[] = {&built_in[0], &built_in[1], &built_in[2], &built_in[3],
                                                    &built_in[4], &built_in[5], NULL};
_Static_assert(Q_COUNT_OF(pretokenizers) == PRETOKENIZE_BUILT_INS + 1, "all of them");

size_t pretokenize_ways(const struct pretokenize_way *ways[4])
{
    size_t count = 0;
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("bmi2"))
        ways[count++] = &pretokenize_avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2"))
        ways[count++] = &pretokenize_avx2;
#elif defined(__aarch64__)
    ways[count++] = &pretokenize_neon;
#endif
    ways[count++] = &pretokenize_plain;
    return count;
}

static const struct pretokenize_way *way;

/* QUERN_PRETOKENIZE names another way than the fastest, to compare them; a name that this processor does not know changes nothing. */
static void choose_way(void)
{
    const struct pretokenize_way *ways[4];
    size_t count = pretokenize_ways(ways);
    const char *wanted = getenv("QUERN_PRETOKENIZE");
    way = ways[0];
    for (size_t i = 0; i < count && wanted; i++)
        if (strcmp(wanted, ways[i]->name) == 0)
            way = ways[i];
}

const struct pretokenizer *pretokenizer_named(q_string name)
{
    for (size_t i = 0; pretokenizers[i]; i++)
        if (q_string_is(name, pretokenizers[i]->name))
            return pretokenizers[i];
    return NULL;
}

static bool same_rule(const struct pretokenize_rule *a, const struct pretokenize_rule *b)
{
    return a->kind == b->kind && q_string_equal(a->pattern, b->pattern) && a->behavior == b->behavior &&
           a->invert == b->invert && a->individual_digits == b->individual_digits;
}

static bool same_rules(const struct pretokenizer *pretokenizer, const struct pretokenize_rule *rules, size_t count)
{
    for (size_t i = 0; i < count && i < pretokenizer->rule_count; i++)
        if (!same_rule(&rules[i], &pretokenizer->rules[i]))
            return false;
    return count == pretokenizer->rule_count;
}

q_status pretokenizer_create(const struct pretokenize_rule *rules, size_t count, const struct pretokenizer **out)
{
    for (size_t i = 0; pretokenizers[i]; i++) {
        if (same_rules(pretokenizers[i], rules, count)) {
            *out = pretokenizers[i];
            return Q_OK;
        }
    }
    return pretokenize_general_create(rules, count, out);
}

const struct pretokenizer *pretokenizer_keep(const struct pretokenizer *pretokenizer)
{
    if (pretokenizer->general)
        pretokenize_general_keep(pretokenizer->general);
    return pretokenizer;
}

void pretokenizer_release(const struct pretokenizer *pretokenizer)
{
    if (pretokenizer && pretokenizer->general)
        pretokenize_general_release(pretokenizer->general);
}

void pretokenize_scratch_release(struct pretokenize_scratch *scratch)
{
    pretokenize_passes_release(scratch->passes);
    scratch->passes = NULL;
}

q_status pretokenizer_cut(const struct pretokenizer *pretokenizer, struct pretokenize_scratch *scratch, q_string text,
                          size_t *at, size_t *ends, size_t max, size_t *count)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (pretokenizer->general)
        return pretokenize_general_cut(pretokenizer->general, &scratch->passes, text, at, ends, max, count);
    (void)pthread_once(&once, choose_way);
    *count = way->cut[pretokenizer - built_in](text, at, ends, max);
    return Q_OK;
}

/* The whole character behind which `at` lies; bytes = 0 where there is none or it is broken. */
static struct utf8_code character_before(const uint8_t *start, const uint8_t *at)
{
    const uint8_t *lead = at;
    while (lead > start && at - lead < 4 && utf8_is_tail(*--lead)) {
    }
    struct utf8_code found = lead < at ? utf8_decode(lead, at) : (struct utf8_code){0, 0};
    return lead + found.bytes == at && found.code != UTF8_REPLACEMENT ? found : (struct utf8_code){0, 0};
}

/* Every built-in pattern cuts between these two, whatever is around them: behind a letter that no letter, mark or apostrophe (of a contraction) follows;
 * and before white space behind something else, if it ends no line (line ends may belong to a sign before them). And what lies on the left is cut as at the end
 * of a text, since (?!\S), the only look ahead, stands behind white space alone. */
static bool is_border(uint32_t before, uint32_t behind)
{
    uint32_t left = unicode_class(before), right = unicode_class(behind);
    if (behind == UTF8_REPLACEMENT) /* or a character of which the rest is to come */
        return false;
    if (left & UNICODE_LETTER)
        return !(right & (UNICODE_LETTER | UNICODE_MARK)) && behind != '\'';
    return !(left & UNICODE_SPACE) && right & UNICODE_SPACE && behind != '\n' && behind != '\r';
}

size_t pretokenizer_final(const struct pretokenizer *pretokenizer, q_string text)
{
    if (text.size == 0 || pretokenizer->general)
        return 0;
    const uint8_t *start = (const uint8_t *)text.data, *end = start + text.size;
    for (const uint8_t *at = end - 1; at > start; at--) {
        if (utf8_is_tail(*at))
            continue;
        struct utf8_code before = character_before(start, at);
        if (before.bytes && is_border(before.code, utf8_decode(at, end).code))
            return (size_t)(at - start);
    }
    return 0;
}
