/* What normalization needs to know of a code point: class, decompositions, composites (UAX #15, UAX #44).
 *
 *     code point U+1E69 --> unicode_normal_block_of[0x1E69 / 128] --> unicode_normal_blocks[..][0x1E69 % 128] --> unicode_normals[..]
 *
 * The data is that of Unicode 9.0, which is what the normalizers of Hugging Face's tokenizers 0.23.3 know (its patterns know 16.0). Characters that came later
 * stay as they are. About 200 KB in all; text in one script touches about 1 KB.
 */
#ifndef QUERN_TOKENIZER_UNICODE_NORMAL_H
#define QUERN_TOKENIZER_UNICODE_NORMAL_H

#include <stdbool.h>
#include <stdint.h>

#define UNICODE_NORMAL_VERSION "9.0.0"

enum {
    UNICODE_NORMAL_CODES = 0x30000, /* those above are starters that stay as they are */
    UNICODE_NORMAL_BLOCK = 128,
};

/* Bits of `flags`. */
enum {
    UNICODE_NOT_C = 1 << 0,  /* another string in NFC */
    UNICODE_NOT_D = 1 << 1,  /* ... in NFD */
    UNICODE_NOT_KC = 1 << 2, /* ... in NFKC */
    UNICODE_NOT_KD = 1 << 3, /* ... in NFKD */
    UNICODE_JOINS = 1 << 4,  /* the second part of some composite */
    /* Its decomposition begins with a character of class > 0 or with one that joins: what stands before it may change it. */
    UNICODE_INSIDE = 1 << 5,   /* the canonical decomposition */
    UNICODE_INSIDE_K = 1 << 6, /* the compatible one */
    UNICODE_HANGUL = 1 << 7,   /* a syllable: decomposed by arithmetic */
};

struct unicode_normal {
    uint16_t canonical;      /* in unicode_normal_codes: the full decomposition, already in canonical order */
    uint8_t canonical_count; /* 0: itself */
    uint16_t compatible;
    uint8_t compatible_count; /* up to 18 */
    uint16_t composites;      /* in unicode_composites: what it is the first part of */
    uint8_t composites_count;
    uint8_t class; /* Canonical_Combining_Class; 0: a starter */
    uint8_t flags;
};

struct unicode_composite {
    uint32_t second, whole;
};

extern const uint8_t unicode_normal_block_of[UNICODE_NORMAL_CODES / UNICODE_NORMAL_BLOCK];
extern const uint16_t unicode_normal_blocks[][UNICODE_NORMAL_BLOCK];
extern const struct unicode_normal unicode_normals[]; /* [0]: nothing at all */
extern const uint32_t unicode_normal_codes[];
extern const struct unicode_composite unicode_composites[];

static inline const struct unicode_normal *unicode_normal(uint32_t code)
{
    if (code >= UNICODE_NORMAL_CODES)
        return &unicode_normals[0];
    return &unicode_normals[unicode_normal_blocks[unicode_normal_block_of[code / UNICODE_NORMAL_BLOCK]]
                                                 [code % UNICODE_NORMAL_BLOCK]];
}

#endif
