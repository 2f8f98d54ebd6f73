#include "corpus/text/normalise.h"

#include "base/check.h"
#include "corpus/text/unicode_nfc.h"

#include <endian.h>

enum { LINE_ENDS_MAX = 3 }; /* in a row: two empty lines */

/* --- characters that go -------------------------------------------------------------------------------------------------------------- */

enum special { ORDINARY = 0, LINE_END, LF, CONTROL, BIDI, SOFT_HYPHEN, ZERO_WIDTH };

/* What the character at `at` is, and of what is not ORDINARY the bytes. The text is valid UTF-8, so the bytes behind a lead byte are there. */
static enum special special_at(const unsigned char *at, const unsigned char *end, size_t *size)
{
    *size = 1;
    if (at[0] == '\n')
        return LF;
    if (at[0] == '\r')
        return *size = end - at > 1 && at[1] == '\n' ? 2 : 1, LINE_END;
    if (at[0] < 0x20 || at[0] == 0x7F)
        return at[0] == '\t' ? ORDINARY : CONTROL;
    *size = 2;
    if (at[0] == 0xC2) /* U+0080 to U+009F, U+00AD */
        return at[1] == 0x85 ? LINE_END : at[1] < 0xA0 ? CONTROL : at[1] == 0xAD ? SOFT_HYPHEN : ORDINARY;
    if (at[0] == 0xD8) /* U+061C */
        return at[1] == 0x9C ? BIDI : ORDINARY;
    *size = 3;
    if (at[0] == 0xE2 && at[1] == 0x80) { /* U+200B, U+200E, U+200F, U+2028 to U+202E */
        if (at[2] == 0xA8 || at[2] == 0xA9)
            return LINE_END;
        return at[2] == 0x8B                                                        ? ZERO_WIDTH
               : at[2] == 0x8E || at[2] == 0x8F || (at[2] >= 0xAA && at[2] <= 0xAE) ? BIDI
                                                                                    : ORDINARY;
    }
    if (at[0] == 0xE2 && at[1] == 0x81) /* U+2060, U+2066 to U+2069 */
        return at[2] == 0xA0 ? ZERO_WIDTH : at[2] >= 0xA6 && at[2] <= 0xA9 ? BIDI : ORDINARY;
    if (at[0] == 0xEF) /* U+FEFF, U+FFFE, U+FFFF, U+FDD0 to U+FDEF */
        return (at[1] == 0xBB && at[2] == 0xBF) || (at[1] == 0xBF && at[2] >= 0xBE) ||
                       (at[1] == 0xB7 && at[2] >= 0x90 && at[2] <= 0xAF)
                   ? CONTROL
                   : ORDINARY;
    return ORDINARY;
}

typedef unsigned char bytes16 __attribute__((vector_size(16)));

static bytes16 load(const unsigned char *at)
{
    bytes16 bytes;
    memcpy(&bytes, at, sizeof bytes);
    return bytes;
}

#define IS(vector, byte) ((bytes16)((vector) == (byte)))
#define IN(vector, first, last) ((bytes16)((vector) - (first) <= (last) - (first)))

/* Whether a byte of the 16 is not ASCII. */
static bool beyond_ascii(bytes16 bytes)
{
    uint64_t words[2];
    memcpy(words, &bytes, sizeof words);
    return ((words[0] | words[1]) & 0x8080808080808080) != 0;
}

/* How many of the 16 bytes at `at`, which two more follow, are before the first that may begin a special character. */
static unsigned ordinary_bytes(const unsigned char *at)
{
    bytes16 first = load(at), special = ((bytes16)(first < 0x20) & ~IS(first, '\t')) | IS(first, 0x7F);
    uint64_t words[2];
    if (beyond_ascii(first)) {
        bytes16 second = load(at + 1), third = load(at + 2);
        special |= IS(first, 0xC2) & ((bytes16)(second < 0xA0) | IS(second, 0xAD));
        special |= IS(first, 0xD8) & IS(second, 0x9C);
        special |= IS(first, 0xE2) & IS(second, 0x80) & (IN(third, 0x8B, 0x8F) | IN(third, 0xA8, 0xAE));
        special |= IS(first, 0xE2) & IS(second, 0x81) & IN(third, 0xA0, 0xA9);
        special |=
            IS(first, 0xEF) & (IS(second, 0xBB) | IS(second, 0xB7) | (IS(second, 0xBF) & (bytes16)(third > 0xBD)));
    }
    memcpy(words, &special, sizeof words);
    words[0] = le64toh(words[0]); /* the first byte is the lowest */
    words[1] = le64toh(words[1]);
    if (words[0])
        return (unsigned)__builtin_ctzll(words[0]) / 8;
    return words[1] ? 8 + (unsigned)__builtin_ctzll(words[1]) / 8 : 16;
}

