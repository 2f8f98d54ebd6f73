/* The built-in pretokenizers, and what all of them have in common. */
#include "tokenizer/pretokenize.h"

#include "base/check.h"
#include "tokenizer/pretokenize_engine.h"
#include "tokenizer/unicode/unicode_classes.h"
#include "tokenizer/unicode/utf8_decode.h"

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
static const struct pretokenize_engine deepseek_engine = {.cut = pretokenize_deepseek};
static const struct pretokenizer deepseek_v3 = {"deepseek-v3", deepseek_rules, Q_COUNT_OF(deepseek_rules),
                                                &deepseek_engine};

const struct pretokenizer *const pretokenizers[] = {&deepseek_v3, NULL};

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

/* How many rules at the start of both are the same. */
static size_t same_rules(const struct pretokenizer *pretokenizer, const struct pretokenize_rule *rules, size_t count)
{
    size_t same = 0;
    while (same < count && same < pretokenizer->rule_count && same_rule(&rules[same], &pretokenizer->rules[same]))
        same++;
    return same;
}

q_status pretokenizer_create(const struct pretokenize_rule *rules, size_t count, const struct pretokenizer **out)
{
    size_t best = 0;
    for (size_t i = 0; pretokenizers[i]; i++) {
        size_t same = same_rules(pretokenizers[i], rules, count);
        if (same == count && same == pretokenizers[i]->rule_count) {
            *out = pretokenizers[i];
            return Q_OK;
        }
        best = Q_MAX(best, same);
    }
    q_string pattern = best < count ? rules[best].pattern : (q_string){"", 0};
    return q_fail(Q_ERR_INPUT, "the pretokenizer's pattern '%.*s' is not one that quern knows",
                  (int)Q_MIN(pattern.size, (size_t)200), pattern.data);
}

const struct pretokenizer *pretokenizer_keep(const struct pretokenizer *pretokenizer)
{
    return pretokenizer;
}

void pretokenizer_release(const struct pretokenizer *pretokenizer)
{
    (void)pretokenizer;
}

void pretokenize_scratch_release(struct pretokenize_scratch *scratch)
{
    (void)scratch;
}

q_status pretokenizer_cut(const struct pretokenizer *pretokenizer, struct pretokenize_scratch *scratch, q_string text,
                          size_t *at, size_t *ends, size_t max, size_t *count)
{
    (void)scratch;
    *count = pretokenizer->engine->cut(text, at, ends, max);
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
    (void)pretokenizer;
    if (text.size == 0)
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
