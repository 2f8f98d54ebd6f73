/* A micro-batch through the model, and back.
 *
 * The residual stream is never added to in a pass of its own: each block leaves its `delta`, and the norm that comes next adds it on the way. */
#include "base/check.h"
#include "train/model/model_internal.h"

static q_status check_batch(const struct model *model, const struct model_batch *batch)
{
    q_check(batch->batch > 0 && batch->batch <= model->shape.batch);
    q_check(batch->sequence > 0 && batch->sequence <= model->shape.sequence);
    size_t n = batch->batch * batch->sequence;
    for (size_t i = 0; i < n; i++) {
        if (batch->ids[i] < 0 || (uint64_t)batch->ids[i] >= model->config.vocab_size)
            return q_fail(Q_ERR_INPUT, "token %d is outside of the model's vocabulary of %llu", batch->ids[i],
                          (unsigned long long)model->config.vocab_size);
        if (batch->targets && batch->targets[i] >= 0 && (uint64_t)batch->targets[i] >= model->config.vocab_size)
            return q_fail(Q_ERR_INPUT, "target %d is outside of the model's vocabulary of %llu", batch->targets[i],
                          (unsigned long long)model->config.vocab_size);
    }
    return Q_OK;
}

static void forward(struct model *model, const struct model_batch *batch, bool count)
{
    const struct op_table *ops = model->ops;
    const struct model_sizes *s = &model->sizes;
    struct scratch *r = &model->scratch;
    size_t n = batch->batch * batch->sequence;
    model->batch = batch->batch;
    model->sequence = batch->sequence;
    ops->copy_in(model->context, r->ids, batch->ids, n * sizeof(int32_t));
    if (batch->targets)
        ops->copy_in(model->context, r->targets, batch->targets, n * sizeof(int32_t));
    ops->embed(model->context, model->layers[0].input, model_weight(model, model->weights.embedding), r->ids, n,
               s->hidden);
    for (size_t i = 0; i < s->layers; i++) {
        block_attention_forward(model, i, i > 0 ? model->layers[i - 1].middle : NULL, i > 0 ? r->delta : NULL);
        block_feedforward_forward(model, i, count);
    }
    ops->rmsnorm(model->context, r->final_normed, r->final_rstd, r->final, model->layers[s->layers - 1].middle,
                 s->hidden, r->delta, model_weight(model, model->weights.final_norm), n, s->hidden,
                 model->config.rms_norm_eps);
}

/* Token losses; with `dx`, the gradients of head and stream too. */
static void head_loss(struct model *model, op_acc grad_scale, op_real *dx)
{
    const struct model_sizes *s = &model->sizes;
    struct op_cross_entropy loss = {.tokens = model_tokens(model),
                                    .hidden = s->hidden,
                                    .vocabulary = s->vocabulary,
                                    .x = model->scratch.final_normed,
                                    .weight = model_weight(model, model->weights.head),
                                    .targets = model->scratch.targets,
                                    .losses = model->scratch.losses,
                                    .grad_scale = grad_scale,
                                    .dx = dx,
                                    .dweight = dx ? model_gradient(model, model->weights.head) : NULL};
    model->ops->cross_entropy(model->context, &loss);
}

static q_status read_losses(struct model *model, op_acc *losses)
{
    if (losses)
        model->ops->copy_out(model->context, losses, model->scratch.losses, model_tokens(model) * sizeof(op_acc));
    return model->ops->synchronize(model->context);
}

q_status model_forward(struct model *model, const struct model_batch *batch, op_acc *losses)
{
    Q_TRY(check_batch(model, batch));
    forward(model, batch, false);
    if (batch->targets)
        head_loss(model, 0, NULL);
    return read_losses(model, batch->targets ? losses : NULL);
}

q_status model_logits(struct model *model, size_t first, size_t count, op_acc *logits)
{
    const struct model_sizes *s = &model->sizes;
    q_check(first + count <= model_tokens(model));
    for (size_t i = 0; i < count; i += MODEL_LOGITS_ROWS) {
        struct op_matmul product = {.kind = OP_NT,
                                    .m = Q_MIN((size_t)MODEL_LOGITS_ROWS, count - i),
                                    .n = s->vocabulary,
                                    .k = s->hidden,
                                    .a = model->scratch.final_normed + (first + i) * s->hidden,
                                    .a_stride = s->hidden,
                                    .b = model_weight(model, model->weights.head),
                                    .b_stride = s->hidden,
                                    .c = model->scratch.logits,
                                    .c_stride = s->vocabulary};
        model->ops->matmul(model->context, &product);
        model->ops->copy_out(model->context, logits + i * s->vocabulary, model->scratch.logits,
                             product.m * s->vocabulary * sizeof(op_acc));
    }
    return model->ops->synchronize(model->context);
}

q_status model_forward_backward(struct model *model, const struct model_batch *batch, const struct model_scale *scale,
                                op_acc *losses, double *balance_loss)
{
    q_check(model->shape.training && batch->targets);
    Q_TRY(check_batch(model, batch));
    const struct model_sizes *s = &model->sizes;
    struct scratch *r = &model->scratch;
    double balance = 0;
    forward(model, batch, true);
    head_loss(model, (op_acc)scale->loss, r->dnormed);
    model->ops->rmsnorm_backward(model->context, r->dstream, s->hidden, false,
                                 model_gradient(model, model->weights.final_norm), r->dnormed, r->final, s->hidden,
                                 r->final_rstd, model_weight(model, model->weights.final_norm), model_tokens(model),
                                 s->hidden);
    for (size_t i = s->layers; i-- > 0;) {
        block_feedforward_backward(model, i, scale, &balance);
        block_attention_backward(model, i);
    }
    model->ops->embed_backward(model->context, model_gradient(model, model->weights.embedding), r->dstream, r->ids,
                               model_tokens(model), s->hidden, s->vocabulary);
    if (balance_loss)
        *balance_loss = balance;
    return read_losses(model, losses);
}
