/* Training in BF16 beside FP32: what an activation is rounded to moves losses and gradients by a little, sums and masters stay FP32, bits are the same for any
 * number of threads, and half of the activations' memory is left. */
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
        const size_t at = parameters[i].offset;
        const double apart =
            distance(model_gradient_arena(bf16.model) + at, model_gradient_arena(fp32.model) + at, parameters[i].count);
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

int main(void)
{
    fill_tables();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_are_near_those_of_fp32),
        cmocka_unit_test(losses_come_down_together),
        cmocka_unit_test(bits_do_not_depend_on_threads),
        cmocka_unit_test(what_is_put_is_what_is_read),
        cmocka_unit_test(activations_take_half),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
