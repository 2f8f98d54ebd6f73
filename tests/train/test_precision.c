/* Training in BF16 beside FP32: what an activation is rounded to moves losses and gradients by a little, sums and masters stay FP32, bits are the same for any
 * number of threads, and half of the activations' memory is left. The same of gradients of weights in BF16 beside those in FP32. */
#include "base/check.h"
#include "tests/train/cpu/emulated_tables.h"
#include "tests/train/two_modules.h"
#include "train/bfloat16.h"

#include <math.h>
#include <string.h>

static void step(struct fixture *f, op_acc *losses)
{
    const struct model_batch batch = {BATCH, LENGTH, f->ids, f->ids + 1};
    const struct model_scale scale = {
        .loss = 1.0 / TOKENS, .balance_alpha = 1e-3, .balance = 1.0 / BATCH, .mtp = 0.3, .z_loss = 1e-3};
    assert_int_equal(model_forward_backward(f->model, &batch, &scale, losses, NULL), Q_OK);
    model_update_bias(f->model, 0.001);
}

static double mean(const op_acc *losses)
{
    double sum = 0;
    for (size_t i = 0; i < TOKENS; i++)
        sum += (double)losses[i];
    return sum / TOKENS;
}

/* This processor's, and those that multiply pairs of BF16, emulated. */
enum { TABLES = 3 };
static struct op_table tables[TABLES];

static void fill_tables(void)
{
    tables[0] = *op_table_cpu(OP_BF16);
    cpu_table_emulated_dot(&tables[1]);
    cpu_table_emulated_amx(&tables[2]);
}

static double gradient_distance(const struct fixture *a, const struct fixture *b,
                                const struct model_parameter *parameter)
{
    op_acc *x, *y;
    if (parameter->kind == MODEL_BIAS)
        return 0;
    assert_ok(q_alloc(parameter->count, sizeof *x, &x));
    assert_ok(q_alloc(parameter->count, sizeof *y, &y));
    model_get_gradient(a->model, parameter, x);
    model_get_gradient(b->model, parameter, y);
    const double apart = distance(x, y, parameter->count);
    q_release(x);
    q_release(y);
    return apart;
}

/* A dense model, in which no token goes another way because a number was rounded. A chain of some 20 roundings of 2^-9 each, in the mean less, is between a
 * loss and the first layer's weights. */
static void gradients_near(const struct op_table *table)
{
    struct model_config config = two_modules;
    struct fixture fp32, bf16;
    op_acc losses[2][TOKENS];
    config.num_hidden_layers = config.first_k_dense_replace = 3;
    config.n_routed_experts = config.num_experts_per_tok = config.moe_intermediate_size = 0;
    config.num_nextn_predict_layers = 1;
    set_up(&fp32, &config, op_table_cpu(OP_FP32), 2, MODEL_RECOMPUTE_NONE);
    set_up(&bf16, &config, table, 2, MODEL_RECOMPUTE_NONE);
    step(&fp32, losses[0]);
    step(&bf16, losses[1]);
    assert_true(memcmp(losses[0], losses[1], sizeof losses[0]) != 0);
    assert_true(fabs(mean(losses[0]) - mean(losses[1])) < 0x1p-10 * mean(losses[0]));
    size_t count;
    const struct model_parameter *parameters = model_parameters(fp32.model, &count);
    for (size_t i = 0; i < count; i++) {
        const double apart = gradient_distance(&bf16, &fp32, &parameters[i]);
        if (!(apart < 0x1p-5))
            fail_msg("gradient of %s: %g", parameters[i].name, apart);
    }
    tear_down(&fp32);
    tear_down(&bf16);
}

static void gradients_are_near_those_of_fp32(void **state)
{
    (void)state;
    for (size_t i = 0; i < TABLES; i++)
        gradients_near(&tables[i]);
}

