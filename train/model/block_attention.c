/* Multi-head latent attention (DeepSeek-V2, arXiv 2405.04434, section 2.1), in the expanded form that training uses.
 *
 *     stream --+--> norm --> [ q latent | kv latent | k_rope ] = low
 *              |                 |norm        |norm       |rope
 *              |                 q_b          kv_b        |
 *              |                 |rope        |           |
 *              |               q[heads]   k_nope, v [heads]
 *              |                   \          |          /
 *              |                    causal attention --> o_proj --> delta, added to the stream by the next norm
 *
 * Without q_lora the query comes straight from the normed stream, and `low` begins with the kv latent. */
#include "train/model/model_internal.h"

static struct op_rope rope_of(const struct model *model, bool inverse)
{
    return (struct op_rope){.rows = model_tokens(model),
                            .sequence = model->sequence,
                            .rope = model->sizes.rope,
                            .table = model->rope_table,
                            .inverse = inverse};
}

static void rotate_queries(struct model *model, op_real *q, bool inverse)
{
    const struct model_sizes *s = &model->sizes;
    struct op_rope rope = rope_of(model, inverse);
    rope.groups = s->heads;
    rope.group_stride = s->key;
    rope.stride = s->heads * s->key;
    rope.x = model_real_at(model, q, s->nope);
    model->ops->rope(model->context, &rope);
}

/* The shared key inside `low`. */
static void rotate_key(struct model *model, op_real *low, bool inverse)
{
    const struct model_sizes *s = &model->sizes;
    struct op_rope rope = rope_of(model, inverse);
    rope.groups = 1;
    rope.group_stride = s->rope;
    rope.stride = s->low;
    rope.x = model_real_at(model, low, s->q_lora + s->kv_lora);
    model->ops->rope(model->context, &rope);
}

static struct op_attention attention_of(struct model *model, const struct layer_activations *a)
{
    const struct model_sizes *s = &model->sizes;
    return (struct op_attention){.batch = model->batch,
                                 .sequence = model->sequence,
                                 .heads = s->heads,
                                 .nope = s->nope,
                                 .rope = s->rope,
                                 .v = s->v,
                                 .scale = model->attention_scale,
                                 .q = a->q,
                                 .kv = a->kv,
                                 .k_rope = model_real_at(model, a->low, s->q_lora + s->kv_lora),
                                 .k_rope_stride = s->low,
                                 .out = a->mixed,
                                 .lse = a->lse};
}

/* The norms of the latents have an epsilon of their own: DeepSeek's inference code and transformers build them without `rms_norm_eps`. */
static const double latent_epsilon = 1e-6;

/* The norm of the stream, which `delta` joins first (NULL: it is in a->input already). */
static void norm_input(struct model *model, size_t layer, const op_real *stream_from, const op_real *delta)
{
    struct layer_activations *a = &model->layers[layer];
    model->ops->rmsnorm(model->context, a->input_normed, a->input_rstd, delta ? a->input : NULL,
                        delta ? stream_from : a->input, model->sizes.hidden, delta,
                        model_norm(model, model->weights.layers[layer].input_norm), model_tokens(model),
                        model->sizes.hidden, model->config.rms_norm_eps);
}

static void norm_latents(struct model *model, size_t layer)
{
    const struct op_table *ops = model->ops;
    struct op_context *context = model->context;
    const struct model_sizes *s = &model->sizes;
    const struct layer_weights *w = &model->weights.layers[layer];
    struct layer_activations *a = &model->layers[layer];
    size_t n = model_tokens(model);
    if (s->q_lora)
        ops->rmsnorm(context, a->q_latent, a->q_rstd, NULL, a->low, s->low, NULL, model_norm(model, w->q_norm), n,
                     s->q_lora, latent_epsilon);
    ops->rmsnorm(context, a->kv_latent, a->kv_rstd, NULL, model_real_at(model, a->low, s->q_lora), s->low, NULL,
                 model_norm(model, w->kv_norm), n, s->kv_lora, latent_epsilon);
}

/* To rotated queries, keys and values. */
static void project_up(struct model *model, size_t layer)
{
    const struct model_sizes *s = &model->sizes;
    const struct layer_weights *w = &model->weights.layers[layer];
    struct layer_activations *a = &model->layers[layer];
    model_linear(model, a->q, s->q_lora ? a->q_latent : a->input_normed, w->q, s->q_lora ? s->q_lora : s->hidden,
                 s->heads * s->key);
    model_linear(model, a->kv, a->kv_latent, w->kv_b, s->kv_lora, s->heads * (s->nope + s->v));
    rotate_queries(model, a->q, false);
}

