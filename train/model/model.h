/* The model: parameters, and one micro-batch forward and backward.
 *
 *     create -> init | put every parameter -> { forward_backward per micro-batch, gradients and expert counts add up -> optimizer_step
 *     (train/optimizer.h) -> model_update_bias } per step
 *
 * Memory is planned at create and taken once: parameters, gradients (with `training`), one arena for activations. Everything that
 * is random is a function of (seed, parameter's name). Losses come out by token, so that the caller sums them as it likes (by source, in double);
 * sums over micro-batches are in the order of the calls. Nothing here knows of files or recipes, and of ranks only that some may share the experts: then each
 * of the group holds a run of every layer's experts, and their calls of model_forward_backward meet in every such layer.
 *
 * MTP modules (report, section 2.2) are further blocks behind the last layer, under layers.L.* with L >= num_hidden_layers, with counts and biases of their
 * own; embedding and head are the model's. They are there for training alone: a model made without it has none, unless it is asked to hold their tensors.
 */
#ifndef QUERN_TRAIN_MODEL_H
#define QUERN_TRAIN_MODEL_H

#include "train/model/model_config.h"
#include "train/ops.h"

struct q_pool;

/* What the backward computes again instead of the forward keeping it: the same operations on the same numbers, so the same bits in less memory. */
enum model_recompute {
    MODEL_RECOMPUTE_NONE,
    MODEL_RECOMPUTE_NORMS,       /* what norms and SwiGLU give: it costs a hundredth of the time */
    MODEL_RECOMPUTE_PROJECTIONS, /* MLA's up-projections too: all that the report computes again (section 3.2.3) */
};

extern const char *const model_recompute_names[]; /* "none", "norms", "projections", NULL */

/* The largest micro-batch that will be asked for. */
struct model_shape {
    size_t batch;    /* sequences */
    size_t sequence; /* tokens of each */
    bool training;   /* gradients and what the backward needs; without it only model_forward works */
    /* Gradients of weights are op_real: where that is BF16, half of their memory, and each sum that is added to one is rounded with it. */
    bool narrow_gradients;
    enum model_recompute recompute;
    bool mtp; /* the MTP modules' tensors although it is not for training: to write them elsewhere */

    /* Ranks that share the experts of each layer: a divisor of their number; 0 or 1: all experts are here. Then it is for training, and `experts` is their
     * communicator (comm_groups.h), borrowed; an outline does without. */
    unsigned expert_ranks;
    struct comm *experts;
};

enum model_parameter_kind {
    MODEL_MATRIX, /* weight decay, normal start */
    MODEL_NORM,   /* ones at the start; decay by the optimizer's setting */
    MODEL_BIAS,   /* e_score_correction_bias: no gradient, moved by model_update_bias; zeros at the start */
};

/* One tensor of the checkpoint. The order of the table is fixed: embedding, layers in order, final norm, head, MTP modules in order. */
struct model_parameter {
    const char *name; /* Hugging Face's: "model.layers.3.mlp.experts.7.up_proj.weight" */
    enum model_parameter_kind kind;
    unsigned rank;   /* 1 or 2 */
    size_t shape[2]; /* rows, columns; shape[1] = 1 where rank is 1 */
    size_t count;    /* elements */
    size_t
        offset; /* elements from the start of the arena: of parameters (and gradients, moments alike); of biases for MODEL_BIAS. Of an expert: in the
                 * arena of the rank that holds it (model_owner) */
    int layer;  /* -1: embedding, final norm, head */
    int expert; /* -1: none */
};

struct model_batch {
    size_t batch, sequence; /* at most the shape's */
    const int32_t *ids;     /* [batch, sequence], host; each in [0, vocab_size) */
    const int32_t *targets; /* [batch, sequence], host; below 0: no target here. May be NULL for model_forward */
};

struct model;

/* `context` is borrowed and gets its workspace reserved here. Q_ERR_MEMORY says how much was asked for. */
q_status model_create(const struct model_config *config, const struct op_table *ops, struct op_context *context,
                      const struct model_shape *shape, struct model **out) Q_MUST_USE;
void model_release(struct model *model);

/* A model's outline: its table of parameters, its sizes and what model_create will take (model_memory, for so many threads), and no memory of tensors: none
 * can be put, got or computed. */
q_status model_outline(const struct model_config *config, const struct op_table *ops, const struct model_shape *shape,
                       unsigned threads, struct model **out) Q_MUST_USE;

