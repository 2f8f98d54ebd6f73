/* The lines of a run on a terminal: their text, and the curve of the loss while it grows. Terminals are tests/base/test_progress.c's. */
#include "tests/base/cmocka_all.h"
#include "train/watch/train_view.h"

#include <math.h>
#include <string.h>

static void assert_curve(const struct train_view *view, bool utf8, const char *expected)
{
    struct q_buffer text = {0};
    assert_ok(train_view_put_curve(view, utf8, &text));
    assert_ok(q_buffer_terminate(&text));
    assert_string_equal(text.data, expected);
    q_buffer_release(&text);
}

static void curve(void **state)
{
    (void)state;
    struct train_view view = {0};
    assert_curve(&view, true, "");
    train_view_add_loss(&view, 8);
    assert_curve(&view, true, "");
    train_view_add_loss(&view, 1);
    assert_curve(&view, true, "█▁");
    train_view_add_loss(&view, (double)NAN); /* is left out */
    train_view_add_loss(&view, 2.9);         /* about half of the logarithm */
    assert_curve(&view, true, "█▁▅");
    assert_curve(&view, false, "#_~");
    struct train_view even = {0};
    train_view_add_loss(&even, 2);
    train_view_add_loss(&even, 2);
    assert_curve(&even, true, "▁▁");
}

/* However many steps there are, the curve has at most TRAIN_VIEW_CELLS cells, more than a third of them from some point on, falls as the loss does, and no step is lost. */
static void curve_of_many_steps(void **state)
{
    (void)state;
    struct train_view view = {0};
    struct q_buffer text = {0};
    double sum = 0;
    for (size_t step = 1; step <= 5000; step++) {
        double loss = 10 / sqrt((double)step), kept = 0;
        sum += loss;
        train_view_add_loss(&view, loss);
        q_buffer_clear(&text);
        assert_ok(train_view_put_curve(&view, false, &text));
        assert_true(text.size <= TRAIN_VIEW_CELLS && (step < 12 || text.size >= 12));
        for (size_t i = 0; i < view.count; i++)
            kept += view.losses[i];
        assert_true(fabs(kept - sum) < 1e-9 * sum);
        static const char levels[] = "_.,-~+=#";
        for (size_t i = 1; i < text.size; i++)
            assert_true(strchr(levels, text.data[i]) <= strchr(levels, text.data[i - 1]));
    }
    q_buffer_release(&text);
}

static void lines(void **state)
{
    (void)state;
    struct train_view view = {.steps_total = 401};
    struct q_buffer text = {0};
    struct metrics_step step = {.position = {230, 7000, 1612544},
                                .point = {.rate = 1.25e-3, .sequences = 32},
                                .loss = 5.2481,
                                .mtp_loss = (double)NAN,
                                .balance_loss = 1.3e-4,
                                .gradient_norm = 0.8341,
                                .tokens_per_s = 4878,
                                .flop_per_s = 12.34e9,
                                .flop_share = 0.412,
                                .routers = 3,
                                .violation = {0.312, 0.44, 3},
                                .window_violation = {0.12, 0.2, 2},
                                .window_tokens = 1003520};
    train_view_add_loss(&view, 8);
    train_view_add_loss(&view, 1);
    assert_ok(train_view_put(&view, &step, true, &text));
    assert_ok(q_buffer_terminate(&text));
    assert_string_equal(text.data, "step 230 of 401   loss 5.248  █▁\n"
                                   "rate 0.00125   batch 32   gradient norm 0.834   balance loss 0.00013\n"
                                   "4.88 K tokens/s   12.3 GFLOP/s, 41% of the measured peak\n"
                                   "load violation 0.31 (layer 3: 0.44), over 1.00 M tokens 0.12 (layer 2: 0.20)");
    /* Without experts, with MTP, before the first speed. */
    step.routers = 0;
    step.mtp_loss = 5.9;
    step.tokens_per_s = (double)NAN;
    q_buffer_clear(&text);
    assert_ok(train_view_put(&view, &step, false, &text));
    assert_ok(q_buffer_terminate(&text));
    assert_string_equal(text.data, "step 230 of 401   loss 5.248, MTP 5.900  #_\n"
                                   "rate 0.00125   batch 32   gradient norm 0.834");
    q_buffer_release(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(curve),
        cmocka_unit_test(curve_of_many_steps),
        cmocka_unit_test(lines),
    };
    return cmocka_run_group_tests_name("train_view", tests, NULL, NULL);
}
