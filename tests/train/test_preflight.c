/* Preflight: what is planned is what is taken; what does not fit is told by kind. */
#include "base/memory.h"
#include "base/threads.h"
#include "tests/base/cmocka_all.h"
#include "tests/train/small_model.h"
#include "train/model/model.h"
#include "train/preflight.h"

#include <string.h>

static struct model_config small;

static int set_up(void **state)
{
    (void)state;
    small = small_model(300);
    small.hidden_size = 64;
    small.num_hidden_layers = 3;
    small.max_position_embeddings = 32;
    return 0;
}

static struct train_settings standard(void)
{
    struct q_arena arena = {0};
    struct train_settings settings;
    assert_ok(q_settings_load(&train_settings_table, NULL, &arena, &settings));
    q_arena_release(&arena);
    settings.micro_batch = 3;
    settings.batch.sequences = 6;
    settings.tokens = 6 * 32 * 100; /* 100 steps */
    return settings;
}

static void test_planned_is_taken(void **state)
{
    (void)state;
    const struct train_settings settings = standard();
    struct preflight plan;
    const struct model_shape shape = {.batch = 3, .sequence = 32, .training = true};
    for (unsigned threads = 1; threads <= 3; threads++) {
        struct q_pool *pool;
        struct op_context *context;
        struct model *model, *shadow;
        size_t bytes[4];
        assert_ok(q_pool_create(threads, &pool));
        assert_ok(op_table_cpu(OP_FP32)->create(pool, &context));
        assert_ok(model_create(&small, op_table_cpu(OP_FP32), context, &shape, &model));
        assert_ok(preflight_plan(&small, &settings, 32, threads, 1, &plan));
        model_memory(model, bytes);
        assert_int_equal(plan.parameters, bytes[0]);
        assert_int_equal(plan.gradients, bytes[1]);
        assert_int_equal(plan.activations, bytes[2]);
        assert_int_equal(plan.workspace, bytes[3]);
        assert_int_equal(plan.moments, 2 * bytes[0]);
        assert_ok(model_shadow_create(model, &shadow));
        assert_int_equal(plan.snapshot, model_shadow_bytes(model) + plan.moments);
        model_release(shadow);
        model_release(model);
        op_table_cpu(OP_FP32)->release(context);
        q_pool_release(pool);
    }
}

static void test_memory(void **state)
{
    (void)state;
    struct train_settings settings = standard();
    struct preflight plan;
    bool background;
    assert_ok(preflight_plan(&small, &settings, 32, 2, 1, &plan));
    const uint64_t with = preflight_memory(&plan, true), without = preflight_memory(&plan, false);
    assert_int_equal(with - without, plan.snapshot);
    assert_ok(preflight_check_memory(&plan, CHECKPOINT_AUTO, with, 0, &background));
    assert_true(background);
    assert_ok(preflight_check_memory(&plan, CHECKPOINT_AUTO, with - 1, 0, &background));
    assert_false(background);
    assert_ok(preflight_check_memory(&plan, CHECKPOINT_AUTO, without, 0, &background));
    assert_false(background);
    assert_fails(preflight_check_memory(&plan, CHECKPOINT_AUTO, without - 1, 0, &background), Q_ERR_MEMORY,
                 "activations");
    assert_fails(preflight_check_memory(&plan, CHECKPOINT_YES, with - 1, 0, &background), Q_ERR_MEMORY,
                 "copy for checkpoints");
    assert_ok(preflight_check_memory(&plan, CHECKPOINT_NO, without, 0, &background));
    assert_false(background);
    assert_ok(preflight_check_memory(&plan, CHECKPOINT_YES, 0, 0, &background)); /* a machine that does not say */
    const struct preflight fp32 = plan;
    settings.optimizer.moments = MOMENTS_BF16;
    assert_ok(preflight_plan(&small, &settings, 32, 2, 1, &plan));
    assert_int_equal(plan.moments, fp32.moments / 2);
    assert_int_equal(preflight_memory(&fp32, false) - preflight_memory(&plan, false), plan.moments);
    assert_int_equal(preflight_memory(&fp32, true) - preflight_memory(&plan, true), 2 * plan.moments);
    assert_int_equal(fp32.checkpoint - plan.checkpoint, plan.moments);
    settings.optimizer.moments = MOMENTS_FP32;
    settings.ema.decay = 0.99;
    assert_ok(preflight_plan(&small, &settings, 32, 2, 1, &plan));
    assert_int_equal(plan.ema, plan.parameters);
    assert_int_equal(preflight_memory(&plan, true) - preflight_memory(&fp32, true), 2 * plan.ema);
    assert_int_equal(plan.checkpoint - fp32.checkpoint, plan.ema);
    assert_fails(preflight_check_memory(&plan, CHECKPOINT_NO, preflight_memory(&plan, false) - 1, 0, &background),
                 Q_ERR_MEMORY, ", average ");
    settings.ema.decay = 0;
    settings.checkpoint.background = CHECKPOINT_NO;
    assert_ok(preflight_plan(&small, &settings, 32, 2, 1, &plan));
    assert_int_equal(plan.snapshot, 0);
    assert_true(q_memory_available_bytes() > 0);
    assert_true(q_memory_available_bytes() <= q_memory_machine_bytes());
}

