#include "tests/tokenizer/regex_twin.h"

#include "base/memory.h"
#include "tests/base/cmocka_all.h"
#include "tokenizer/unicode/unicode_classes.h"
#include "tokenizer/unicode/utf8_decode.h"

#include <stdbool.h>
#include <string.h>

/* Code points of a text, with the offset of each and of the end. */
struct codes {
    uint32_t *code;
    size_t *offset;
    size_t count;
};

static bool is(uint32_t code, unsigned classes)
{
    return unicode_class(code) & classes;
}
static bool is_L(uint32_t c)
{
    return is(c, UNICODE_LETTER);
}
static bool is_LM(uint32_t c)
{
    return is(c, UNICODE_LETTER | UNICODE_MARK);
}
static bool is_N(uint32_t c)
{
    return is(c, UNICODE_NUMBER);
}
static bool is_PS(uint32_t c)
{
    return is(c, UNICODE_PUNCTUATION | UNICODE_SYMBOL);
}
static bool is_s(uint32_t c)
{
    return is(c, UNICODE_SPACE);
}
static bool is_rn(uint32_t c)
{
    return c == '\r' || c == '\n';
}
static bool is_cjk(uint32_t c)
{
    return (c >= 0x4E00 && c <= 0x9FA5) || (c >= 0x3040 && c <= 0x309F) || (c >= 0x30A0 && c <= 0x30FF);
}
static bool is_az(uint32_t c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}
static bool is_ascii_punctuation(uint32_t c)
{
    return c && c < 0x80 && strchr("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", (int)c);
}
static bool is_prefix(uint32_t c)
{
    return !is_rn(c) && !is_L(c) && !is_PS(c);
}

static size_t run(const uint32_t *c, size_t n, size_t at, bool (*class)(uint32_t))
{
    size_t start = at;
    while (at < n && class(c[at]))
        at++;
    return at - start;
}

/* Each returns the length of the match that begins at c[at], within c[0..n); 0: none. */
static size_t match_numbers(const uint32_t *c, size_t n, size_t at) /* \p{N}{1,3} */
{
    size_t k = run(c, n, at, is_N);
    return k > 3 ? 3 : k;
}

static size_t match_cjk(const uint32_t *c, size_t n, size_t at)
{
    return run(c, n, at, is_cjk);
}

static size_t match_a(const uint32_t *c, size_t n, size_t at) /* [punctuation][A-Za-z]+ */
{
    size_t k = is_ascii_punctuation(c[at]) ? run(c, n, at + 1, is_az) : 0;
    return k ? k + 1 : 0;
}

static size_t match_b(const uint32_t *c, size_t n, size_t at) /* [^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+ */
{
    size_t k = is_prefix(c[at]) ? run(c, n, at + 1, is_LM) : 0;
    return k ? k + 1 : run(c, n, at, is_LM);
}

static size_t match_c(const uint32_t *c, size_t n, size_t at) /*  ?[\p{P}\p{S}]+[\r\n]* */
{
    size_t space = c[at] == ' ', k = run(c, n, at + space, is_PS);
    return k ? space + k + run(c, n, at + space + k, is_rn) : 0;
}

static size_t match_d(const uint32_t *c, size_t n, size_t at) /* \s*[\r\n]+ */
{
    for (size_t k = run(c, n, at, is_s) + 1; k-- > 0;) {
        size_t ends = run(c, n, at + k, is_rn);
        if (ends)
            return k + ends;
    }
    return 0;
}

static size_t match_e(const uint32_t *c, size_t n, size_t at) /* \s+(?!\S) */
{
    for (size_t k = run(c, n, at, is_s); k > 0; k--)
        if (at + k == n || is_s(c[at + k]))
            return k;
    return 0;
}

static size_t match_f(const uint32_t *c, size_t n, size_t at) /* \s+ */
{
    return run(c, n, at, is_s);
}

static size_t match_rest(const uint32_t *c, size_t n, size_t at)
{
    size_t (*const alternatives[])(const uint32_t *, size_t, size_t) = {match_a, match_b, match_c,
                                                                        match_d, match_e, match_f};
    for (size_t i = 0; i < sizeof(alternatives) / sizeof(alternatives[0]); i++) {
        size_t k = alternatives[i](c, n, at);
        if (k)
            return k;
    }
    return 0;
}

/* Cuts codes [from, to) by split `which`, what it leaves unmatched included, and each piece by the splits behind it. */
static void split(const struct codes *codes, size_t from, size_t to, int which, size_t *ends, size_t *count)
{
    size_t (*const splits[])(const uint32_t *, size_t, size_t) = {match_numbers, match_cjk, match_rest};
    if (from == to)
        return;
    if (which == 3) {
        ends[(*count)++] = codes->offset[to];
        return;
    }
    size_t gap = 0, n = to - from;
    for (size_t at = 0; at < n;) {
        size_t k = splits[which](codes->code + from, n, at);
        if (k == 0) {
            at++;
            continue;
        }
        split(codes, from + gap, from + at, which + 1, ends, count);
        split(codes, from + at, from + at + k, which + 1, ends, count);
        gap = at += k;
    }
    split(codes, from + gap, to, which + 1, ends, count);
}

size_t regex_twin_cut(q_string text, size_t *ends)
{
    struct codes codes = {0};
    size_t count = 0, at = 0;
    assert_ok(q_alloc(text.size + 1, sizeof(*codes.code), &codes.code));
    assert_ok(q_alloc(text.size + 1, sizeof(*codes.offset), &codes.offset));
    while (at < text.size) {
        struct utf8_code decoded = utf8_decode((const uint8_t *)text.data + at, (const uint8_t *)text.data + text.size);
        codes.code[codes.count] = decoded.code;
        codes.offset[codes.count++] = at;
        at += decoded.bytes;
    }
    codes.offset[codes.count] = text.size;
    split(&codes, 0, codes.count, 0, ends, &count);
    q_release(codes.code);
    q_release(codes.offset);
    return count;
}
