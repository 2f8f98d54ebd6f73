/* What is written down of a run: counts by source and over a window, the lines, what a restart cuts off. */
#include "base/fs.h"
#include "base/random.h"
#include "base/threads.h"
#include "tests/base/cmocka_all.h"
#include "tests/base/scratch.h"
#include "train/watch/expert_load.h"
#include "train/watch/metrics.h"
#include "train/watch/op_peak.h"
#include "train/watch/step_log.h"

#include <math.h>
#include <string.h>

static void violation_and_entropy(void **state)
{
    (void)state;
    const int64_t even[4] = {5, 5, 5, 5}, one[4] = {0, 20, 0, 0}, none[4] = {0};
    assert_true(expert_load_violation(even, 4) == 0);
    assert_true(expert_load_violation(one, 4) == 3);
    assert_true(expert_load_violation(none, 4) == 0);
    const float alike[8] = {0.5F, 0.5F, 0.5F, 0.5F, 0.1F, 0.1F, 0.1F, 0.1F}; /* two tokens, 4 experts */
    assert_true(fabs(expert_load_entropy(alike, 2, 4, 1) - log(4)) < 1e-9);
    const float scores[4] = {0.9F, 0.1F, 0.25F, 0.75F}; /* two tokens, 2 experts, sums of 1 */
    double first = -0.9 * log(0.9) - 0.1 * log(0.1), second = -0.25 * log(0.25) - 0.75 * log(0.75);
    assert_true(fabs(expert_load_entropy(scores, 2, 2, 1) - (first + second) / 2) < 1e-7);
    assert_true(fabs(expert_load_entropy(scores, 2, 2, 2) - first) < 1e-7); /* every second token */
}

/* Random choices: the map has each under its source, a step begun again counts once, the window has the newest steps. */
static void map_and_window(void **state)
{
    (void)state;
    enum { ROUTERS = 2, EXPERTS = 4, TOP = 2, SOURCES = 3, SEQUENCES = 5, LENGTH = 10, STEPS = 70 };
    const struct expert_load_shape shape = {ROUTERS, EXPERTS, TOP, SOURCES, 800};
    struct expert_load *load;
    assert_ok(expert_load_create(&shape, &load));
    int64_t map[SOURCES][ROUTERS][EXPERTS] = {0}, steps[STEPS][ROUTERS * EXPERTS] = {0}, window[ROUTERS * EXPERTS];
    uint64_t source_tokens[SOURCES] = {0}, tokens;
    for (size_t step = 0; step < STEPS; step++) {
        q_random_key key = q_random_key_of(3, "test", step, 0);
        int32_t chosen[SEQUENCES * LENGTH * TOP];
        uint32_t sources[SEQUENCES];
        for (size_t i = 0; i < SEQUENCES; i++)
            sources[i] = (uint32_t)q_random_below(key, i, SOURCES);
        for (int again = 0; again < 2; again++) { /* as a guard that takes the step once more */
            expert_load_begin_step(load);
            for (size_t router = 0; router < ROUTERS; router++) {
                for (size_t i = 0; i < SEQUENCES * LENGTH * TOP; i++) {
                    chosen[i] = (int32_t)q_random_below(key, 100 + router * 1000 + i, EXPERTS);
                    if (again) {
                        map[sources[i / LENGTH / TOP]][router][chosen[i]]++;
                        steps[step][router * EXPERTS + (size_t)chosen[i]]++;
                    }
                }
                expert_load_add(load, router, chosen, sources, SEQUENCES, LENGTH);
            }
        }
        for (size_t i = 0; i < SEQUENCES; i++)
            source_tokens[sources[i]] += LENGTH;
        expert_load_end_step(load, steps[step], SEQUENCES * LENGTH);
        /* A stretch is 50 tokens, one step: the window has exactly the newest 16, or all of them. */
        int64_t expected[ROUTERS * EXPERTS] = {0};
        uint64_t count = step + 1 < 16 ? step + 1 : 16;
        for (size_t i = step + 1 - count; i <= step; i++)
            for (size_t cell = 0; cell < ROUTERS * EXPERTS; cell++)
                expected[cell] += steps[i][cell];
        expert_load_window(load, window, &tokens);
        assert_int_equal(tokens, count * SEQUENCES * LENGTH);
        assert_memory_equal(window, expected, sizeof(window));
    }
    assert_memory_equal(expert_load_map(load), map, sizeof(map));
    for (size_t s = 0; s < SOURCES; s++)
        assert_int_equal(expert_load_map_tokens(load, s), source_tokens[s]);
    expert_load_clear_map(load);
    assert_int_equal(expert_load_map_tokens(load, 0), 0);
    expert_load_release(load);
}

