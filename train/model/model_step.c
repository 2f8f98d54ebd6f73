/* A micro-batch through the model, and back.
 *
 * The residual stream is never added to in a pass of its own: each block leaves its `delta`, and the norm that comes next adds it on the way. */
#include "base/check.h"
#include "train/comm/comm.h"
#include "train/model/model_internal.h"

#include <math.h>

static q_status check_batch(const struct model *model, const struct model_batch *batch)
{
    q_check((batch->batch > 0 || model->sharing) && batch->batch <= model->shape.batch);
    q_check(batch->sequence > 0 && batch->sequence <= model->shape.sequence);
    size_t n = batch->batch * batch->sequence;
    for (size_t i = 0; i < n; i++) {
        if (batch->ids[i] < 0 || (size_t)batch->ids[i] >= model->sizes.vocabulary)
            return q_fail(Q_ERR_INPUT, "token %d is outside of the model's vocabulary of %zu", batch->ids[i],
                          model->sizes.vocabulary);
        if (batch->targets && batch->targets[i] >= 0 && (size_t)batch->targets[i] >= model->sizes.vocabulary)
            return q_fail(Q_ERR_INPUT, "target %d is outside of the model's vocabulary of %zu", batch->targets[i],
                          model->sizes.vocabulary);
    }
    return Q_OK;
}

/* What comes out behind layer `last` at this depth, normed: what the head reads. */
static void norm_head(struct model *model, size_t depth, size_t last)
{
    const struct model_sizes *s = &model->sizes;
    struct depth_activations *a = &model->depths[depth];
    model->ops->rmsnorm(model->context, a->normed, a->rstd, a->stream, model->layers[last].middle, s->hidden,
                        model->scratch.delta, model_norm(model, model->weights.norms[depth]), model_tokens(model),
                        s->hidden, model->config.rms_norm_eps);
}

/* The micro-batch, for the model and so many modules. */
static void load(struct model *model, const struct model_batch *batch, size_t modules)
{
    const size_t bytes = batch->batch * batch->sequence * sizeof(int32_t);
    model->batch = batch->batch;
    model->length = batch->sequence;
    model->depths_run = 1 + modules;
    model->ops->copy_in(model->context, model->scratch.ids, batch->ids, bytes);
    if (batch->targets)
        model->ops->copy_in(model->context, model->depths[0].targets, batch->targets, bytes);
    for (size_t d = 1; d <= modules; d++) {
        model_enter_depth(model, d);
        mtp_load(model, d, batch);
    }
    model_enter_depth(model, 0);
}

static q_status forward_layers(struct model *model, bool count)
{
    const struct model_sizes *s = &model->sizes;
    struct scratch *r = &model->scratch;
    size_t n = model_tokens(model);
    model->ops->embed(model->context, model->layers[0].input, model_weight(model, model->weights.embedding), r->ids, n,
                      s->hidden);
    for (size_t i = 0; i < s->layers; i++) {
        block_attention_forward(model, i, i > 0 ? model->layers[i - 1].middle : NULL, i > 0 ? r->delta : NULL);
        Q_TRY(block_feedforward_forward(model, i, count));
    }
    norm_head(model, 0, s->layers - 1);
    return Q_OK;
}

static q_status forward_module(struct model *model, size_t depth)
{
    size_t layer = model->sizes.layers + depth - 1;
    model_enter_depth(model, depth);
    mtp_forward(model, depth);
    block_attention_forward(model, layer, NULL, NULL);
    Q_TRY(block_feedforward_forward(model, layer, true));
    norm_head(model, depth, layer);
    return Q_OK;
}

static q_status forward(struct model *model, bool count)
{
    Q_TRY(forward_layers(model, count));
    for (size_t d = 1; d < model->depths_run; d++)
        Q_TRY(forward_module(model, d));
    model_enter_depth(model, 0);
    return Q_OK;
}

static double loss_scale(const struct model *model, const struct model_scale *scale, size_t depth)
{
    return depth == 0 ? scale->loss : scale->loss * scale->mtp / (double)model->sizes.modules;
}

