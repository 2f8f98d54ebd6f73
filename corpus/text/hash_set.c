#include "corpus/text/hash_set.h"

#include "base/hash.h"

enum { CAPACITY_MIN = 256 };

/* A table that was made for a long document and is too large for this one costs misses: the part in use is as large as it must be. */
static size_t wanted(size_t entries_max)
{
    size_t capacity = CAPACITY_MIN;
    while (capacity < entries_max + entries_max / 2)
        capacity *= 2;
    return capacity;
}

static q_status make_slots(struct corpus_hash_set *set, size_t capacity)
{
    struct corpus_hash_slot *slots;
    Q_TRY(q_alloc_zero(capacity, sizeof *slots, &slots));
    q_release(set->slots);
    *set = (struct corpus_hash_set){.slots = slots, .allocated = capacity};
    return Q_OK;
}

uint64_t corpus_hash_key(q_string text)
{
    return q_hash64(text.data, text.size, 0) | 1;
}

q_status corpus_hash_set_begin(struct corpus_hash_set *set, size_t entries_max, uint64_t key)
{
    size_t capacity = wanted(entries_max);
    if (capacity > set->allocated)
        Q_TRY(make_slots(set, capacity));
    if (++set->round == 0) { /* once in four thousand million documents */
        memset(set->slots, 0, set->allocated * sizeof *set->slots);
        set->round = 1;
    }
    set->capacity = capacity;
    set->key = key;
    set->shift = 64;
    while (capacity > 1) {
        capacity /= 2;
        set->shift--;
    }
    return Q_OK;
}

void corpus_hash_set_release(struct corpus_hash_set *set)
{
    q_release(set->slots);
    *set = (struct corpus_hash_set){0};
}
