/* A table of 64-bit hashes, each with a count and a place: open addressing, kept from text to text. What is in it are good hashes, so that two of them are
 * taken for equal when they are the same number: one false match in a document of a million lines has a chance of 1 in 30 million.
 *
 * Where a hash lies depends on a key of the text's own (corpus_hash_key), multiplied with it: nobody can choose texts whose hashes all lie in one place. */
#ifndef QUERN_CORPUS_HASH_SET_H
#define QUERN_CORPUS_HASH_SET_H

#include "base/memory.h"

/* All that is asked of a hash in one place: a long text's table lies in a far cache. */
struct corpus_hash_slot {
    uint64_t hash;
    uint32_t count; /* 0: empty, so whoever asks for a new slot counts at once */
    uint32_t place; /* the caller's: 0 in a new slot */
};

struct corpus_hash_set {
    struct corpus_hash_slot *slots;
    size_t allocated, capacity; /* slots there are, and are in use: a power of two */
    size_t room;                /* new ones that corpus_hash_set_take may give before the table grows */
    uint64_t key;
    unsigned shift;
};

/* Odd, and as the text is: what is looked up in tables by `hash * key` lies elsewhere in another text. */
uint64_t corpus_hash_key(q_string text);

/* Empties it and makes room for `entries`: up to 48 bytes for each. key: corpus_hash_key. */
q_status corpus_hash_set_begin(struct corpus_hash_set *set, size_t entries, uint64_t key) Q_MUST_USE;
void corpus_hash_set_release(struct corpus_hash_set *set);

/* The slot of `hash`, new (count 0) where it was not there: it must be counted before the next call. No more may come than there is room for. */
static inline struct corpus_hash_slot *corpus_hash_set_slot(const struct corpus_hash_set *set, uint64_t hash)
{
    for (size_t at = (hash * set->key) >> set->shift;; at = (at + 1) & (set->capacity - 1)) {
        struct corpus_hash_slot *slot = &set->slots[at];
        if (!slot->count)
            *slot = (struct corpus_hash_slot){.hash = hash};
        if (slot->hash == hash)
            return slot;
    }
}

/* The same where nobody knows how many will come: the table grows, with both tables in memory for a while. Fails for want of memory only. */
enum { CORPUS_HASH_SET_FEW = 1 << 16 }; /* to begin with */
q_status corpus_hash_set_grow(struct corpus_hash_set *set) Q_MUST_USE;
static inline q_status corpus_hash_set_take(struct corpus_hash_set *set, uint64_t hash, struct corpus_hash_slot **out)
{
    *out = corpus_hash_set_slot(set, hash);
    if ((*out)->count || set->room-- > 0)
        return Q_OK;
    Q_TRY(corpus_hash_set_grow(set));
    *out = corpus_hash_set_slot(set, hash);
    return Q_OK;
}

/* Its slot, soon to be asked for. */
static inline void corpus_hash_set_prefetch(const struct corpus_hash_set *set, uint64_t hash)
{
    __builtin_prefetch(&set->slots[(hash * set->key) >> set->shift]);
}

/* The slot of `hash`, NULL where it is not there. */
static inline struct corpus_hash_slot *corpus_hash_set_find(const struct corpus_hash_set *set, uint64_t hash)
{
    for (size_t at = (hash * set->key) >> set->shift;; at = (at + 1) & (set->capacity - 1)) {
        struct corpus_hash_slot *slot = &set->slots[at];
        if (!slot->count)
            return NULL;
        if (slot->hash == hash)
            return slot;
    }
}

#endif
