/* Preflight: what does not fit is told by kind. (That what is planned is what is taken: test_memory_plan.c.) */
#include "base/memory.h"
#include "base/threads.h"
#include "tests/base/cmocka_all.h"
#include "tests/train/small_model.h"
#include "train/model/model.h"
#include "train/plan/plan_table.h"

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

/* Of sequences of 32 tokens, on one thread. */
static q_status plan_of(const struct model_config *config, const struct train_settings *settings, unsigned ranks,
                        struct preflight *out)
{
    const struct memory_request request = {config, settings, 32, 1, ranks};
    return preflight_plan(&request, out);
}

static uint64_t total(const struct preflight *plan, bool with_snapshot)
{
    return memory_plan_total(plan->memory.host, with_snapshot);
}

static void test_memory(void **state)
{
    (void)state;
    struct train_settings settings = standard();
    struct preflight plan;
    bool background;
    assert_ok(plan_of(&small, &settings, 1, &plan));
    const uint64_t with = total(&plan, true), without = total(&plan, false);
    assert_int_equal(with - without, plan.memory.host[MEMORY_SNAPSHOT]);
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
    assert_ok(plan_of(&small, &settings, 1, &plan));
    assert_int_equal(plan.memory.host[MEMORY_MOMENTS], fp32.memory.host[MEMORY_MOMENTS] / 2);
    assert_int_equal(total(&fp32, false) - total(&plan, false), plan.memory.host[MEMORY_MOMENTS]);
    assert_int_equal(total(&fp32, true) - total(&plan, true), 2 * plan.memory.host[MEMORY_MOMENTS]);
    assert_int_equal(fp32.checkpoint - plan.checkpoint, plan.memory.host[MEMORY_MOMENTS]);
    settings.optimizer.moments = MOMENTS_FP32;
    settings.ema.decay = 0.99;
    assert_ok(plan_of(&small, &settings, 1, &plan));
    assert_int_equal(plan.memory.host[MEMORY_EMA], plan.memory.host[MEMORY_PARAMETERS]);
    assert_int_equal(total(&plan, true) - total(&fp32, true), 2 * plan.memory.host[MEMORY_EMA]);
    assert_int_equal(plan.checkpoint - fp32.checkpoint, plan.memory.host[MEMORY_EMA]);
    assert_fails(preflight_check_memory(&plan, CHECKPOINT_NO, total(&plan, false) - 1, 0, &background), Q_ERR_MEMORY,
                 ", average ");
    settings.ema.decay = 0;
    settings.checkpoint.background = CHECKPOINT_NO;
    assert_ok(plan_of(&small, &settings, 1, &plan));
    assert_int_equal(plan.memory.host[MEMORY_SNAPSHOT], 0);
    assert_true(q_memory_available_bytes() > 0);
    assert_true(q_memory_available_bytes() <= q_memory_machine_bytes());
}

