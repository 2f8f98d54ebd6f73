/* A run's files read back: columns and their thinning, what a kill leaves, files of any content, maps merged from the newest lines. */
#include "tests/base/cmocka_all.h"
#include "tests/base/scratch.h"
#include "train/watch/run_curves.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void write_text(const char *path, const char *text)
{
    scratch_write(path, text, strlen(text));
}

static void assert_near(double a, double b)
{
    assert_true(fabs(a - b) < 1e-12 * fmax(1, fabs(b)));
}

static void columns(void **state)
{
    (void)state;
    struct run_curves *curves;
    write_text("metrics.jsonl",
               "{\"step\":1,\"loss\":4.5,\"loss_by_source\":{\"web\":5,\"code\":4},\"violation_by_layer\":[0.5,0.25],"
               "\"name\":\"x\"}\n"
               "{\"step\":2,\"loss\":4.25,\"loss_by_source\":{\"code\":3},\"violation_by_layer\":[0.25,null]}\n"
               "{\"step\":3,\"loss\":4,\"mtp_loss\":5}\n"
               "{\"step\":4,\"lo");
    assert_ok(run_curves_read(".", 6, &curves));
    assert_int_equal(run_curves_points(curves), 3); /* the torn line is none */
    assert_int_equal(run_curves_columns(curves), 7);
    assert_string_equal(run_curves_name(curves, 0), "step");
    assert_string_equal(run_curves_name(curves, 2), "loss_by_source/web");
    assert_near(run_curves_column(curves, "loss")[1], 4.25);
    const double *web = run_curves_column(curves, "loss_by_source/web");
    assert_true(web[0] == 5 && isnan(web[1]) && isnan(web[2]));
    assert_true(isnan(run_curves_column(curves, "violation_by_layer/1")[1]));
    assert_near(run_curves_column(curves, "mtp_loss")[2], 5);
    assert_true(isnan(run_curves_column(curves, "mtp_loss")[0]));
    assert_null(run_curves_column(curves, "name"));
    assert_null(run_curves_column(curves, "los"));
    assert_near(run_curves_last(curves, "loss"), 4);
    assert_true(isnan(run_curves_last(curves, "violation_by_layer/0"))); /* the last line has none */
    run_curves_release(curves);
}

/* Whatever the number of lines, the points are at most as many as asked for, more than half of that once there are so many lines, and each is the mean of its lines. */
static void thinning(void **state)
{
    (void)state;
    enum { POINTS = 8 };
    struct q_buffer text = {0};
    for (int lines = 1; lines <= 200; lines++) {
        struct run_curves *curves;
        assert_ok(q_buffer_printf(&text, "{\"step\":%d%s}\n", lines, lines % 3 ? "" : ",\"third\":1"));
        scratch_write("metrics.jsonl", text.data, text.size);
        assert_ok(run_curves_read(".", POINTS, &curves));
        size_t points = run_curves_points(curves);
        assert_true(points <= POINTS && points >= (size_t)(lines < POINTS / 2 ? lines : POINTS / 2));
        int stride = 1;
        while ((lines + stride - 1) / stride > POINTS)
            stride *= 2;
        const double *steps = run_curves_column(curves, "step");
        for (int i = 0; i < (int)points; i++) {
            int from = i * stride + 1, to = from + stride - 1 < lines ? from + stride - 1 : lines;
            assert_near(steps[i], (from + to) / 2.0);
        }
        if (lines >= 3)
            assert_near(run_curves_column(curves, "third")[(3 - 1) / stride],
                        1); /* a mean over the lines that have it */
        run_curves_release(curves);
    }
    q_buffer_release(&text);
}

