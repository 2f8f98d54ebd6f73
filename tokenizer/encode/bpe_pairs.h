/* Merges as a table: from two tokens to the one that they become. Tokens are told by numbers below BPE_PAIRS_MAX.
 *
 *     slot (64 bits)   | 0 | left (21) | right (21) | what they become (21) |     all ones: empty
 *
 * Open addressing, at most half full: a pair is mostly found where it is looked for first, and costs one line of memory. Nearly all pairs that are asked
 * for have no merge; a filter that stays in the processor's cache knows most of these: two bits in a word, both by the hash of the pair.
 */
#ifndef QUERN_TOKENIZER_BPE_PAIRS_H
#define QUERN_TOKENIZER_BPE_PAIRS_H

#include "base/memory.h"
#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

#define BPE_NO_NUMBER UINT32_MAX

enum {
    BPE_PAIRS_NUMBER_BITS = 21,
    BPE_PAIRS_MAX = 1 << BPE_PAIRS_NUMBER_BITS,
    BPE_PAIRS_FILTER_LOG = 15, /* words: 256 KiB */
};

struct bpe_pairs {
    uint64_t *slots;
    size_t count;   /* a power of two */
    unsigned shift; /* 64 - log2 of it */
    uint64_t *filter;
};

size_t bpe_pairs_bytes(size_t room);
/* Empty, with room for so many pairs; its memory is the arena's, bpe_pairs_bytes of it. */
q_status bpe_pairs_create(struct bpe_pairs *pairs, size_t room, struct q_arena *arena) Q_MUST_USE;

/* Enters a pair that is not there. */
void bpe_pairs_add(struct bpe_pairs *pairs, uint32_t left, uint32_t right, uint32_t number);

static inline uint64_t bpe_pair_key(uint32_t left, uint32_t right)
{
    return (uint64_t)left << BPE_PAIRS_NUMBER_BITS | right;
}

/* Its best bits are the highest. */
static inline uint64_t bpe_pair_hash(uint64_t key)
{
    return (key ^ key >> 25) * 0x9E3779B97F4A7C15ull;
}

/* Its two bits in the word of the filter. */
static inline uint64_t bpe_pair_bits(uint64_t hash)
{
    return 1ull << (hash >> 36 & 63) | 1ull << (hash >> 30 & 63);
}

/* Has the slot fetched, before the filter has its say: for pairs that are likely to be there. */
static inline void bpe_pairs_fetch(const struct bpe_pairs *pairs, uint32_t left, uint32_t right)
{
    __builtin_prefetch(&pairs->slots[bpe_pair_hash(bpe_pair_key(left, right)) >> pairs->shift]);
}

/* What the two become; BPE_NO_NUMBER. */
static inline uint32_t bpe_pairs_find(const struct bpe_pairs *pairs, uint32_t left, uint32_t right)
{
    uint64_t key = bpe_pair_key(left, right), hash = bpe_pair_hash(key), bits = bpe_pair_bits(hash), slot;
    if ((pairs->filter[hash >> (64 - BPE_PAIRS_FILTER_LOG)] & bits) != bits)
        return BPE_NO_NUMBER;
    for (size_t at = (size_t)(hash >> pairs->shift); (slot = pairs->slots[at]) != UINT64_MAX;
         at = (at + 1) & (pairs->count - 1))
        if (slot >> BPE_PAIRS_NUMBER_BITS == key)
            return (uint32_t)slot & (BPE_PAIRS_MAX - 1);
    return BPE_NO_NUMBER;
}

#endif
