/* What the optimizer keeps beside the parameters: moments in BF16 are the FP32 ones rounded behind each step, and the EMA is the mean of the parameters' history.
 * AdamW itself is compared with a second implementation in test_golden, the operations with plain loops in test_ops. */
#include "base/random.h"
#include "base/threads.h"
#include "tests/base/cmocka_all.h"
#include "tests/train/small_model.h"
#include "train/bfloat16.h"
#include "train/optimizer.h"
#include "train/train_settings.h"

#include <math.h>
#include <string.h>

static const struct optimizer_settings plain = {
    .beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8, .weight_decay = 0.1, .clip = 1};

struct rig {
    struct q_pool *pool;
    struct op_context *context;
    struct model *model;
    struct optimizer *optimizer;
    size_t elements;
};

static void rig_create(struct rig *rig, const struct optimizer_settings *settings)
{
    const struct op_table *ops = op_table_cpu(OP_FP32);
    const struct model_shape shape = {.batch = 1, .sequence = 8, .training = true};
    const struct model_config small = small_model(32);
    assert_ok(q_pool_create(2, &rig->pool));
    assert_ok(ops->create(rig->pool, &rig->context));
    assert_ok(model_create(&small, ops, rig->context, &shape, &rig->model));
    assert_ok(model_init(rig->model, 3));
    assert_ok(optimizer_create(rig->model, settings, NULL, &rig->optimizer));
    optimizer_clear(rig->optimizer);
    rig->elements = model_parameter_elements(rig->model);
}

static void rig_release(struct rig *rig)
{
    optimizer_release(rig->optimizer);
    model_release(rig->model);
    op_table_cpu(OP_FP32)->release(rig->context);
    q_pool_release(rig->pool);
}

/* A step with invented gradients: the same for the same step. */
static void take_step(struct rig *rig, uint64_t step)
{
    size_t count;
    const struct model_parameter *parameters = model_parameters(rig->model, &count);
    for (size_t i = 0; i < count; i++)
        if (parameters[i].kind != MODEL_BIAS)
            q_random_normals(q_random_key_of(step, "gradient", i, 0), 0, 1,
                             model_gradient_arena(rig->model) + parameters[i].offset, parameters[i].count);
    assert_ok(optimizer_step(rig->optimizer, 0.01, NULL));
}

/* All trained tensors of one arena, or (OPTIMIZER_ARENAS) the parameters: new memory. */
static float *take(const struct rig *rig, enum optimizer_arena arena)
{
    size_t count;
    const struct model_parameter *parameters = model_parameters(rig->model, &count);
    float *values;
    assert_ok(q_alloc_zero(rig->elements, sizeof *values, &values));
    for (size_t i = 0; i < count; i++) {
        if (parameters[i].kind == MODEL_BIAS)
            continue;
        if (arena == OPTIMIZER_ARENAS)
            model_get(rig->model, &parameters[i], values + parameters[i].offset);
        else
            assert_ok(optimizer_get(rig->optimizer, arena, &parameters[i], values + parameters[i].offset));
    }
    return values;
}

/* Puts what take gave. */
static void put(struct rig *rig, enum optimizer_arena arena, const float *values)
{
    size_t count;
    const struct model_parameter *parameters = model_parameters(rig->model, &count);
    for (size_t i = 0; i < count; i++)
        if (parameters[i].kind != MODEL_BIAS)
            assert_ok(optimizer_put(rig->optimizer, arena, &parameters[i], values + parameters[i].offset));
}