static void test_disk(void **state)
{
    (void)state;
    struct train_settings settings = standard();
    struct preflight plan;
    settings.checkpoint.keep_last = 3;
    assert_ok(plan_of(&small, &settings, 1, &plan));
    assert_int_equal(plan.checkpoints_kept, 3);
    assert_int_equal(preflight_disk(&plan, 0), 4 * plan.checkpoint + plan.metrics + plan.model);
    assert_int_equal(preflight_disk(&plan, 2), 2 * plan.checkpoint + plan.metrics + plan.model);
    assert_int_equal(preflight_disk(&plan, 9),
                     plan.checkpoint + plan.metrics + plan.model); /* one is always written beside */
    /* What stands beside the tensors of a small model is small. */
    assert_in_range(plan.model - plan.memory.host[MEMORY_PARAMETERS], 1, 160 << 10);
    assert_in_range(plan.checkpoint - 3 * plan.memory.host[MEMORY_PARAMETERS], 1, 300 << 10);
    settings.checkpoint.keep_every = 20;
    assert_ok(plan_of(&small, &settings, 1, &plan));
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
    assert_ok(plan_of(&large, &settings, 1, &plan));
    assert_true(plan.memory.host[MEMORY_PARAMETERS] > (uint64_t)2 << 40);
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
    assert_ok(plan_of(&small, &settings, 1, &alone));
    assert_ok(plan_of(&small, &settings, 4, &plan)); /* data parallel: moments are divided, but for padding */
    assert_int_equal(plan.memory.host[MEMORY_PARAMETERS], alone.memory.host[MEMORY_PARAMETERS]);
    assert_true(plan.memory.host[MEMORY_MOMENTS] >= alone.memory.host[MEMORY_MOMENTS] / 4 &&
                plan.memory.host[MEMORY_MOMENTS] <= alone.memory.host[MEMORY_MOMENTS] / 4 + 256);
    settings.expert_parallel = 2;
    settings.checkpoint.background = CHECKPOINT_NO; /* rank 0 has a copy all the same */
    assert_ok(plan_of(&small, &settings, 4, &plan));
    assert_int_equal(plan.memory.host[MEMORY_PARAMETERS], alone.memory.host[MEMORY_PARAMETERS] - experts / 2);
    assert_int_equal(plan.memory.host[MEMORY_GRADIENTS], plan.memory.host[MEMORY_PARAMETERS]);
    assert_true(plan.memory.host[MEMORY_MOMENTS] >= alone.memory.host[MEMORY_MOMENTS] / 4 &&
                plan.memory.host[MEMORY_MOMENTS] <= alone.memory.host[MEMORY_MOMENTS] / 4 + 256);
    assert_int_equal(plan.memory.host[MEMORY_SNAPSHOT], alone.memory.host[MEMORY_SNAPSHOT]);
    assert_int_equal(plan.checkpoint, alone.checkpoint);
    assert_int_equal(plan.model, alone.model);
    const uint64_t needed = total(&plan, false);
    assert_ok(preflight_check_memory(&plan, CHECKPOINT_NO, 3 * needed, 2 * needed, &background));
    assert_fails(preflight_check_memory(&plan, CHECKPOINT_NO, 3 * needed - 1, 2 * needed, &background), Q_ERR_MEMORY,
                 "is available for it and other ranks, which need");
}

/* As a table: where memory is there for all but the copy for checkpoints, a run goes without it, if it may. */
static void test_table(void **state)
{
    (void)state;
    struct train_settings settings = standard();
    const struct memory_request request = {&small, &settings, 32, 1, 1};
    struct preflight plan;
    struct q_buffer text = {0};
    assert_ok(preflight_plan(&request, &plan));
    const struct plan_room enough = {.host = total(&plan, true)}, less = {.host = total(&plan, false) + 5000};
    assert_ok(plan_table("run", &plan, &enough, &text));
    assert_ok(q_buffer_terminate(&text));
    assert_non_null(strstr(text.data, "\n  free                                    0 B\n"));
    assert_null(strstr(text.data, "without the copy"));
    q_buffer_clear(&text);
    assert_ok(plan_table("run", &plan, &less, &text));
    assert_ok(q_buffer_terminate(&text));
    assert_non_null(strstr(text.data, "\n  without the copy "));
    assert_non_null(strstr(text.data, "\n  free                                5.00 kB\n"));
    settings.checkpoint.background = CHECKPOINT_YES;
    q_buffer_clear(&text);
    assert_ok(plan_table("run", &plan, &less, &text));
    assert_ok(q_buffer_terminate(&text));
    assert_null(strstr(text.data, "without the copy"));
    assert_non_null(strstr(text.data, "\n  missing "));
    q_buffer_release(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory), cmocka_unit_test(test_disk),  cmocka_unit_test(test_large),
        cmocka_unit_test(test_ranks),  cmocka_unit_test(test_table),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
