/* What is timed of a layer by itself, on the CPU and on the emulated device: every operation once, with the work that the shape's formula counts; and the
 * marks that times are taken from. */
#include "base/check.h"
#include "tests/train/model_fixture.h"
#include "tests/train/small_model.h"
#include "train/cuda/cuda_ops.h"
#include "train/op_timing.h"

#include <math.h>

enum { BATCH = 2, LENGTH = 9, TOKENS = BATCH * LENGTH, TIMES = 20 };

static const struct model_config *shape_of_tests(void)
{
    static struct model_config config;
    config = odd_model(101);
    return &config;
}

static double flop_of(const struct op_timing *rows, size_t count, const char *name, uint64_t *calls)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(rows[i].name, name) == 0) {
            *calls = rows[i].calls;
            assert_true(rows[i].seconds >= 0);
            return rows[i].flop;
        }
    fail_msg("no row '%s'", name);
    return 0;
}

/* Products and attention of so many times a block. */
static double run_block(struct fixture *f, const struct op_table *ops, enum model_block block)
{
    static const char *const names[] = {"matmul NT",  "matmul NN",  "matmul TN", "grouped NT",
                                        "grouped NN", "grouped TN", "attention", "attention backward"};
    struct op_timing rows[OP_TIMING_MAX];
    uint64_t calls, all = 0;
    double flop = 0;
    (void)op_timing_begin(ops);
    for (int i = 0; i < TIMES; i++) { /* more calls than there are marks */
        model_block_begin(f->model);
        assert_ok(model_block_forward(f->model, block));
        assert_ok(model_block_backward(f->model, block));
    }
    const size_t count = op_timing_read(rows);
    for (size_t i = 0; i < Q_COUNT_OF(names); i++) {
        flop += flop_of(rows, count, names[i], &calls);
        assert_int_equal(calls % TIMES, 0);
        all += calls;
    }
    assert_true(all > 0);
    (void)flop_of(rows, count, "cross-entropy", &calls);
    assert_int_equal(calls, 0);
    return flop / TIMES / TOKENS;
}

static void assert_counted(const struct op_table *ops)
{
    const struct model_config *config = shape_of_tests();
    const struct model_shape shape = {.batch = BATCH, .sequence = LENGTH, .training = true};
    const struct model_scale scale = {.loss = 1.0 / TOKENS};
    const double attention = model_config_attention_flop(config, LENGTH),
                 feedforward = model_config_feedforward_flop(config);
    struct fixture f;
    set_up_model(&f, config, &shape, op_timing_begin(ops), 1, &fixture_adamw);
    const struct model_batch batch = {BATCH, LENGTH, f.ids, f.ids + 1};
    assert_ok(model_forward_backward(f.model, &batch, &scale, NULL, NULL));
    assert_true(fabs(run_block(&f, ops, MODEL_BLOCK_ATTENTION) - attention) < 1e-6 * attention);
    assert_true(fabs(run_block(&f, ops, MODEL_BLOCK_FEEDFORWARD) - feedforward) < 1e-6 * feedforward);
    assert_true(fabs(run_block(&f, ops, MODEL_BLOCK_LAYER) - attention - feedforward) < 1e-6 * attention);
    tear_down(&f);
}

static void a_layer_is_what_its_formula_counts(void **state)
{
    (void)state;
    struct op_table cuda;
    cuda_table_fp32(&cuda);
    assert_counted(op_table_cpu(OP_FP32));
    assert_counted(&cuda);
}

static void marks_are_in_order(void **state)
{
    (void)state;
    struct op_table cuda;
    struct op_context *context;
    cuda_table_bf16(&cuda);
    assert_ok(cuda.create(NULL, &context));
    cuda.mark(context, 0);
    cuda.mark(context, OP_MARKS - 1);
    cuda.mark(context, 1);
    const double parts = cuda.mark_seconds(context, 0, OP_MARKS - 1) + cuda.mark_seconds(context, OP_MARKS - 1, 1);
    assert_true(parts >= 0 && fabs(parts - cuda.mark_seconds(context, 0, 1)) < 1e-6);
    assert_ok(cuda.synchronize(context));
    assert_true(cuda.mark_seconds(context, 0, 2) == 0); /* never made: a failure that sticks */
    assert_int_equal(cuda.synchronize(context), Q_ERR_SYSTEM);
    cuda.release(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_layer_is_what_its_formula_counts),
        cmocka_unit_test(marks_are_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
