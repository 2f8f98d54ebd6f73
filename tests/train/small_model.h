/* Models of a few thousand parameters; tests change what matters to them. */
#ifndef QUERN_TESTS_TRAIN_SMALL_MODEL_H
#define QUERN_TESTS_TRAIN_SMALL_MODEL_H

#include "train/model/model_config.h"

/* For tests of what goes on around a model. ids: its vocabulary. */
static inline struct model_config small_model(uint64_t ids)
{
    return (struct model_config){.vocab_size = ids,
                                 .hidden_size = 16,
                                 .num_hidden_layers = 2,
                                 .first_k_dense_replace = 1,
                                 .num_attention_heads = 2,
                                 .q_lora_rank = 8,
                                 .kv_lora_rank = 8,
                                 .qk_nope_head_dim = 4,
                                 .qk_rope_head_dim = 4,
                                 .v_head_dim = 4,
                                 .intermediate_size = 16,
                                 .moe_intermediate_size = 8,
                                 .n_routed_experts = 4,
                                 .num_experts_per_tok = 2,
                                 .n_group = 2,
                                 .topk_group = 1,
                                 .n_shared_experts = 1,
                                 .routed_scaling_factor = 2.5,
                                 .norm_topk_prob = true,
                                 .rms_norm_eps = 1e-6,
                                 .rope_theta = 10000,
                                 .max_position_embeddings = 16,
                                 .initializer_range = 0.02,
                                 .bos_token_id = 0,
                                 .eos_token_id = 1};
}

/* For tests of what goes on in a model: sizes that are not round, two layers of experts behind a dense one. */
static inline struct model_config odd_model(uint64_t ids)
{
    struct model_config config = small_model(ids);
    config.hidden_size = 40;
    config.num_hidden_layers = 3;
    config.num_attention_heads = 3;
    config.q_lora_rank = 20;
    config.kv_lora_rank = 12;
    config.qk_nope_head_dim = 10;
    config.qk_rope_head_dim = 6;
    config.v_head_dim = 14;
    config.intermediate_size = 70;
    config.moe_intermediate_size = 18;
    config.n_routed_experts = 8;
    config.n_group = 4;
    config.topk_group = 2;
    config.max_position_embeddings = 128;
    config.initializer_range = 0.05;
    config.bos_token_id = config.eos_token_id = -1;
    return config;
}

#endif