/* Thai, Lao, Tibetan, Burmese and Khmer have no spaces between words; U+200B says where these are, as writers put it. */
static bool parts_words(const struct q_buffer *out)
{
    const unsigned char *end = (const unsigned char *)out->data + out->size;
    if (out->size < 3)
        return false;
    return (end[-3] == 0xE0 && end[-2] >= 0xB8) || (end[-3] == 0xE1 && end[-2] >= 0x80 && end[-2] <= 0x82) ||
           (end[-3] == 0xE1 && (end[-2] == 0x9E || end[-2] == 0x9F));
}

/* A line end behind what is in `out`: the line's trailing blanks go, and so does the line itself where two empty ones stand before it. */
static void end_line(struct q_buffer *out, unsigned *ends, struct corpus_changes *changes)
{
    size_t size = out->size;
    while (size && (out->data[size - 1] == ' ' || out->data[size - 1] == '\t'))
        size--;
    changes->trailing_blanks += size != out->size;
    out->size = size;
    *ends = size && out->data[size - 1] == '\n' ? *ends + 1 : 1;
    if (*ends <= LINE_ENDS_MAX)
        out->data[out->size++] = '\n';
    else
        changes->blank_lines += *ends == LINE_ENDS_MAX + 1;
}

static void clean_bytes(q_string text, struct q_buffer *out, struct corpus_changes *changes)
{
    const unsigned char *at = (const unsigned char *)text.data, *end = at + text.size, *from = at;
    uint64_t *const counters[] = {[CONTROL] = &changes->controls,
                                  [BIDI] = &changes->bidi,
                                  [SOFT_HYPHEN] = &changes->soft_hyphens,
                                  [ZERO_WIDTH] = &changes->zero_widths};
    unsigned ends = 0; /* line ends in a row, those that went too */
    size_t size = 0;
    if (!text.size)
        return;
    while (at < end) {
        unsigned skipped = end - at >= 18 ? ordinary_bytes(at) : 0;
        at += skipped;
        enum special special = skipped < 16 ? special_at(at, end, &size) : ORDINARY;
        if (special == ORDINARY) {
            at += skipped < 16;
            continue;
        }
        memcpy(out->data + out->size, from, (size_t)(at - from));
        out->size += (size_t)(at - from);
        from = at;
        if (special == ZERO_WIDTH && at[1] == 0x80 && parts_words(out)) {
            at += size; /* stays */
            continue;
        }
        from = at += size;
        if (special == LF || special == LINE_END) {
            end_line(out, &ends, changes);
            changes->line_ends += special == LINE_END;
        } else {
            ++*counters[special];
        }
    }
    memcpy(out->data + out->size, from, (size_t)(end - from));
    out->size += (size_t)(end - from);
}

/* --- NFC --------------------------------------------------------------------------------------------------------------------------- */

/* Whether the character at `at` may be, or make, what NFC changes: it has a combining class or its quick check is not Yes (Unicode, UAX 15, 9). Told from its
 * first bytes, so some are suspected that need not be; of Thai, Indic scripts and rare ones all are. */
static bool is_suspect(const unsigned char *at)
{
    switch (at[0]) {
    case 0xCE: /* Greek */
        return at[1] == 0x87;
    case 0xD2: /* Cyrillic */
        return at[1] >= 0x83 && at[1] <= 0x87;
    case 0xD6: /* Hebrew */
        return at[1] >= 0x91;
    case 0xD7:
        return at[1] < 0x90;
    case 0xD8: /* Arabic */
        return at[1] >= 0x90 && at[1] <= 0x9A;
    case 0xD9:
        return (at[1] >= 0x8B && at[1] <= 0x9F) || at[1] == 0xB0;
    case 0xDB:
        return at[1] >= 0x96 && at[1] <= 0xAD;
    case 0xE1: /* but not Latin with two marks: Vietnamese */
        return at[1] < 0xB8 || at[1] > 0xBB;
    case 0xE2: /* but not punctuation, symbols and boxes: U+2000, U+2001, marks for symbols, Ohm, Kelvin, Angstrom, angle brackets */
        return at[1] == 0x80   ? at[2] < 0x82
               : at[1] == 0x84 ? at[2] == 0xA6 || at[2] == 0xAA || at[2] == 0xAB
               : at[1] == 0x8C ? at[2] == 0xA9 || at[2] == 0xAA
                               : at[1] == 0x83 || at[1] >= 0xAB;
    case 0xE3: /* but not kana and Han */
        return (at[1] == 0x80 && at[2] >= 0xAA && at[2] <= 0xAF) || (at[1] == 0x82 && (at[2] == 0x99 || at[2] == 0x9A));
    case 0xEA: /* but not Hangul */
        return at[1] < 0xB0;
    case 0xEF: /* but not full-width forms */
        return at[1] < 0xB9;
    case 0xF0: /* but not emoji */
        return at[1] != 0x9F;
    default: /* CC, CD, DC to DF, E0, F1 to F4 */
        return at[0] == 0xCC || at[0] == 0xCD || (at[0] >= 0xDC && at[0] <= 0xE0) || at[0] >= 0xF1;
    }
}

