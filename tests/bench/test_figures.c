/* Figures: medians, the JSON, the page made from it, and what running a command tells. */
#include "bench/figures.h"
#include "tests/base/cmocka_all.h"

#include <string.h>

static void test_median(void **state)
{
    (void)state;
    double one[] = {3}, two[] = {4, 1}, three[] = {9, 1, 2}, four[] = {8, 1, 3, 2};
    assert_true(figure_median(one, 1) == 3);
    assert_true(figure_median(two, 2) == 2.5);
    assert_true(figure_median(three, 3) == 2);
    assert_true(figure_median(four, 4) == 2.5);
}

static const struct measured_run runs[3] = {{2, 3, 1000}, {4, 7, 5000}, {1, 1, 2000}};

static json_t *make_subject(void)
{
    const struct figure_about about[] = {
        {"stage.step", "stage: a step", "bytes", "quern-stage build in -o out", 2, 8000000, "peer 1.0", 1e6, NULL, 0,
         0},
        {"stage.other", "stage: another | step", "tokens", "quern-stage bench", 1, 0, "peer 2.0", 0, NULL, 0, 0},
        {"stage.third", "stage: a third", "documents", "quern-stage third", 1, 1500, NULL, 0, NULL, 0, 0},
        {"stage.fourth", "a fourth", "bytes", "quern-stage fourth", 1, 8000000, "peer 4", 0, "peer four", 3.5, 0.25},
        {"stage.fifth", "a fifth", "bytes", "quern-stage fifth", 1, 8000000, "peer 5", 1e6, NULL, 3.5, 0},
        {"stage.sixth", "a sixth", "bytes", "quern-stage sixth", 1, 8000000, "peer 6", 0, "peer six", 5, 0},
        {"stage.seventh", "a seventh", "bytes", "quern-stage seventh", 1, 8000000, "peer 7", 0, "peer seven", 0, 0},
    };
    const double reported[3] = {100, 5000, 1234}, peer_reported[3] = {1.5e6, 0.5e6, 0.25e6};
    const struct measured_run peer_runs[3] = {{5, 5, 10000}, {6, 6, 12000}, {7, 7, 8000}};
    json_t *figures = json_array(), *figure, *subject;
    for (size_t i = 0; i < 7; i++) {
        struct figure_runs ours = {runs, i == 1 ? reported : NULL, 3}, peer = {peer_runs, peer_reported,
                                                                               i == 3   ? 2
                                                                               : i == 6 ? 3
                                                                                        : 0};
        assert_ok(figure_make(&about[i], &ours, &peer, &figure));
        assert_ok(q_json_push(figures, figure));
    }
    assert_ok(figures_subject("some", "Some figures", "made up", figures, &subject));
    return subject;
}

static double number_of(const json_t *subject, size_t figure, const char *key)
{
    return json_number_value(json_object_get(json_array_get(json_object_get(subject, "figures"), figure), key));
}

static void test_json(void **state)
{
    (void)state;
    json_t *subject = make_subject();
    assert_true(number_of(subject, 0, "seconds") == 2);
    assert_true(number_of(subject, 0, "cpu_seconds") == 3);
    assert_true(number_of(subject, 0, "per_second") == 4e6);
    assert_true(number_of(subject, 0, "peak_bytes") == 5000);
    assert_true(number_of(subject, 0, "peer_per_second") == 1e6);
    assert_true(number_of(subject, 1, "per_second") == 1234);
    assert_true(
        json_is_null(json_object_get(json_array_get(json_object_get(subject, "figures"), 1), "peer_per_second")));
    assert_true(json_is_null(json_object_get(json_array_get(json_object_get(subject, "figures"), 2), "peer")));
    assert_true(number_of(subject, 2, "per_second") == 750);
    assert_true(number_of(subject, 3, "peer_per_second") == 1e6);
    assert_true(number_of(subject, 3, "peer_peak_bytes") == 12000);
    assert_true(number_of(subject, 3, "wanted_ratio") == 3.5);
    assert_true(number_of(subject, 3, "ratio") == 4); /* of the medians: not run in turn */
    assert_null(json_object_get(json_array_get(json_object_get(subject, "figures"), 3), "ratio_lowest"));
    assert_true(number_of(subject, 6, "ratio") == 4); /* 4 to 1.5, 2 to 0.5, 8 to 0.25; of the medians it would be 8 */
    assert_true(number_of(subject, 6, "ratio_lowest") == 4e6 / 1.5e6);
    assert_true(number_of(subject, 6, "ratio_highest") == 32);
    assert_int_equal(json_integer_value(json_object_get(subject, "format")), FIGURES_VERSION);
    json_decref(subject);
}