/* Steps larger than the window: the newest one alone is it. */
static void window_of_large_steps(void **state)
{
    (void)state;
    const struct expert_load_shape shape = {1, 2, 1, 1, 100};
    struct expert_load *load;
    int64_t window[2];
    uint64_t tokens;
    assert_ok(expert_load_create(&shape, &load));
    for (int64_t step = 1; step < 40; step++) {
        const int64_t counts[2] = {step, 1000 - step};
        expert_load_end_step(load, counts, 1000);
        expert_load_window(load, window, &tokens);
        assert_int_equal(tokens, 1000);
        assert_int_equal(window[0], step);
    }
    expert_load_release(load);
}

static void failed_allocations(void **state)
{
    (void)state;
    const struct expert_load_shape shape = {2, 4, 2, 3, 800};
    struct expert_load *load;
    for (uint64_t k = 1;; k++) {
        (void)q_memory_fail_at(k, 0);
        q_status status = expert_load_create(&shape, &load);
        (void)q_memory_fail_at(0, 0);
        if (status == Q_OK)
            break;
        assert_int_equal(status, Q_ERR_MEMORY);
        assert_true(k < 10);
    }
    expert_load_release(load);
}

static struct metrics_step a_step(void)
{
    static const struct metrics_source sources[] = {{"web", 12, 4}, {"none", 0, 0}, {"code", 3, 4}};
    static const double violations[] = {0.25, 0.5}, entropies[] = {1.5, 1.25}, norms[] = {0.125, 0};
    static const int layers[] = {3, 4};
    return (struct metrics_step){.position = {7, 14, 448},
                                 .point = {.rate = 0.001, .sequences = 2},
                                 .loss = 1.875,
                                 .mtp_loss = (double)NAN,
                                 .balance_loss = 1e-4,
                                 .gradient_norm = 0.5,
                                 .seconds = 0.25,
                                 .tokens_per_s = 256,
                                 .flop_per_s = 1e9,
                                 .flop_share = 0.5,
                                 .sources = sources,
                                 .source_count = 3,
                                 .routers = 2,
                                 .violations = violations,
                                 .entropies = entropies,
                                 .bias_norms = norms,
                                 .violation = metrics_violation_of(violations, layers, 2),
                                 .window_violation = {0.125, 0.375, 3},
                                 .window_tokens = 448};
}

static void lines_are_as_the_page_says(void **state)
{
    (void)state;
    struct q_buffer line = {0};
    struct metrics_step step = a_step();
    assert_ok(metrics_put_step(&line, &step));
    assert_ok(q_buffer_terminate(&line));
    assert_string_equal(
        line.data,
        "{\"step\":7,\"samples\":14,\"tokens\":448,\"loss\":1.875,\"balance_loss\":0.0001,\"gradient_norm\":0.5,"
        "\"rate\":0.001,\"batch\":2,\"violation\":0.375,\"violation_max\":0.5,\"violation_max_layer\":4,"
        "\"window_tokens\":448,\"window_violation\":0.125,\"window_violation_max\":0.375,"
        "\"window_violation_max_layer\":3,\"router_entropy\":1.375,\"bias_norm\":0.0625,\"seconds\":0.25,"
        "\"tokens_per_s\":256,\"flop_per_s\":1000000000,\"flop_share\":0.5,"
        "\"loss_by_source\":{\"web\":3,\"code\":0.75},\"violation_by_layer\":[0.25,0.5],"
        "\"router_entropy_by_layer\":[1.5,1.25],\"bias_norm_by_layer\":[0.125,0]}\n");
    q_buffer_clear(&line);
    /* No experts, and an MTP loss. */
    step.routers = 0;
    step.violation = step.window_violation = metrics_violation_of(NULL, NULL, 0);
    step.mtp_loss = 2.5;
    step.source_count = 0;
    assert_ok(metrics_put_step(&line, &step));
    assert_ok(q_buffer_terminate(&line));
    assert_string_equal(line.data,
                        "{\"step\":7,\"samples\":14,\"tokens\":448,\"loss\":1.875,\"mtp_loss\":2.5,"
                        "\"balance_loss\":0.0001,\"gradient_norm\":0.5,\"rate\":0.001,\"batch\":2,\"seconds\":0.25,"
                        "\"tokens_per_s\":256,\"flop_per_s\":1000000000,\"flop_share\":0.5,\"loss_by_source\":{}}\n");
    q_buffer_clear(&line);
    const int layers[] = {1};
    const char *const names[] = {"web", "none", "code"};
    const uint64_t tokens[] = {4, 0, 2};
    const int64_t counts[] = {4, 2, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1};
    const struct metrics_map map = {{.step = 7, .samples = 14, .tokens = 448}, 1, 4, 3, layers, names, tokens, counts};
    assert_ok(metrics_put_map(&line, &map));
    assert_ok(q_buffer_terminate(&line));
    assert_string_equal(line.data, "{\"step\":7,\"tokens\":448,\"layers\":[1],\"source_tokens\":{\"web\":4,\"code\":2},"
                                   "\"load_by_source\":{\"web\":[[2000,1000,500,500]],"
                                   "\"code\":[[1000,1000,1000,1000]]}}\n");
    q_buffer_release(&line);
}

