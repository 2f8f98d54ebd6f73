/* Inside the model: where each weight lies, where each activation lies. For the files of this folder only. */
#ifndef QUERN_TRAIN_MODEL_INTERNAL_H
#define QUERN_TRAIN_MODEL_INTERNAL_H

#include "base/memory.h"
#include "train/model/model.h"

/* Offsets into the parameter arena (and gradients alike). Matrices that meet the same input stand one behind the other, so that one product
 * does them: q_a_proj with kv_a_proj_with_mqa, gate_proj with up_proj, the same of all experts. */
struct layer_weights {
    size_t input_norm, post_norm, q_norm, kv_norm;
    size_t attention_in;    /* [q_lora + kv_lora + rope, H]; without q_lora [kv_lora + rope, H] */
    size_t q;               /* [heads (nope + rope), q_lora], or from H without q_lora */
    size_t kv_b;            /* [heads (nope + v), kv_lora] */
    size_t o;               /* [H, heads v] */
    size_t gate_up;         /* dense: [2 I, H]; MoE: the shared experts' */
    size_t down;            /* [H, I] */
    size_t router;          /* [E, H] */
    size_t experts_gate_up; /* [E, 2 I, H] */
    size_t experts_down;    /* [E, H, I] */
};

/* What an MTP module has beside its layer. */
struct module_weights {
    size_t embedding_norm, hidden_norm;
    size_t projection; /* [H, 2 H]: the columns for the embedding, then those for the hidden state */
};

struct weights {
    size_t embedding, head;
    struct layer_weights *layers;   /* the model's, then the MTP modules' */
    size_t *norms;                  /* by depth: before the head */
    struct module_weights *modules; /* module d at d - 1 */
    /* The arena begins with the matrices that every rank has; then the norms; then this rank's experts: three runs for the optimizer. */
    size_t matrix_elements, shared_elements; /* where the norms begin, and the experts */
    size_t elements;
};

/* Sizes that the code uses again and again, derived from the config. */
struct model_sizes {
    size_t layers, dense_layers, hidden;
    size_t vocabulary, rows;                           /* ids; rows of embedding and head, padding included */
    size_t modules;                                    /* MTP modules that are there */
    size_t heads, q_lora, kv_lora, nope, rope, v, key; /* key = nope + rope */
    size_t low;                                        /* columns of attention_in's product */
    size_t dense_inner, expert_inner, shared_inner;
    size_t experts, top_k;
    size_t own_experts; /* of this rank */
};

/* What a layer keeps for its backward. N tokens, S = N K slots. */
struct layer_activations {
    op_real *input, *middle; /* residual stream before attention and before the feed-forward [N, H] */
    op_acc *input_rstd, *middle_rstd;
    op_real *input_normed, *middle_normed; /* [N, H] */
    op_real *low;                          /* [N, low]: query latent, key-value latent, shared rotary key (rotated) */
    op_acc *q_rstd, *kv_rstd;
    op_real *q_latent, *kv_latent; /* normed */
    op_real *q, *kv;               /* [N, heads, key] rotated, [N, heads, nope + v] */
    op_real *mixed;                /* attention's output [N, heads, v] */
    op_acc *lse;
    op_real *gate_up, *inner;       /* dense or shared: [N, 2 I], [N, I] */
    op_acc *scores, *route_weights; /* [N, E], [N, K] */
    int32_t *chosen, *offsets, *source, *position;
    int32_t *choice;                    /* where ranks share the experts */
    op_real *slot_gate_up, *slot_inner; /* [R, 2 I], [R, I]: R rows of this rank's experts; S where it has them all */
};

/* What is read into the head at a depth: 0 is the model, d the MTP module d, which predicts d tokens further and sees sequences of T - d tokens. */
struct depth_activations {
    int32_t *targets;
    op_acc *losses, *log_z; /* log_z: of depth 0 when training, for the z-loss */
    op_real *stream;        /* residual stream behind the last layer */
    op_real *normed;        /* and normed: what the head and the next module read */
    op_acc *rstd;
    /* of modules alone */
    int32_t *ids;       /* d tokens further on */
    op_real *embedding; /* theirs [N, H] */
    op_real *embedding_normed, *hidden_normed;
    op_acc *embedding_rstd, *hidden_rstd;
};

