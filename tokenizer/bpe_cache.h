/* The cache of a thread: pieces that came before, with their ids. Direct-mapped, of a fixed size, so that it never grows; a piece that comes to a taken line
 * replaces what is there.
 *
 *     line, 32 bytes        | the piece, up to 15 bytes, zeros behind | count << 4 | size | 4 ids |
 *     long line, 64 bytes   | the piece, 16 to 31 bytes, zeros        | count << 4 | size - 16 | 8 ids |
 *
 * The key is the bytes and the size as two (four) words, so that a comparison has no loop and no branch; the count shares the size's byte and is shifted out. An
 * empty line has the size 0 (long: the count 0), which no piece has.
 */
#ifndef QUERN_TOKENIZER_BPE_CACHE_H
#define QUERN_TOKENIZER_BPE_CACHE_H

#include "base/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    BPE_CACHE_LOG = 15, /* lines: 1 MiB */
    BPE_CACHE_BYTES = 15,
    BPE_CACHE_IDS = 4,
    BPE_LONG_LOG = 12, /* lines: 256 KiB */
    BPE_LONG_BYTES = 31,
    BPE_LONG_IDS = 8,
};

struct bpe_cache_line {
    uint64_t low, high;
    uint32_t ids[BPE_CACHE_IDS];
};

struct bpe_long_line {
    uint64_t words[4];
    uint32_t ids[BPE_LONG_IDS];
};

/* The lowest 8 * size bits set, in two words. */
static inline uint64_t bpe_mask(size_t size)
{
    return size >= 8 ? UINT64_MAX : (1ull << 8 * size) - 1;
}

static inline size_t bpe_cache_index(uint64_t low, uint64_t high)
{
    uint64_t mixed = low * 0x9E3779B97F4A7C15ull + (high ^ high >> 29) * 0xD6E8FEB86659FD93ull;
    return (size_t)((mixed ^ mixed >> 32) * 0x9E3779B97F4A7C15ull >> (64 - BPE_CACHE_LOG));
}

static inline bool bpe_cache_holds(const struct bpe_cache_line *line, uint64_t low, uint64_t high)
{
    return ((line->low ^ low) | (line->high ^ high) << 4) == 0;
}

#endif