static void expect_line(const struct q_buffer *page, const char *line)
{
    if (q_string_find(q_buffer_string(page), q_string_of(line), 0) == SIZE_MAX)
        fail_msg("no line '%s' in:\n%.*s", line, Q_STRING_ARGS(q_buffer_string(page)));
}

static void test_page(void **state)
{
    (void)state;
    json_t *subject = make_subject();
    struct q_buffer page = {0};
    assert_ok(figures_page(subject, "some.json", Q_STRING("## Notes\n\nOf note.\n"), &page));
    expect_line(&page, "# Some figures\n");
    expect_line(&page, "Data: made up.\n");
    expect_line(&page,
                "| stage: a step | 4.00 MB/s | 2 | 8.00 MB | 2 s | 3 s | 5.00 kB | peer 1.0: 1.00 MB/s; ratio 4 |\n");
    expect_line(
        &page,
        "| stage: another \\| step | 1.23 K tokens/s | 1 | - | 2 s | 3 s | 5.00 kB | peer 2.0: not measured |\n");
    expect_line(&page, "| stage: a third | 750 documents/s | 1 | 1.50 K documents | 2 s | 3 s | 5.00 kB | - |\n");
    expect_line(&page,
                "| a fourth | 4.00 MB/s | 1 | 8.00 MB | 2 s | 3 s | 5.00 kB | peer 4: 1.00 MB/s; ratio 4, wanted 3.5; "
                "memory 12.0 kB, ours to it 0.417, wanted 0.25 |\n");
    expect_line(&page, "peer 7: 500 kB/s; ratio 4 (2.67 to 32); memory");
    expect_line(&page, "peer 5: 1.00 MB/s; ratio 4, wanted 3.5 |\n");
    expect_line(&page, "\n\nWanted and not reached:\n\n- a fourth: memory to the peer's 0.417, wanted 0.25\n"
                       "- a sixth: ratio not measured\n\n## Notes\n\nOf note.\n\n## Commands\n");
    expect_line(&page, "- stage: a step: `quern-stage build in -o out`\n");
    expect_line(&page, "- a fourth: `quern-stage fourth`; the peer: `peer four`\n");
    q_buffer_release(&page);
    /* What is no subject is refused. */
    assert_int_equal(json_object_del(subject, "machine"), 0);
    assert_fails(figures_page(subject, "some.json", Q_STRING("## Notes\n\nOf note.\n"), &page), Q_ERR_INPUT, "machine");
    q_buffer_release(&page);
    json_decref(subject);
}

static void test_running(void **state)
{
    (void)state;
    struct measured_run run = {0};
    struct q_buffer output = {0};
    const char *const echo[] = {"echo", "some words", NULL}, *const fails[] = {"sh", "-c", "exit 3", NULL};
    const char *const killed[] = {"sh", "-c", "kill -9 $$", NULL}, *const absent[] = {"no-such-program", NULL};
    const char *const work[] = {"sh", "-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done", NULL};
    assert_ok(measure_run(echo, &output, &run));
    assert_true(q_string_is(q_buffer_string(&output), "some words\n"));
    assert_ok(measure_run(work, NULL, &run));
    assert_true(run.seconds > 0 && run.cpu_seconds > 0 && run.peak_bytes > 100000);
    assert_fails(measure_run(fails, NULL, &run), Q_ERR_SYSTEM, "exit code 3");
    assert_fails(measure_run(killed, &output, &run), Q_ERR_SYSTEM, "signal 9");
    assert_fails(measure_run(absent, NULL, &run), Q_ERR_SYSTEM, "no-such-program");
    q_buffer_release(&output);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_median),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_page),
        cmocka_unit_test(test_running),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
