/* DeepSeek-V3's pretokenizer in one pass.
 *
 * It is defined as three splits, each of which cuts the pieces of the one before:
 *
 *   1  \p{N}{1,3}
 *   2  [U+4E00-9FA5 U+3040-309F U+30A0-30FF]+                    "CJK" below
 *   3  a  [ASCII punctuation][A-Za-z]+
 *      b  [^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+
 *      c   ?[\p{P}\p{S}]+[\r\n]*
 *      d  \s*[\r\n]+
 *      e  \s+(?!\S)
 *      f  \s+
 *
 * After 1 and 2 the text is runs of numbers, of CJK and of the rest; no class that 3 names holds a number, and a piece of 3 stays in one run. So
 * number runs and changes to and from CJK are hard borders, at which (?!\S) holds as it does at the end of the text, and the next piece can be told from
 * the characters at hand. What 3 leaves unmatched is runs of characters with no class at all (controls, unassigned ones); the last of such
 * a run begins a piece of b where a letter or mark follows.
 */
#include "tokenizer/pretokenize_engine.h"

#include "tokenizer/unicode/unicode_classes.h"
#include "tokenizer/unicode/utf8_decode.h"

#include <stdbool.h>

enum {
    WORD = UNICODE_LETTER | UNICODE_MARK,
    SIGN = UNICODE_PUNCTUATION | UNICODE_SYMBOL,
    CJK = 1 << 8, /* a bit beside those of unicode_classes.h */
};

/* A character with its class. bytes = 0 and class = 0 at the end of the text. */
struct character {
    uint32_t class;
    uint32_t bytes;
};

static inline struct character look(const uint8_t *at, const uint8_t *end)
{
    if (at == end)
        return (struct character){0, 0};
    if (*at < 0x80)
        return (struct character){unicode_blocks[0][*at], 1};
    struct utf8_code decoded = utf8_decode(at, end);
    uint32_t class = unicode_class(decoded.code);
    if ((decoded.code >= 0x4E00 && decoded.code <= 0x9FA5) || (decoded.code >= 0x3040 && decoded.code <= 0x30FF))
        class |= CJK;
    return (struct character){class, decoded.bytes};
}

static inline bool is_ascii_letter(uint8_t byte)
{
    return (uint8_t)((byte | 0x20) - 'a') < 26;
}

static inline bool is_line_end(uint8_t byte)
{
    return byte == '\n' || byte == '\r';
}

/* Behind the longest run of characters that have a class of `wanted` and lie on the same side of the CJK border as `side` (0 or CJK). */
static inline const uint8_t *skip_run(const uint8_t *at, const uint8_t *end, uint32_t wanted, uint32_t side)
{
    struct character c;
    while ((c = look(at, end)).class & wanted && (c.class & CJK) == side)
        at += c.bytes;
    return at;
}

/* Rule 1: up to three numbers. A run is cut from its start, so a call that begins at a cut goes on with the same threes. */
static const uint8_t *cut_numbers(const uint8_t *at, const uint8_t *end)
{
    for (int i = 0; i < 3; i++) {
        struct character c = look(at, end);
        if (!(c.class & UNICODE_NUMBER))
            break;
        at += c.bytes;
    }
    return at;
}

/* Rules d, e, f at a run of white space whose first character begins neither b nor c. d takes the run up to its last line end. Otherwise
 * e takes it all at a border, or all but its last character, which belongs to what follows, and f one that is alone. */
static const uint8_t *cut_space(const uint8_t *at, const uint8_t *end, uint32_t side)
{
    const uint8_t *start = at, *last = at, *behind_line_end = NULL;
    struct character c;
    while ((c = look(at, end)).class & UNICODE_SPACE && (c.class & CJK) == side) {
        last = at;
        at += c.bytes;
        if (is_line_end(*last))
            behind_line_end = at;
    }
    if (behind_line_end)
        return behind_line_end;
    bool border = c.bytes == 0 || c.class & UNICODE_NUMBER || (c.class & CJK) != side;
    return border || last == start ? at : last;
}

/* Characters without a class: unmatched, all but one before a word (rule b). */
static const uint8_t *cut_unmatched(const uint8_t *at, const uint8_t *end, uint32_t side)
{
    const uint8_t *start = at, *last = at;
    struct character c;
    while ((c = look(at, end)).bytes && (c.class & ~(uint32_t)CJK) == 0 && (c.class & CJK) == side) {
        last = at;
        at += c.bytes;
    }
    if (!(c.class & WORD) || (c.class & CJK) != side)
        return at;
    return last == start ? skip_run(at, end, WORD, side) : last;
}

static const uint8_t *cut_one(const uint8_t *at, const uint8_t *end)
{
    struct character first = look(at, end);
    uint32_t side = first.class & CJK;
    const uint8_t *next = at + first.bytes;

    if (first.class & WORD) /* b, without or with a mark as its first character: the same run */
        return skip_run(next, end, WORD, side);
    if (first.class & UNICODE_NUMBER)
        return cut_numbers(at, end);
    if (first.class & SIGN) {
        if (*at < 0x80 && next < end && is_ascii_letter(*next)) { /* a: all ASCII letters that follow */
            while (next < end && is_ascii_letter(*next))
                next++;
            return next;
        }
        next = skip_run(next, end, SIGN, side); /* c */
        while (next < end && is_line_end(*next) && side == 0)
            next++;
        return next;
    }
    if (first.class & UNICODE_SPACE) {
        struct character second = look(next, end);
        if (!is_line_end(*at) && second.class & WORD && (second.class & CJK) == side) /* b */
            return skip_run(next + second.bytes, end, WORD, side);
        if (*at == ' ' && second.class & SIGN && (second.class & CJK) == side) { /* c */
            next = skip_run(next + second.bytes, end, SIGN, side);
            while (next < end && is_line_end(*next))
                next++;
            return next;
        }
        return cut_space(at, end, side);
    }
    return cut_unmatched(at, end, side);
}

size_t pretokenize_deepseek(q_string text, size_t *at, size_t *ends, size_t max)
{
    if (*at >= text.size) /* an empty text may have no address */
        return 0;
    const uint8_t *bytes = (const uint8_t *)text.data, *end = bytes + text.size, *here = bytes + *at;
    size_t count = 0;
    while (count < max && here < end) {
        here = cut_one(here, end);
        ends[count++] = (size_t)(here - bytes);
    }
    *at = (size_t)(here - bytes);
    return count;
}