/* A shadow: a model that has parameters and biases alone, to be copied from `model` and read by model_get while `model` goes on. It lies in the memory of
 * `host`, a table that has the host's own and wants no context for it (op_table_cpu). It has all experts; where ranks share them, the copy is of what is no
 * expert's (optimizer_shadow_copy brings those). What fails in a copy from a device is told by `synchronize`. */
q_status model_shadow_create(const struct model *model, const struct op_table *host, struct model **out) Q_MUST_USE;
void model_shadow_copy(struct model *shadow, const struct model *model);
size_t model_shadow_bytes(const struct model *shadow); /* of the outline of a model with all experts too */

const struct model_config *model_get_config(const struct model *model);
const struct model_parameter *model_parameters(const struct model *model, size_t *count);
/* NULL where the model has no such tensor. */
const struct model_parameter *model_find_parameter(const struct model *model, const char *name);
/* Ranks that share the experts, at least 1. Which of them holds a parameter; 0 where all do. And whether this one does: only then can it be got and put. */
unsigned model_expert_ranks(const struct model *model);
unsigned model_owner(const struct model *model, const struct model_parameter *parameter);
bool model_holds(const struct model *model, const struct model_parameter *parameter);
/* Second names of tensors that are there once: released weights carry the shared embedding and head under each MTP module too (layer >= 0: written so),
 * and a tied head may be there (layer -1: only read). The entries lie where the tensor they stand for lies. Not part of the table above: no gradients,
 * no moments. */
const struct model_parameter *model_copies(const struct model *model, size_t *count);
/* The tensor of the table that a copy stands for. */
const struct model_parameter *model_original(const struct model *model, const struct model_parameter *copy);
/* Whether it has a row for each id of the vocabulary, and behind them those of padding: embedding, head, and their second names. */
bool model_is_vocabulary(const struct model *model, const struct model_parameter *parameter);
/* Elements of the largest tensor: room for any of them. */
size_t model_largest_parameter(const struct model *model);
/* Elements of the arena, padding (always zero) included. It begins with the matrices that are no expert's; from model_matrix_elements on there are norms, from
 * model_shared_elements on the experts' matrices. */
size_t model_parameter_elements(const struct model *model);
size_t model_matrix_elements(const struct model *model);
size_t model_shared_elements(const struct model *model);
/* Bytes that a model takes, an outline would take: what model_create asks for goes by these very figures. */
struct model_memory {
    size_t parameters;     /* op_acc */
    size_t gradients;      /* op_acc, or op_real */
    size_t weights;        /* the copy of the parameters that products read, where op_real is narrower */
    size_t biases, counts; /* of the routers */
    size_t positions;      /* cosines and sines */
    size_t activations;
    size_t
        shared_rows; /* of experts that ranks share, with a load that is even to an eighth; one that gets more rows takes more */
    size_t workspace; /* of the operations */
};
struct model_memory model_memory(const struct model *model);

/* Normal with deviation initializer_range for matrices (drawn by name), ones for norms, zeros for biases and for the rows of padding: those stay zero,
 * since they get no gradient. The threads of `pool` draw them. */
q_status model_init(struct model *model, uint64_t seed, struct q_pool *pool) Q_MUST_USE;
/* Q_ERR_INPUT names the tensor and the first of its numbers that is not finite. */
q_status model_check_finite(const struct model_parameter *parameter, const op_acc *values) Q_MUST_USE;
/* One tensor in and out of the host (FP32, whatever op_real is; count elements). Q_ERR_INPUT where a value put is not finite; one that another rank holds is
 * only looked at. */
q_status model_put(struct model *model, const struct model_parameter *parameter, const op_acc *values) Q_MUST_USE;
void model_get(const struct model *model, const struct model_parameter *parameter, op_acc *values);
void model_get_gradient(const struct model *model, const struct model_parameter *parameter,
                        op_acc *values); /* not MODEL_BIAS */

/* losses[batch * sequence] (host): -log p of each target, 0 where there is none; may be NULL. Does not count experts.
 * Q_ERR_INPUT for ids or targets outside the vocabulary (padding is outside). */
q_status model_forward(struct model *model, const struct model_batch *batch, op_acc *losses) Q_MUST_USE;
/* Logits [count, vocab_size] (host) of tokens first .. first + count - 1 of the last model_forward; those of padding are -inf. */
q_status model_logits(struct model *model, size_t first, size_t count, op_acc *logits) Q_MUST_USE;

