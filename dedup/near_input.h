/* The documents of the files that `pairs` is given: ids and shingle sets in a store, text hashes and digests in
 * sorters. */
#ifndef QUERN_DEDUP_NEAR_INPUT_H
#define QUERN_DEDUP_NEAR_INPUT_H

#include "base/threads.h"
#include "dedup/dedup_settings.h"
#include "dedup/record_sorter.h"
#include "dedup/spool.h"

struct near_input {
    struct spool store;         /* shingle_store.h */
    uint64_t *places;           /* of each document's entry, by its number in the order of reading */
    size_t count, capacity;     /* documents */
    struct record_sorter texts; /* (hash of the text, high and low; number) */
    struct record_sorter bands; /* (digest, number) */
};

/* Reads all files; the sorters are left unfinished. near_input_release also after a failure. */
q_status near_input_read(struct near_input *input, const struct dedup_settings *settings, const char *const *files,
                         size_t count, struct q_pool *pool, const char *folder) Q_MUST_USE;
void near_input_release(struct near_input *input);

#endif
