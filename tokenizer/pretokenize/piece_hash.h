/* The hash of a piece, for tables in memory only: nothing written depends on it.
 *
 * Most pieces are 1 to 16 bytes, for which two overlapping loads and one multiplication do (the folded multiplication of wyhash); longer ones go through
 * XXH3.
 */
#ifndef QUERN_TOKENIZER_PIECE_HASH_H
#define QUERN_TOKENIZER_PIECE_HASH_H

#include "base/hash.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t piece_hash_load(const uint8_t *bytes, size_t count)
{
    uint64_t word = 0;
    memcpy(&word, bytes, count);
    return word;
}

static inline uint64_t piece_hash_fold(uint64_t a, uint64_t b)
{
    __extension__ typedef unsigned __int128 wide;
    wide product = (wide)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t piece_hash(const uint8_t *bytes, size_t size)
{
    uint64_t low, high;
    if (size > 16)
        return q_hash64(bytes, size, 0);
    if (size >= 8) {
        low = piece_hash_load(bytes, 8);
        high = piece_hash_load(bytes + size - 8, 8);
    } else if (size >= 4) {
        low = piece_hash_load(bytes, 4);
        high = piece_hash_load(bytes + size - 4, 4);
    } else if (size > 0) {
        low = (uint64_t)bytes[0] | (uint64_t)bytes[size / 2] << 8 | (uint64_t)bytes[size - 1] << 16;
        high = 0;
    } else {
        low = high = 0;
    }
    return piece_hash_fold(low ^ 0xA0761D6478BD642Full, high ^ 0xE7037ED1A0B428DBull ^ (uint64_t)size << 56);
}

#endif
