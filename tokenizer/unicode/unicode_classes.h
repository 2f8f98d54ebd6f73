/* Character classes of Unicode 16.0: what \p{L}, \p{N}, \s ... of a pretokenizer's pattern mean.
 *
 * Two stages: the block of 128 code points, then the code point in it. 41 KB, of which text in one script touches about 1 KB. The tables are
 * generated (generate_unicode.py) and never come from the machine's libraries: ids must not depend on the machine.
 *
 *     code point U+0E01 --> unicode_block_of[0x0E01 / 128] = b --> unicode_blocks[b][0x0E01 % 128] = LETTER | UPPER | LOWER
 */
#ifndef QUERN_TOKENIZER_UNICODE_CLASSES_H
#define QUERN_TOKENIZER_UNICODE_CLASSES_H

#include <stdint.h>

#define UNICODE_VERSION "16.0.0"

enum {
    UNICODE_CODE_POINTS = 0x110000,
    UNICODE_BLOCK = 128,
};

/* Bits of a class. A code point without any is a control, a format character, private or unassigned. */
enum {
    UNICODE_LETTER = 1 << 0,      /* L */
    UNICODE_MARK = 1 << 1,        /* M */
    UNICODE_NUMBER = 1 << 2,      /* N */
    UNICODE_PUNCTUATION = 1 << 3, /* P */
    UNICODE_SYMBOL = 1 << 4,      /* S */
    UNICODE_SPACE = 1 << 5,       /* White_Space */
    UNICODE_UPPER = 1 << 6,       /* Lu Lt Lm Lo M: what o200k's pattern lets begin a word */
    UNICODE_LOWER = 1 << 7,       /* Ll Lm Lo M: what it lets go on */
};

extern const uint8_t unicode_block_of[UNICODE_CODE_POINTS / UNICODE_BLOCK];
extern const uint8_t unicode_blocks[][UNICODE_BLOCK];

/* code < UNICODE_CODE_POINTS. */
static inline uint8_t unicode_class(uint32_t code)
{
    return unicode_blocks[unicode_block_of[code / UNICODE_BLOCK]][code % UNICODE_BLOCK];
}

#endif