/* Token losses of a depth; with `scale`, the gradients of head and, in scratch.dhead, of what it reads too. */
static void head_loss(struct model *model, size_t depth, const struct model_scale *scale)
{
    const struct model_sizes *s = &model->sizes;
    const struct depth_activations *a = &model->depths[depth];
    struct op_cross_entropy loss = {.tokens = model_tokens(model),
                                    .hidden = s->hidden,
                                    .vocabulary = s->vocabulary,
                                    .x = a->normed,
                                    .weight = model_weight(model, model->weights.head),
                                    .targets = a->targets,
                                    .losses = a->losses};
    if (scale) {
        loss.grad_scale = (op_acc)loss_scale(model, scale, depth);
        loss.z_loss = (op_acc)(depth == 0 ? scale->z_loss : 0.0);
        loss.log_z = a->log_z;
        loss.dx = model->scratch.dhead;
        loss.dweight = model_gradient(model, model->weights.head);
        loss.narrow = model_is_narrow(model);
    }
    model->ops->cross_entropy(model->context, &loss);
}

static q_status read_losses(struct model *model, op_acc *losses)
{
    if (losses)
        model->ops->copy_out(model->context, losses, model->depths[0].losses, model_tokens(model) * sizeof(op_acc));
    return model->ops->synchronize(model->context);
}

q_status model_forward(struct model *model, const struct model_batch *batch, op_acc *losses)
{
    Q_TRY(check_batch(model, batch));
    load(model, batch, 0);
    Q_TRY(forward(model, false));
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
                                    .a = model_real_at(model, model->depths[0].normed, (first + i) * s->hidden),
                                    .a_stride = s->hidden,
                                    .b = model_weight(model, model->weights.head),
                                    .b_stride = s->hidden,
                                    .c = model->scratch.logits,
                                    .c_stride = s->rows,
                                    .wide = true};
        model->ops->matmul(model->context, &product);
        model->ops->copy_out(model->context, logits + i * s->rows, model->scratch.logits,
                             product.m * s->rows * sizeof(op_acc));
    }
    q_status status = model->ops->synchronize(model->context);
    for (size_t i = 0; i < count; i++)
        for (size_t v = s->vocabulary; v < s->rows; v++)
            logits[i * s->rows + v] = -INFINITY;
    return status;
}

/* scratch.dstream = the gradient through the norm before the head, from scratch.dhead. */
static void norm_head_backward(struct model *model, size_t depth)
{
    struct scratch *r = &model->scratch;
    size_t hidden = model->sizes.hidden, weight = model->weights.norms[depth];
    const struct depth_activations *a = &model->depths[depth];
    model->ops->rmsnorm_backward(model->context, r->dstream, hidden, false, model_gradient(model, weight),
                                 model_is_narrow(model), r->dhead, a->stream, hidden, a->rstd,
                                 model_norm(model, weight), model_tokens(model), hidden);
}

/* From the deepest module up: each adds to the gradient of what the depth before gives to the head, which that depth's own loss has begun. */
static q_status backward_modules(struct model *model, const struct model_scale *scale)
{
    for (size_t d = model->depths_run - 1; d > 0; d--) {
        size_t layer = model->sizes.layers + d - 1;
        norm_head_backward(model, d);
        Q_TRY(block_feedforward_backward(model, layer, scale));
        block_attention_backward(model, layer);
        mtp_backward_embedding(model, d);
        model_enter_depth(model, d - 1);
        head_loss(model, d - 1, scale);
        model_enter_depth(model, d);
        mtp_backward_hidden(model, d);
        model_enter_depth(model, d - 1);
    }
    return Q_OK;
}

/* Everything between what is read from the host and what goes back there. */
static q_status compute(struct model *model, const struct model_scale *scale)
{
    struct scratch *r = &model->scratch;
    Q_TRY(forward(model, true));
    model_enter_depth(model, model->depths_run - 1);
    head_loss(model, model->depths_run - 1, scale);
    Q_TRY(backward_modules(model, scale));
    norm_head_backward(model, 0);
    for (size_t i = model->sizes.layers; i-- > 0;) {
        Q_TRY(block_feedforward_backward(model, i, scale));
        block_attention_backward(model, i);
    }
    model->ops->embed_backward(model->context, model_gradient(model, model->weights.embedding), model_is_narrow(model),
                               r->dstream, r->ids, model_tokens(model), model->sizes.hidden, model->sizes.vocabulary);
    return Q_OK;
}

