/* Sixteen bytes at once, in the vector types of the compilers that we build with (GCC's "vector_size", Clang has them too): plain C for any processor. A
 * comparison gives 0xFF in the bytes for which it holds and 0 in the others; as its type is that of signed bytes, it is cast back: (q_bytes16)(a < 0x20). */
#ifndef QUERN_BASE_BYTES16_H
#define QUERN_BASE_BYTES16_H

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

typedef uint8_t q_bytes16 __attribute__((vector_size(16)));

/* 16 bytes can be read at `at`, which need not be aligned. */
static inline q_bytes16 q_bytes16_load(const void *at)
{
    q_bytes16 bytes;
    memcpy(&bytes, at, sizeof bytes);
    return bytes;
}

#define Q_IS16(bytes, byte) ((q_bytes16)((bytes) == (byte)))
#define Q_IN16(bytes, first, last) ((q_bytes16)((bytes) - (first) <= (last) - (first)))

/* Whether one of the bytes has a bit of `bits`. */
static inline bool q_bytes16_have(q_bytes16 bytes, uint8_t bits)
{
    uint64_t words[2];
    memcpy(words, &bytes, sizeof words);
    return ((words[0] | words[1]) & (bits * UINT64_C(0x0101010101010101))) != 0;
}

/* Whether a comparison holds for one of the bytes. */
static inline bool q_bytes16_any(q_bytes16 truths)
{
    return q_bytes16_have(truths, 0xFF);
}

/* The first byte for which it holds, 0..15; 16: for none. */
static inline unsigned q_bytes16_first(q_bytes16 truths)
{
    uint64_t words[2];
    memcpy(words, &truths, sizeof words);
    if (words[0])
        return (unsigned)__builtin_ctzll(le64toh(words[0])) / 8;
    return words[1] ? 8 + (unsigned)__builtin_ctzll(le64toh(words[1])) / 8 : 16;
}

#endif
