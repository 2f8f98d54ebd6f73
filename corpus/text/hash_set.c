#include "corpus/text/hash_set.h"

#include "base/hash.h"

enum { CAPACITY_MIN = 256 };

/* A table that was made for a long document and is too large for this one costs misses: the part in use is as large as it must be. */
static size_t wanted(size_t entries)
{
    size_t capacity = CAPACITY_MIN;
    while (capacity < entries + entries / 2)
        capacity *= 2;
    return capacity;
}

uint64_t corpus_hash_key(q_string text)
{
    return q_hash64(text.data, text.size, 0) | 1;
}

q_status corpus_hash_set_begin(struct corpus_hash_set *set, size_t entries, uint64_t key)
{
    const size_t capacity = wanted(entries);
    if (capacity > set->allocated) {
        corpus_hash_set_release(set); /* before: what is in it is not wanted any more */
        Q_TRY(q_alloc_pages(capacity * sizeof *set->slots, &set->slots));
        set->allocated = capacity;
    } else {
        memset(set->slots, 0, capacity * sizeof *set->slots);
    }
    set->capacity = capacity;
    set->room = entries;
    set->key = key;
    set->shift = 64 - (unsigned)__builtin_ctzll(capacity);
    return Q_OK;
}

q_status corpus_hash_set_grow(struct corpus_hash_set *set)
{
    struct corpus_hash_set larger = {0};
    const size_t entries = set->capacity / 3 * 2; /* as many as there are at most, or few more */
    Q_TRY(corpus_hash_set_begin(&larger, entries * 2, set->key));
    for (size_t i = 0; i < set->capacity; i++)
        if (set->slots[i].count) {
            *corpus_hash_set_slot(&larger, set->slots[i].hash) = set->slots[i];
            larger.room--;
        }
    larger.room--; /* the one that is asked for */
    corpus_hash_set_release(set);
    *set = larger;
    return Q_OK;
}

void corpus_hash_set_release(struct corpus_hash_set *set)
{
    q_release_pages(set->slots, set->allocated * sizeof *set->slots);
    *set = (struct corpus_hash_set){0};
}
