/* What the rules ask about a character, as bits: one table for the 65,536 first code points, made once from ICU's properties; the others are asked for
 * one by one. */
#ifndef QUERN_CORPUS_CHARACTER_CLASS_H
#define QUERN_CORPUS_CHARACTER_CLASS_H

#include <stddef.h>
#include <stdint.h>

enum corpus_character_class {
    CORPUS_LETTER = 1 << 0,
    CORPUS_UPPER = 1 << 1,       /* of letters: not lower case, so that letters without case are both */
    CORPUS_LOWER = 1 << 2,       /* of letters: not upper case */
    CORPUS_DIGIT = 1 << 3,       /* 0 to 9 */
    CORPUS_SPACE = 1 << 4,       /* White_Space */
    CORPUS_PUNCTUATION = 1 << 5, /* general category P */
    CORPUS_SYMBOL =
        1 << 6, /* a word of nothing but these is no word for the Gopher rules (datatrove 0.9: PUNCTUATION_SET) */
    CORPUS_SENTENCE_END = 1 << 7, /* Sentence_Terminal */
    CORPUS_PREFIX = 1 << 8,       /* cut off a word's beginning; */
    CORPUS_SUFFIX = 1 << 9,       /* off its end (words.h) */
    CORPUS_ICON = 1 << 10,        /* general category So: a word of its own */
    CORPUS_QUOTE = 1 << 11,
    CORPUS_DENSE = 1 << 12,  /* letters of scripts without spaces: two make a word (Han, kana), */
    CORPUS_SPARSE = 1 << 13, /* or four (Thai, Lao, Khmer, Myanmar, Tibetan) */
    CORPUS_WIDE = 1 << 14,   /* of a byte of UTF-8: not ASCII */
    CORPUS_CURRENCY = 1 << 15,
};

enum { CORPUS_CLASS_TABLE = 1 << 16 };

/* The table, made at the first call (thread-safe). Its first 128 entries are those of ASCII bytes. */
const uint16_t *corpus_character_classes(void);
/* Of a code point beyond the table. */
uint16_t corpus_character_class_far(uint32_t character);

static inline uint16_t corpus_character_class(const uint16_t *table, uint32_t character)
{
    return character < CORPUS_CLASS_TABLE ? table[character] : corpus_character_class_far(character);
}

/* The code point at `at` of valid UTF-8; *size gets its bytes. */
static inline uint32_t corpus_character_at(const uint8_t *at, size_t *size)
{
    if (at[0] < 0x80)
        return *size = 1, at[0];
    if (at[0] < 0xE0)
        return *size = 2, (uint32_t)(at[0] & 0x1F) << 6 | (at[1] & 0x3F);
    if (at[0] < 0xF0)
        return *size = 3, (uint32_t)(at[0] & 0x0F) << 12 | (uint32_t)(at[1] & 0x3F) << 6 | (at[2] & 0x3F);
    *size = 4;
    return (uint32_t)(at[0] & 0x07) << 18 | (uint32_t)(at[1] & 0x3F) << 12 | (uint32_t)(at[2] & 0x3F) << 6 |
           (at[3] & 0x3F);
}

/* The code point that ends before `end` > from. */
static inline uint32_t corpus_character_before(const uint8_t *from, const uint8_t *end, size_t *size)
{
    const uint8_t *at = end - 1;
    while (at > from && (*at & 0xC0) == 0x80)
        at--;
    return corpus_character_at(at, size);
}

#endif
