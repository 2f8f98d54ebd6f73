/* The shingle store: what verification needs of each document, read once from the documents in their order and then
 * at random.
 *
 * A document in the midst of a frame costs the whole frame to read; its set of shingles here costs two small reads.
 * An entry in the spool:
 *
 *     OFFSET  SIZE
 *          0     4  bytes of the id
 *          4     4  weight: how many documents it stands for (its cluster_size where it came with one, else 1)
 *          8     8  number of shingles n; 0 where they are not needed
 *         16        the id, filled up with zeros to a multiple of 8
 *                8n the shingles, ascending
 *
 * Memory is the spool's; on disk about 1.4 times the text of the documents in it. Numbers are in the machine's
 * order: an entry never leaves the process.
 */
#ifndef QUERN_DEDUP_SHINGLE_STORE_H
#define QUERN_DEDUP_SHINGLE_STORE_H

#include "base/memory.h"
#include "dedup/shingles.h"
#include "dedup/spool.h"

struct shingle_head {
    uint32_t id_bytes;
    uint32_t weight;
    uint64_t count;
};

/* Appends an entry to `out`: any thread may do this for a buffer of its own, which is then appended to the spool.
 * set may be NULL. */
q_status shingle_entry_write(q_string id, uint32_t weight, const struct shingle_set *set,
                             struct q_buffer *out) Q_MUST_USE;

/* The entry at `place`. Any thread may read once the last one is appended. */
q_status shingle_entry_head(const struct spool *store, uint64_t place, struct shingle_head *head) Q_MUST_USE;
q_status shingle_entry_id(const struct spool *store, uint64_t place,
                          struct q_buffer *id) Q_MUST_USE; /* cleared first */
q_status shingle_entry_set(const struct spool *store, uint64_t place, struct shingle_set *set) Q_MUST_USE;

#endif
