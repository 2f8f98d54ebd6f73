/* The schedules at the places where they bend, and the run of the DeepSeek-V3 report (arXiv 2412.19437, section 4.2). */
#include "train/schedule.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const uint64_t T = 1000000000000; /* a trillion tokens */

/* Linear warm-up over 2,000 steps to 2.2e-4; constant to 10T; cosine to 2.2e-5 over 4.3T; 333B at that; the last 167B at 7.3e-6. */
static struct rate_segment report_segments[] = {
    {.until = 10000000000000, .kind = RATE_CONSTANT},
    {.until = 14300000000000, .kind = RATE_COSINE, .to = 2.2e-5},
    {.until = 14633000000000, .kind = RATE_CONSTANT},
    {.until = 14800000000000, .kind = RATE_CONSTANT, .to = 7.3e-6},
};

static struct train_settings report_run(void)
{
    struct train_settings settings = {.tokens = 14800000000000};
    settings.rate.peak = 2.2e-4;
    settings.rate.warmup_steps = 2000;
    settings.rate.segments = (struct q_setting_list){report_segments, 4};
    settings.batch.sequences = 15360;
    settings.batch.from = 3072;
    settings.batch.ramp = 469000000000;
    settings.balance.rate = 0.001;
    settings.balance.until = 14300000000000;
    settings.balance.loss = 1e-4;
    return settings;
}

static void assert_near(double seen, double expected)
{
    if (!(fabs(seen - expected) <= 1e-12 * fabs(expected)))
        fail_msg("%.17g is not %.17g", seen, expected);
}

static void test_rate_of_the_report(void **state)
{
    (void)state;
    struct train_settings run = report_run();
    assert_near(schedule_rate(&run, 0, 0), 2.2e-4 / 2000);
    assert_near(schedule_rate(&run, 999, 0), 1.1e-4);
    assert_near(schedule_rate(&run, 1999, 0), 2.2e-4);
    assert_near(schedule_rate(&run, 2000, T), 2.2e-4);
    assert_near(schedule_rate(&run, 200000, 10 * T), 2.2e-4);
    assert_near(schedule_rate(&run, 200000, 10 * T + 43 * (T / 20)), (2.2e-4 + 2.2e-5) / 2); /* half of the cosine */
    assert_near(schedule_rate(&run, 230000, 14300000000000), 2.2e-5);
    assert_near(schedule_rate(&run, 230000, 14632999999999), 2.2e-5);
    assert_near(schedule_rate(&run, 230000, 14633000000000), 7.3e-6);
    assert_near(schedule_rate(&run, 240000, 15 * T), 7.3e-6); /* behind the last piece it stays */
}

/* Warm-up, stable, decay: the last fifth falls as 1 - sqrt. */
static void test_root_decay(void **state)
{
    (void)state;
    struct rate_segment segments[] = {{.until = 800, .kind = RATE_CONSTANT},
                                      {.until = 1000, .kind = RATE_ROOT, .to = 1e-4}};
    struct train_settings run = {.tokens = 1000};
    run.rate.peak = 1e-2;
    run.rate.segments = (struct q_setting_list){segments, 2};
    assert_near(schedule_rate(&run, 9, 799), 1e-2);
    assert_near(schedule_rate(&run, 9, 800), 1e-2);
    assert_near(schedule_rate(&run, 9, 850), 1e-4 + (1e-2 - 1e-4) * 0.5); /* sqrt(1/4) */
    assert_near(schedule_rate(&run, 9, 928), 1e-4 + (1e-2 - 1e-4) * 0.2); /* sqrt(0.64) */
    assert_near(schedule_rate(&run, 9, 1000), 1e-4);
    assert_near(schedule_rate(&run, 9, 5000), 1e-4);
}

/* Every falling course may end at 0: exactly there, not before, and it stays. */
static void test_falls_to_zero(void **state)
{
    (void)state;
    for (int kind = RATE_LINEAR; kind <= RATE_ROOT; kind++) {
        struct rate_segment segments[] = {{.until = 800, .kind = RATE_CONSTANT}, {.until = 1000, .kind = kind}};
        struct train_settings run = {.tokens = 1000, .batch = {.sequences = 1}};
        run.rate.peak = 3e-4;
        run.rate.segments = (struct q_setting_list){segments, 2};
        assert_int_equal(train_settings_check(&run, "r.yaml"), Q_OK);
        assert_near(schedule_rate(&run, 9, 799), 3e-4);
        for (uint64_t tokens = 801; tokens < 1000; tokens++)
            assert_true(schedule_rate(&run, 9, tokens) < schedule_rate(&run, 9, tokens - 1));
        assert_true(schedule_rate(&run, 9, 999) > 0);
        assert_true(schedule_rate(&run, 9, 1000) == 0);
        assert_true(schedule_rate(&run, 9, 5000) == 0);
    }
}

