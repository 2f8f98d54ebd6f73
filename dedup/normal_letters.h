/* Normal letters: what a character of a document becomes in the text that is hashed and compared. For that only;
 * what is kept is written as it came.
 *
 *   GAP      parts words: spaces, punctuation, symbols, controls, and whatever Unicode 16 has not assigned
 *   LETTER   belongs to a word, as its folded form: lower case, without accents, every digit as 0
 *   SINGLE   a word of its own: scripts written without spaces (Han, kana, Thai, Lao, Khmer, Burmese, Yi, ...)
 *   NOTHING  as if it were not there: accents standing alone, Arabic and Hebrew vowel points, invisible joiners
 *
 * Folding maps one code point to one code point ("ß" stays, "Œ" becomes "œ"). The table is our own, made once by
 * unicode/generate_normal.py, so that no signature depends on the machine's Unicode library.
 */
#ifndef QUERN_DEDUP_NORMAL_LETTERS_H
#define QUERN_DEDUP_NORMAL_LETTERS_H

#include <stddef.h>
#include <stdint.h>

enum normal_kind { NORMAL_GAP, NORMAL_LETTER, NORMAL_SINGLE, NORMAL_NOTHING };

/* What a code point (0..0x10FFFF) is and what it becomes: an enum normal_kind in the low byte, the folded code point
 * above it (0 for GAP and NOTHING). */
uint32_t normal_letter(uint32_t code);

/* The same for the first 65,536 code points as an array, made at the first call. */
const uint32_t *normal_plane(void);

static inline enum normal_kind normal_kind_of(uint32_t letter)
{
    return (enum normal_kind)(letter & 0xff);
}

/* For each ASCII character its folded byte; 0 is a gap. (No ASCII character is SINGLE or NOTHING.) */
extern const unsigned char normal_ascii[128];

/* The generated rows: how the folded form follows from the code. */
enum normal_shape {
    NORMAL_SHIFT, /* code + value */
    NORMAL_TO,    /* value */
    NORMAL_PAIRS, /* code + 1 for the first, third, ... of the range, capitals before small letters; code for the others */
};

struct normal_range {
    uint32_t first, last; /* inclusive */
    uint8_t kind;         /* enum normal_kind */
    uint8_t shape;        /* enum normal_shape */
    int32_t value;
};

extern const struct normal_range normal_ranges[]; /* sorted, apart */
extern const size_t normal_range_count;

#endif
