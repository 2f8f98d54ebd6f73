/* Recomputation: the same bits as without it, in less memory, and no token counted twice. */
#include "base/check.h"
#include "tests/train/two_modules.h"

#include <stdio.h>
#include <string.h>

/* One step; gradients, losses and counts into the arrays. */
static void step(struct fixture *f, op_acc *gradients, op_acc *losses, int64_t *counts)
{
    struct model_batch batch = {BATCH, LENGTH, f->ids, f->ids + 1};
    struct model_scale scale = {
        .loss = 1.0 / TOKENS, .balance_alpha = 1e-3, .balance = 1.0 / BATCH, .mtp = 0.3, .z_loss = 1e-3};
    assert_int_equal(model_forward_backward(f->model, &batch, &scale, losses, NULL), Q_OK);
    memcpy(gradients, model_gradient_arena(f->model), model_parameter_elements(f->model) * sizeof(*gradients));
    model_get_counts(f->model, counts);
    model_update_bias(f->model, 0.001);
    assert_int_equal(optimizer_step(f->optimizer, 0.01, NULL), Q_OK);
}

static void check_level(const struct model_config *config, const struct op_table *ops, enum model_recompute level,
                        size_t *activations)
{
    struct fixture keeps, again;
    op_acc *gradients[2], losses[2][TOKENS];
    int64_t counts[2][4 * EXPERTS] = {0};
    set_up(&keeps, config, ops, 2, MODEL_RECOMPUTE_NONE);
    set_up(&again, config, ops, 2, level);
    size_t elements = model_parameter_elements(keeps.model);
    for (int i = 0; i < 2; i++)
        assert_int_equal(q_alloc(elements, sizeof(op_acc), &gradients[i]), Q_OK);
    for (int i = 0; i < 3; i++) {
        step(&keeps, gradients[0], losses[0], counts[0]);
        step(&again, gradients[1], losses[1], counts[1]);
        assert_memory_equal(losses[0], losses[1], sizeof losses[0]);
        assert_memory_equal(counts[0], counts[1], sizeof counts[0]);
        assert_memory_equal(gradients[0], gradients[1], elements * sizeof(op_acc));
    }
    assert_memory_equal(model_parameter_arena(keeps.model), model_parameter_arena(again.model),
                        elements * sizeof(op_acc));
    const struct model_memory before = model_memory(keeps.model);
    struct model_memory less = model_memory(again.model);
    assert_true(less.activations < before.activations * 9 / 10);
    *activations = less.activations;
    less.activations = before.activations;
    assert_memory_equal(&less, &before, sizeof less); /* all else is alike */
    for (int i = 0; i < 2; i++)
        q_release(gradients[i]);
    tear_down(&keeps);
    tear_down(&again);
}

static void check(const struct model_config *config, const struct op_table *ops)
{
    size_t norms, projections;
    check_level(config, ops, MODEL_RECOMPUTE_NORMS, &norms);
    check_level(config, ops, MODEL_RECOMPUTE_PROJECTIONS, &projections);
    assert_true(projections < norms);
}

static void bits_are_the_same_and_memory_is_less(void **state)
{
    (void)state;
    static const char *const names[] = {"cpu-generic", "cpu-avx2", "cpu-avx512", "cpu-bf16"};
    for (size_t i = 0; i < Q_COUNT_OF(names); i++) {
        const struct op_table *ops;
        if (op_table_find(names[i], &ops) == Q_OK)
            check(&two_modules, ops);
    }
}

static void also_without_latent_shared_experts_and_modules(void **state)
{
    (void)state;
    struct model_config config = two_modules;
    config.num_nextn_predict_layers = 0;
    config.num_hidden_layers = 4;
    config.q_lora_rank = 0;
    config.n_shared_experts = 0;
    check(&config, op_table_cpu(OP_FP32));
}

static void also_in_dense_layers_alone(void **state)
{
    (void)state;
    struct model_config config = two_modules;
    config.num_hidden_layers = config.first_k_dense_replace = 3;
    config.n_routed_experts = config.num_experts_per_tok = config.moe_intermediate_size = 0;
    check(&config, op_table_cpu(OP_FP32));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bits_are_the_same_and_memory_is_less),
        cmocka_unit_test(also_without_latent_shared_experts_and_modules),
        cmocka_unit_test(also_in_dense_layers_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