/* Masters take steps that BF16 could not; the loss comes down as in FP32. */
static void losses_come_down(const struct op_table *table)
{
    enum { STEPS = 40 };
    struct fixture fp32, bf16;
    op_acc losses[TOKENS];
    double first[2], last[2];
    set_up(&fp32, &two_modules, op_table_cpu(OP_FP32), 2, MODEL_RECOMPUTE_NONE);
    set_up(&bf16, &two_modules, table, 2, MODEL_RECOMPUTE_NONE);
    struct fixture *both[] = {&fp32, &bf16};
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < STEPS; i++) {
            step(both[k], losses);
            *(i ? &last[k] : &first[k]) = mean(losses);
            assert_int_equal(optimizer_step(both[k]->optimizer, 0.003, NULL), Q_OK);
        }
    assert_true(last[0] < first[0] * 0.8);
    assert_true(fabs(first[0] - first[1]) < 0.01 * first[0]);
    assert_true(fabs(last[0] - last[1]) < 0.02 * first[0]);
    size_t narrow = 0, elements = model_parameter_elements(bf16.model);
    for (size_t i = 0; i < elements; i++) {
        const float master = model_parameter_arena(bf16.model)[i];
        narrow += bfloat16_to_float(bfloat16_of_float(master)) == master;
    }
    assert_true(narrow < elements / 10); /* the padding, and what happens to be round */
    tear_down(&fp32);
    tear_down(&bf16);
}

static void losses_come_down_together(void **state)
{
    (void)state;
    for (size_t i = 0; i < TABLES; i++)
        losses_come_down(&tables[i]);
}

static void bits_of(const struct op_table *table)
{
    struct fixture one, three;
    op_acc losses[2][TOKENS];
    set_up(&one, &two_modules, table, 1, MODEL_RECOMPUTE_NONE);
    set_up(&three, &two_modules, table, 3, MODEL_RECOMPUTE_NONE);
    for (int i = 0; i < 3; i++) {
        step(&one, losses[0]);
        step(&three, losses[1]);
        assert_memory_equal(losses[0], losses[1], sizeof losses[0]);
        assert_int_equal(optimizer_step(one.optimizer, 0.01, NULL), Q_OK);
        assert_int_equal(optimizer_step(three.optimizer, 0.01, NULL), Q_OK);
    }
    assert_memory_equal(model_parameter_arena(one.model), model_parameter_arena(three.model),
                        model_parameter_elements(one.model) * sizeof(op_acc));
    tear_down(&one);
    tear_down(&three);
}

static void bits_do_not_depend_on_threads(void **state)
{
    (void)state;
    for (size_t i = 0; i < TABLES; i++)
        bits_of(&tables[i]);
}

/* A model into which the tensors of another are put computes as that one: its copy is made of them. */
static void what_is_put_is_what_is_read(void **state)
{
    (void)state;
    struct fixture from, to;
    op_acc losses[2][TOKENS], *values;
    set_up(&from, &two_modules, op_table_cpu(OP_BF16), 1, MODEL_RECOMPUTE_NONE);
    set_up(&to, &two_modules, op_table_cpu(OP_BF16), 1, MODEL_RECOMPUTE_NONE);
    step(&from, losses[0]);
    assert_int_equal(optimizer_step(from.optimizer, 0.05, NULL), Q_OK);
    assert_int_equal(q_alloc(model_largest_parameter(from.model), sizeof *values, &values), Q_OK);
    size_t count;
    const struct model_parameter *parameters = model_parameters(from.model, &count);
    for (size_t i = 0; i < count; i++) {
        model_get(from.model, &parameters[i], values);
        assert_int_equal(model_put(to.model, &parameters[i], values), Q_OK);
    }
    q_release(values);
    step(&from, losses[0]);
    step(&to, losses[1]);
    assert_memory_equal(losses[0], losses[1], sizeof losses[0]);
    tear_down(&from);
    tear_down(&to);
}

static void activations_take_half(void **state)
{
    (void)state;
    struct fixture fp32, bf16;
    set_up(&fp32, &two_modules, op_table_cpu(OP_FP32), 1, MODEL_RECOMPUTE_NONE);
    set_up(&bf16, &two_modules, op_table_cpu(OP_BF16), 1, MODEL_RECOMPUTE_NONE);
    const struct model_memory wide = model_memory(fp32.model), narrow = model_memory(bf16.model);
    assert_int_equal(narrow.parameters, wide.parameters);
    assert_int_equal(wide.weights, 0);
    assert_int_equal(narrow.weights * 2, wide.parameters);
    assert_int_equal(narrow.gradients, wide.gradients);
    assert_true(narrow.activations < wide.activations * 6 / 10); /* what the router has stays */
    tear_down(&fp32);
    tear_down(&bf16);
}

