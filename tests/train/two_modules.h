/* A small model with two MTP modules, and what a test needs to train it. */
#ifndef QUERN_TESTS_TRAIN_TWO_MODULES_H
#define QUERN_TESTS_TRAIN_TWO_MODULES_H

#include "tests/train/model_fixture.h"

#include <math.h>

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

static inline void set_up(struct fixture *f, const struct model_config *config, const struct op_table *ops,
                          unsigned threads, enum model_recompute recompute)
{
    const struct model_shape shape = {.batch = BATCH, .sequence = LENGTH, .training = true, .recompute = recompute};
    set_up_model(f, config, &shape, ops, threads, &fixture_adamw);
}

/* |a - b| / |b|, of a tensor; |a - b| where b is nothing. */
static inline double distance(const op_acc *a, const op_acc *b, size_t count)
{
    double apart = 0, length = 0;
    for (size_t i = 0; i < count; i++) {
        apart += (double)(a[i] - b[i]) * (double)(a[i] - b[i]);
        length += (double)b[i] * (double)b[i];
    }
    return sqrt(length > 0 ? apart / length : apart);
}

#endif