void block_attention_forward(struct model *model, size_t layer, const op_real *stream_from, const op_real *delta)
{
    const struct model_sizes *s = &model->sizes;
    const struct layer_weights *w = &model->weights.layers[layer];
    struct layer_activations *a = &model->layers[layer];
    norm_input(model, layer, stream_from, delta);
    model_linear(model, a->low, a->input_normed, w->attention_in, s->hidden, s->low);
    norm_latents(model, layer);
    project_up(model, layer);
    rotate_key(model, a->low, false);
    struct op_attention attention = attention_of(model, a);
    model->ops->attention(model->context, &attention);
    model_linear(model, model->scratch.delta, a->mixed, w->o, s->heads * s->v, s->hidden);
}

/* dlow's first columns from dq, through the query's latent and its norm. */
static void query_backward(struct model *model, const struct layer_weights *w, const struct layer_activations *a)
{
    const struct model_sizes *s = &model->sizes;
    struct scratch *r = &model->scratch;
    model_linear_input_gradient(model, r->dq_latent, r->dq, w->q, s->q_lora, s->heads * s->key, false);
    model_linear_weight_gradient(model, w->q, r->dq, a->q_latent, s->q_lora, s->heads * s->key);
    model->ops->rmsnorm_backward(model->context, r->dlow, s->low, false, model_gradient(model, w->q_norm),
                                 model_is_narrow(model), r->dq_latent, a->low, s->low, a->q_rstd,
                                 model_norm(model, w->q_norm), model_tokens(model), s->q_lora);
}

/* In: scratch.dstream, the gradient of the stream behind attention. Out: the same before it. */
void block_attention_backward(struct model *model, size_t layer)
{
    const struct op_table *ops = model->ops;
    struct op_context *context = model->context;
    const struct model_sizes *s = &model->sizes;
    const struct layer_weights *w = &model->weights.layers[layer];
    struct layer_activations *a = &model->layers[layer];
    struct scratch *r = &model->scratch;
    size_t n = model_tokens(model), kv_width = s->heads * (s->nope + s->v);

    if (model->shape.recompute >= MODEL_RECOMPUTE_NORMS) {
        norm_input(model, layer, NULL, NULL);
        norm_latents(model, layer);
    }
    if (model->shape.recompute >= MODEL_RECOMPUTE_PROJECTIONS)
        project_up(model, layer);
    model_linear_input_gradient(model, r->dmixed, r->dstream, w->o, s->heads * s->v, s->hidden, false);
    model_linear_weight_gradient(model, w->o, r->dstream, a->mixed, s->heads * s->v, s->hidden);
    struct op_attention attention = attention_of(model, a);
    attention.dout = r->dmixed;
    attention.dq = r->dq;
    attention.dkv = r->dkv;
    attention.dk_rope = model_real_at(model, r->dlow, s->q_lora + s->kv_lora);
    attention.dk_rope_stride = s->low;
    ops->attention_backward(context, &attention);
    rotate_queries(model, r->dq, true);
    rotate_key(model, r->dlow, true);

    model_linear_input_gradient(model, r->dkv_latent, r->dkv, w->kv_b, s->kv_lora, kv_width, false);
    model_linear_weight_gradient(model, w->kv_b, r->dkv, a->kv_latent, s->kv_lora, kv_width);
    ops->rmsnorm_backward(context, model_real_at(model, r->dlow, s->q_lora), s->low, false,
                          model_gradient(model, w->kv_norm), model_is_narrow(model), r->dkv_latent,
                          model_real_at(model, a->low, s->q_lora), s->low, a->kv_rstd, model_norm(model, w->kv_norm), n,
                          s->kv_lora);
    if (s->q_lora)
        query_backward(model, w, a);
    model_linear_input_gradient(model, r->dnormed, r->dlow, w->attention_in, s->hidden, s->low, false);
    model_linear_weight_gradient(model, w->attention_in, r->dlow, a->input_normed, s->hidden, s->low);
    if (!s->q_lora) {
        model_linear_input_gradient(model, r->dnormed, r->dq, w->q, s->hidden, s->heads * s->key, true);
        model_linear_weight_gradient(model, w->q, r->dq, a->input_normed, s->hidden, s->heads * s->key);
    }
    ops->rmsnorm_backward(context, r->dstream, s->hidden, true, model_gradient(model, w->input_norm),
                          model_is_narrow(model), r->dnormed, a->input, s->hidden, a->input_rstd,
                          model_norm(model, w->input_norm), n, s->hidden);
}
