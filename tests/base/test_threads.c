/* The pool and streams: every tile once, the same result for any number of threads, the first failure in order. */
#include "base/fs.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/threads.h"
#include "tests/base/cmocka_all.h"
#include "tests/base/scratch.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { TILES_MAX = 5000, THREADS_MAX = 9 };

struct tiles {
    unsigned threads;
    atomic_int wrong_worker;
    unsigned char busy[THREADS_MAX * 64]; /* written without a lock: only a worker's own byte */
    int runs[TILES_MAX];                  /* likewise: only by who has the tile */
};

static void count_tile(void *context, unsigned worker, size_t i)
{
    struct tiles *tiles = context;
    if (worker >= tiles->threads || tiles->busy[worker * 64])
        atomic_fetch_add(&tiles->wrong_worker, 1); /* one worker number in two threads at once */
    tiles->busy[worker * 64] = 1;
    tiles->runs[i]++;
    tiles->busy[worker * 64] = 0;
}

static void test_each_tile_runs_once(void **state)
{
    (void)state;
    static struct tiles tiles;
    for (unsigned threads = 1; threads <= THREADS_MAX; threads += threads == 1 ? 1 : 3) {
        struct q_pool *pool;
        assert_ok(q_pool_create(threads, &pool));
        assert_int_equal(q_pool_threads(pool), threads);
        memset(&tiles, 0, sizeof(tiles));
        tiles.threads = threads;
        static const size_t counts[] = {0, 1, 2, 3, 7, 64, TILES_MAX};
        for (size_t call = 0; call < 7 * 30; call++) {
            size_t count = counts[call % 7];
            q_pool_for(pool, count, count_tile, &tiles);
            for (size_t i = 0; i < TILES_MAX; i++)
                if (tiles.runs[i] != (i < count))
                    fail_msg("tile %zu of %zu ran %d times with %u threads", i, count, tiles.runs[i], threads);
            memset(tiles.runs, 0, sizeof(tiles.runs));
        }
        assert_int_equal(atomic_load(&tiles.wrong_worker), 0);
        q_pool_release(pool);
    }
}

/* Calls in a row with pauses of all lengths between them, so that workers are met spinning, falling asleep and asleep. */
static void add_one(void *context, unsigned worker, size_t i)
{
    (void)worker;
    ((unsigned *)context)[i]++;
}

static void test_no_wake_up_is_lost(void **state)
{
    (void)state;
    struct q_pool *pool;
    unsigned sums[16] = {0};
    assert_ok(q_pool_create(3, &pool));
    enum { CALLS = 3000 };
    for (unsigned call = 0; call < CALLS; call++) {
        q_pool_for(pool, 16, add_one, sums);
        for (volatile unsigned pause = call % 97 * 200; pause > 0; pause--) {
        }
        if (call % 500 == 0)
            (void)usleep(2000);
    }
    for (size_t i = 0; i < 16; i++)
        assert_int_equal(sums[i], CALLS);
    q_pool_release(pool);
}

static void test_pools_come_and_go(void **state)
{
    (void)state;
    struct q_pool *pool;
    unsigned sums[4] = {0};
    for (unsigned i = 0; i < 200; i++) {
        assert_ok(q_pool_create(1 + i % 5, &pool));
        if (i % 3)
            q_pool_for(pool, 4, add_one, sums);
        q_pool_release(pool);
    }
    q_pool_release(NULL);
    assert_fails(q_pool_create(0, &pool), Q_ERR_USAGE, "'0' threads");
    assert_fails(q_pool_create(1025, &pool), Q_ERR_USAGE, "'1025' threads");
    for (uint64_t k = 1; k <= 2; k++) {
        (void)q_memory_fail_at(k, 0);
        q_status status = q_pool_create(2, &pool);
        (void)q_memory_fail_at(0, 0);
        assert_int_equal(status, Q_ERR_MEMORY);
    }
    assert_in_range(q_cpu_count(), 1, 1024);
}

/* A container's quota, as /sys/fs/cgroup/cpu.max would tell it. */
static const char *quota_file;

static int open_quota(const char *path, int flags, mode_t mode)
{
    return q_fs_system.open(strcmp(path, "/sys/fs/cgroup/cpu.max") == 0 ? quota_file : path, flags, mode);
}

