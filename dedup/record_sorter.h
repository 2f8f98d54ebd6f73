/* Sorters: records in, records out in order, in bounded memory. A record is `width` 64-bit numbers (record_sort.h).
 *
 *     add ... add ──► array of at most memory_max bytes ──full──► sorted, written to a spool as a run
 *     next ... next ◄── the array, or the runs merged by a heap of their heads
 *
 * The order out is that of the records alone: neither the order in nor the memory changes it.
 */
#ifndef QUERN_DEDUP_RECORD_SORTER_H
#define QUERN_DEDUP_RECORD_SORTER_H

#include "dedup/record_sort.h"
#include "dedup/spool.h"

struct sorter_run; /* a run while it is read */

struct record_sorter {
    unsigned width;
    size_t memory_records; /* at most in the array */
    uint64_t *records;     /* count x width */
    size_t count, capacity;
    struct spool spool; /* the runs, one behind the other */
    struct sorter_run *runs;
    size_t run_count, run_capacity;
    struct sorter_run **heap; /* of the runs not at their end, the least head first */
    size_t heap_count;
    bool finished;
    size_t next; /* in the array, where there are no runs */
    uint64_t total;
};

enum { SORTER_MEMORY_MIN = 1 << 16 };

/* memory_max: bytes, at least SORTER_MEMORY_MIN (less is raised to it). folder: for the spool; borrowed. */
void record_sorter_init(struct record_sorter *sorter, unsigned width, uint64_t memory_max, const char *folder);
void record_sorter_release(struct record_sorter *sorter); /* zeroed is allowed */

q_status record_sorter_add(struct record_sorter *sorter, const uint64_t *record) Q_MUST_USE;
/* Ends adding; reading begins with the least record. */
q_status record_sorter_finish(struct record_sorter *sorter) Q_MUST_USE;
/* *more = false at the end. */
q_status record_sorter_next(struct record_sorter *sorter, uint64_t *record, bool *more) Q_MUST_USE;
/* Back to the least record. */
q_status record_sorter_rewind(struct record_sorter *sorter) Q_MUST_USE;

#endif
