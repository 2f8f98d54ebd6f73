/* Counting bytes, eight at a time: GCC at -O2 makes no vectors of loops whose length it does not know. */
#ifndef QUERN_CORPUS_COUNT_BYTES_H
#define QUERN_CORPUS_COUNT_BYTES_H

#include "base/string.h"

#define CORPUS_EACH_BYTE 0x0101010101010101u

/* Code points of valid UTF-8: its bytes less those that continue one. */
static inline uint64_t corpus_count_characters(q_string text)
{
    uint64_t continuing = 0;
    size_t at = 0;
    for (uint64_t word; at + 8 <= text.size; at += 8) {
        memcpy(&word, text.data + at, 8);
        continuing += (((word >> 7) & (~word >> 6) & CORPUS_EACH_BYTE) * CORPUS_EACH_BYTE) >> 56;
    }
    for (; at < text.size; at++)
        continuing += (text.data[at] & 0xC0) == 0x80;
    return text.size - continuing;
}

static inline uint64_t corpus_count_byte(q_string text, char byte)
{
    uint64_t others = 0;
    size_t at = 0;
    for (uint64_t word; at + 8 <= text.size; at += 8) {
        memcpy(&word, text.data + at, 8);
        word ^= (unsigned char)byte * CORPUS_EACH_BYTE; /* a byte that is it becomes zero */
        others += (((((word & 0x7F * CORPUS_EACH_BYTE) + 0x7F * CORPUS_EACH_BYTE) | word) >> 7 & CORPUS_EACH_BYTE) *
                   CORPUS_EACH_BYTE) >>
                  56;
    }
    for (; at < text.size; at++)
        others += text.data[at] != byte;
    return text.size - others;
}

#endif