static void test_disk(void **state)
{
    (void)state;
    struct train_settings settings = standard();
    struct preflight plan;
    settings.checkpoint.keep_last = 3;
    assert_ok(preflight_plan(&small, &settings, 32, 1, 1, &plan));
    assert_int_equal(plan.checkpoints_kept, 3);
    assert_int_equal(preflight_disk(&plan, 0), 4 * plan.checkpoint + plan.metrics + plan.model);
    assert_int_equal(preflight_disk(&plan, 2), 2 * plan.checkpoint + plan.metrics + plan.model);
    assert_int_equal(preflight_disk(&plan, 9),
                     plan.checkpoint + plan.metrics + plan.model); /* one is always written beside */
    /* What stands beside the tensors of a small model is small. */
    assert_in_range(plan.model - plan.parameters, 1, 160 << 10);
    assert_in_range(plan.checkpoint - 3 * plan.parameters, 1, 300 << 10);
    settings.checkpoint.keep_every = 20;
    assert_ok(preflight_plan(&small, &settings, 32, 1, 1, &plan));
    assert_int_equal(plan.checkpoints_kept, 8);
    assert_ok(preflight_check_disk(&plan, 0, preflight_disk(&plan, 0), "run"));
    assert_fails(preflight_check_disk(&plan, 0, preflight_disk(&plan, 0) - 1, "run"), Q_ERR_SYSTEM,
                 "8 checkpoints and the one being written");
}

/* A model that no machine has room for is planned all the same, and quickly. */
static void test_large(void **state)
{
    (void)state;
    struct model_config large = small;
    struct train_settings settings = standard();
    struct preflight plan;
    bool background;
    large.hidden_size = 7168;
    large.intermediate_size = 18432;
    large.moe_intermediate_size = 2048;
    large.n_routed_experts = 256;
    large.n_group = 8;
    large.num_experts_per_tok = 8;
    large.topk_group = 4;
    large.num_hidden_layers = 61;
    assert_ok(preflight_plan(&large, &settings, 32, 2, 1, &plan));
    assert_true(plan.parameters > (uint64_t)2 << 40);
    assert_fails(preflight_check_memory(&plan, CHECKPOINT_AUTO, (uint64_t)1 << 40, 0, &background), Q_ERR_MEMORY,
                 "parameters 2.");
}

/* Over ranks: what each has, and all of it once where a checkpoint is written. */
static void test_ranks(void **state)
{
    (void)state;
    struct train_settings settings = standard();
    struct preflight alone, plan;
    bool background;
    const uint64_t experts = (uint64_t)2 * 4 * 3 * 64 * 8 * sizeof(float); /* layers, experts, matrices */
    assert_ok(preflight_plan(&small, &settings, 32, 1, 1, &alone));
    assert_ok(
        preflight_plan(&small, &settings, 32, 1, 4, &plan)); /* data parallel: moments are divided, but for padding */
    assert_int_equal(plan.parameters, alone.parameters);
    assert_true(plan.moments >= alone.moments / 4 && plan.moments <= alone.moments / 4 + 256);
    settings.expert_parallel = 2;
    settings.checkpoint.background = CHECKPOINT_NO; /* rank 0 has a copy all the same */
    assert_ok(preflight_plan(&small, &settings, 32, 1, 4, &plan));
    assert_int_equal(plan.parameters, alone.parameters - experts / 2);
    assert_int_equal(plan.gradients, plan.parameters);
    assert_true(plan.moments >= alone.moments / 4 && plan.moments <= alone.moments / 4 + 256);
    assert_int_equal(plan.snapshot, alone.snapshot);
    assert_int_equal(plan.checkpoint, alone.checkpoint);
    assert_int_equal(plan.model, alone.model);
    const uint64_t needed = preflight_memory(&plan, false);
    assert_ok(preflight_check_memory(&plan, CHECKPOINT_NO, 3 * needed, 2 * needed, &background));
    assert_fails(preflight_check_memory(&plan, CHECKPOINT_NO, 3 * needed - 1, 2 * needed, &background), Q_ERR_MEMORY,
                 "is available for it and other ranks, which need");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_planned_is_taken),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_disk),
        cmocka_unit_test(test_large),
        cmocka_unit_test(test_ranks),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