static void odd_files(void **state)
{
    (void)state;
    struct run_curves *curves;
    struct run_experts experts;
    static const char *const texts[] = {
        "", "\n", "[]\n", "3\n{\"a\":{\"b\":{\"c\":1}},\"d\":[[1]],\"e\":true}\n", "{\"step\":1}", "\xff\n"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        write_text("metrics.jsonl", texts[i]);
        write_text("experts.jsonl", texts[i]);
        assert_ok(run_curves_read(".", 4, &curves));
        assert_true(run_curves_columns(curves) <= 1);
        run_curves_release(curves);
        assert_ok(run_experts_read(".", 100, &experts));
        assert_int_equal(experts.routers, 0);
        run_experts_release(&experts);
    }
    assert_fails(run_curves_read("nowhere", 4, &curves), Q_ERR_INPUT, "nowhere/metrics.jsonl");
    assert_ok(run_experts_read("nowhere", 100, &experts));
    assert_int_equal(experts.source_count, 0);
    run_experts_release(&experts);
    /* Lines that contradict each other: rows and experts that are missing count as nothing. */
    write_text("experts.jsonl",
               "{\"layers\":[1,2],\"source_tokens\":{\"a\":4},\"load_by_source\":{\"a\":[[1000,1000,1000]]}}\n"
               "{\"layers\":[1],\"source_tokens\":{\"b\":4},\"load_by_source\":{\"b\":[[2000,0],[1,2]],\"c\":3}}\n");
    assert_ok(run_experts_read(".", 100, &experts));
    assert_int_equal(experts.routers, 1);
    assert_int_equal(experts.experts, 3);
    run_experts_release(&experts);
}

static void maps(void **state)
{
    (void)state;
    struct run_experts experts;
    write_text(
        "experts.jsonl",
        "{\"step\":10,\"layers\":[3],\"source_tokens\":{\"old\":1000},\"load_by_source\":{\"old\":[[0,2000]]}}\n"
        "{\"step\":20,\"layers\":[3],\"source_tokens\":{\"web\":100,\"code\":300},\"load_by_source\":{\"web\":[[2000,0]"
        "],\"code\":[[0,2000]]}}\n"
        "{\"step\":30,\"layers\":[3],\"source_tokens\":{\"web\":300},\"load_by_source\":{\"web\":[[1000,1000]]}}\n");
    assert_ok(run_experts_read(".", 600, &experts)); /* the newest two have 700 */
    assert_int_equal(experts.source_count, 2);
    assert_int_equal(experts.layers[0], 3);
    assert_string_equal(experts.sources[0], "web"); /* 400 tokens */
    assert_string_equal(experts.sources[1], "code");
    assert_near(experts.tokens, 700);
    assert_near(experts.shares[0], (2 * 100 + 1 * 300) / 400.0);
    assert_near(experts.shares[1], 300 / 400.0);
    assert_near(experts.shares[2], 0);
    assert_near(experts.all[0], (2 * 100 + 1 * 300) / 700.0);
    double web = fabs(1.25 - 5 / 7.0) / 2, code = fabs(0 - 5 / 7.0) / 2; /* half of the sum over two experts, by two */
    assert_near(run_experts_specialisation(&experts, 0), (web * 400 + code * 300) / 700);
    run_experts_release(&experts);
}

static void failed_allocations(void **state)
{
    (void)state;
    for (uint64_t k = 1;; k++) {
        struct run_curves *curves = NULL;
        struct run_experts experts = {0};
        write_text("metrics.jsonl", "{\"step\":1,\"loss\":4.5}\n{\"step\":2,\"loss\":4.5}\n");
        (void)q_memory_fail_at(k, 0);
        q_status status = run_curves_read(".", 2, &curves);
        q_status other = status ? status : run_experts_read(".", 600, &experts);
        (void)q_memory_fail_at(0, 0);
        if (!status)
            run_curves_release(curves);
        if (!status && !other)
            run_experts_release(&experts);
        if (!status && !other && k > 40)
            break;
        assert_true(k < 500);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns), cmocka_unit_test(thinning),           cmocka_unit_test(odd_files),
        cmocka_unit_test(maps),    cmocka_unit_test(failed_allocations),
    };
    return cmocka_run_group_tests_name("run_curves", tests, scratch_enter, scratch_leave);
}
