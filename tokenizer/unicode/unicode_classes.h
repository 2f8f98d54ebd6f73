/* Character classes of Unicode 16.0: what \p{L}, \p{Lu}, \p{N}, \s ... of a pretokenizer's pattern mean.
 *
 * Two stages: the block of 64 code points, then the code point in it; 64, so that the block is told by a character's bytes but the last. 70 KB, of which text
 * in one script touches about 1 KB. The tables are generated (generate_unicode.py) and never come from the machine's libraries: ids must not depend on
 * the machine.
 *
 *     code point U+0E01 --> unicode_block_of[0x0E01 / 64] = b --> unicode_blocks[b][0x0E01 % 64] = UNICODE_LO
 */
#ifndef QUERN_TOKENIZER_UNICODE_CLASSES_H
#define QUERN_TOKENIZER_UNICODE_CLASSES_H

#include <stdint.h>

#define UNICODE_VERSION "16.0.0"

enum {
    UNICODE_CODE_POINTS = 0x110000,
    UNICODE_BLOCK = 64,
};

/* The general categories, and the controls that are white space (TAB to CR, U+0085) as one of their own: White_Space is it and Z. */
enum unicode_category {
    UNICODE_CN, /* unassigned */
    UNICODE_CC,
    UNICODE_CF,
    UNICODE_CS,
    UNICODE_CO,
    UNICODE_CC_SPACE,
    UNICODE_ZS,
    UNICODE_ZL,
    UNICODE_ZP,
    UNICODE_LU,
    UNICODE_LL,
    UNICODE_LT,
    UNICODE_LM,
    UNICODE_LO,
    UNICODE_MN,
    UNICODE_MC,
    UNICODE_ME,
    UNICODE_ND,
    UNICODE_NL,
    UNICODE_NO,
    UNICODE_PC,
    UNICODE_PD,
    UNICODE_PS,
    UNICODE_PE,
    UNICODE_PI,
    UNICODE_PF,
    UNICODE_PO,
    UNICODE_SM,
    UNICODE_SC,
    UNICODE_SK,
    UNICODE_SO,
    UNICODE_CATEGORIES,
    UNICODE_CJK = 32, /* a bit beside the category: U+4E00-9FA5, U+3040-30FF, what DeepSeek-V3's second pattern names */
};

/* Sets of categories, one bit each. */
#define UNICODE_BIT(category) (1u << (category))
#define UNICODE_RANGE(first, last) ((2u << (last)) - (1u << (first)))
#define UNICODE_LETTER UNICODE_RANGE(UNICODE_LU, UNICODE_LO)      /* L */
#define UNICODE_MARK UNICODE_RANGE(UNICODE_MN, UNICODE_ME)        /* M */
#define UNICODE_NUMBER UNICODE_RANGE(UNICODE_ND, UNICODE_NO)      /* N */
#define UNICODE_PUNCTUATION UNICODE_RANGE(UNICODE_PC, UNICODE_PO) /* P */
#define UNICODE_SYMBOL UNICODE_RANGE(UNICODE_SM, UNICODE_SO)      /* S */
#define UNICODE_SPACE UNICODE_RANGE(UNICODE_CC_SPACE, UNICODE_ZP) /* White_Space */

extern const uint16_t unicode_block_of[UNICODE_CODE_POINTS / UNICODE_BLOCK];
extern const uint8_t unicode_blocks[][UNICODE_BLOCK];

/* What words are made of in a block, bit i for its i-th code point: for looking at many characters of a block at once. */
struct unicode_words {
    uint64_t cased; /* Lu Ll Lt */
    uint64_t other; /* Lm Lo */
    uint64_t marks; /* M */
};
extern const struct unicode_words unicode_block_words[]; /* as unicode_blocks */

/* The category, with UNICODE_CJK beside it; code < UNICODE_CODE_POINTS. */
static inline uint8_t unicode_entry(uint32_t code)
{
    return unicode_blocks[unicode_block_of[code / UNICODE_BLOCK]][code % UNICODE_BLOCK];
}

/* The set that holds the code point's category alone: unicode_class(code) & UNICODE_LETTER. */
static inline uint32_t unicode_class(uint32_t code)
{
    return 1u << (unicode_entry(code) & (UNICODE_CJK - 1));
}

#endif