/* DeepSeek-V3's 58 MoE layers of 256 experts, 100 sources: a step's line stays small. */
static void a_large_model_has_short_lines(void **state)
{
    (void)state;
    static double values[58];
    struct metrics_step step = a_step();
    struct q_buffer line = {0};
    for (size_t i = 0; i < 58; i++)
        values[i] = 0.12345 * (double)i;
    step.routers = 58;
    step.violations = step.entropies = step.bias_norms = values;
    assert_ok(metrics_put_step(&line, &step));
    assert_in_range(line.size, 1000, 2500);
    q_buffer_release(&line);
}

static void put_line(struct step_log *log, int step)
{
    struct q_buffer line = {0};
    assert_ok(q_buffer_printf(&line, "{\"step\":%d}\n", step));
    assert_ok(step_log_append(log, &line));
    q_buffer_release(&line);
}

static void a_restart_cuts_behind_the_checkpoint(void **state)
{
    (void)state;
    struct step_log *log;
    struct q_buffer text = {0};
    assert_ok(step_log_open(".", "log.jsonl", 0, &log));
    for (int i = 1; i <= 9; i++)
        put_line(log, i);
    step_log_close(log);
    assert_ok(step_log_open(".", "log.jsonl", 6, &log));
    put_line(log, 7);
    const struct q_buffer torn = {.data = "{\"step\":8", .size = 9};
    assert_ok(step_log_append(log, &torn));
    step_log_close(log);
    assert_ok(step_log_open(".", "log.jsonl", 8, &log));
    put_line(log, 8);
    step_log_close(log);
    assert_ok(q_fs_read_file("log.jsonl", 1000, &text));
    assert_ok(q_buffer_terminate(&text));
    assert_string_equal(text.data,
                        "{\"step\":1}\n{\"step\":2}\n{\"step\":3}\n{\"step\":4}\n{\"step\":5}\n{\"step\":6}\n"
                        "{\"step\":7}\n{\"step\":8}\n");
    q_buffer_release(&text);
}

/* The peak is a speed that some machine may have, and no lower than a product that is timed beside it. */
static void the_peak_is_a_speed(void **state)
{
    (void)state;
    struct q_pool *pool;
    double peak;
    assert_ok(q_pool_create(2, &pool));
    assert_ok(op_peak(op_table_cpu(OP_FP32), pool, 0.02, &peak));
    assert_true(peak > 1e8 && peak < 1e15);
    assert_ok(op_peak_copy(op_table_cpu(OP_FP32), pool, 0.02, &peak));
    assert_true(peak > 1e8 && peak < 1e14);
    q_pool_release(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(violation_and_entropy),
        cmocka_unit_test(map_and_window),
        cmocka_unit_test(window_of_large_steps),
        cmocka_unit_test(failed_allocations),
        cmocka_unit_test(lines_are_as_the_page_says),
        cmocka_unit_test(a_large_model_has_short_lines),
        cmocka_unit_test(a_restart_cuts_behind_the_checkpoint),
        cmocka_unit_test(the_peak_is_a_speed),
    };
    return cmocka_run_group_tests_name("metrics", tests, scratch_enter, scratch_leave);
}
