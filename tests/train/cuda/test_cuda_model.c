/* The model and its optimizer over the CUDA backend, on an emulated device, beside the CPU's: the same losses, gradients, counts and parameters within
 * FP32's rounding. The device's memory cannot be touched by the host here, so that whatever the model does to it goes through the operations. */
#include "tests/train/two_modules.h"
#include "train/cuda/cuda_ops.h"

static void step(struct fixture *f, op_acc *losses)
{
    const struct model_batch batch = {BATCH, LENGTH, f->ids, f->ids + 1};
    const struct model_scale scale = {
        .loss = 1.0 / TOKENS, .balance_alpha = 1e-3, .balance = 1.0 / BATCH, .mtp = 0.3, .z_loss = 1e-3};
    assert_ok(model_forward_backward(f->model, &batch, &scale, losses, NULL));
}

typedef void getter(const struct model *model, const struct model_parameter *parameter, op_acc *values);

static void assert_near(const struct fixture *a, const struct fixture *b, getter *get, double bound)
{
    size_t count;
    const struct model_parameter *parameters = model_parameters(a->model, &count);
    for (size_t i = 0; i < count; i++) {
        op_acc *x, *y;
        if (parameters[i].kind == MODEL_BIAS && get == model_get_gradient)
            continue;
        assert_ok(q_alloc(parameters[i].count, sizeof *x, &x));
        assert_ok(q_alloc(parameters[i].count, sizeof *y, &y));
        get(a->model, &parameters[i], x);
        get(b->model, model_find_parameter(b->model, parameters[i].name), y);
        const double apart = distance(x, y, parameters[i].count);
        if (!(apart <= bound))
            fail_msg("%s: %g", parameters[i].name, apart);
        q_release(x);
        q_release(y);
    }
}

static void assert_same_counts(const struct fixture *a, const struct fixture *b)
{
    int64_t x[8 * EXPERTS] = {0}, y[8 * EXPERTS] = {0};
    assert_true(model_routers(a->model) <= 8);
    model_get_counts(a->model, x);
    model_get_counts(b->model, y);
    assert_memory_equal(x, y, model_routers(a->model) * EXPERTS * sizeof *x);
}

static void train_beside_the_cpu(enum model_recompute recompute)
{
    struct op_table cuda;
    struct fixture cpu, gpu;
    op_acc losses[2][TOKENS];
    cuda_table_fp32(&cuda);
    set_up(&cpu, &two_modules, op_table_cpu(OP_FP32), 2, recompute);
    set_up(&gpu, &two_modules, &cuda, 1, recompute);
    for (int i = 0; i < 3; i++) {
        double norms[2];
        step(&cpu, losses[0]);
        step(&gpu, losses[1]);
        assert_true(distance(losses[1], losses[0], TOKENS) < 1e-5);
        assert_near(&gpu, &cpu, model_get_gradient, i == 0 ? 1e-5 : 1e-3);
        assert_same_counts(&gpu, &cpu);
        model_update_bias(cpu.model, 0.001);
        model_update_bias(gpu.model, 0.001);
        assert_ok(optimizer_step(cpu.optimizer, 1e-3, &norms[0]));
        assert_ok(optimizer_step(gpu.optimizer, 1e-3, &norms[1]));
        assert_true(fabs(norms[1] - norms[0]) < 1e-4 * norms[0]);
        assert_near(&gpu, &cpu, model_get, 1e-3);
    }
    tear_down(&cpu);
    tear_down(&gpu);
}

static void the_gpu_trains_as_the_cpu(void **state)
{
    (void)state;
    train_beside_the_cpu(MODEL_RECOMPUTE_NONE);
}

static void the_gpu_recomputes_as_the_cpu(void **state)
{
    (void)state;
    train_beside_the_cpu(MODEL_RECOMPUTE_PROJECTIONS);
}

/* Gradients of weights in BF16 beside those in FP32, both over the same operations: within a rounding for each time that one is added to, of which the head's
 * has three, one for each depth. Moments are BF16 too. */
static void narrow_gradients_are_near_wide_ones(void **state)
{
    (void)state;
    struct model_shape shape = {.batch = BATCH, .sequence = LENGTH, .training = true};
    struct optimizer_settings adamw = fixture_adamw;
    struct op_table cuda;
    struct fixture wide, narrow;
    op_acc losses[2][TOKENS];
    double norms[2];
    cuda_table_bf16(&cuda);
    adamw.bf16_moments = true;
    set_up_model(&wide, &two_modules, &shape, &cuda, 1, &adamw);
    shape.narrow_gradients = true;
    set_up_model(&narrow, &two_modules, &shape, &cuda, 1, &adamw);
    for (int i = 0; i < 2; i++) {
        step(&wide, losses[0]);
        step(&narrow, losses[1]);
        assert_memory_equal(losses[0], losses[1], i == 0 ? sizeof losses[0] : 0);
        assert_near(&narrow, &wide, model_get_gradient, i == 0 ? 0x1p-8 : 0x1p-4);
        assert_ok(optimizer_step(wide.optimizer, 1e-3, &norms[0]));
        assert_ok(optimizer_step(narrow.optimizer, 1e-3, &norms[1]));
        assert_true(norms[1] != norms[0] && fabs(norms[1] - norms[0]) < 0x1p-8 * norms[0]);
    }
    tear_down(&wide);
    tear_down(&narrow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_gpu_trains_as_the_cpu),
        cmocka_unit_test(the_gpu_recomputes_as_the_cpu),
        cmocka_unit_test(narrow_gradients_are_near_wide_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
