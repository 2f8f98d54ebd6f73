/* The shapes that operations have in a model. */
#include "base/check.h"
#include "train/model/model_config.h"
#include "train/ops.h"
#include "train/ops_check/ops_cases.h"

enum { ARENA_ELEMENTS_MAX = 1 << 27 };

struct shapes {
    const struct model_config *config;
    size_t batch, sequence, tokens;
    struct ops_case *out;
    size_t count;
};

#define ADD(shapes, kind, ...) add(shapes, kind, (const size_t[OPS_SIZES]){__VA_ARGS__})

static void add(struct shapes *shapes, enum ops_kind kind, const size_t size[OPS_SIZES])
{
    q_check(shapes->count < OPS_MODEL_CASES_MAX);
    struct ops_case *c = &shapes->out[shapes->count++];
    *c = (struct ops_case){.kind = kind};
    memcpy(c->size, size, sizeof c->size);
}

/* y = x W^T, its input's gradient and its weight's. */
static void add_linear(struct shapes *shapes, size_t in, size_t out, bool wide)
{
    const size_t n = shapes->tokens;
    ADD(shapes, OPS_MATMUL, OP_NT, n, out, in, 0, 0, wide);
    ADD(shapes, OPS_MATMUL, OP_NN, n, in, out, wide, 0, wide);
    ADD(shapes, OPS_MATMUL, OP_TN, out, in, n, 1, 0, wide);
}

static void add_experts_linear(struct shapes *shapes, size_t in, size_t out)
{
    const size_t n = shapes->tokens, e = shapes->config->n_routed_experts, k = shapes->config->num_experts_per_tok;
    ADD(shapes, OPS_GROUPED, OP_NT, e, 0, out, in, n, k, 0);
    ADD(shapes, OPS_GROUPED, OP_NN, e, 0, in, out, n, k, 0);
    ADD(shapes, OPS_GROUPED, OP_TN, e, out, in, 0, n, k, 1);
}

static void add_norm(struct shapes *shapes, size_t width, size_t stride)
{
    const bool sum = width == stride;
    ADD(shapes, sum ? OPS_RMSNORM_SUM : OPS_RMSNORM, shapes->tokens, width, stride);
    ADD(shapes, OPS_RMSNORM_BACKWARD, shapes->tokens, width, stride, sum);
}

static void add_attention(struct shapes *shapes)
{
    const struct model_config *c = shapes->config;
    const size_t b = shapes->batch, t = shapes->sequence, heads = c->num_attention_heads, nope = c->qk_nope_head_dim,
                 rope = c->qk_rope_head_dim, v = c->v_head_dim, low = c->q_lora_rank + c->kv_lora_rank + rope;
    add_norm(shapes, c->hidden_size, c->hidden_size);
    add_norm(shapes, c->kv_lora_rank, low);
    add_linear(shapes, c->hidden_size, low, false);
    add_linear(shapes, c->q_lora_rank ? c->q_lora_rank : c->hidden_size, heads * (nope + rope), false);
    add_linear(shapes, c->kv_lora_rank, heads * (nope + v), false);
    add_linear(shapes, heads * v, c->hidden_size, false);
    ADD(shapes, OPS_ROPE, b, t, heads, rope, nope + rope, 0);
    ADD(shapes, OPS_ATTENTION, b, t, heads, nope, rope, v, low);
    ADD(shapes, OPS_ATTENTION_BACKWARD, b, t, heads, nope, rope, v, low);
}

static void add_dense(struct shapes *shapes, size_t inner)
{
    add_linear(shapes, shapes->config->hidden_size, 2 * inner, false);
    add_linear(shapes, inner, shapes->config->hidden_size, false);
    ADD(shapes, OPS_SWIGLU, shapes->tokens, inner);
    ADD(shapes, OPS_SWIGLU_BACKWARD, shapes->tokens, inner);
}

static void add_router(struct shapes *shapes)
{
    const struct model_config *c = shapes->config;
    const size_t n = shapes->tokens, e = c->n_routed_experts, k = c->num_experts_per_tok;
    add_linear(shapes, c->hidden_size, e, true);
    ADD(shapes, OPS_ROUTER, n, e, k, c->n_group, c->topk_group, c->norm_topk_prob);
    ADD(shapes, OPS_ROUTER_BACKWARD, n, e, k, c->n_group, c->topk_group, c->norm_topk_prob, 1);
    ADD(shapes, OPS_BALANCE, shapes->batch, shapes->sequence, e, k);
    ADD(shapes, OPS_ROUTE, n, e, k);
}

static void add_experts(struct shapes *shapes)
{
    const struct model_config *c = shapes->config;
    const size_t n = shapes->tokens, e = c->n_routed_experts, k = c->num_experts_per_tok, h = c->hidden_size,
                 inner = c->moe_intermediate_size;
    add_router(shapes);
    ADD(shapes, OPS_GATHER, n, e, k, h);
    add_experts_linear(shapes, h, 2 * inner);
    ADD(shapes, OPS_SWIGLU, n * k, inner);
    add_experts_linear(shapes, inner, h);
    ADD(shapes, OPS_COMBINE, n, e, k, h);
    ADD(shapes, OPS_COMBINE_BACKWARD, n, e, k, inner);
    ADD(shapes, OPS_SWIGLU_BACKWARD, n * k, inner);
    ADD(shapes, OPS_GATHER_BACKWARD, n, e, k, h);
}

static void add_optimizer(struct shapes *shapes)
{
    const size_t n = (size_t)Q_MIN(model_config_parameters(shapes->config), (uint64_t)ARENA_ELEMENTS_MAX);
    ADD(shapes, OPS_SUM_SQUARES, n);
    ADD(shapes, OPS_ADAMW, n, n - n / 256);
    ADD(shapes, OPS_ADAMW, n, n - n / 256, 1);
    ADD(shapes, OPS_AVERAGE, n);
    ADD(shapes, OPS_NARROW, n);
}

size_t ops_model_cases(const struct model_config *config, size_t batch, size_t sequence,
                       struct ops_case out[OPS_MODEL_CASES_MAX])
{
    struct shapes shapes = {config, batch, sequence, batch * sequence, out, 0};
    const size_t n = shapes.tokens, h = config->hidden_size, v = model_config_ids(config);
    ADD(&shapes, OPS_EMBED, n, h, v);
    ADD(&shapes, OPS_EMBED_BACKWARD, n, h, v);
    add_attention(&shapes);
    if (config->first_k_dense_replace)
        add_dense(&shapes, config->intermediate_size);
    if (model_config_moe_layers(config)) {
        if (config->n_shared_experts)
            add_dense(&shapes, config->n_shared_experts * config->moe_intermediate_size);
        add_experts(&shapes);
    }
    ADD(&shapes, OPS_CROSS_ENTROPY, n, h, v, 1);
    add_optimizer(&shapes);
    return shapes.count;
}