/* Room that every layer uses in turn. */
struct scratch {
    int32_t *ids;
    op_real *delta;       /* what a block adds to the residual stream [N, H] */
    op_acc *route_logits; /* [N, E] */
    /* This rank's slots [S, H]: what experts read, gathered again backward, which is cheaper than keeping it in every layer; and what they give, backward first
     * the gradient of that, then that of what they read. */
    op_real *slot_input, *slot_rows;
    /* The same of the rows of this rank's experts [R, H]: the same places, where it has them all (expert_rows.c). */
    op_real *row_input, *row_output;
    op_acc *logits; /* [MODEL_LOGITS_ROWS, rows] */
    /* backward: gradients of what the names say */
    op_real *dstream, *dnormed;
    op_real *dhead; /* of what the head reads; without modules the place of dnormed */
    op_real *dlow, *dq_latent, *dkv_latent, *dq, *dkv, *dmixed;
    op_real *dgate_up, *dinner;
    op_real *dslot_gate_up, *dslot_inner;
    op_acc *droute_weights, *droute_logits, *dscores;
    op_acc *balance_losses; /* [routers, model_balance_parts] */
};

enum { MODEL_LOGITS_ROWS = 16, MODEL_STAGING = 1 << 16 };

struct model {
    struct q_arena arena; /* names, tables */
    struct model_config config;
    struct model_shape shape;
    struct model_sizes sizes;
    const struct op_table *ops;
    struct op_context *context;

    struct model_parameter *parameters, *copies;
    size_t parameter_count, copy_count;
    const struct model_parameter **by_name;
    struct weights weights;
    size_t bias_elements; /* routers x experts */

    op_acc *parameter_arena;
    void *gradient_arena; /* op_acc or op_real (model_is_narrow); weights.elements each */
    op_real *
        weight_arena; /* of the same layout: the parameters, or their copy (model_narrow), where op_real is not op_acc */
    op_acc *biases;   /* [routers, E] */
    int64_t *counts;  /* [routers, E] */
    op_acc *rope_table; /* [T, rope] */
    op_acc attention_scale;
    void *activation_memory;
    struct model_memory memory;
    struct layer_activations *layers;
    struct depth_activations *depths;
    struct scratch scratch;

    size_t batch, length; /* of the last micro-batch */
    size_t sequence;      /* tokens of a sequence at the present depth: what the blocks go by */
    size_t depths_run;    /* 1 for the model, and one for each module that was run */
    op_acc *host;         /* staging: MODEL_STAGING elements, and the balance losses of a micro-batch at least */

    struct expert_sharing *sharing; /* NULL: all experts are here */
};

/* model.c: a model without its memory, its shape checked; and the shapes that the operations will see. */
q_status model_begin(const struct model_config *config, const struct op_table *ops, struct op_context *context,
                     const struct model_shape *shape, struct model **out) Q_MUST_USE;
struct op_limits model_limits(const struct model *model);

/* model_parameters.c: table, weights, by_name. */
q_status model_plan_parameters(struct model *model) Q_MUST_USE;
void model_sizes_of(const struct model_config *config, size_t expert_ranks, struct model_sizes *sizes);

/* model_plan.c: lays the activations out from `base` (NULL: only counts); returns the bytes. */
size_t model_plan_activations(struct model *model, char *base);

/* model_rope.c: cosines and sines of positions 0 .. sequence - 1, [sequence, rope], in double until the end; and the softmax scale. */
void model_rope_fill(const struct model_config *config, size_t sequence, op_acc *table);
double model_attention_scale(const struct model_config *config);

/* expert_rows.c: the rows that this rank's experts have of a layer. They are its own slots, where it has all experts: then every move is none. Where ranks
 * share experts, rows are what all of the group send: planned once in the forward, then moved there and back. */