/* FP32's step from the same moments: the same parameters to the bit, and its moments rounded are BF16's. */
static void test_bf16_moments_are_rounded(void **state)
{
    (void)state;
    struct rig narrow = {0}, wide = {0};
    struct optimizer_settings bf16 = plain;
    bf16.bf16_moments = true;
    rig_create(&narrow, &bf16);
    rig_create(&wide, &plain);
    for (uint64_t step = 0; step < 6; step++) {
        size_t inexact = 0;
        for (int m = OPTIMIZER_M; m <= OPTIMIZER_V; m++) {
            float *before = take(&narrow, (enum optimizer_arena)m);
            put(&wide, (enum optimizer_arena)m, before);
            q_release(before);
        }
        take_step(&narrow, step);
        take_step(&wide, step);
        float *a = take(&narrow, OPTIMIZER_ARENAS), *b = take(&wide, OPTIMIZER_ARENAS);
        assert_memory_equal(a, b, narrow.elements * sizeof *a);
        q_release(a);
        q_release(b);
        for (int m = OPTIMIZER_M; m <= OPTIMIZER_V; m++) {
            a = take(&narrow, (enum optimizer_arena)m);
            b = take(&wide, (enum optimizer_arena)m);
            for (size_t i = 0; i < narrow.elements; i++) {
                assert_true(a[i] == bfloat16_to_float(bfloat16_of_float(b[i])));
                inexact += a[i] != b[i];
            }
            q_release(a);
            q_release(b);
        }
        assert_true(inexact > narrow.elements);
    }
    rig_release(&narrow);
    rig_release(&wide);
}

static void test_rounding(void **state)
{
    (void)state;
    static const struct {
        float value;
        uint16_t code;
    } cases[] = {{0.0F, 0},
                 {-0.0F, 0x8000},
                 {1.0F, 0x3f80},
                 {0x1.01p0F, 0x3f80},      /* halfway, the even one is below */
                 {0x1.03p0F, 0x3f82},      /* halfway, the even one is above */
                 {0x1.010002p0F, 0x3f81},  /* just above halfway */
                 {-0x1.00fffep0F, 0xbf80}, /* just below */
                 {0x1.fep127F, 0x7f7f},    /* the largest */
                 {0x1.fffffep127F, 0x7f80},
                 {INFINITY, 0x7f80},
                 {0x1p-149F, 0},
                 {0x1p-133F, 1}}; /* the smallest */
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(bfloat16_of_float(cases[i].value), cases[i].code);
    for (uint32_t bits = 0x7f800001; bits < 0x80000000; bits += 0x7fffff / 64) {
        float value;
        memcpy(&value, &bits, sizeof value);
        assert_true(isnan(bfloat16_to_float(bfloat16_of_float(value))));
    }
    for (uint32_t code = 0; code < 0x7f80; code++)
        assert_int_equal(bfloat16_of_float(bfloat16_to_float((uint16_t)code)), code);
}

/* How many of BF16's numbers from 1 to 2 stay what they are when they should fall by 1 - beta of themselves. */
static size_t stuck(double beta)
{
    size_t count = 0;
    for (uint16_t code = 0x3f80; code < 0x4000; code++)
        count += bfloat16_of_float((float)beta * bfloat16_to_float(code)) == code;
    return count;
}

/* The bound that train_settings_check sets to beta. */
static void test_moments_fall(void **state)
{
    (void)state;
    struct train_settings settings = {.optimizer = {.beta1 = 0.9, .beta2 = 0.95, .moments = MOMENTS_BF16}};
    settings.batch.sequences = 1;
    assert_ok(train_settings_check(&settings, "r.yaml"));
    assert_int_equal(stuck(0.95), 0);
    assert_int_equal(stuck(255.0 / 256), 0);
    assert_true(stuck(0.997) > 0);
    assert_true(stuck(0.999) == 128);
    settings.optimizer.beta2 = 255.0 / 256;
    assert_fails(train_settings_check(&settings, "r.yaml"), Q_ERR_USAGE, "would never fall");
    settings.optimizer.beta2 = 0.95;
    settings.optimizer.beta1 = 0.999;
    assert_fails(train_settings_check(&settings, "r.yaml"), Q_ERR_USAGE, "'train.optimizer.beta1' is 0.999");
    settings.optimizer.moments = MOMENTS_FP32;
    assert_ok(train_settings_check(&settings, "r.yaml"));
    settings.ema.decay = 1;
    assert_fails(train_settings_check(&settings, "r.yaml"), Q_ERR_USAGE, "must be below 1");
    settings.ema.decay = 0;
    settings.ema.result = true;
    assert_fails(train_settings_check(&settings, "r.yaml"), Q_ERR_USAGE, "give 'train.ema.decay'");
}

