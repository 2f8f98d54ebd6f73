/* The plain way to cut by a built-in pattern: one piece, one character at a time.
 *
 * Each function is an alternative or two of the regular expressions, in their order. They need no backtracking because the kind of a piece is told by the
 * characters it begins with. For DeepSeek-V3, which is three splits, each of the pieces of the one before:
 *
 *   1  \p{N}{1,3}
 *   2  [U+4E00-9FA5 U+3040-309F U+30A0-30FF]+
 *   3  [ASCII punctuation][A-Za-z]+ | [^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+ |  ?[\p{P}\p{S}]+[\r\n]* | \s*[\r\n]+ | \s+(?!\S) | \s+
 *
 * After 1 and 2 the text is runs of numbers, of CJK and of the rest; no class that 3 names holds a number, and a piece of 3 stays in one run. So
 * number runs and changes to and from CJK are hard borders, at which (?!\S) holds as it does at the end of the text. What 3 leaves unmatched is runs of
 * characters with no class at all (controls, unassigned ones); the last of such a run begins a word where a letter or mark follows.
 */
#include "tokenizer/pretokenize/pretokenize_pattern.h"
#include "tokenizer/unicode/utf8_decode.h"

/* A character: its category as a set, its side of the CJK border (0 or UNICODE_CJK; 0 where the pattern has none). All zero at the end of the text. */
struct character {
    uint32_t class;
    uint32_t side;
    uint32_t bytes;
};

static ALWAYS_INLINE struct character look(const struct pretokenize_pattern *pattern, const uint8_t *at,
                                           const uint8_t *end)
{
    if (at == end)
        return (struct character){0, 0, 0};
    if (*at < 0x80)
        return (struct character){1u << unicode_blocks[*at / UNICODE_BLOCK][*at % UNICODE_BLOCK], 0, 1};
    struct utf8_code decoded = utf8_decode(at, end);
    uint8_t entry = unicode_entry(decoded.code);
    return (struct character){1u << (entry & (UNICODE_CJK - 1)), pattern->borders ? entry & UNICODE_CJK : 0u,
                              decoded.bytes};
}

static inline bool is_ascii_letter(uint8_t byte)
{
    return (uint8_t)((byte | 0x20) - 'a') < 26;
}

static inline bool is_line_end(uint8_t byte)
{
    return byte == '\n' || byte == '\r';
}

/* Behind the longest run of characters of the classes `wanted` that lie on the same side as `side`. */
static const uint8_t *skip_run(const struct pretokenize_pattern *pattern, const uint8_t *at, const uint8_t *end,
                               uint32_t wanted, uint32_t side)
{
    struct character c;
    while ((c = look(pattern, at, end)).class & wanted && c.side == side)
        at += c.bytes;
    return at;
}

/* o200k: [Lu Lt Lm Lo M]*[Ll Lm Lo M]+ or, where that fails, [Lu Lt Lm Lo M]+[Ll Lm Lo M]*. Where no lower case follows the first run, the first alternative
 * goes back to the last character that is in both classes. */
static const uint8_t *skip_cases(const struct pretokenize_pattern *pattern, const uint8_t *at, const uint8_t *end)
{
    const uint8_t *behind_both = NULL;
    struct character c;
    while ((c = look(pattern, at, end)).class & (PRETOKENIZE_UPPER | PRETOKENIZE_BOTH)) {
        at += c.bytes;
        if (c.class & PRETOKENIZE_BOTH)
            behind_both = at;
    }
    if (c.class & UNICODE_BIT(UNICODE_LL))
        return skip_run(pattern, at, end, UNICODE_BIT(UNICODE_LL) | PRETOKENIZE_BOTH, 0);
    return behind_both ? behind_both : at;
}

static const uint8_t *skip_word(const struct pretokenize_pattern *pattern, const uint8_t *at, const uint8_t *end,
                                uint32_t side)
{
    at = pattern->cases ? skip_cases(pattern, at, end) : skip_run(pattern, at, end, pattern->word, side);
    if (pattern->contraction == PRETOKENIZE_CONTRACTION_BEHIND && at < end && *at == '\'') {
        unsigned bytes = pretokenize_contraction(pattern->contraction, at + 1, end);
        at += bytes ? bytes + 1 : 0;
    }
    return at;
}

static const uint8_t *skip_numbers(const struct pretokenize_pattern *pattern, const uint8_t *at, const uint8_t *end)
{
    struct character c;
    for (unsigned i = 0; (i < pattern->digits_max || pattern->digits_max == 0); i++, at += c.bytes)
        if (!((c = look(pattern, at, end)).class & UNICODE_NUMBER))
            break;
    return at;
}

/* A run of signs, the first of which is at `at`, with the line ends behind it. */
static const uint8_t *skip_signs(const struct pretokenize_pattern *pattern, const uint8_t *at, const uint8_t *end,
                                 uint32_t side)
{
    at = skip_run(pattern, at, end, pattern->sign, side);
    if (pattern->line_ends && side == 0)
        while (at < end && (is_line_end(*at) || (pattern->slashes && *at == '/')))
            at++;
    return at;
}