struct expert_rows {
    size_t count;           /* R */
    const int32_t *offsets; /* [own experts + 1] */
};
q_status expert_sharing_create(struct model *model) Q_MUST_USE;
void expert_sharing_release(struct model *model);
size_t expert_sharing_bytes(const struct model *model); /* also of an outline */
q_status expert_rows_plan(struct model *model, size_t layer) Q_MUST_USE;
struct expert_rows expert_rows_of(const struct model *model, size_t layer);
q_status expert_rows_there(struct model *model, size_t layer, const op_real *slots, op_real *rows) Q_MUST_USE;
q_status expert_rows_back(struct model *model, size_t layer, const op_real *rows, op_real *slots) Q_MUST_USE;
/* op combine_backward: the weights go to the rows, their gradients come back. */
q_status expert_rows_weigh_backward(struct model *model, size_t layer) Q_MUST_USE;

/* One layer. `stream_from` is the residual stream before it and `delta` (NULL for the first layer) what the layer before adds to it. Each ends with
 * its own delta in scratch.delta. */
void block_attention_forward(struct model *model, size_t layer, const op_real *stream_from, const op_real *delta);
void block_attention_backward(struct model *model, size_t layer);
q_status block_feedforward_forward(struct model *model, size_t layer, bool count) Q_MUST_USE;
/* Where there is a balance loss, its parts' values are in the row of scratch.balance_losses that is this router's. */
q_status block_feedforward_backward(struct model *model, size_t layer, const struct model_scale *scale) Q_MUST_USE;

/* model_mtp.c: an MTP module's way in, from what the depth before it gives to the head to its layer's input. Back from scratch.dstream: the embedding's half
 * uses scratch.dhead as room, the hidden state's half adds to it: to the gradient that the depth before has there from the head. */
void mtp_load(struct model *model, size_t depth, const struct model_batch *batch);
void mtp_forward(struct model *model, size_t depth);
void mtp_backward_embedding(struct model *model, size_t depth);
void mtp_backward_hidden(struct model *model, size_t depth);

static inline size_t model_tokens(const struct model *model)
{
    return model->batch * model->sequence;
}

/* An MTP module's layer is as one behind the last would be: a mixture of experts where the model has experts. */
static inline bool model_is_dense(const struct model *model, size_t layer)
{
    return layer < model->sizes.dense_layers || model->sizes.experts == 0;
}

/* Parts of the micro-batch that each have a balance loss; 0: there is none. */
static inline size_t model_balance_parts(const struct model *model, const struct model_scale *scale)
{
    if (scale->balance_alpha == 0.0)
        return 0;
    return scale->balance_over_batch && model->batch > 0 ? 1 : model->batch;
}

/* From here on the blocks see the sequences of this depth. */
static inline void model_enter_depth(struct model *model, size_t depth)
{
    model->sequence = model->length - depth;
}

/* What products and embeddings read of a matrix; and a norm's weight. */
static inline const op_real *model_weight(const struct model *model, size_t offset)
{
    return op_real_at(model->ops, model->weight_arena, offset);
}

static inline const op_acc *model_norm(const struct model *model, size_t offset)
{
    return model->parameter_arena + offset;
}

/* Whether gradients of weights are op_real. Where that is op_acc, nothing depends on it. */
static inline bool model_is_narrow(const struct model *model)
{
    return model->shape.narrow_gradients;
}

static inline void *model_gradient(const struct model *model, size_t offset)
{
    return (char *)model->gradient_arena + offset * model_gradient_bytes(model);
}

static inline op_real *model_real_at(const struct model *model, op_real *x, size_t elements)
{
    return op_real_at(model->ops, x, elements);
}

/* y[N, out] = x[N, in] W^T; its input's gradient; its weight's. Strides are the widths. */
void model_linear(struct model *model, op_real *y, const op_real *x, size_t weight, size_t in, size_t out);
void model_linear_input_gradient(struct model *model, op_real *dx, const op_real *dy, size_t weight, size_t in,
                                 size_t out, bool accumulate);
void model_linear_weight_gradient(struct model *model, size_t weight, const op_real *dy, const op_real *x, size_t in,
                                  size_t out);
/* The same of the router, whose logits and their gradient are op_acc; its input's gradient is added. */
void model_router_linear(struct model *model, op_acc *logits, const op_real *x, size_t weight);
void model_router_gradients(struct model *model, op_real *dx, const op_acc *dlogits, const op_real *x, size_t weight);

#endif
