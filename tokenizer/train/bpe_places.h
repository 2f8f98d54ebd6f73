/* Lists of rising positions, each written once and read a few times, in an arena.
 *
 * A list is its positions' differences, the first from 0, in 1 to 8 bytes each: the low three bits of the first byte say how many follow, the others
 * are the number, little-endian. Differences of common pairs take one byte, of rare ones three or four.
 *
 * A handle is 64 bits. The commonest list by far has one position, and is the handle itself:
 *
 *     BPE_ONE_PLACE | position          one position
 *     chunk * 2^32 + offset             in that chunk: bytes (u32), then the list. With BPE_INDEXED in bytes, a table comes first (below)
 *     BPE_NO_LIST                       none is kept: its places are found by looking through all words
 *
 * A long list that threads are to share is a row of portions, one for each segment, with a table that says where each begins:
 *
 *     | bytes + BPE_INDEXED | base, bytes of portion 0 | base, bytes of portion 1 | ... | portion 0 | portion 1 | ...
 *     base: what a portion's first difference is from
 *
 * Lists die young or live long. When more than half of the arena is dead, bpe_places_tidy moves the others together.
 */
#ifndef QUERN_TOKENIZER_BPE_PLACES_H
#define QUERN_TOKENIZER_BPE_PLACES_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define BPE_ONE_PLACE (1ull << 63)
#define BPE_NO_LIST UINT64_MAX
#define BPE_INDEXED (1u << 31)
#define BPE_LIST_BYTES_MAX ((1u << 31) - 1)

enum { BPE_PLACE_BYTES_MAX = 8 };

struct bpe_places_chunk {
    uint8_t *bytes;
    size_t room;
    uint64_t live; /* bytes of lists that were not dropped */
};

struct bpe_portion {
    uint32_t base_low, base_high;
    uint32_t bytes, room; /* room: bytes up to the next portion */
};

static inline uint64_t bpe_portion_base(const struct bpe_portion *portion)
{
    return (uint64_t)portion->base_high << 32 | portion->base_low;
}

/* Ready when zeroed but for chunk_bytes. */
struct bpe_places {
    size_t chunk_bytes;
    struct bpe_places_chunk *chunks;
    size_t chunk_count, chunk_capacity;
    size_t used;         /* bytes of the newest chunk */
    uint64_t live, held; /* bytes of lists, bytes of chunks */
};

void bpe_places_release(struct bpe_places *places);
/* A list of `bytes` <= BPE_LIST_BYTES_MAX, its table included, for the caller to fill: *out, aligned to 4, which stays where it is until a tidying. */
q_status bpe_places_add(struct bpe_places *places, uint32_t bytes, bool indexed, uint64_t *out_handle,
                        uint8_t **out) Q_MUST_USE;
/* The list of a handle that has one, table first; *bytes as it was given. */
uint8_t *bpe_places_get(const struct bpe_places *places, uint64_t handle, uint32_t *bytes, bool *indexed);
bool bpe_places_is_indexed(const struct bpe_places *places, uint64_t handle);
/* The list has only this many bytes by now. */
void bpe_places_shrink(struct bpe_places *places, uint64_t handle, uint32_t bytes);
/* The list is not needed any more; a chunk without lists goes back to the system. */
void bpe_places_drop(struct bpe_places *places, uint64_t handle);

/* A handle and where it is kept, for tidying. */
struct bpe_places_owner {
    uint64_t handle;
    uint64_t *where;
};
/* Moves the lists of these owners, which must be all that live, into as few chunks as they fill, a chunk at a time; the handles change. The owners
 * are sorted. */
q_status bpe_places_tidy(struct bpe_places *places, struct bpe_places_owner *owners, size_t count) Q_MUST_USE;

/* Bytes that a difference takes: 5 bits in the first, 8 in each more. */
static inline uint32_t bpe_place_bytes(uint64_t difference)
{
    return (74u - (uint32_t)__builtin_clzll(difference | 1)) >> 3;
}

/* Writes a difference behind `at`; nothing from `end` on is touched. */
static inline uint8_t *bpe_place_put(uint8_t *at, const uint8_t *end, uint64_t difference)
{
    uint32_t bytes = bpe_place_bytes(difference);
    uint64_t word = difference << 3 | (bytes - 1);
    if (end - at >= BPE_PLACE_BYTES_MAX) {
        memcpy(at, &word, sizeof(word)); /* what is too much is written over by the next */
        return at + bytes;
    }
    for (uint32_t i = 0; i < bytes; i++, word >>= 8)
        *at++ = (uint8_t)word;
    return at;
}

/* The same where the bytes behind may be in use: none is touched. */
static inline uint8_t *bpe_place_put_exact(uint8_t *at, uint64_t difference)
{
    return bpe_place_put(at, at, difference);
}

/* Reads a difference; up to seven bytes behind it are loaded too, which a chunk has room for. */
static inline const uint8_t *bpe_place_get(const uint8_t *at, uint64_t *difference)
{
    uint64_t word;
    memcpy(&word, at, sizeof(word));
    uint32_t bytes = (uint32_t)(word & 7) + 1;
    *difference = word << (64 - 8 * bytes) >> (67 - 8 * bytes);
    return at + bytes;
}

#endif