static void set_up_narrow(struct fixture *f, const struct op_table *table, unsigned threads)
{
    const struct model_shape shape = {.batch = BATCH, .sequence = LENGTH, .training = true, .narrow_gradients = true};
    set_up_model(f, &two_modules, &shape, table, threads, &fixture_adamw);
}

/* Gradients of weights in BF16 are those in FP32 but for a rounding each time that one is added to, by half of the last of 8 bits of the sum so far at most:
 * three times a micro-batch of the head's and the embedding's, to which each depth of the model adds. On the whole of a tensor that is less than a last bit for
 * each micro-batch. */
static void narrow_gradients_near(const struct op_table *table)
{
    enum { MICRO_BATCHES = 3 };
    struct fixture wide, narrow;
    op_acc losses[2][TOKENS];
    double norms[2];
    size_t count;
    set_up(&wide, &two_modules, table, 2, MODEL_RECOMPUTE_NONE);
    set_up_narrow(&narrow, table, 2);
    for (int i = 0; i < MICRO_BATCHES; i++) {
        step(&wide, losses[0]);
        step(&narrow, losses[1]);
        assert_memory_equal(losses[0], losses[1], sizeof losses[0]);
    }
    const struct model_parameter *parameters = model_parameters(wide.model, &count);
    size_t rounded = 0, tensors = 0;
    for (size_t i = 0; i < count; i++) {
        const double apart = gradient_distance(&narrow, &wide, &parameters[i]);
        rounded += apart > 0;
        tensors += parameters[i].kind != MODEL_BIAS;
        if (!(apart < 0x1p-8 * MICRO_BATCHES))
            fail_msg("gradient of %s: %g", parameters[i].name, apart);
    }
    assert_int_equal(rounded, tensors);
    assert_ok(optimizer_norm(wide.optimizer, &norms[0]));
    assert_ok(optimizer_norm(narrow.optimizer, &norms[1]));
    assert_true(norms[0] != norms[1] && fabs(norms[0] - norms[1]) < 0x1p-9 * norms[0]);
    assert_int_equal(model_memory(narrow.model).gradients * 2, model_memory(wide.model).gradients);
    tear_down(&wide);
    tear_down(&narrow);
}

static void narrow_gradients_are_near_wide_ones(void **state)
{
    (void)state;
    for (size_t i = 0; i < TABLES; i++)
        narrow_gradients_near(&tables[i]);
}

/* The loss comes down as with gradients in FP32, and bits do not depend on threads. */
static void losses_come_down_with_narrow_gradients(void **state)
{
    (void)state;
    enum { STEPS = 40 };
    const struct op_table *table = op_table_cpu(OP_BF16);
    struct fixture wide, narrow, three;
    op_acc losses[3][TOKENS];
    double first = 0;
    set_up(&wide, &two_modules, table, 2, MODEL_RECOMPUTE_NONE);
    set_up_narrow(&narrow, table, 1);
    set_up_narrow(&three, table, 3);
    struct fixture *all[] = {&wide, &narrow, &three};
    for (int i = 0; i < STEPS; i++) {
        for (int k = 0; k < 3; k++) {
            step(all[k], losses[k]);
            assert_ok(optimizer_step(all[k]->optimizer, 0.003, NULL));
        }
        first = i ? first : mean(losses[0]);
    }
    assert_true(mean(losses[0]) < first * 0.8);
    assert_true(fabs(mean(losses[1]) - mean(losses[0])) < 0.02 * first);
    assert_equal_parameters(&narrow, &three);
    tear_down(&wide);
    tear_down(&narrow);
    tear_down(&three);
}

enum { NUMBERS = 1003 };

/* What AdamW reads and writes, of the same numbers each time. Moments are FP32, or BF16 in the first half of their bytes. */
struct adamw_state {
    float parameters[NUMBERS], m[NUMBERS], v[NUMBERS];
    float gradients[NUMBERS];
    uint16_t narrow[NUMBERS];
};

