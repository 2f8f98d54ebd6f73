/* What mojibake.c is made of: charsets as tables, sequences, and the roughness of text (mojibake.h says what these are). */
#ifndef QUERN_CORPUS_MOJIBAKE_RUN_H
#define QUERN_CORPUS_MOJIBAKE_RUN_H

#include "base/string.h"

enum {
    MOJIBAKE_CHARSETS = 10,
    /* Characters up to U+25FF, and those of Mac OS Roman beyond: the apple U+F8FF, the ligatures U+FB01 and U+FB02. */
    MOJIBAKE_LOW = 0x2600,
    MOJIBAKE_APPLE = 0xF8FF,
    MOJIBAKE_LIGATURES = 0xFB02,
    MOJIBAKE_SLOTS = MOJIBAKE_LOW + MOJIBAKE_LIGATURES - MOJIBAKE_APPLE + 1,
};

struct mojibake {
    uint8_t byte_of[MOJIBAKE_CHARSETS][MOJIBAKE_SLOTS]; /* 0x80 to 0xFF; 0: the charset has it not, or it is ASCII */
    uint16_t leads[MOJIBAKE_SLOTS];  /* bit c: in charset c it is a byte that begins a UTF-8 character */
    uint16_t inners[MOJIBAKE_SLOTS]; /* bit c: one inside */
};

/* The character that begins at `at` of valid UTF-8, which is moved behind it. */
static inline uint32_t mojibake_next(const unsigned char **at)
{
    const unsigned char *p = *at;
    if (p[0] < 0x80)
        return *at += 1, p[0];
    if (p[0] < 0xE0)
        return *at += 2, (uint32_t)(p[0] & 0x1F) << 6 | (p[1] & 0x3F);
    if (p[0] < 0xF0)
        return *at += 3, (uint32_t)(p[0] & 0x0F) << 12 | (uint32_t)(p[1] & 0x3F) << 6 | (p[2] & 0x3F);
    *at += 4;
    return (uint32_t)(p[0] & 0x07) << 18 | (uint32_t)(p[1] & 0x3F) << 12 | (uint32_t)(p[2] & 0x3F) << 6 | (p[3] & 0x3F);
}

/* Index into the tables; slot 0 (NUL) stands for all that is not in them. */
static inline unsigned mojibake_slot(uint32_t c)
{
    if (c < MOJIBAKE_LOW)
        return c;
    return c - MOJIBAKE_APPLE <= MOJIBAKE_LIGATURES - MOJIBAKE_APPLE ? MOJIBAKE_LOW + c - MOJIBAKE_APPLE : 0;
}

struct mojibake_run {
    size_t size;      /* bytes of the text; 0: no run begins there */
    size_t sequences; /* characters it stands for */
    int64_t gain;
};

/* The UTF-8 character that begins at `at` in characters of the charset: its bytes in utf8, and their number; 0 where there is none. *next is behind it. */
unsigned mojibake_sequence(const struct mojibake *m, unsigned charset, const unsigned char *at,
                           const unsigned char *end, const unsigned char **next, unsigned char utf8[4]);

/* The longest run at `at` of text[begin, end), with its gain. The neighbours count that lie in [begin, end). */
struct mojibake_run mojibake_measure(const struct mojibake *m, unsigned charset, const unsigned char *begin,
                                     const unsigned char *at, const unsigned char *end);

#endif