static void test_batch_of_the_report(void **state)
{
    (void)state;
    struct train_settings run = report_run();
    assert_int_equal(schedule_batch(&run, 0), 3072);
    assert_int_equal(schedule_batch(&run, 469000000000 / 2), (3072 + 15360) / 2);
    assert_int_equal(schedule_batch(&run, 468999999999), 15359);
    assert_int_equal(schedule_batch(&run, 469000000000), 15360);
    assert_int_equal(schedule_batch(&run, 14 * T), 15360);
    for (uint64_t tokens = 0, before = 0; tokens < 480000000000; tokens += 777777777) {
        uint64_t batch = schedule_batch(&run, tokens);
        assert_true(batch >= before);
        before = batch;
    }
}

static void test_lambda_changes(void **state)
{
    (void)state;
    struct train_settings run = report_run();
    run.mtp.weight = 0.3;
    assert_true(schedule_at(&run, 4096, 5, 14 * T).lambda == 0.3); /* `until` 0: for ever */
    run.mtp.until = 10 * T;
    run.mtp.later = 0.1;
    assert_true(schedule_at(&run, 4096, 5, 10 * T - 1).lambda == 0.3);
    assert_true(schedule_at(&run, 4096, 5, 10 * T).lambda == 0.1);
}

static void test_gamma_ends(void **state)
{
    (void)state;
    struct train_settings run = report_run();
    assert_near(schedule_at(&run, 4096, 5, 14299999999999).gamma, 0.001);
    assert_true(schedule_at(&run, 4096, 5, 14300000000000).gamma == 0);
    run.balance.until = 0;
    assert_near(schedule_at(&run, 4096, 5, 15 * T).gamma, 0.001);
}

/* The length counted by formula is the length of taking the steps one by one. */
static void test_length_is_that_of_the_steps(void **state)
{
    (void)state;
    const struct {
        uint64_t tokens, from, to, ramp;
    } cases[] = {{1000, 0, 4, 0},      {1001, 0, 4, 0},    {1, 0, 4, 0},        {99999, 2, 7, 5000},
                 {3000, 2, 7, 5000},   {5000, 1, 1, 5000}, {9999, 3, 997, 700}, {7000, 1, 2, 6999},
                 {100, 1, 3, 1000000}, {5003, 1, 40, 4999}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct train_settings run = {.tokens = cases[i].tokens};
        run.batch.sequences = cases[i].to;
        run.batch.from = cases[i].from;
        run.batch.ramp = cases[i].ramp;
        uint64_t steps, tokens, counted_steps, counted_tokens;
        for (uint64_t from = 0; from < 2 * run.tokens; from += 1 + run.tokens / 7) {
            for (steps = 0, tokens = from; tokens < run.tokens; steps++)
                tokens += schedule_batch(&run, tokens) * 10;
            schedule_length(&run, 10, from, &counted_steps, &counted_tokens);
            assert_int_equal(counted_steps, steps);
            assert_int_equal(counted_tokens, tokens - from);
        }
    }
}

/* A ramp of more steps than could be counted one by one. */
static void test_length_of_a_long_ramp(void **state)
{
    (void)state;
    struct train_settings run = {.tokens = 1000000 * T};
    run.batch.sequences = 2;
    run.batch.from = 1;
    run.batch.ramp = 1000000 * T;
    uint64_t steps, tokens;
    schedule_length(&run, 64, 0, &steps, &tokens);
    assert_int_equal(tokens, 1000000 * T);
    assert_int_equal(steps, 1000000 * T / 64);
}

static void test_settings_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    struct train_settings run = report_run();
    run.optimizer.beta1 = 0.9;
    run.optimizer.beta2 = 0.95;
    assert_int_equal(train_settings_check(&run, "r.yaml"), Q_OK);

    struct rate_segment backwards[] = {{.until = 10}, {.until = 10}};
    run.rate.segments = (struct q_setting_list){backwards, 2};
    assert_int_equal(train_settings_check(&run, "r.yaml"), Q_ERR_USAGE);
    assert_non_null(strstr(q_error_text(), "must go forward"));

    run = report_run();
    run.batch.from = 20000;
    assert_int_equal(train_settings_check(&run, "r.yaml"), Q_ERR_USAGE);
    run = report_run();
    run.batch.ramp = 0;
    assert_int_equal(train_settings_check(&run, "r.yaml"), Q_ERR_USAGE);
    run = report_run();
    run.optimizer.beta2 = 1;
    assert_int_equal(train_settings_check(&run, "r.yaml"), Q_ERR_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rate_of_the_report),
        cmocka_unit_test(test_root_decay),
        cmocka_unit_test(test_falls_to_zero),
        cmocka_unit_test(test_batch_of_the_report),
        cmocka_unit_test(test_gamma_ends),
        cmocka_unit_test(test_lambda_changes),
        cmocka_unit_test(test_length_is_that_of_the_steps),
        cmocka_unit_test(test_length_of_a_long_ramp),
        cmocka_unit_test(test_settings_that_make_no_sense_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