/* What the losses of a micro-batch weigh in the gradients: each line is a sum that is added up, and what it is multiplied by. */
struct model_scale {
    double loss; /* sum of token losses: 1 / (targets of the whole global batch) */

    /* Sum over sequences and routers of the balance loss, whose own weight is balance_alpha (0: off): 1 / (sequences of the whole global batch). It is of
     * each sequence (report, eq. 17 to 20); with balance_over_batch of the micro-batch as if it were one sequence (section 4.5.3), and each of its
     * sequences has that loss. */
    double balance_alpha, balance;
    bool balance_over_batch;

    /* lambda. Sums of the token losses of each of the D modules: loss * mtp / D, so that they are divided by the targets of the model's own (report,
     * eq. 24 and 25). 0: the modules are not run, and count nothing. */
    double mtp;

    /* Sum over the model's own targets of log(Z)^2, Z the softmax's denominator (PaLM, arXiv 2204.02311, section 5): loss * z_loss. */
    double z_loss;
};

/* Forward, losses, backward: gradients and expert counts are added to. Where ranks share experts all of them call it at once, one that has no sequences (any
 * more) with a batch of 0 of the others' sequence length; what fails on one fails on all. *balance_loss (may be NULL): the sum over the sequences and layers
 * (modules included) of alpha sum f P, unscaled. */
q_status model_forward_backward(struct model *model, const struct model_batch *batch, const struct model_scale *scale,
                                op_acc *losses, double *balance_loss) Q_MUST_USE;
/* The token losses of MTP module `depth` (from 1) in the last model_forward_backward: losses[batch, sequence - depth] (host), entry t being that of the
 * target at t + depth. Returns their number; 0 where the module was not run. */
size_t model_mtp_losses(const struct model *model, size_t depth, op_acc *losses);
/* The sum over the targets of log(Z)^2 in the last model_forward_backward, in double and in their order: the z-loss before scale->z_loss. */
double model_squared_log_z(const struct model *model);

/* Tokens each expert got since the counts were cleared: [routers, experts], host. put is for sums over ranks. */
size_t model_counts_size(const struct model *model);
void model_get_counts(const struct model *model, int64_t *counts);
void model_put_counts(struct model *model, const int64_t *counts);
/* bias += gamma * sign(mean - count) for each router that counted any token, then clears the counts. gamma 0 clears only. */
void model_update_bias(struct model *model, double gamma);
void model_clear_gradients(struct model *model);

/* Routers in the order of the counts: the MoE layers', then the MTP modules'. What one of them did with the last micro-batch of
 * model_forward_backward, N tokens, to the host: the experts chosen [N, K], and the scores before bias and normalisation [N, E]. Either may be NULL.
 * Only a model for training keeps them. N is batch x model_router_length: MTP module d does not see the last d tokens of a sequence, and none (0)
 * where it was not run. */
size_t model_routers(const struct model *model);
size_t model_router_length(const struct model *model, size_t router);
void model_get_routing(const struct model *model, size_t router, int32_t *chosen, op_acc *scores);

/* For measurements: the last layer alone, or one of its two blocks, on what the last model_forward_backward left there. model_block_begin puts numbers
 * where the gradient of the stream behind the layer comes from; then forward and backward, in this order, as often as one likes. Gradients are added to,
 * tokens of experts are not counted, and there is no balance loss. Not where ranks share experts. */
enum model_block { MODEL_BLOCK_LAYER, MODEL_BLOCK_ATTENTION, MODEL_BLOCK_FEEDFORWARD };
extern const char *const model_block_names[]; /* "layer", "attention", "feedforward", NULL */
void model_block_begin(struct model *model);
q_status model_block_forward(struct model *model, enum model_block block) Q_MUST_USE;
q_status model_block_backward(struct model *model, enum model_block block) Q_MUST_USE;

/* For the optimizer: the arenas in the backend's memory. */
op_acc *model_parameter_arena(struct model *model);
/* To be called when something was written into the parameter arena: where op_real is narrower, products read a rounded copy. */
void model_narrow(struct model *model);
/* op_real where the model is narrow_gradients and that is narrower, else op_acc: of so many bytes. */
void *model_gradient_arena(struct model *model);
size_t model_gradient_bytes(const struct model *model);
const struct op_table *model_ops(const struct model *model);
struct op_context *model_context(const struct model *model);

#endif
