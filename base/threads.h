/* Threads: a pool, and two ways to use it that give the same result for any number of threads.
 *
 *   q_pool_for       n independent tiles, each run once by some thread; what a tile does must depend on its number alone
 *   q_pool_stream    a stream of jobs: taken in order by `next`, worked in any order, merged in the order taken
 *
 * In q_pool_stream `next` and `merge` are called by one thread at a time and never at the same time as themselves, `work` by many. At
 * most `in_flight` jobs exist at once (memory bound). The first failure in the order of the jobs wins, whatever the timing; later jobs
 * are dropped unmerged. A stop request (q_stop_requested) is not looked at here: `next` decides.
 */
#ifndef QUERN_BASE_THREADS_H
#define QUERN_BASE_THREADS_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

struct q_pool;

/* Processors that this process may use: its affinity, and its container's quota rounded up. At least 1. */
unsigned q_cpu_count(void);

/* A pool of `threads` (1..1024; the caller is one of them, so 1 starts none). */
q_status q_pool_create(unsigned threads, struct q_pool **out) Q_MUST_USE;
void q_pool_release(struct q_pool *pool);
unsigned q_pool_threads(const struct q_pool *pool);

/* Runs tile(context, worker, i) for every i in [0, tiles), worker in [0, threads); returns when all are done. Workers spin for some
 * microseconds before they sleep, so small calls in a row are cheap. Not re-entrant. */
void q_pool_for(struct q_pool *pool, size_t tiles, void (*tile)(void *context, unsigned worker, size_t i), void *context);

struct q_stream {
    void *context;
    /* Makes or refills a job: *job is NULL the first time a slot is used, else a job that was merged before. *more = false ends. */
    q_status (*next)(void *context, void **job, bool *more);
    q_status (*work)(void *context, unsigned worker, void *job);
    q_status (*merge)(void *context, void *job);
    void (*release)(void *context, void *job); /* each slot's job at the end, merged or not */
};

q_status q_pool_stream(struct q_pool *pool, size_t in_flight, const struct q_stream *stream) Q_MUST_USE;

#endif