struct computation {
    struct model *model;
    const struct model_scale *scale;
    q_status status;
};

static void compute_work(void *argument)
{
    struct computation *computation = argument;
    computation->status = compute(computation->model, computation->scale);
}

/* What decides on the operations of `compute`, all bytes set. What else the model has stays as it is while its memory is there. */
struct computation_key {
    const struct model *model;
    size_t batch, length, depths;
    double loss, balance_alpha, balance, mtp, z_loss;
    uint64_t balance_over_batch;
};
_Static_assert(sizeof(struct computation_key) == 10 * sizeof(uint64_t) &&
                   (int)sizeof(struct computation_key) <= OP_KEY_MAX,
               "a key without holes");

/* The same operations for every micro-batch of a shape, which a device may do again at once; not where ranks meet in between. */
static q_status repeat_compute(struct model *model, const struct model_scale *scale)
{
    struct computation computation = {model, scale, Q_OK};
    const struct computation_key key = {.model = model,
                                        .batch = model->batch,
                                        .length = model->length,
                                        .depths = model->depths_run,
                                        .loss = scale->loss,
                                        .balance_alpha = scale->balance_alpha,
                                        .balance = scale->balance,
                                        .mtp = scale->mtp,
                                        .z_loss = scale->z_loss,
                                        .balance_over_batch = scale->balance_over_batch};
    if (model->sharing)
        return compute(model, scale);
    model->ops->repeat(model->context, &key, sizeof key, compute_work, &computation);
    return computation.status;
}

/* Summed in the backward's order. */
static double read_balance(struct model *model, const struct model_scale *scale)
{
    const size_t parts = model_balance_parts(model, scale), dense = model->sizes.dense_layers,
                 layers = model->sizes.layers, modules = model->depths_run - 1;
    double sum = 0;
    if (parts == 0 || layers + modules <= dense || model->sizes.experts == 0)
        return 0;
    model->ops->copy_out(model->context, model->host, model->scratch.balance_losses,
                         (layers + modules - dense) * parts * sizeof(op_acc));
    for (size_t i = layers + modules; i-- > dense;)
        for (size_t b = 0; b < parts; b++)
            sum += (double)(model->batch / parts) * (double)model->host[(i - dense) * parts + b];
    return sum;
}

q_status model_forward_backward(struct model *model, const struct model_batch *batch, const struct model_scale *scale,
                                op_acc *losses, double *balance_loss)
{
    q_check(model->shape.training && batch->targets);
    const q_status status = check_batch(model, batch);
    Q_TRY(model->sharing ? comm_agree(model->shape.experts, status) : status);
    load(model, batch, scale->mtp != 0.0 ? Q_MIN(model->sizes.modules, batch->sequence - 1) : 0);
    Q_TRY(repeat_compute(model, scale));
    if (balance_loss)
        *balance_loss = read_balance(model, scale);
    return read_losses(model, losses);
}

size_t model_mtp_losses(const struct model *model, size_t depth, op_acc *losses)
{
    q_check(depth > 0);
    if (depth >= model->depths_run)
        return 0;
    size_t count = model->batch * (model->length - depth);
    model->ops->copy_out(model->context, losses, model->depths[depth].losses, count * sizeof(op_acc));
    return count;
}

double model_squared_log_z(const struct model *model)
{
    size_t count = model->batch * model->length;
    double sum = 0;
    for (size_t first = 0; first < count; first += MODEL_STAGING) {
        size_t piece = Q_MIN((size_t)MODEL_STAGING, count - first);
        model->ops->copy_out(model->context, model->host, model->depths[0].log_z + first, piece * sizeof(op_acc));
        for (size_t i = 0; i < piece; i++)
            sum += (double)model->host[i] * (double)model->host[i];
    }
    return sum;
}
