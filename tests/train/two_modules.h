/* A small model with two MTP modules, and what a test needs to train it. */
#ifndef QUERN_TESTS_TRAIN_TWO_MODULES_H
#define QUERN_TESTS_TRAIN_TWO_MODULES_H

#include "base/random.h"
#include "base/threads.h"
#include "tests/base/cmocka_all.h"
#include "train/model/model.h"
#include "train/optimizer.h"

enum {
    BATCH = 3,
    LENGTH = 40,
    TOKENS = BATCH * LENGTH,
    VOCABULARY = 101,
    HIDDEN = 24,
    EXPERTS = 8,
    CHOSEN = 2,
    MODULES = 2
};

static const struct model_config two_modules = {.vocab_size = VOCABULARY,
                                                .hidden_size = HIDDEN,
                                                .num_hidden_layers = 2,
                                                .first_k_dense_replace = 1,
                                                .num_nextn_predict_layers = MODULES,
                                                .num_attention_heads = 2,
                                                .q_lora_rank = 12,
                                                .kv_lora_rank = 8,
                                                .qk_nope_head_dim = 6,
                                                .qk_rope_head_dim = 4,
                                                .v_head_dim = 10,
                                                .intermediate_size = 30,
                                                .moe_intermediate_size = 10,
                                                .n_routed_experts = EXPERTS,
                                                .num_experts_per_tok = CHOSEN,
                                                .n_group = 4,
                                                .topk_group = 2,
                                                .n_shared_experts = 1,
                                                .routed_scaling_factor = 2.5,
                                                .norm_topk_prob = true,
                                                .rms_norm_eps = 1e-6,
                                                .rope_theta = 10000,
                                                .max_position_embeddings = 128,
                                                .initializer_range = 0.05,
                                                .bos_token_id = -1,
                                                .eos_token_id = -1};

struct fixture {
    const struct op_table *ops;
    struct q_pool *pool;
    struct op_context *context;
    struct model *model;
    struct optimizer *optimizer;
    int32_t ids[TOKENS + 1];
};

static inline void set_up(struct fixture *f, const struct model_config *config, const struct op_table *ops,
                          unsigned threads, enum model_recompute recompute)
{
    *f = (struct fixture){.ops = ops};
    const struct model_shape shape = {.batch = BATCH, .sequence = LENGTH, .training = true, .recompute = recompute};
    const struct optimizer_settings settings = {
        .beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8, .weight_decay = 0.1, .clip = 1};
    const q_random_key key = q_random_key_of(9, "test", 0, 0);
    assert_int_equal(q_pool_create(threads, &f->pool), Q_OK);
    assert_int_equal(ops->create(f->pool, &f->context), Q_OK);
    if (model_create(config, ops, f->context, &shape, &f->model) != Q_OK)
        fail_msg("%s", q_error_text());
    assert_int_equal(model_init(f->model, 5), Q_OK);
    assert_int_equal(optimizer_create(f->model, &settings, NULL, &f->optimizer), Q_OK);
    for (size_t i = 0; i <= TOKENS; i++)
        f->ids[i] = i > 0 && i % 7 ? (f->ids[i - 1] * 5 + 1) % VOCABULARY : (int32_t)q_random_below(key, i, VOCABULARY);
}

static inline void tear_down(struct fixture *f)
{
    optimizer_release(f->optimizer);
    model_release(f->model);
    f->ops->release(f->context);
    q_pool_release(f->pool);
}

#endif