static void test_quota_bounds_the_count(void **state)
{
    assert_int_equal(scratch_enter(state), 0);
    static const char *const none[] = {"max 100000\n",      "", "\n", "100000", "100000 0\n", "-1 100000\n",
                                       "400000000 100000\n"};
    struct q_fs_calls calls = q_fs_system;
    calls.open = open_quota;
    q_fs_replace(&calls);
    quota_file = "absent";
    const unsigned all = q_cpu_count();
    quota_file = "cpu.max";
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        scratch_write("cpu.max", none[i], strlen(none[i]));
        assert_int_equal(q_cpu_count(), all);
    }
    scratch_write("cpu.max", "50000 100000\n", 13);
    assert_int_equal(q_cpu_count(), 1);
    scratch_write("cpu.max", "100001 100000\n", 14);
    assert_int_equal(q_cpu_count(), all < 2 ? all : 2);
    scratch_write("cpu.max", "0 100000\n", 9);
    assert_int_equal(q_cpu_count(), 1);
    q_fs_replace(NULL);
    assert_int_equal(scratch_leave(state), 0);
}

/* A stream of numbers: job n is n; work hashes it for a time that varies; merge appends. Failures by number. */
enum { NOWHERE = -1 };

struct numbers {
    int count, fail_next, fail_work, fail_work_too, fail_merge; /* job numbers, or NOWHERE */
    int made, merged;
    atomic_int alive, alive_max, in_next, in_merge, overlaps, releases;
    uint64_t results[400];
};

struct number_job {
    int number;
    uint64_t result;
};

static q_status next_number(void *context, void **job, bool *more)
{
    struct numbers *numbers = context;
    if (atomic_fetch_add(&numbers->in_next, 1) != 0)
        atomic_fetch_add(&numbers->overlaps, 1);
    struct number_job *mine = *job;
    q_status status = Q_OK;
    if (!mine)
        status = q_alloc_zero(1, sizeof(*mine), &mine);
    *job = mine;
    if (status == Q_OK && numbers->made == numbers->fail_next)
        status = q_fail(Q_ERR_SYSTEM, "next %d", numbers->made);
    *more = numbers->made < numbers->count;
    if (status == Q_OK && *more) {
        mine->number = numbers->made++;
        int alive = atomic_fetch_add(&numbers->alive, 1) + 1;
        if (alive > atomic_load(&numbers->alive_max))
            atomic_store(&numbers->alive_max, alive); /* only `next` writes it */
    }
    atomic_fetch_sub(&numbers->in_next, 1);
    return status;
}

static q_status work_number(void *context, unsigned worker, void *job)
{
    (void)worker;
    struct numbers *numbers = context;
    struct number_job *mine = job;
    q_random_key key = q_random_key_of(1, "work", (uint64_t)mine->number, 0);
    uint64_t sum = 0;
    for (uint64_t i = 0, rounds = q_random_below(key, 0, 300); i < rounds; i++)
        sum += q_random_u64(key, i);
    mine->result = sum;
    if (mine->number % 13 == 0)
        (void)sched_yield();
    if (mine->number == numbers->fail_work || mine->number == numbers->fail_work_too)
        return q_fail(Q_ERR_INPUT, "work %d", mine->number);
    return Q_OK;
}

static q_status merge_number(void *context, void *job)
{
    struct numbers *numbers = context;
    const struct number_job *mine = job;
    if (atomic_fetch_add(&numbers->in_merge, 1) != 0 || mine->number != numbers->merged)
        atomic_fetch_add(&numbers->overlaps, 1);
    q_status status = Q_OK;
    if (mine->number == numbers->fail_merge)
        status = q_fail(Q_ERR_MEMORY, "merge %d", mine->number);
    else
        numbers->results[numbers->merged++] = mine->result;
    atomic_fetch_sub(&numbers->alive, 1);
    atomic_fetch_sub(&numbers->in_merge, 1);
    return status;
}

static void release_number(void *context, void *job)
{
    atomic_fetch_add(&((struct numbers *)context)->releases, 1);
    q_release(job);
}

