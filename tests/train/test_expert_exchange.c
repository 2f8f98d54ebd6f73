/* Tokens to experts on other ranks and back: everything arrives, in the order that one rank would have, whatever the load. Ranks are threads. */
#include "base/check.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/threads.h"
#include "train/model/expert_exchange.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { RANKS_MAX = 5, EXPERTS = 7, WIDTH = 3, ROUNDS = 6, SLOTS_MAX = 300 };

struct rank {
    struct comm *comm;
    struct q_error error;
};

/* Slots of an expert that a rank has in a round: even loads, none at all, all to one expert, all to the last, from one rank only, and uneven. */
static int32_t load_of(unsigned rank, int round, int32_t expert)
{
    const q_random_key key = q_random_key_of(5, "load", rank, (uint64_t)round);
    switch (round) {
    case 0:
        return 3;
    case 1:
        return 0;
    case 2:
        return expert == 2 ? 40 : 0;
    case 3:
        return expert == EXPERTS - 1 ? 17 : 0;
    case 4:
        return rank == 0 ? 5 : 0;
    default:
        return (int32_t)q_random_below(key, (uint64_t)expert, 40);
    }
}

/* Of a table whose op_real is float. */
static op_real *reals(float *x)
{
    return (op_real *)(void *)x;
}

/* What stands in a slot: who sent it, which expert it is for, and its number. */
static void fill(float *slot, unsigned rank, int32_t expert, int32_t number)
{
    slot[0] = (float)rank;
    slot[1] = (float)expert;
    slot[2] = (float)number;
}

static q_status check_rows(const struct comm *comm, const struct expert_plan *plan, const float *rows, int round)
{
    const struct comm_slice own = comm_share(EXPERTS, comm_ranks(comm), comm_rank(comm));
    size_t row = 0;
    for (size_t e = 0; e < own.count; e++) {
        if ((size_t)plan->offsets[e] != row)
            return q_fail(Q_ERR_INPUT, "expert %zu begins at %d and not at %zu", own.first + e, plan->offsets[e], row);
        for (unsigned r = 0; r < comm_ranks(comm); r++)
            for (int32_t i = 0; i < load_of(r, round, (int32_t)(own.first + e)); i++, row++) {
                float expected[WIDTH];
                fill(expected, r, (int32_t)(own.first + e), i);
                if (memcmp(rows + row * WIDTH, expected, sizeof expected) != 0)
                    return q_fail(Q_ERR_INPUT, "row %zu of expert %zu is not slot %d of rank %u", row, own.first + e, i,
                                  r);
            }
    }
    return row == plan->rows ? Q_OK : q_fail(Q_ERR_INPUT, "%zu rows and not %zu", plan->rows, row);
}

static q_status run_round(struct comm *comm, struct expert_exchange *exchange, struct expert_plan *plan, int round)
{
    int32_t offsets[EXPERTS + 1] = {0};
    float slots[SLOTS_MAX * WIDTH], again[SLOTS_MAX * WIDTH], *rows;
    for (int32_t e = 0; e < EXPERTS; e++) {
        const int32_t load = load_of(comm_rank(comm), round, e);
        offsets[e + 1] = offsets[e] + load;
        for (int32_t i = 0; i < load; i++)
            fill(slots + (size_t)(offsets[e] + i) * WIDTH, comm_rank(comm), e, i);
    }
    const size_t count = (size_t)offsets[EXPERTS];
    q_check(count <= SLOTS_MAX);
    Q_TRY(expert_plan_fill(exchange, offsets, plan));
    Q_TRY(q_alloc(plan->rows * WIDTH + 1, sizeof *rows, &rows));
    memset(again, 0xFF, sizeof again);
    q_status status = expert_exchange_there(exchange, plan, reals(slots), reals(rows), WIDTH);
    if (!status)
        status = check_rows(comm, plan, rows, round);
    if (!status)
        status = expert_exchange_back(exchange, plan, reals(rows), reals(again), WIDTH);
    if (!status && memcmp(slots, again, count * WIDTH * sizeof *slots) != 0)
        status = q_fail(Q_ERR_INPUT, "what came back is not what went");
    q_release(rows);
    return q_context(status, "round %d", round);
}

static q_status run_rounds(struct comm *comm, struct op_context *context, struct expert_plan *plan)
{
    struct expert_exchange *exchange;
    Q_TRY(expert_exchange_create(comm, op_table_cpu(OP_FP32), context, EXPERTS, WIDTH, 10, &exchange));
    q_status status = expert_plan_create(exchange, 10, plan);
    for (int round = 0; round < ROUNDS && !status; round++)
        status = run_round(comm, exchange, plan, round);
    expert_exchange_release(exchange);
    return status;
}

static void *run_rank(void *argument)
{
    struct rank *rank = argument;
    const struct op_table *ops = op_table_cpu(OP_FP32);
    struct q_pool *pool;
    struct op_context *context;
    struct expert_plan plan = {0};
    q_status status = q_pool_create(1, &pool);
    if (!status)
        status = ops->create(pool, &context);
    if (!status) {
        status = run_rounds(rank->comm, context, &plan);
        ops->release(context);
    }
    q_error_take(&rank->error, status);
    expert_plan_release(&plan);
    q_pool_release(pool);
    comm_release(rank->comm);
    return NULL;
}

static void test_there_and_back(void **state)
{
    (void)state;
    for (unsigned ranks = 1; ranks <= RANKS_MAX; ranks++) {
        struct comm *comms[RANKS_MAX];
        pthread_t threads[RANKS_MAX];
        struct rank seen[RANKS_MAX];
        assert_int_equal(comm_threads(ranks, comms), Q_OK);
        for (unsigned r = 0; r < ranks; r++) {
            seen[r] = (struct rank){.comm = comms[r]};
            assert_int_equal(pthread_create(&threads[r], NULL, run_rank, &seen[r]), 0);
        }
        for (unsigned r = 0; r < ranks; r++)
            assert_int_equal(pthread_join(threads[r], NULL), 0);
        for (unsigned r = 0; r < ranks; r++)
            if (seen[r].error.status)
                fail_msg("rank %u of %u: %s", r, ranks, seen[r].error.text);
    }
}

static void test_runs_cover_all_experts(void **state)
{
    (void)state;
    for (size_t experts = 1; experts < 20; experts++)
        for (unsigned ranks = 1; ranks <= experts; ranks++) {
            size_t next = 0;
            for (unsigned r = 0; r < ranks; r++) {
                const struct comm_slice run = comm_share(experts, ranks, r);
                assert_int_equal(run.first, next);
                assert_true(run.count > 0);
                next += run.count;
            }
            assert_int_equal(next, experts);
        }
}

static void test_too_many_ranks(void **state)
{
    (void)state;
    struct comm *comms[3];
    struct expert_exchange *exchange;
    assert_int_equal(comm_threads(3, comms), Q_OK);
    assert_int_equal(expert_exchange_create(comms[0], op_table_cpu(OP_FP32), NULL, 2, WIDTH, 1, &exchange),
                     Q_ERR_USAGE);
    assert_string_equal(q_error_text(), "2 experts cannot be shared by 3 ranks; give fewer ranks to a group");
    for (int r = 0; r < 3; r++)
        comm_release(comms[r]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_there_and_back),
                                       cmocka_unit_test(test_runs_cover_all_experts),
                                       cmocka_unit_test(test_too_many_ranks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
