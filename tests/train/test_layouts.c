/* Whole runs over ranks that are threads: a checkpoint of any layout is gone on from by any other, to the same numbers within rounding; a run that was stopped by
 * a failure and gone on with ends with the same bits; what fails on one rank ends all. */
#include "base/check.h"
#include "base/fs.h"
#include "base/memory.h"
#include "tests/base/cmocka_all.h"
#include "tests/train/trainer_fixture.h"
#include "train/guard.h"
#include "train/model/model.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { RANKS_MAX = 4 };

struct layout {
    unsigned ranks, expert_ranks;
};

struct rank {
    struct fixture_run run;
    struct q_error error;
};

static void *run_rank(void *argument)
{
    struct rank *rank = argument;
    const q_status status = fixture_train(&rank->run, NULL);
    q_error_take(&rank->error, status);
    if (status)
        comm_abandon(rank->run.comm);
    else
        comm_release(rank->run.comm);
    return NULL;
}

static const char *extra[3]; /* settings beside those of `train` */

/* A run, or the part of it up to so many tokens (0: to its end), in a folder. The worst status of a rank; error (may be NULL): rank 0's. */
static q_status train(const char *folder, struct layout layout, unsigned tokens, uint64_t fail_at,
                      struct q_error *error)
{
    struct comm *comms[RANKS_MAX];
    struct rank ranks[RANKS_MAX];
    pthread_t threads[RANKS_MAX];
    char share[64], until[64];
    q_status worst = Q_OK;
    snprintf(share, sizeof share, "train.expert_parallel=%u", layout.expert_ranks);
    snprintf(until, sizeof until, "train.tokens=%u",
             tokens ? tokens : FIXTURE_STEPS * FIXTURE_BATCH * FIXTURE_SEQUENCE);
    assert_ok(q_fs_make_directories(folder));
    assert_ok(comm_threads(layout.ranks, comms));
    (void)q_memory_fail_at(fail_at, 0);
    for (unsigned r = 0; r < layout.ranks; r++) {
        ranks[r] =
            (struct rank){.run = {.folder = folder,
                                  .set = {share, until, "train.checkpoint.every=10", extra[0], extra[1], extra[2]},
                                  .comm = comms[r]}};
        assert_int_equal(pthread_create(&threads[r], NULL, run_rank, &ranks[r]), 0);
    }
    for (unsigned r = 0; r < layout.ranks; r++) {
        assert_int_equal(pthread_join(threads[r], NULL), 0);
        worst = ranks[r].error.status ? ranks[r].error.status : worst;
    }
    (void)q_memory_fail_at(0, 0);
    if (error)
        *error = ranks[0].error;
    return worst;
}

/* The loss of every step that the folder's metrics have. */
static size_t read_losses(const char *folder, double losses[FIXTURE_STEPS])
{
    char path[64], line[4096];
    size_t count = 0;
    snprintf(path, sizeof path, "%s/metrics.jsonl", folder);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while (count < FIXTURE_STEPS && fgets(line, sizeof line, file)) {
        const char *loss = strstr(line, "\"loss\":");
        assert_non_null(loss);
        assert_int_equal(sscanf(loss, "\"loss\":%lf", &losses[count++]), 1);
    }
    fclose(file);
    return count;
}

static void compare(const char *folder, const double expected[FIXTURE_STEPS])
{
    double losses[FIXTURE_STEPS];
    assert_int_equal(read_losses(folder, losses), FIXTURE_STEPS);
    for (size_t i = 0; i < FIXTURE_STEPS; i++)
        if (!(fabs(losses[i] - expected[i]) < 2e-5))
            fail_msg("%s: step %zu has loss %.9g, one rank %.9g", folder, i + 1, losses[i], expected[i]);
}

