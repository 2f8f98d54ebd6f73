#include "tokenizer/encode/bpe_pairs.h"

static size_t slots_for(size_t room)
{
    size_t count = 512;
    while (count < 2 * room)
        count *= 2;
    return count;
}

size_t bpe_pairs_bytes(size_t room)
{
    return (slots_for(room) + (1u << BPE_PAIRS_FILTER_LOG)) * sizeof(uint64_t);
}

q_status bpe_pairs_create(struct bpe_pairs *pairs, size_t room, struct q_arena *arena)
{
    *pairs = (struct bpe_pairs){.count = slots_for(room)};
    pairs->shift = 64 - (unsigned)__builtin_ctzll(pairs->count);
    Q_TRY(q_arena_alloc(arena, 1u << BPE_PAIRS_FILTER_LOG, sizeof(*pairs->filter), &pairs->filter));
    Q_TRY(q_arena_alloc(arena, pairs->count, sizeof(*pairs->slots), &pairs->slots));
    for (size_t i = 0; i < pairs->count; i++)
        pairs->slots[i] = UINT64_MAX;
    return Q_OK;
}

void bpe_pairs_add(struct bpe_pairs *pairs, uint32_t left, uint32_t right, uint32_t number)
{
    uint64_t key = bpe_pair_key(left, right), hash = bpe_pair_hash(key);
    size_t at = (size_t)(hash >> pairs->shift);
    while (pairs->slots[at] != UINT64_MAX)
        at = (at + 1) & (pairs->count - 1);
    pairs->slots[at] = key << BPE_PAIRS_NUMBER_BITS | number;
    pairs->filter[hash >> (64 - BPE_PAIRS_FILTER_LOG)] |= bpe_pair_bits(hash);
}
