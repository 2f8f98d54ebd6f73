/* What the optimizer keeps beside the parameters: moments in BF16 are the FP32 ones rounded behind each step, and the EMA is the mean of the parameters' history.
 * AdamW itself is compared with a second implementation in test_golden, the operations with plain loops in test_ops. */
#include "tests/train/model_fixture.h"
#include "tests/train/small_model.h"
#include "train/bfloat16.h"
#include "train/train_settings.h"

#include <math.h>
#include <string.h>

static void set_up(struct fixture *f, const struct optimizer_settings *settings)
{
    const struct model_shape shape = {.batch = 1, .sequence = 8, .training = true};
    const struct model_config small = small_model(32);
    set_up_model(f, &small, &shape, op_table_cpu(OP_FP32), 2, settings);
    optimizer_clear(f->optimizer);
}

static size_t elements(const struct fixture *f)
{
    return model_parameter_elements(f->model);
}

/* A step with invented gradients: the same for the same step. */
static void take_step(struct fixture *f, uint64_t step)
{
    size_t count;
    const struct model_parameter *parameters = model_parameters(f->model, &count);
    for (size_t i = 0; i < count; i++)
        if (parameters[i].kind != MODEL_BIAS)
            q_random_normal_floats(q_random_key_of(step, "gradient", i, 0), 0, 1,
                                   (op_acc *)model_gradient_arena(f->model) + parameters[i].offset,
                                   parameters[i].count);
    assert_ok(optimizer_step(f->optimizer, 0.01, NULL));
}

/* All trained tensors of one arena, or (OPTIMIZER_ARENAS) the parameters: new memory. */
static float *take(const struct fixture *f, enum optimizer_arena arena)
{
    size_t count;
    const struct model_parameter *parameters = model_parameters(f->model, &count);
    float *values;
    assert_ok(q_alloc_zero(elements(f), sizeof *values, &values));
    for (size_t i = 0; i < count; i++) {
        if (parameters[i].kind == MODEL_BIAS)
            continue;
        if (arena == OPTIMIZER_ARENAS)
            model_get(f->model, &parameters[i], values + parameters[i].offset);
        else
            assert_ok(optimizer_get(f->optimizer, arena, &parameters[i], values + parameters[i].offset));
    }
    return values;
}

/* Puts what take gave. */
static void put(struct fixture *f, enum optimizer_arena arena, const float *values)
{
    size_t count;
    const struct model_parameter *parameters = model_parameters(f->model, &count);
    for (size_t i = 0; i < count; i++)
        if (parameters[i].kind != MODEL_BIAS)
            assert_ok(optimizer_put(f->optimizer, arena, &parameters[i], values + parameters[i].offset));
}

/* FP32's step from the same moments: the same parameters to the bit, and its moments rounded are BF16's. */
static void test_bf16_moments_are_rounded(void **state)
{
    (void)state;
    struct fixture narrow = {0}, wide = {0};
    struct optimizer_settings bf16 = fixture_adamw;
    bf16.bf16_moments = true;
    set_up(&narrow, &bf16);
    set_up(&wide, &fixture_adamw);
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
        assert_memory_equal(a, b, elements(&narrow) * sizeof *a);
        q_release(a);
        q_release(b);
        for (int m = OPTIMIZER_M; m <= OPTIMIZER_V; m++) {
            a = take(&narrow, (enum optimizer_arena)m);
            b = take(&wide, (enum optimizer_arena)m);
            for (size_t i = 0; i < elements(&narrow); i++) {
                assert_true(a[i] == bfloat16_to_float(bfloat16_of_float(b[i])));
                inexact += a[i] != b[i];
            }
            q_release(a);
            q_release(b);
        }
        assert_true(inexact > elements(&narrow));
    }
    tear_down(&narrow);
    tear_down(&wide);
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
        struct fixture f = {0};
        struct optimizer_settings settings = fixture_adamw;
        settings.ema_decay = decays[d];
        set_up(&f, &settings);
        double *sum, weights = 0;
        assert_ok(q_alloc_zero(elements(&f), sizeof *sum, &sum));
        float *start = take(&f, OPTIMIZER_ARENAS), *ema = take(&f, OPTIMIZER_EMA);
        assert_memory_equal(start, ema, elements(&f) * sizeof *ema); /* before any step: the parameters */
        q_release(start);
        q_release(ema);
        for (uint64_t step = 0; step < STEPS; step++) {
            take_step(&f, step);
            float *now = take(&f, OPTIMIZER_ARENAS);
            for (size_t i = 0; i < elements(&f); i++)
                sum[i] = decays[d] * sum[i] + (double)now[i];
            weights = decays[d] * weights + 1;
            q_release(now);
        }
        for (size_t i = 0; i < elements(&f); i++)
            sum[i] /= weights;
        ema = take(&f, OPTIMIZER_EMA);
        assert_true(distance(ema, sum, elements(&f)) < 1e-6);
        q_release(ema);
        q_release(sum);
        tear_down(&f);
    }
}

