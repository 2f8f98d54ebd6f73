/* The pool: threads that stay, and tiles handed out by one atomic counter. Streams: stream.c.
 *
 * A call of q_pool_for is two words:
 *
 *     unclaimed   tiles that nobody has taken. The caller sets it last; who lowers it from r to r - 1 owns tile (tiles
 * - r)
 *     finished    tiles that are done. The call returns when it reaches `tiles`
 *
 * Whoever owns a tile may read `job` plainly: the call cannot return before that tile is counted as finished, so nobody
 * writes `job` meanwhile, and the claim's acquire pairs with the release of `unclaimed` by the caller (claims in
 * between continue its release sequence). It needs no epoch: a worker that slept through a whole call and then lowers
 * the counter of the next one has claimed a tile of the next one. Nobody waits for a worker that has claimed nothing,
 * so one that the system has put aside costs nothing.
 *
 * Idle workers spin for SPIN_S and then sleep on the futex `bell`; so does the caller, on `finished`, while it waits
 * for the last tiles.
 */
#include "base/threads.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/memory.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { CACHE_LINE = 64, THREADS_MAX = 1024 };

static const double SPIN_S = 40e-6; /* about the price of a sleep and a wake-up */

struct worker {
    struct q_pool *pool;
    unsigned number; /* 1..threads-1; the caller is 0 */
    pthread_t thread;
};

struct q_pool {
    /* The words that threads share lie on lines of their own. */
    _Alignas(CACHE_LINE) atomic_size_t unclaimed;
    _Alignas(CACHE_LINE) atomic_uint finished; /* tiles, modulo 2^32: a futex word */
    _Alignas(CACHE_LINE) atomic_uint bell;     /* rung when work comes while somebody sleeps: a futex word */
    atomic_uint sleepers;                      /* workers in or on their way into a sleep on `bell` */
    atomic_bool caller_sleeps;
    atomic_bool quit;

    _Alignas(CACHE_LINE) struct {
        void (*tile)(void *context, unsigned worker, size_t i);
        void *context;
        size_t tiles;
    } job;
    unsigned threads;
    double spin_s;
    struct worker *workers; /* threads - 1 */
};

/* Processors that the container's quota is worth, rounded up; THREADS_MAX where there is none. cgroup v2: "QUOTA
 * PERIOD" or "max PERIOD", in microseconds. A pool of one thread per processor of a large machine would spend a small
 * quota on waiting for each other. */
static unsigned quota_cpus(void)
{
    static const char path[] = "/sys/fs/cgroup/cpu.max";
    char text[64];
    size_t got = 0;
    int fd;
    if (q_fs_open_read(path, &fd) != Q_OK)
        return THREADS_MAX;
    q_status status = q_fs_read_some(fd, path, text, sizeof(text), &got);
    q_fs_close(fd);
    const q_string line = q_string_trim((q_string){text, status == Q_OK ? got : 0});
    const size_t space = q_string_find(line, Q_STRING(" "), 0);
    uint64_t quota, period;
    if (space == SIZE_MAX || q_parse_u64(q_string_slice(line, 0, space), &quota) != Q_OK ||
        q_parse_u64(q_string_slice(line, space + 1, line.size), &period) != Q_OK || period == 0)
        return THREADS_MAX;
    return (unsigned)Q_MAX(Q_MIN(q_ceil_div(quota, period), (uint64_t)THREADS_MAX), (uint64_t)1);
}

unsigned q_cpu_count(void)
{
    cpu_set_t set;
    int count = 0;
    if (sched_getaffinity(0, sizeof(set), &set) == 0)
        count = CPU_COUNT(&set);
    else /* more processors than cpu_set_t has bits */
        count = (int)sysconf(_SC_NPROCESSORS_ONLN);
    return count > 0 ? Q_MIN((unsigned)count, quota_cpus()) : 1;
}