/* |a - b| / |b| */
static double distance(const float *a, const double *b, size_t count)
{
    double difference = 0, length = 0;
    for (size_t i = 0; i < count; i++) {
        difference += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        length += b[i] * b[i];
    }
    return sqrt(difference / length);
}

/* The sum over the steps s of decay^(t - s) p_s, over that of the weights. */
static void test_ema_is_the_mean_of_the_history(void **state)
{
    (void)state;
    enum { STEPS = 40 };
    static const double decays[] = {0.5, 0.9, 0.999};
    for (size_t d = 0; d < sizeof decays / sizeof *decays; d++) {
        struct rig rig = {0};
        struct optimizer_settings settings = plain;
        settings.ema_decay = decays[d];
        rig_create(&rig, &settings);
        double *sum, weights = 0;
        assert_ok(q_alloc_zero(rig.elements, sizeof *sum, &sum));
        float *start = take(&rig, OPTIMIZER_ARENAS), *ema = take(&rig, OPTIMIZER_EMA);
        assert_memory_equal(start, ema, rig.elements * sizeof *ema); /* before any step: the parameters */
        q_release(start);
        q_release(ema);
        for (uint64_t step = 0; step < STEPS; step++) {
            take_step(&rig, step);
            float *now = take(&rig, OPTIMIZER_ARENAS);
            for (size_t i = 0; i < rig.elements; i++)
                sum[i] = decays[d] * sum[i] + (double)now[i];
            weights = decays[d] * weights + 1;
            q_release(now);
        }
        for (size_t i = 0; i < rig.elements; i++)
            sum[i] /= weights;
        ema = take(&rig, OPTIMIZER_EMA);
        assert_true(distance(ema, sum, rig.elements) < 1e-6);
        q_release(ema);
        q_release(sum);
        rig_release(&rig);
    }
}

/* Begun in the middle it is what was there, and moves by the share of the step that it is. And it changes nothing else. */
static void test_ema_begins_late(void **state)
{
    (void)state;
    struct rig rig = {0}, without = {0};
    struct optimizer_settings settings = plain;
    settings.ema_decay = 0.9;
    rig_create(&rig, &settings);
    rig_create(&without, &plain);
    assert_int_equal(optimizer_element_bytes(rig.optimizer, OPTIMIZER_EMA), sizeof(float));
    assert_int_equal(optimizer_element_bytes(without.optimizer, OPTIMIZER_EMA), 0);
    optimizer_begin_ema(without.optimizer); /* nothing to do */
    for (uint64_t step = 0; step < 5; step++) {
        take_step(&rig, step);
        take_step(&without, step);
    }
    optimizer_begin_ema(rig.optimizer);
    float *before = take(&rig, OPTIMIZER_ARENAS), *ema = take(&rig, OPTIMIZER_EMA);
    assert_memory_equal(before, ema, rig.elements * sizeof *ema);
    q_release(ema);
    take_step(&rig, 5);
    take_step(&without, 5);
    float *after = take(&rig, OPTIMIZER_ARENAS), *same = take(&without, OPTIMIZER_ARENAS);
    assert_memory_equal(after, same, rig.elements * sizeof *same);
    ema = take(&rig, OPTIMIZER_EMA);
    const float share = (float)(0.1 / (1 - pow(0.9, 6)));
    for (size_t i = 0; i < rig.elements; i++)
        assert_true(fabsf(ema[i] - (before[i] + share * (after[i] - before[i]))) <= 1e-6F * fabsf(after[i]));
    q_release(before);
    q_release(after);
    q_release(same);
    q_release(ema);
    rig_release(&rig);
    rig_release(&without);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rounding),        cmocka_unit_test(test_bf16_moments_are_rounded),
        cmocka_unit_test(test_moments_fall),    cmocka_unit_test(test_ema_is_the_mean_of_the_history),
        cmocka_unit_test(test_ema_begins_late),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
