/* A set of 64-bit hashes, each with a count: open addressing, emptied in constant time, kept from document to document. What is in it are
 * good hashes, so that two of them are taken for equal when they are the same number: one false match in a document of a million lines has a chance of
 * 1 in 30 million.
 *
 * Where a hash lies depends on a key of the text's own (corpus_hash_key), multiplied with it: nobody can choose texts whose hashes all lie in one place. */
#ifndef QUERN_CORPUS_HASH_SET_H
#define QUERN_CORPUS_HASH_SET_H

#include "base/memory.h"

struct corpus_hash_slot {
    uint64_t hash;
    uint32_t round; /* in use where it is the set's */
    uint32_t count; /* the caller's: 0 in a new slot */
};

struct corpus_hash_set {
    struct corpus_hash_slot *slots;
    size_t allocated, capacity; /* slots there are, and are in use: a power of two */
    uint64_t key;
    unsigned shift;
    uint32_t round;
};

/* Odd, and as the text is: what is looked up in tables by `hash * key` lies elsewhere in another text. */
uint64_t corpus_hash_key(q_string text);

/* Empties it and makes room for `entries_max`, of which no more may come: up to 48 bytes for each. key: corpus_hash_key. */
q_status corpus_hash_set_begin(struct corpus_hash_set *set, size_t entries_max, uint64_t key) Q_MUST_USE;
void corpus_hash_set_release(struct corpus_hash_set *set);

/* The slot of `hash`, new (count 0) where it was not there. */
static inline struct corpus_hash_slot *corpus_hash_set_slot(struct corpus_hash_set *set, uint64_t hash)
{
    size_t at = (hash * set->key) >> set->shift;
    for (;; at = (at + 1) & (set->capacity - 1)) {
        struct corpus_hash_slot *slot = &set->slots[at];
        if (slot->round != set->round) {
            *slot = (struct corpus_hash_slot){.hash = hash, .round = set->round};
            return slot;
        }
        if (slot->hash == hash)
            return slot;
    }
}

/* The slot of `hash`, NULL where it is not there. */
static inline struct corpus_hash_slot *corpus_hash_set_find(struct corpus_hash_set *set, uint64_t hash)
{
    for (size_t at = (hash * set->key) >> set->shift;; at = (at + 1) & (set->capacity - 1)) {
        struct corpus_hash_slot *slot = &set->slots[at];
        if (slot->round != set->round)
            return NULL;
        if (slot->hash == hash)
            return slot;
    }
}

#endif