static void fill_adamw(struct adamw_state *state, bool bf16)
{
    float *each[] = {state->parameters, state->m, state->v, state->gradients};
    for (size_t i = 0; i < Q_COUNT_OF(each); i++)
        q_random_normal_floats(q_random_key_of(1, "adamw", i, 0), 0, 1, each[i], NUMBERS);
    for (size_t i = 0; i < NUMBERS; i++) {
        state->v[i] *= state->v[i];
        state->narrow[i] = bfloat16_of_float(state->gradients[i]);
        state->gradients[i] = bfloat16_to_float(state->narrow[i]);
    }
    for (size_t i = 0; i < NUMBERS && bf16; i++) {
        ((uint16_t *)(void *)state->m)[i] = bfloat16_of_float(state->m[i]);
        ((uint16_t *)(void *)state->v)[i] = bfloat16_of_float(state->v[i]);
    }
}

static void take_adamw(const struct op_table *table, struct op_context *context, struct adamw_state *state, bool narrow,
                       bool bf16)
{
    const struct op_segment segments[] = {{0, 500, 0.1F}, {500, NUMBERS - 500, 0}};
    const struct op_adamw adamw = {.parameters = state->parameters,
                                   .gradients = narrow ? (void *)state->narrow : state->gradients,
                                   .narrow = narrow,
                                   .m = state->m,
                                   .v = state->v,
                                   .bf16 = bf16,
                                   .segments = segments,
                                   .segment_count = 2,
                                   .rate = 0.01,
                                   .beta1 = 0.9,
                                   .beta2 = 0.95,
                                   .epsilon = 1e-8,
                                   .step = 3,
                                   .grad_scale = 0.5};
    table->adamw(context, &adamw);
}

/* Gradients in BF16 give the step, to the bit, that the same numbers in FP32 give, and are zero behind it. */
static void narrow_gradients_are_read_as_they_are(void **state)
{
    (void)state;
    static const uint16_t zeros[NUMBERS];
    static struct adamw_state wide, narrow;
    for (size_t i = 0; i < TABLES; i++)
        for (int bf16 = 0; bf16 < 2; bf16++) {
            struct fixture f;
            set_up_narrow(&f, &tables[i], 2);
            fill_adamw(&wide, bf16);
            fill_adamw(&narrow, bf16);
            take_adamw(&tables[i], f.context, &wide, false, bf16);
            take_adamw(&tables[i], f.context, &narrow, true, bf16);
            assert_memory_equal(&wide, &narrow, offsetof(struct adamw_state, gradients));
            assert_memory_equal(narrow.narrow, zeros, sizeof zeros);
            tear_down(&f);
        }
}

/* Where op_real is op_acc nothing is narrower. */
static void narrow_gradients_of_fp32_are_the_wide_ones(void **state)
{
    (void)state;
    struct fixture wide, narrow;
    op_acc losses[TOKENS];
    set_up(&wide, &two_modules, op_table_cpu(OP_FP32), 2, MODEL_RECOMPUTE_NONE);
    set_up_narrow(&narrow, op_table_cpu(OP_FP32), 2);
    step(&wide, losses);
    step(&narrow, losses);
    assert_int_equal(model_memory(narrow.model).gradients, model_memory(wide.model).gradients);
    assert_memory_equal(model_gradient_arena(narrow.model), model_gradient_arena(wide.model),
                        model_memory(wide.model).gradients);
    tear_down(&wide);
    tear_down(&narrow);
}

int main(void)
{
    fill_tables();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_are_near_those_of_fp32),
        cmocka_unit_test(losses_come_down_together),
        cmocka_unit_test(bits_do_not_depend_on_threads),
        cmocka_unit_test(what_is_put_is_what_is_read),
        cmocka_unit_test(activations_take_half),
        cmocka_unit_test(narrow_gradients_are_near_wide_ones),
        cmocka_unit_test(losses_come_down_with_narrow_gradients),
        cmocka_unit_test(narrow_gradients_are_read_as_they_are),
        cmocka_unit_test(narrow_gradients_of_fp32_are_the_wide_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
