/* The way into a module of multi-token prediction (DeepSeek-V3 report, section 2.2). Module d predicts, at the place of token i, token i + d + 1:
 *
 *     ids, d further on --> embedding --> norm --+
 *                                                +--> eh_proj --> a layer like any other --> norm --> the model's head
 *     what depth d - 1 gives to the head -> norm +
 *
 * "What the head reads" is the hidden state behind the norm, of the model and of each module alike. Of a sequence of T inputs and T targets module d has T - d
 * places that know both their input i + d and their target: it works on those alone, row by row one sequence behind the other, so that its router counts
 * no token that is none. eh_proj [H, 2 H] takes [embedding ; hidden state], as released weights have it; its halves are two products into one sum. */
#include "train/model/model_internal.h"

enum half { EMBEDDING, HIDDEN };

void mtp_load(struct model *model, size_t depth, const struct model_batch *batch)
{
    const struct depth_activations *a = &model->depths[depth];
    for (size_t b = 0; b < model->batch; b++) {
        size_t from = b * model->length + depth, to = b * model->sequence;
        model->ops->copy_in(model->context, a->ids + to, batch->ids + from, model->sequence * sizeof(int32_t));
        model->ops->copy_in(model->context, a->targets + to, batch->targets + from, model->sequence * sizeof(int32_t));
    }
}

/* The columns of eh_proj that meet one of its two inputs. */
static size_t half_place(const struct model *model, size_t depth, enum half half)
{
    return model->weights.modules[depth - 1].projection + (half == HIDDEN ? model->sizes.hidden : 0);
}

/* y = or += x M^T with that half of M. */
static void project(struct model *model, size_t depth, enum half half, op_real *y, const op_real *x)
{
    size_t hidden = model->sizes.hidden;
    struct op_matmul product = {.kind = OP_NT,
                                .m = model_tokens(model),
                                .n = hidden,
                                .k = hidden,
                                .a = x,
                                .a_stride = hidden,
                                .b = model_weight(model, half_place(model, depth, half)),
                                .b_stride = 2 * hidden,
                                .c = y,
                                .c_stride = hidden,
                                .accumulate = half == HIDDEN};
    model->ops->matmul(model->context, &product);
}

/* dx = dstream M, and dM += dstream^T x. */
static void project_backward(struct model *model, size_t depth, enum half half, op_real *dx, const op_real *x)
{
    size_t hidden = model->sizes.hidden, place = half_place(model, depth, half);
    struct op_matmul product = {.kind = OP_NN,
                                .m = model_tokens(model),
                                .n = hidden,
                                .k = hidden,
                                .a = model->scratch.dstream,
                                .a_stride = hidden,
                                .b = model_weight(model, place),
                                .b_stride = 2 * hidden,
                                .c = dx,
                                .c_stride = hidden};
    model->ops->matmul(model->context, &product);
    product.kind = OP_TN;
    product.m = hidden;
    product.k = model_tokens(model);
    product.b = x;
    product.b_stride = hidden;
    product.c = model_gradient(model, place);
    product.c_stride = 2 * hidden;
    product.accumulate = true;
    product.narrow = model_is_narrow(model);
    model->ops->matmul(model->context, &product);
}

/* The two norms before the projection. */
static void norm_inputs(struct model *model, size_t depth)
{
    const struct op_table *ops = model->ops;
    struct op_context *context = model->context;
    const struct module_weights *w = &model->weights.modules[depth - 1];
    struct depth_activations *a = &model->depths[depth];
    const struct depth_activations *before = &model->depths[depth - 1];
    size_t n = model_tokens(model), length = model->sequence, hidden = model->sizes.hidden;
    double epsilon = model->config.rms_norm_eps;

    ops->embed(context, a->embedding, model_weight(model, model->weights.embedding), a->ids, n, hidden);
    ops->rmsnorm(context, a->embedding_normed, a->embedding_rstd, NULL, a->embedding, hidden, NULL,
                 model_norm(model, w->embedding_norm), n, hidden, epsilon);
    /* The depth before has one token more in each sequence, its last. */
    for (size_t b = 0; b < model->batch; b++)
        ops->rmsnorm(context, model_real_at(model, a->hidden_normed, b * length * hidden), a->hidden_rstd + b * length,
                     NULL, model_real_at(model, before->normed, b * (length + 1) * hidden), hidden, NULL,
                     model_norm(model, w->hidden_norm), length, hidden, epsilon);
}

void mtp_forward(struct model *model, size_t depth)
{
    const struct depth_activations *a = &model->depths[depth];
    norm_inputs(model, depth);
    op_real *input = model->layers[model->sizes.layers + depth - 1].input;
    project(model, depth, EMBEDDING, input, a->embedding_normed);
    project(model, depth, HIDDEN, input, a->hidden_normed);
}

void mtp_backward_embedding(struct model *model, size_t depth)
{
    const struct module_weights *w = &model->weights.modules[depth - 1];
    const struct depth_activations *a = &model->depths[depth];
    struct scratch *r = &model->scratch;
    size_t n = model_tokens(model), hidden = model->sizes.hidden;
    if (model->shape.recompute >= MODEL_RECOMPUTE_NORMS) /* for the other half too */
        norm_inputs(model, depth);
    project_backward(model, depth, EMBEDDING, r->dnormed, a->embedding_normed);
    model->ops->rmsnorm_backward(model->context, r->dhead, hidden, false, model_gradient(model, w->embedding_norm),
                                 model_is_narrow(model), r->dnormed, a->embedding, hidden, a->embedding_rstd,
                                 model_norm(model, w->embedding_norm), n, hidden);
    model->ops->embed_backward(model->context, model_gradient(model, model->weights.embedding), model_is_narrow(model),
                               r->dhead, a->ids, n, hidden, model->sizes.vocabulary);
}

void mtp_backward_hidden(struct model *model, size_t depth)
{
    const struct module_weights *w = &model->weights.modules[depth - 1];
    const struct depth_activations *a = &model->depths[depth], *before = &model->depths[depth - 1];
    struct scratch *r = &model->scratch;
    size_t length = model->sequence, hidden = model->sizes.hidden;
    project_backward(model, depth, HIDDEN, r->dnormed, a->hidden_normed);
    for (size_t b = 0; b < model->batch; b++)
        model->ops->rmsnorm_backward(model->context, model_real_at(model, r->dhead, b * (length + 1) * hidden), hidden,
                                     true, model_gradient(model, w->hidden_norm), model_is_narrow(model),
                                     model_real_at(model, r->dnormed, b * length * hidden),
                                     model_real_at(model, before->normed, b * (length + 1) * hidden), hidden,
                                     a->hidden_rstd + b * length, model_norm(model, w->hidden_norm), length, hidden);
}