/* Begun in the middle it is what was there, and moves by the share of the step that it is. And it changes nothing else. */
static void test_ema_begins_late(void **state)
{
    (void)state;
    struct fixture f = {0}, without = {0};
    struct optimizer_settings settings = fixture_adamw;
    settings.ema_decay = 0.9;
    set_up(&f, &settings);
    set_up(&without, &fixture_adamw);
    assert_int_equal(optimizer_element_bytes(f.optimizer, OPTIMIZER_EMA), sizeof(float));
    assert_int_equal(optimizer_element_bytes(without.optimizer, OPTIMIZER_EMA), 0);
    optimizer_begin_ema(without.optimizer); /* nothing to do */
    for (uint64_t step = 0; step < 5; step++) {
        take_step(&f, step);
        take_step(&without, step);
    }
    optimizer_begin_ema(f.optimizer);
    float *before = take(&f, OPTIMIZER_ARENAS), *ema = take(&f, OPTIMIZER_EMA);
    assert_memory_equal(before, ema, elements(&f) * sizeof *ema);
    q_release(ema);
    take_step(&f, 5);
    take_step(&without, 5);
    float *after = take(&f, OPTIMIZER_ARENAS), *same = take(&without, OPTIMIZER_ARENAS);
    assert_memory_equal(after, same, elements(&f) * sizeof *same);
    ema = take(&f, OPTIMIZER_EMA);
    const float share = (float)(0.1 / (1 - pow(0.9, 6)));
    for (size_t i = 0; i < elements(&f); i++)
        assert_true(fabsf(ema[i] - (before[i] + share * (after[i] - before[i]))) <= 1e-6F * fabsf(after[i]));
    q_release(before);
    q_release(after);
    q_release(same);
    q_release(ema);
    tear_down(&f);
    tear_down(&without);
}

/* Every moment is zero or a normal number. How many are not zero. */
static size_t at_work(const struct fixture *f)
{
    size_t count = 0;
    for (int arena = OPTIMIZER_M; arena <= OPTIMIZER_V; arena++) {
        float *values = take(f, (enum optimizer_arena)arena);
        for (size_t i = 0; i < elements(f); i++) {
            assert_true(values[i] == 0 || isnormal(values[i]));
            count += values[i] != 0;
        }
        q_release(values);
    }
    return count;
}

/* Without gradients the moments fall, through all numbers of every tensor, and what is smaller than a normal number is zero. */
static void test_idle_parameters_come_to_rest(void **state)
{
    (void)state;
    for (int bf16 = 0; bf16 < 2; bf16++) {
        struct fixture f = {0};
        struct optimizer_settings settings = fixture_adamw;
        settings.bf16_moments = bf16;
        set_up(&f, &settings);
        float *values;
        assert_ok(q_alloc(elements(&f), sizeof *values, &values));
        for (size_t i = 0; i < elements(&f); i++)
            values[i] = 1e-36F / (float)(1 + i % 40);
        for (int arena = OPTIMIZER_M; arena <= OPTIMIZER_V; arena++)
            put(&f, (enum optimizer_arena)arena, values);
        for (int step = 0; step < 100 && at_work(&f); step++)
            assert_ok(optimizer_step(f.optimizer, 0.01, NULL));
        assert_int_equal(at_work(&f), 0);
        q_release(values);
        tear_down(&f);
    }
}

/* A gradient that is not a number is seen in what is kept of it. */
static void test_nan_stays(void **state)
{
    (void)state;
    struct fixture f = {0};
    set_up(&f, &fixture_adamw);
    for (size_t i = 0; i < elements(&f); i++)
        ((op_acc *)model_gradient_arena(f.model))[i] = NAN;
    assert_ok(optimizer_apply(f.optimizer, 0.01, 1));
    float *m = take(&f, OPTIMIZER_M);
    size_t count;
    const struct model_parameter *parameters = model_parameters(f.model, &count);
    for (size_t i = 0; i < count; i++)
        for (size_t at = 0; parameters[i].kind != MODEL_BIAS && at < parameters[i].count; at++)
            assert_true(isnan(m[parameters[i].offset + at]));
    q_release(m);
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rounding),        cmocka_unit_test(test_bf16_moments_are_rounded),
        cmocka_unit_test(test_moments_fall),    cmocka_unit_test(test_ema_is_the_mean_of_the_history),
        cmocka_unit_test(test_ema_begins_late), cmocka_unit_test(test_idle_parameters_come_to_rest),
        cmocka_unit_test(test_nan_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
