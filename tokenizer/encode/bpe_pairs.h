/* Merges as a table: from two tokens to the one that they become. Tokens are told by numbers below BPE_PAIRS_MAX.
 *
 *     slot (64 bits)   | 0 | left (21) | right (21) | what they become (21) |     all ones: empty
 *     line             8 slots, half full, and a word of the filter: two bits for each pair, by its hash
 *     region           the lines of all pairs whose right token has the same first byte
 *
 * Open addressing: a pair is mostly found where it is looked for first, and costs one line of memory. Nearly all pairs that are asked for have no merge; the
 * filter, of an eighth of their memory, knows most of these. By the regions a text of one script uses its own lines and few others: these stay in the
 * processor's cache.
 */
#ifndef QUERN_TOKENIZER_BPE_PAIRS_H
#define QUERN_TOKENIZER_BPE_PAIRS_H

#include "base/memory.h"
#include "base/status.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define BPE_NO_NUMBER UINT32_MAX

enum {
    BPE_PAIRS_NUMBER_BITS = 21,
    BPE_PAIRS_MAX = 1 << BPE_PAIRS_NUMBER_BITS,
    BPE_PAIRS_LINE = 8, /* slots */
};

struct bpe_pairs {
    uint64_t *slots;
    uint64_t *filter; /* [lines] */
    uint32_t lines;
    struct {
        uint32_t from, lines;
    } regions[256]; /* by the first byte of the right token */
};

size_t bpe_pairs_bytes(size_t count);
/* Empty, with room for counts[first] pairs whose right token has this first byte; its memory is the arena's, bpe_pairs_bytes of all that at most. */
q_status bpe_pairs_create(struct bpe_pairs *pairs, const uint32_t counts[256], struct q_arena *arena) Q_MUST_USE;

/* Enters a pair that is not there, for which there is room. `first`: the first byte of `right`, here and below. */
void bpe_pairs_add(struct bpe_pairs *pairs, uint8_t first, uint32_t left, uint32_t right, uint32_t number);

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
    return 1ull << (hash >> 26 & 63) | 1ull << (hash >> 20 & 63);
}

static inline size_t bpe_pair_line(const struct bpe_pairs *pairs, uint8_t first, uint64_t hash)
{
    return pairs->regions[first].from + ((hash >> 32) * pairs->regions[first].lines >> 32);
}

static inline size_t bpe_pair_slot(size_t line, uint64_t hash)
{
    return line * BPE_PAIRS_LINE + (hash >> 12 & (BPE_PAIRS_LINE - 1));
}

/* Has the slot fetched, before the filter has its say: for pairs that are likely to be there. */
static inline void bpe_pairs_fetch(const struct bpe_pairs *pairs, uint8_t first, uint32_t left, uint32_t right)
{
    uint64_t hash = bpe_pair_hash(bpe_pair_key(left, right));
    __builtin_prefetch(&pairs->slots[bpe_pair_slot(bpe_pair_line(pairs, first, hash), hash)]);
}

/* What the two become; BPE_NO_NUMBER. */
static inline uint32_t bpe_pairs_find(const struct bpe_pairs *pairs, uint8_t first, uint32_t left, uint32_t right)
{
    uint64_t key = bpe_pair_key(left, right), hash = bpe_pair_hash(key), bits = bpe_pair_bits(hash), slot;
    size_t line = bpe_pair_line(pairs, first, hash), at = bpe_pair_slot(line, hash);
    if ((pairs->filter[line] & bits) != bits)
        return BPE_NO_NUMBER;
    for (; (slot = pairs->slots[at]) != UINT64_MAX; at = at + 1 < pairs->lines * BPE_PAIRS_LINE ? at + 1 : 0)
        if (slot >> BPE_PAIRS_NUMBER_BITS == key)
            return (uint32_t)slot & (BPE_PAIRS_MAX - 1);
    return BPE_NO_NUMBER;
}

#endif