/* A piece whose first character is a sign. */
static const uint8_t *step_sign(const struct pretokenize_pattern *pattern, const uint8_t *at, struct character first,
                                const uint8_t *end)
{
    const uint8_t *next = at + first.bytes;
    if (*at == '\'' && (pattern->contraction == PRETOKENIZE_CONTRACTION_LOWER ||
                        pattern->contraction == PRETOKENIZE_CONTRACTION_ANY)) {
        unsigned bytes = pretokenize_contraction(pattern->contraction, next, end);
        if (bytes)
            return next + bytes;
    }
    if (pattern->join == PRETOKENIZE_JOIN_ASCII && *at < 0x80 && next < end && is_ascii_letter(*next)) {
        while (next < end && is_ascii_letter(*next))
            next++;
        return next;
    }
    if (pattern->join == PRETOKENIZE_JOIN_ANY && look(pattern, next, end).class & pattern->word)
        return skip_word(pattern, next, end, 0);
    return skip_signs(pattern, at, end, first.side);
}

/* A run of white space whose first character begins neither a word nor signs: up to its last line end; where there is none, all of it at a border,
 * else all but its last character, which belongs to what follows, or stands alone. */
static const uint8_t *step_run_of_space(const struct pretokenize_pattern *pattern, const uint8_t *at,
                                        const uint8_t *end, uint32_t side)
{
    const uint8_t *start = at, *last = at, *behind_line_end = NULL;
    struct character c;
    while ((c = look(pattern, at, end)).class & UNICODE_SPACE && c.side == side) {
        last = at;
        at += c.bytes;
        if (pattern->line_ends && is_line_end(*last))
            behind_line_end = at;
    }
    if (c.bytes == 0 && pattern->last_space_whole)
        return at;
    if (behind_line_end)
        return behind_line_end;
    bool border = c.bytes == 0 || (pattern->borders && (c.class & UNICODE_NUMBER || c.side != side));
    return border || last == start ? at : last;
}

static const uint8_t *step_space(const struct pretokenize_pattern *pattern, const uint8_t *at, struct character first,
                                 const uint8_t *end)
{
    const uint8_t *next = at + first.bytes;
    struct character second = look(pattern, next, end);
    if (second.side == first.side) {
        if (second.class & pattern->word && (pattern->any_prefix ? !is_line_end(*at) : *at == ' '))
            return skip_word(pattern, next, end, first.side);
        if (*at == ' ' && second.class & pattern->sign)
            return skip_signs(pattern, next, end, first.side);
        if (*at == ' ' && second.class & UNICODE_NUMBER && pattern->digits_max == 0)
            return skip_numbers(pattern, next, end);
    }
    return step_run_of_space(pattern, at, end, first.side);
}

/* Characters without a class: unmatched, all but one before a word. */
static const uint8_t *step_unmatched(const struct pretokenize_pattern *pattern, const uint8_t *at, const uint8_t *end,
                                     uint32_t side)
{
    const uint32_t matched = pattern->word | pattern->sign | UNICODE_NUMBER | UNICODE_SPACE;
    const uint8_t *start = at, *last = at;
    struct character c;
    while ((c = look(pattern, at, end)).bytes && !(c.class & matched) && c.side == side) {
        last = at;
        at += c.bytes;
    }
    if (!(c.class & pattern->word) || c.side != side)
        return at;
    return last == start ? skip_word(pattern, at, end, side) : last;
}

const uint8_t *pretokenize_step(const struct pretokenize_pattern *pattern, const uint8_t *at, const uint8_t *end)
{
    struct character first = look(pattern, at, end);
    if (first.class & pattern->word)
        return skip_word(pattern, at, end, first.side);
    if (first.class & UNICODE_NUMBER)
        return skip_numbers(pattern, at, end);
    if (first.class & pattern->sign)
        return step_sign(pattern, at, first, end);
    if (first.class & UNICODE_SPACE)
        return step_space(pattern, at, first, end);
    return step_unmatched(pattern, at, end, first.side);
}

static size_t cut_plain(enum pretokenize_built_in which, q_string text, size_t *at, size_t *ends, size_t max)
{
    if (*at >= text.size) /* an empty text may have no address */
        return 0;
    const uint8_t *bytes = (const uint8_t *)text.data, *end = bytes + text.size, *here = bytes + *at;
    size_t count = 0;
    while (count < max && here < end) {
        here = pretokenize_step(&pretokenize_patterns[which], here, end);
        ends[count++] = (size_t)(here - bytes);
    }
    *at = (size_t)(here - bytes);
    return count;
}

#define CUT(name, which)                                                                                               \
    static size_t name(q_string text, size_t *at, size_t *ends, size_t max)                                            \
    {                                                                                                                  \
        return cut_plain(which, text, at, ends, max);                                                                  \
    }
CUT(cut_deepseek_v3, PRETOKENIZE_DEEPSEEK_V3)
CUT(cut_gpt2, PRETOKENIZE_GPT2)
CUT(cut_cl100k, PRETOKENIZE_CL100K)
CUT(cut_o200k, PRETOKENIZE_O200K)
CUT(cut_llama3, PRETOKENIZE_LLAMA3)
CUT(cut_qwen2, PRETOKENIZE_QWEN2)

const struct pretokenize_way pretokenize_plain = {
    "plain", {cut_deepseek_v3, cut_gpt2, cut_cl100k, cut_o200k, cut_llama3, cut_qwen2}};
