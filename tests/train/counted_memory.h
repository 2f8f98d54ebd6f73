/* What a training asks its backend for, counted: a table in front of another one; and all that it creates, beside the memory plan. */
#ifndef QUERN_TESTS_TRAIN_COUNTED_MEMORY_H
#define QUERN_TESTS_TRAIN_COUNTED_MEMORY_H

#include "base/threads.h"
#include "tests/base/cmocka_all.h"
#include "tests/train/two_modules.h"
#include "train/plan/memory_plan.h"

static const struct op_table *counted_real;
static size_t counted_bytes, counted_pieces;

static inline q_status counted_create(struct op_context *context, size_t bytes, void *out_pointer)
{
    counted_bytes += bytes;
    counted_pieces++;
    return counted_real->memory_create(context, bytes, out_pointer);
}

static inline struct op_table counted_table(const struct op_table *table)
{
    struct op_table counted = *table;
    counted_real = table;
    counted_bytes = counted_pieces = 0;
    counted.memory_create = counted_create;
    return counted;
}

/* The settings that matter to memory, beside the backend. */
struct counted_case {
    const struct model_config *config;
    size_t micro_batch, sequence;
    unsigned threads;
    int precision, recompute, moments;
    bool ema;
    int gradients; /* enum op_precision */
};

static inline struct train_settings counted_settings(const struct counted_case *c, enum op_device backend)
{
    struct q_arena arena = {0};
    struct train_settings settings;
    assert_ok(q_settings_load(&train_settings_table, NULL, &arena, &settings));
    q_arena_release(&arena);
    settings.backend = backend;
    settings.micro_batch = (int64_t)c->micro_batch;
    settings.batch.sequences = 2 * c->micro_batch;
    settings.precision = c->precision;
    settings.recompute = c->recompute;
    settings.optimizer.moments = c->moments;
    settings.ema.decay = c->ema ? 0.99 : 0;
    settings.gradients = c->gradients;
    return settings;
}

/* Makes what a run makes of its backend, as the trainer does, and compares bytes with the plan, to the byte. `taken` (may be NULL) is called while all of it
 * is there. */
static inline void check_counted(const struct counted_case *c, enum op_device backend, const struct op_table *table,
                                 void (*taken)(struct op_context *context, uint64_t planned, size_t pieces))
{
    const struct train_settings settings = counted_settings(c, backend);
    const struct optimizer_settings adamw = train_optimizer_settings(&settings);
    const struct memory_request request = {c->config, &settings, c->sequence, c->threads, 1};
    const struct model_shape shape = {.batch = c->micro_batch,
                                      .sequence = c->sequence,
                                      .training = true,
                                      .narrow_gradients = c->gradients == OP_BF16,
                                      .recompute = (enum model_recompute)c->recompute};
    const struct op_table counted = counted_table(table);
    struct fixture f = {.ops = &counted};
    struct memory_plan plan;
    assert_ok(memory_plan_make(&request, &plan));
    const uint64_t *planned = plan.on_device ? plan.device : plan.host;
    const uint64_t tensors = memory_plan_total(planned, false) - planned[MEMORY_BUFFER] - planned[MEMORY_REST];
    assert_ok(q_pool_create(c->threads, &f.pool));
    assert_ok(f.ops->create(f.pool, &f.context));
    assert_ok(model_create(c->config, f.ops, f.context, &shape, &f.model));
    const struct model_memory memory = model_memory(f.model);
    assert_int_equal(f.ops->workspace_bytes(f.context), planned[MEMORY_WORKSPACE]);
    assert_int_equal(memory.activations, planned[MEMORY_ACTIVATIONS]);
    assert_int_equal(counted_bytes,
                     tensors - planned[MEMORY_WORKSPACE] - planned[MEMORY_MOMENTS] - planned[MEMORY_EMA]);
    assert_ok(optimizer_create(f.model, &adamw, NULL, &f.optimizer));
    assert_int_equal(counted_bytes, tensors - planned[MEMORY_WORKSPACE]);
    if (taken)
        taken(f.context, tensors, counted_pieces + 1);
    tear_down(&f);
}

/* Every setting, of a shape. */
static inline void check_counted_settings(const struct model_config *config, size_t micro_batch, size_t sequence,
                                          enum op_device backend, const struct op_table *const tables[2],
                                          void (*taken)(struct op_context *context, uint64_t planned, size_t pieces))
{
    struct counted_case c = {.config = config, .micro_batch = micro_batch, .sequence = sequence};
    for (c.precision = OP_FP32; c.precision <= OP_BF16; c.precision++)
        for (c.recompute = MODEL_RECOMPUTE_NONE; c.recompute <= MODEL_RECOMPUTE_PROJECTIONS; c.recompute++)
            for (c.moments = MOMENTS_FP32; c.moments <= MOMENTS_BF16; c.moments++)
                for (unsigned i = 0; i < 2; i++) {
                    c.threads = 1 + i;
                    c.ema = i;
                    c.gradients = i ? c.precision : OP_FP32;
                    check_counted(&c, backend, tables[c.precision], taken);
                }
}

#endif
