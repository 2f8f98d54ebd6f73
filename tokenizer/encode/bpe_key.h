/* Up to 15 bytes as two words, for tables in memory: what the cache and the table of short tokens are searched by.
 *
 *     low    bytes 0..7         zeros behind the last byte
 *     high   bytes 8..14        and in the highest byte the size, 1 to 15
 *
 * The highest four bits of `high` are free for the tables.
 */
#ifndef QUERN_TOKENIZER_BPE_KEY_H
#define QUERN_TOKENIZER_BPE_KEY_H

#include "base/bytes.h"

#include <stddef.h>
#include <stdint.h>

enum { BPE_KEY_BYTES = 15 };

struct bpe_key {
    uint64_t low, high;
};

/* 16 bytes of memory, of which the first `readable` may be read; zeros for the others. */
struct bpe_key bpe_key_load_end(const uint8_t *at, size_t readable);
static inline struct bpe_key bpe_key_load(const uint8_t *at, size_t readable)
{
    return readable >= 16 ? (struct bpe_key){q_load_u64(at), q_load_u64(at + 8)} : bpe_key_load_end(at, readable);
}

/* Masks by size: of no bytes, of one, ... A table, since sizes are what a processor cannot foresee. */
extern const uint64_t bpe_key_masks[BPE_KEY_BYTES + 1][2];

/* The key of the first `size` bytes, 1 to 15. */
static inline struct bpe_key bpe_key_cut(struct bpe_key all, size_t size)
{
    return (struct bpe_key){all.low & bpe_key_masks[size][0],
                            (all.high & bpe_key_masks[size][1]) | (uint64_t)size << 56};
}

/* Its best bits are the highest. */
static inline uint64_t bpe_key_hash(struct bpe_key key)
{
    return (key.low + key.high * 0xD6E8FEB86659FD93ull) * 0x9E3779B97F4A7C15ull;
}

#endif