static q_status run_numbers(struct q_pool *pool, size_t in_flight, struct numbers *numbers)
{
    const struct q_stream stream = {numbers, next_number, work_number, merge_number, release_number};
    return q_pool_stream(pool, in_flight, &stream);
}

/* Every arrangement of failures, threads and slots against the single thread: same merges, same error, same text. */
static void test_stream_is_the_same_for_any_threads(void **state)
{
    (void)state;
    static const struct numbers cases[] = {
        {.count = 0, .fail_next = -1, .fail_work = -1, .fail_work_too = -1, .fail_merge = -1},
        {.count = 1, .fail_next = -1, .fail_work = -1, .fail_work_too = -1, .fail_merge = -1},
        {.count = 300, .fail_next = -1, .fail_work = -1, .fail_work_too = -1, .fail_merge = -1},
        {.count = 300, .fail_next = 0, .fail_work = -1, .fail_work_too = -1, .fail_merge = -1},
        {.count = 300, .fail_next = 120, .fail_work = -1, .fail_work_too = -1, .fail_merge = -1},
        {.count = 300, .fail_next = 300, .fail_work = -1, .fail_work_too = -1, .fail_merge = -1},
        {.count = 300, .fail_next = -1, .fail_work = 0, .fail_work_too = -1, .fail_merge = -1},
        {.count = 300, .fail_next = -1, .fail_work = 151, .fail_work_too = 150, .fail_merge = -1},
        {.count = 300, .fail_next = 153, .fail_work = 151, .fail_work_too = 152, .fail_merge = -1},
        {.count = 300, .fail_next = -1, .fail_work = 151, .fail_work_too = 152, .fail_merge = 149},
        {.count = 300, .fail_next = 150, .fail_work = -1, .fail_work_too = -1, .fail_merge = 149},
        {.count = 300, .fail_next = -1, .fail_work = -1, .fail_work_too = -1, .fail_merge = 299},
    };
    struct q_pool *alone;
    assert_ok(q_pool_create(1, &alone));
    for (unsigned threads = 2; threads <= 5; threads++) {
        struct q_pool *pool;
        assert_ok(q_pool_create(threads, &pool));
        for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
            static const size_t slots[] = {1, 2, 3, 8, 1000};
            for (size_t s = 0; s < 5; s++) {
                struct numbers expected = cases[c], got = cases[c];
                struct q_error error;
                q_error_take(&error, run_numbers(alone, 1, &expected));
                assert_int_equal(run_numbers(pool, slots[s], &got), error.status);
                if (error.status != Q_OK)
                    assert_string_equal(q_error_text(), error.text);
                assert_int_equal(got.merged, expected.merged);
                assert_memory_equal(got.results, expected.results, sizeof(got.results));
                assert_int_equal(atomic_load(&got.overlaps), 0);
                assert_true(atomic_load(&got.alive_max) <= (int)slots[s]);
                assert_true(atomic_load(&got.releases) >= 1 && atomic_load(&got.releases) <= (int)slots[s]);
            }
        }
        q_pool_release(pool);
    }
    q_pool_release(alone);
}

static void test_stream_without_memory(void **state)
{
    (void)state;
    struct q_pool *pool;
    assert_ok(q_pool_create(2, &pool));
    for (uint64_t k = 1; k <= 3; k++) {
        struct numbers numbers = {.count = 50, .fail_next = -1, .fail_work = -1, .fail_work_too = -1, .fail_merge = -1};
        (void)q_memory_fail_at(k, 0);
        q_status status = run_numbers(pool, 4, &numbers);
        (void)q_memory_fail_at(0, 0);
        assert_int_equal(status, Q_ERR_MEMORY);
        assert_int_equal(numbers.merged, 0); /* k = 3 is the first job's memory */
    }
    q_pool_release(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_tile_runs_once),
        cmocka_unit_test(test_no_wake_up_is_lost),
        cmocka_unit_test(test_pools_come_and_go),
        cmocka_unit_test(test_quota_bounds_the_count),
        cmocka_unit_test(test_stream_is_the_same_for_any_threads),
        cmocka_unit_test(test_stream_without_memory),
    };
    return cmocka_run_group_tests_name("threads", tests, NULL, NULL);
}