/* Whether is_suspect holds for one of the 16 bytes at `at`, which two more follow. It may say so where it does not. */
static bool any_suspect(const unsigned char *at)
{
    bytes16 first = load(at);
    uint64_t words[2];
    if (!beyond_ascii(first))
        return false;
    bytes16 second = load(at + 1), third = load(at + 2);
    bytes16 suspect = IN(first, 0xCC, 0xCD) | IN(first, 0xDC, 0xE0) | (bytes16)(first > 0xF0);
    suspect |= IS(first, 0xCE) & IS(second, 0x87);
    suspect |= IS(first, 0xD2) & IN(second, 0x83, 0x87);
    suspect |= (IS(first, 0xD6) & (bytes16)(second > 0x90)) | (IS(first, 0xD7) & (bytes16)(second < 0x90));
    suspect |= IS(first, 0xD8) & IN(second, 0x90, 0x9A);
    suspect |= IS(first, 0xD9) & (IN(second, 0x8B, 0x9F) | IS(second, 0xB0));
    suspect |= IS(first, 0xDB) & IN(second, 0x96, 0xAD);
    suspect |= IS(first, 0xE1) & ~IN(second, 0xB8, 0xBB);
    suspect |= IS(first, 0xE2) & ((IS(second, 0x80) & (bytes16)(third < 0x82)) | IS(second, 0x83) |
                                  (IS(second, 0x84) & IN(third, 0xA6, 0xAB)) |
                                  (IS(second, 0x8C) & IN(third, 0xA9, 0xAA)) | (bytes16)(second > 0xAA));
    suspect |=
        IS(first, 0xE3) & ((IS(second, 0x80) & IN(third, 0xAA, 0xAF)) | (IS(second, 0x82) & IN(third, 0x99, 0x9A)));
    suspect |= (IS(first, 0xEA) & (bytes16)(second < 0xB0)) | (IS(first, 0xEF) & (bytes16)(second < 0xB9)) |
               (IS(first, 0xF0) & ~IS(second, 0x9F));
    memcpy(words, &suspect, sizeof words);
    return (words[0] | words[1]) != 0;
}

/* False: the text is in NFC, because all of its characters are and none combines with another. */
static bool needs_look(q_string text)
{
    const unsigned char *at = (const unsigned char *)text.data, *end = at + text.size;
    while (at < end) {
        while (end - at >= 18 && !any_suspect(at))
            at += 16;
        for (const unsigned char *stop = at + Q_MIN(end - at, 16); at < stop; at++)
            if (*at >= 0xCC && is_suspect(at))
                return true;
    }
    return false;
}

static bool append(void *context, const char *bytes, size_t count)
{
    return q_buffer_append(context, bytes, count) == Q_OK;
}

static void shorten_rows(struct q_buffer *out, struct corpus_changes *changes)
{
    size_t removed;
    out->size = corpus_nfc_shorten_rows(out->data, out->size, &removed);
    changes->controls += removed;
}

static q_status compose(struct q_buffer *out, struct q_buffer *scratch, struct corpus_changes *changes)
{
    if (out->size > INT32_MAX)
        return q_fail(Q_ERR_INPUT, "a text of %zu bytes is larger than can be normalised", out->size);
    if (!needs_look(q_buffer_string(out)))
        return Q_OK;
    shorten_rows(out, changes);
    if (corpus_nfc_is(out->data, out->size))
        return Q_OK;
    q_buffer_clear(scratch);
    if (!corpus_nfc_write(out->data, out->size, append, scratch))
        return q_fail(Q_ERR_SYSTEM, "NFC failed; is ICU's data there?");
    struct q_buffer swap = *out;
    *out = *scratch;
    *scratch = swap;
    shorten_rows(out, changes);
    changes->composed++;
    return Q_OK;
}

/* --- the whole --------------------------------------------------------------------------------------------------------------------- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n';
}

/* Whole blank lines go at the beginning (the first line's indentation stays), all white space at the end. */
static void trim(struct q_buffer *out, struct corpus_changes *changes)
{
    size_t from = 0, at = 0, to = out->size;
    while (to && is_blank(out->data[to - 1]))
        to--;
    while (at < to && is_blank(out->data[at]))
        if (out->data[at++] == '\n')
            from = at;
    changes->trimmed += from != 0 || to != out->size;
    if (from && to > from)
        memmove(out->data, out->data + from, to - from);
    out->size = to > from ? to - from : 0;
}

q_status corpus_normalise(q_string text, struct q_buffer *out, struct q_buffer *scratch, struct corpus_changes *changes)
{
    q_buffer_clear(out);
    Q_TRY(q_buffer_reserve(out, text.size + 1)); /* nothing grows here */
    clean_bytes(text, out, changes);
    Q_TRY(compose(out, scratch, changes));
    trim(out, changes);
    return Q_OK;
}
