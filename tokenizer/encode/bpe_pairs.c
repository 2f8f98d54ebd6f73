#include "tokenizer/encode/bpe_pairs.h"

enum { ARENA_STEP = 16 }; /* what an arena rounds up to */

static uint32_t lines_for(uint32_t count)
{
    return count / (BPE_PAIRS_LINE / 2) + 1;
}

size_t bpe_pairs_bytes(size_t count)
{
    return (count / (BPE_PAIRS_LINE / 2) + 256) * (BPE_PAIRS_LINE + 1) * sizeof(uint64_t) + ARENA_STEP;
}

q_status bpe_pairs_create(struct bpe_pairs *pairs, const uint32_t counts[256], struct q_arena *arena)
{
    *pairs = (struct bpe_pairs){0};
    for (unsigned first = 0; first < 256; first++) {
        pairs->regions[first].from = pairs->lines;
        pairs->regions[first].lines = lines_for(counts[first]);
        pairs->lines += lines_for(counts[first]);
    }
    Q_TRY(q_arena_alloc(arena, (size_t)pairs->lines * BPE_PAIRS_LINE, sizeof(*pairs->slots), &pairs->slots));
    Q_TRY(q_arena_alloc(arena, pairs->lines, sizeof(*pairs->filter), &pairs->filter));
    memset(pairs->slots, 0xFF, (size_t)pairs->lines * BPE_PAIRS_LINE * sizeof(*pairs->slots));
    return Q_OK;
}

void bpe_pairs_add(struct bpe_pairs *pairs, uint8_t first, uint32_t left, uint32_t right, uint32_t number)
{
    uint64_t key = bpe_pair_key(left, right), hash = bpe_pair_hash(key);
    size_t line = bpe_pair_line(pairs, first, hash), at = bpe_pair_slot(line, hash);
    while (pairs->slots[at] != UINT64_MAX)
        at = at + 1 < pairs->lines * BPE_PAIRS_LINE ? at + 1 : 0;
    pairs->slots[at] = key << BPE_PAIRS_NUMBER_BITS | number;
    pairs->filter[line] |= bpe_pair_bits(hash);
}