/* Sleeps while *word is `value`; may wake for nothing. */
static void futex_wait(atomic_uint *word, unsigned value)
{
    (void)syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void futex_wake(atomic_uint *word, int count)
{
    (void)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

static inline void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Runs tiles until none is unclaimed; returns how many. */
static unsigned run_tiles(struct q_pool *pool, unsigned worker)
{
    unsigned done = 0;
    size_t left = atomic_load_explicit(&pool->unclaimed, memory_order_relaxed);
    while (left > 0) {
        if (!atomic_compare_exchange_weak_explicit(&pool->unclaimed, &left, left - 1, memory_order_acq_rel,
                                                   memory_order_relaxed))
            continue; /* `left` is what another one left */
        pool->job.tile(pool->job.context, worker, pool->job.tiles - left);
        done++;
        left = atomic_load_explicit(&pool->unclaimed, memory_order_relaxed);
    }
    return done;
}

static bool has_news(struct q_pool *pool)
{
    return atomic_load(&pool->unclaimed) > 0 || atomic_load(&pool->quit);
}

/* Waits for tiles or the end. Sleeper and ringer each write their word before they read the other's (all sequentially
 * consistent), so one of them sees the other: no wake-up is lost. */
static void wait_for_news(struct q_pool *pool)
{
    const double until = pool->spin_s > 0.0 ? q_seconds() + pool->spin_s : 0.0;
    for (unsigned i = 1; pool->spin_s > 0.0; i++) {
        if (has_news(pool))
            return;
        relax();
        if (i % 64 == 0 && q_seconds() > until) /* the clock costs as much as a pause or two */
            break;
    }
    while (!has_news(pool)) {
        unsigned heard = atomic_load(&pool->bell);
        (void)atomic_fetch_add(&pool->sleepers, 1);
        if (!has_news(pool))
            futex_wait(&pool->bell, heard);
        (void)atomic_fetch_sub(&pool->sleepers, 1);
    }
}

static void wake_workers(struct q_pool *pool, int count)
{
    if (atomic_load(&pool->sleepers) == 0)
        return;
    (void)atomic_fetch_add(&pool->bell, 1);
    futex_wake(&pool->bell, count);
}

static void *worker_main(void *argument)
{
    struct worker *self = argument;
    struct q_pool *pool = self->pool;
    while (!atomic_load(&pool->quit)) {
        unsigned done = run_tiles(pool, self->number);
        if (done > 0) {
            (void)atomic_fetch_add(&pool->finished, done);
            if (atomic_load(&pool->caller_sleeps))
                futex_wake(&pool->finished, 1);
        }
        wait_for_news(pool);
    }
    return NULL;
}

/* Ends and joins the first `started` workers. */
static void stop_workers(struct q_pool *pool, unsigned started)
{
    atomic_store(&pool->quit, true);
    (void)atomic_fetch_add(&pool->bell, 1);
    futex_wake(&pool->bell, THREADS_MAX);
    for (unsigned i = 0; i < started; i++)
        (void)pthread_join(pool->workers[i].thread, NULL);
}

q_status q_pool_create(unsigned threads, struct q_pool **out)
{
    if (threads < 1 || threads > THREADS_MAX)
        return q_fail(Q_ERR_USAGE, "'%u' threads: 1 to %d are possible", threads, THREADS_MAX);
    struct q_pool *pool;
    Q_TRY(q_alloc_aligned(1, sizeof(*pool), &pool));
    *pool = (struct q_pool){.threads = threads};
    /* Where threads outnumber processors, one that spins keeps another from working. */
    pool->spin_s = threads <= q_cpu_count() ? SPIN_S : 0.0;
    q_status status = q_alloc_zero(threads - 1, sizeof(*pool->workers), &pool->workers);
    unsigned started = 0;
    for (; status == Q_OK && started + 1 < threads; started++) {
        struct worker *worker = &pool->workers[started];
        *worker = (struct worker){.pool = pool, .number = started + 1};
        int error_number = pthread_create(&worker->thread, NULL, worker_main, worker);
        if (error_number != 0) {
            status = q_fail_errno(error_number, "cannot start thread %u of %u", started + 2, threads);
            break;
        }
    }
    if (status == Q_OK) {
        *out = pool;
        return Q_OK;
    }
    stop_workers(pool, started);
    q_release(pool->workers);
    q_release(pool);
    return status;
}

void q_pool_release(struct q_pool *pool)
{
    if (!pool)
        return;
    stop_workers(pool, pool->threads - 1);
    q_release(pool->workers);
    q_release(pool);
}

unsigned q_pool_threads(const struct q_pool *pool)
{
    return pool->threads;
}

/* Until `finished` reaches `expected`: spinning, then asleep. */
static void wait_for_finish(struct q_pool *pool, unsigned expected)
{
    if (atomic_load(&pool->finished) == expected)
        return;
    const double until = pool->spin_s > 0.0 ? q_seconds() + pool->spin_s : 0.0;
    for (unsigned i = 1; pool->spin_s > 0.0; i++) {
        if (atomic_load(&pool->finished) == expected)
            return;
        relax();
        if (i % 64 == 0 && q_seconds() > until)
            break;
    }
    atomic_store(&pool->caller_sleeps, true);
    unsigned seen;
    while ((seen = atomic_load(&pool->finished)) != expected)
        futex_wait(&pool->finished, seen);
    atomic_store(&pool->caller_sleeps, false);
}

void q_pool_for(struct q_pool *pool, size_t tiles, void (*tile)(void *context, unsigned worker, size_t i),
                void *context)
{
    if (pool->threads == 1 || tiles <= 1) {
        for (size_t i = 0; i < tiles; i++)
            tile(context, 0, i);
        return;
    }
    q_check_slow(atomic_load(&pool->unclaimed) == 0);
    pool->job.tile = tile;
    pool->job.context = context;
    pool->job.tiles = tiles;
    unsigned before = atomic_load_explicit(&pool->finished, memory_order_relaxed);
    atomic_store(&pool->unclaimed, tiles);
    wake_workers(pool, tiles - 1 < THREADS_MAX ? (int)(tiles - 1) : THREADS_MAX);
    unsigned own = run_tiles(pool, 0);
    /* Only differences count, so tiles may pass 2^32 and `finished` may wrap. */
    wait_for_finish(pool, before + (unsigned)tiles - own);
}
