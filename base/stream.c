/* Streams (threads.h): jobs taken in order, worked in any order, merged in order.
 *
 * Job n lives in slot n mod in_flight. Four counters cut the numbers into ranges:
 *
 *          merged ......... started ......... taken ......... merged + in_flight
 *     0 -----|----------------|-----------------|--------------------|----------> n
 *      merged    being worked,     taken, not         free slots
 *                or worked         started
 *
 * All threads are alike: each looks for the most pressing thing to do, does it without the lock, and looks again. A job
 * that fails keeps its error in its slot until its turn to merge comes: so the first failure in order wins, and all
 * before it is merged.
 */
#include "base/check.h"
#include "base/memory.h"
#include "base/threads.h"

#include <pthread.h>
#include <stdint.h>

struct slot {
    void *job;
    bool worked;
    struct q_error error;
};

struct stream_run {
    const struct q_stream *stream;
    struct slot *slots;
    size_t in_flight;
    unsigned threads;

    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t change;
    uint64_t merged, started, taken;
    bool taking, merging; /* somebody is in `next`, in `merge` */
    bool at_end;          /* nothing more to take: the end of the stream, or a failure */
    bool over;            /* everything is done, or the failure's turn has come */
    struct q_error end;   /* the failure of `next` at job number `taken`, if any */
    struct q_error result;
};

enum action { WAIT, TAKE, WORK, MERGE, LEAVE };

static struct slot *slot_of(struct stream_run *run, uint64_t number)
{
    return &run->slots[number % run->in_flight];
}

/* Merging comes first, since it frees slots; taking next, as long as each thread has not a job waiting; then work. */
static enum action choose(struct stream_run *run)
{
    if (run->over)
        return LEAVE;
    if (!run->merging && run->merged < run->started && slot_of(run, run->merged)->worked)
        return MERGE;
    bool may_take = !run->taking && !run->at_end && run->taken - run->merged < run->in_flight;
    if (may_take && run->taken - run->started < run->threads)
        return TAKE;
    return run->started < run->taken ? WORK : WAIT;
}

/* Called when a counter has moved: at the end of everything the run is over. */
static void check_over(struct stream_run *run)
{
    if (!run->over && run->at_end && !run->taking && run->merged == run->taken) {
        run->over = true;
        run->result = run->end;
    }
    (void)pthread_cond_broadcast(&run->change);
}

/* Each of the three is entered and left with the lock held, and gives it up meanwhile. */
static void take(struct stream_run *run)
{
    struct slot *slot = slot_of(run, run->taken);
    bool more = false;
    run->taking = true;
    (void)pthread_mutex_unlock(&run->lock);
    struct q_error error;
    q_error_take(&error, run->stream->next(run->stream->context, &slot->job, &more));
    (void)pthread_mutex_lock(&run->lock);
    run->taking = false;
    if (error.status != Q_OK || !more) {
        run->at_end = true;
        run->end = error;
    } else {
        slot->worked = false;
        slot->error.status = Q_OK;
        run->taken++;
    }
    check_over(run);
}

static void work(struct stream_run *run, unsigned worker)
{
    struct slot *slot = slot_of(run, run->started++);
    (void)pthread_mutex_unlock(&run->lock);
    q_error_take(&slot->error, run->stream->work(run->stream->context, worker, slot->job));
    (void)pthread_mutex_lock(&run->lock);
    slot->worked = true;
    if (slot->error.status != Q_OK)
        run->at_end = true; /* whatever would come now is behind a failure */
    check_over(run);
}

static void merge(struct stream_run *run)
{
    struct slot *slot = slot_of(run, run->merged);
    run->merging = true;
    if (slot->error.status == Q_OK) {
        (void)pthread_mutex_unlock(&run->lock);
        q_error_take(&slot->error, run->stream->merge(run->stream->context, slot->job));
        (void)pthread_mutex_lock(&run->lock);
    }
    run->merging = false;
    if (slot->error.status != Q_OK) {
        run->over = run->at_end = true;
        run->result = slot->error;
    } else {
        run->merged++;
    }
    check_over(run);
}

static void stream_thread(void *context, unsigned worker, size_t i)
{
    (void)i;
    struct stream_run *run = context;
    (void)pthread_mutex_lock(&run->lock);
    for (enum action action; (action = choose(run)) != LEAVE;) {
        if (action == MERGE)
            merge(run);
        else if (action == TAKE)
            take(run);
        else if (action == WORK)
            work(run, worker);
        else
            (void)pthread_cond_wait(&run->change, &run->lock);
    }
    (void)pthread_mutex_unlock(&run->lock);
}

/* The plain twin for one thread: one slot, no lock. */
static q_status run_alone(const struct q_stream *stream)
{
    void *job = NULL;
    q_status status = Q_OK;
    for (bool more = true; status == Q_OK;) {
        more = false;
        status = stream->next(stream->context, &job, &more);
        if (status != Q_OK || !more)
            break;
        status = stream->work(stream->context, 0, job);
        if (status == Q_OK)
            status = stream->merge(stream->context, job);
    }
    struct q_error error;
    q_error_take(&error, status); /* release may overwrite the text */
    if (job && stream->release)
        stream->release(stream->context, job);
    return q_error_put(&error);
}

q_status q_pool_stream(struct q_pool *pool, size_t in_flight, const struct q_stream *stream)
{
    q_check(in_flight > 0);
    if (q_pool_threads(pool) == 1)
        return run_alone(stream);
    struct stream_run *run;
    Q_TRY(q_alloc_zero(1, sizeof(*run), &run));
    *run = (struct stream_run){.stream = stream, .in_flight = in_flight, .threads = q_pool_threads(pool)};
    q_status status = q_alloc_zero(in_flight, sizeof(*run->slots), &run->slots);
    if (status == Q_OK) {
        (void)pthread_mutex_init(&run->lock, NULL);
        (void)pthread_cond_init(&run->change, NULL);
        /* A tile per thread, each until the run is over; a thread that comes late finds nothing left to do. */
        q_pool_for(pool, run->threads, stream_thread, run);
        (void)pthread_cond_destroy(&run->change);
        (void)pthread_mutex_destroy(&run->lock);
        for (size_t i = 0; i < in_flight; i++)
            if (run->slots[i].job && stream->release)
                stream->release(stream->context, run->slots[i].job);
        status = q_error_put(&run->result);
    }
    q_release(run->slots);
    q_release(run);
    return status;
}
