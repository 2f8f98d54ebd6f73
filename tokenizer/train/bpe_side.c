/* The neighbours of a merge: an open hash table over sums, found by the bytes of the neighbour. */
#include "tokenizer/train/bpe_trainer.h"

#include "base/check.h"
#include "tokenizer/pretokenize/piece_hash.h"

enum { FIRST_CAPACITY = 128 };

static uint64_t key_of(const uint8_t *bytes, uint32_t length)
{
    return length > 8 ? piece_hash(bytes, length) : bpe_side_key(bytes, length);
}

static void index_all(struct bpe_side *side)
{
    for (size_t i = 0; i < side->count; i++) {
        size_t at = bpe_side_slot(side, side->sums[i].key, side->sums[i].length);
        while (side->index[at])
            at = (at + 1) & (side->index_capacity - 1);
        side->index[at] = (uint32_t)i + 1;
    }
}

/* Twice as many sums, and an index that stays half empty. */
static q_status grow(struct bpe_side *side)
{
    size_t capacity = side->capacity ? 2 * side->capacity : FIRST_CAPACITY;
    uint32_t *index;
    q_check(capacity < BPE_NONE);
    Q_TRY(q_alloc_zero(2 * capacity, sizeof(*index), &index));
    q_status status = q_resize(&side->sums, capacity, sizeof(*side->sums));
    if (status) {
        q_release(index);
        return status;
    }
    q_release(side->index);
    side->capacity = capacity;
    side->index = index;
    side->index_capacity = 2 * capacity;
    side->index_shift = 64 - (unsigned)__builtin_ctzll(side->index_capacity);
    index_all(side);
    return Q_OK;
}

uint32_t bpe_side_find_slowly(struct bpe_side *side, const uint8_t *text, uint64_t token, uint32_t length,
                              uint32_t offset)
{
    if (side->count == side->capacity && grow(side))
        return BPE_NONE;
    uint64_t key = key_of(text + token, length);
    size_t at = bpe_side_slot(side, key, length);
    for (uint32_t found; (found = side->index[at]) != 0; at = (at + 1) & (side->index_capacity - 1)) {
        const struct bpe_sum *sum = &side->sums[found - 1];
        if (sum->key == key && sum->length == length &&
            (length <= 8 || memcmp(text + sum->first + offset, text + token, length) == 0))
            return found - 1;
    }
    uint64_t place = token - offset;
    side->sums[side->count] = (struct bpe_sum){
        .key = key, .length = length, .first = place, .last = place, .bytes = UINT64_MAX /* -1: see bpe_sum_add */};
    side->index[at] = (uint32_t)++side->count;
    return (uint32_t)side->count - 1;
}

/* A few neighbours are taken out one by one, the last first so that no chain is broken; many with the whole index. */
void bpe_side_clear(struct bpe_side *side)
{
    if (side->count * 8 > side->index_capacity) {
        memset(side->index, 0, side->index_capacity * sizeof(*side->index));
        side->count = 0;
    }
    while (side->count > 0) {
        const struct bpe_sum *sum = &side->sums[side->count - 1];
        size_t at = bpe_side_slot(side, sum->key, sum->length);
        while (side->index[at] != side->count)
            at = (at + 1) & (side->index_capacity - 1);
        side->index[at] = 0;
        side->count--;
    }
}

void bpe_side_release(struct bpe_side *side)
{
    q_release(side->sums);
    q_release(side->index);
    *side = (struct bpe_side){0};
}