/* Every layout goes on from the checkpoints of two others. */
static void test_any_from_any(void **state)
{
    (void)state;
    static const struct layout layouts[] = {{1, 1}, {2, 1}, {2, 2}, {4, 2}, {4, 4}};
    double alone[FIXTURE_STEPS];
    assert_ok(train("alone", layouts[0], 0, 0, NULL));
    assert_int_equal(read_losses("alone", alone), FIXTURE_STEPS);
    for (size_t i = 0; i < Q_COUNT_OF(layouts); i++)
        for (size_t further = 1; further <= 2; further++) {
            const size_t j = (i + further) % Q_COUNT_OF(layouts);
            char folder[64];
            snprintf(folder, sizeof folder, "from-%zu-to-%zu", i, j);
            assert_ok(train(folder, layouts[i], 10 * FIXTURE_BATCH * FIXTURE_SEQUENCE, 0, NULL));
            assert_ok(train(folder, layouts[j], 0, 0, NULL));
            compare(folder, alone);
        }
}

/* Where an allocation fails, whoever makes it, all ranks end; the run goes on from its last checkpoint to the same bits. */
static void test_failed_and_gone_on_with(void **state)
{
    (void)state;
    const struct layout layout = {4, 2};
    unsigned failures = 0;
    assert_ok(train("whole", layout, 0, 0, NULL));
    const q_hash whole = fixture_latest_hash("whole");
    for (uint64_t k = 40; k < 100000; k = k * 5 / 3) {
        char folder[32];
        snprintf(folder, sizeof folder, "failed-%u", (unsigned)k);
        if (train(folder, layout, 0, k, NULL) == Q_OK)
            break;
        failures++;
        assert_ok(train(folder, layout, 0, 0, NULL));
        assert_true(q_hash_equal(fixture_latest_hash(folder), whole));
    }
    assert_true(failures > 5);
}

static void test_refused(void **state)
{
    (void)state;
    struct q_error error;
    assert_int_equal(train("refused", (struct layout){3, 2}, 0, 0, &error), Q_ERR_USAGE);
    assert_string_equal(error.text,
                        "'train.expert_parallel': groups of 2 ranks that share experts cannot be formed from 3");
    assert_int_equal(train("refused", (struct layout){3, 3}, 0, 0, &error), Q_ERR_USAGE);
    assert_non_null(strstr(error.text, "3 ranks cannot share the 4 experts of a layer evenly"));
}

/* A gradient at step 7 whose square is infinite, on every rank: losses stay fine. */
static void make_trouble(void *context, struct model *model, uint64_t step, uint64_t samples, unsigned attempt,
                         double *loss)
{
    (void)context, (void)attempt, (void)loss;
    if (step == 6 && samples < 10 * FIXTURE_BATCH)
        ((op_acc *)model_gradient_arena(model))[7] = 1e30F;
}

/* Rank 0 alone writes, and so finds that the state is not finite: all ranks end, or go back, for the same reason and from the same place. */
static void test_not_finite(void **state)
{
    (void)state;
    const struct guard_fault fault = {NULL, make_trouble};
    struct q_error error;
    json_t *line;
    guard_fault_replace(&fault);
    extra[0] = "train.optimizer.clip=0";
    assert_int_equal(train("poisoned", (struct layout){2, 2}, 0, 0, &error), Q_ERR_INPUT);
    assert_non_null(strstr(error.text, "checkpoint of step 10: not written, for '"));
    extra[1] = "train.guard.rule=back";
    assert_ok(train("poisoned-back", (struct layout){2, 2}, 0, 0, NULL));
    assert_int_equal(fixture_events("poisoned-back", "skipped", &line), 1);
    assert_int_equal(json_integer_value(json_object_get(line, "to")), 10 * FIXTURE_BATCH);
    json_decref(line);
    extra[0] = extra[1] = NULL;
    guard_fault_replace(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_any_from_any),
                                       cmocka_unit_test(test_failed_and_gone_on_with), cmocka_unit_test(test_refused),
                                       cmocka_unit_test(test_not_finite)};
    return cmocka_run_group_tests(tests, trainer_fixture_enter, trainer_fixture_leave);
}
