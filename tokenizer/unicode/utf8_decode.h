/* UTF-8, one code point at a time, for any bytes.
 *
 * Bytes that are not UTF-8 count as U+FFFD, one for each "maximal subpart" (The Unicode Standard, 3.9, table 3-8), which is how q_utf8_repair
 * replaces them: so a text and its repaired copy have the same code points, and only their lengths in bytes differ.
 */
#ifndef QUERN_TOKENIZER_UTF8_DECODE_H
#define QUERN_TOKENIZER_UTF8_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { UTF8_REPLACEMENT = 0xFFFD };

struct utf8_code {
    uint32_t code;
    uint32_t bytes; /* 1..4 */
};

static inline bool utf8_is_tail(uint8_t byte)
{
    return (byte & 0xC0) == 0x80;
}

/* Whether `second` may follow the lead byte: no overlong form, no surrogate, nothing above U+10FFFF. */
static inline bool utf8_second_fits(uint8_t lead, uint8_t second)
{
    switch (lead) {
    case 0xE0:
        return second >= 0xA0 && second <= 0xBF;
    case 0xED:
        return second >= 0x80 && second <= 0x9F;
    case 0xF0:
        return second >= 0x90 && second <= 0xBF;
    case 0xF4:
        return second >= 0x80 && second <= 0x8F;
    default:
        return utf8_is_tail(second);
    }
}

/* The code point at `at`, which must be before `end`. */
static inline struct utf8_code utf8_decode(const uint8_t *at, const uint8_t *end)
{
    uint8_t lead = at[0];
    if (lead < 0x80)
        return (struct utf8_code){lead, 1};
    uint32_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (lead < 0xC2 || lead > 0xF4)
        return (struct utf8_code){UTF8_REPLACEMENT, 1};
    uint32_t code = lead & (0xFFu >> (length + 1));
    for (uint32_t i = 1; i < length; i++) {
        if (at + i == end || !(i == 1 ? utf8_second_fits(lead, at[1]) : utf8_is_tail(at[i])))
            return (struct utf8_code){UTF8_REPLACEMENT, i};
        code = code << 6 | (at[i] & 0x3Fu);
    }
    return (struct utf8_code){code, length};
}

/* The start of the character that ends at `end` (begin < end), as a walk from the front would find it. */
static inline const uint8_t *utf8_before(const uint8_t *begin, const uint8_t *end)
{
    const uint8_t *lead = end - 1;
    while (lead > begin && end - lead < 4 && utf8_is_tail(*lead))
        lead--;
    return lead + utf8_decode(lead, end).bytes == end ? lead : end - 1;
}

/* The other way: 1 to 4 bytes of a code point that is no surrogate; how many. */
static inline size_t utf8_encode(uint32_t code, uint8_t bytes[4])
{
    if (code < 0x80) {
        bytes[0] = (uint8_t)code;
        return 1;
    }
    size_t size = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = size - 1; i > 0; i--, code >>= 6)
        bytes[i] = (uint8_t)(0x80 | (code & 0x3F));
    bytes[0] = (uint8_t)(0xF00u >> size | code);
    return size;
}

#endif
