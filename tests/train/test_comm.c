/* Communicators of one rank and of threads; those of processes are in tests/cli/train/mpi.sh, with the same cases. */
#include "comm_cases.h"

#include "base/check.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { RANKS_MAX = 7 };

struct rank {
    struct comm *comm;
    q_status (*body)(struct comm *comm);
    struct q_error error;
};

static void *run_rank(void *context)
{
    struct rank *rank = context;
    q_error_take(&rank->error, rank->body(rank->comm));
    comm_release(rank->comm);
    return NULL;
}

static void run_ranks(unsigned ranks, q_status (*body)(struct comm *comm), struct rank *out)
{
    struct comm *comms[RANKS_MAX];
    pthread_t threads[RANKS_MAX];
    assert_int_equal(comm_threads(ranks, comms), Q_OK);
    for (unsigned r = 0; r < ranks; r++) {
        out[r] = (struct rank){.comm = comms[r], .body = body};
        assert_int_equal(pthread_create(&threads[r], NULL, run_rank, &out[r]), 0);
    }
    for (unsigned r = 0; r < ranks; r++)
        assert_int_equal(pthread_join(threads[r], NULL), 0);
}

static void test_self(void **state)
{
    (void)state;
    struct comm *comm;
    assert_int_equal(comm_self(&comm), Q_OK);
    assert_int_equal(comm_ranks(comm), 1);
    if (comm_cases(comm) != Q_OK)
        fail_msg("%s", q_error_text());
    comm_release(comm);
}

static void test_threads(void **state)
{
    (void)state;
    for (unsigned ranks = 1; ranks <= RANKS_MAX; ranks++) {
        struct rank seen[RANKS_MAX];
        run_ranks(ranks, comm_cases, seen);
        for (unsigned r = 0; r < ranks; r++)
            if (seen[r].error.status != Q_OK)
                fail_msg("rank %u of %u: %s", r, ranks, seen[r].error.text);
    }
}

/* Rank 1 leaves; nobody waits for it for ever. */
static q_status leave(struct comm *comm)
{
    return comm_rank(comm) == 1 ? Q_OK : comm_barrier(comm);
}

static void test_a_rank_that_leaves(void **state)
{
    (void)state;
    struct rank seen[3];
    run_ranks(3, leave, seen);
    assert_int_equal(seen[1].error.status, Q_OK);
    assert_int_equal(seen[0].error.status, Q_ERR_SYSTEM);
    assert_int_equal(seen[2].error.status, Q_ERR_SYSTEM);
    assert_non_null(strstr(seen[2].error.text, "has left"));
}

/* Rank 0 sends 4 bytes where 8 are expected. */
static q_status misfit(struct comm *comm)
{
    uint64_t word = 0;
    return comm_broadcast(comm, &word, comm_rank(comm) == 0 ? 4 : 8, 0);
}

static void test_sizes_that_do_not_fit(void **state)
{
    (void)state;
    struct rank seen[2];
    run_ranks(2, misfit, seen);
    assert_int_equal(seen[1].error.status, Q_ERR_SYSTEM);
    assert_string_equal(seen[1].error.text, "rank 0 sends 4 bytes to rank 1, which expects 8");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_self), cmocka_unit_test(test_threads),
                                       cmocka_unit_test(test_a_rank_that_leaves),
                                       cmocka_unit_test(test_sizes_that_do_not_fit)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
