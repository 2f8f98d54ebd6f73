/* The feed-forward half of a layer: dense SwiGLU, or DeepSeekMoE (report, section 2.1.2): shared experts that see every token, and routed
 * experts, each with the tokens that chose it.
 *
 *     stream --> norm --+--> shared experts ------------------------------+
 *                       +--> router: chosen, weights                      |
 *                       +--> gather by expert --> SwiGLU of each --> weighted sum by token --> delta
 *
 * Where ranks share the experts, the gathered slots go to the ranks that have theirs, and come back (expert_rows_*); backward twice there, with the gradient
 * and with what the experts read once more, and back.
 */
#include "train/model/model_internal.h"

static void swiglu_forward(struct model *model, const struct layer_weights *w, struct layer_activations *a,
                           size_t inner)
{
    size_t hidden = model->sizes.hidden;
    model_linear(model, a->gate_up, a->middle_normed, w->gate_up, hidden, 2 * inner);
    model->ops->swiglu(model->context, a->inner, a->gate_up, model_tokens(model), inner);
    model_linear(model, model->scratch.delta, a->inner, w->down, inner, hidden);
}

/* dnormed = the gradient through the dense (or shared) feed-forward of dstream. */
static void swiglu_backward(struct model *model, const struct layer_weights *w, const struct layer_activations *a,
                            size_t inner)
{
    size_t hidden = model->sizes.hidden;
    struct scratch *r = &model->scratch;
    model_linear_input_gradient(model, r->dinner, r->dstream, w->down, inner, hidden, false);
    model_linear_weight_gradient(model, w->down, r->dstream, a->inner, inner, hidden);
    model->ops->swiglu_backward(model->context, r->dgate_up, r->dinner, a->gate_up, model_tokens(model), inner);
    model_linear_input_gradient(model, r->dnormed, r->dgate_up, w->gate_up, hidden, 2 * inner, false);
    model_linear_weight_gradient(model, w->gate_up, r->dgate_up, a->middle_normed, hidden, 2 * inner);
}

static struct op_router router_of(struct model *model, size_t layer)
{
    const struct model_config *c = &model->config;
    const struct layer_activations *a = &model->layers[layer];
    return (struct op_router){.tokens = model_tokens(model),
                              .experts = model->sizes.experts,
                              .top_k = model->sizes.top_k,
                              .groups = c->n_group,
                              .top_groups = c->topk_group,
                              .normalise = c->norm_topk_prob,
                              .scaling = (op_acc)c->routed_scaling_factor,
                              .logits = model->scratch.route_logits,
                              .bias = model->biases + (layer - model->sizes.dense_layers) * model->sizes.experts,
                              .scores = a->scores,
                              .chosen = a->chosen,
                              .weights = a->route_weights};
}

/* One of the three kinds of product over the runs of rows of this rank's experts. */
static struct op_grouped grouped_of(const struct model *model, size_t layer, enum op_product kind)
{
    const struct expert_rows rows = expert_rows_of(model, layer);
    return (struct op_grouped){.kind = kind,
                               .experts = model->sizes.own_experts,
                               .m = rows.count,
                               .k = rows.count,
                               .offsets = rows.offsets,
                               .accumulate = kind == OP_TN,
                               .narrow = kind == OP_TN && model_is_narrow(model)};
}

/* y[R, out] = x[R, in] W_e^T */
static void experts_linear(struct model *model, size_t layer, op_real *y, const op_real *x, size_t weight, size_t in,
                           size_t out)
{
    struct op_grouped product = grouped_of(model, layer, OP_NT);
    product.n = out;
    product.k = in;
    product.a = x;
    product.b = model_weight(model, weight);
    product.c = y;
    product.expert_stride = in * out;
    model->ops->grouped(model->context, &product);
}

/* dx[R, in] = dy[R, out] W_e */
static void experts_input_gradient(struct model *model, size_t layer, op_real *dx, const op_real *dy, size_t weight,
                                   size_t in, size_t out)
{
    struct op_grouped product = grouped_of(model, layer, OP_NN);
    product.n = in;
    product.k = out;
    product.a = dy;
    product.b = model_weight(model, weight);
    product.c = dx;
    product.expert_stride = in * out;
    model->ops->grouped(model->context, &product);
}

/* dW_e += dy^T x */
static void experts_weight_gradient(struct model *model, size_t layer, size_t weight, const op_real *dy,
                                    const op_real *x, size_t in, size_t out)
{
    struct op_grouped product = grouped_of(model, layer, OP_TN);
    product.m = out;
    product.n = in;
    product.a = dy;
    product.b = x;
    product.c = model_gradient(model, weight);
    product.expert_stride = in * out;
    model->ops->grouped(model->context, &product);
}

static q_status experts_forward(struct model *model, size_t layer, bool count)
{
    const struct op_table *ops = model->ops;
    struct op_context *context = model->context;
    const struct model_sizes *s = &model->sizes;
    const struct layer_weights *w = &model->weights.layers[layer];
    struct layer_activations *a = &model->layers[layer];
    const struct scratch *r = &model->scratch;
    size_t n = model_tokens(model), slots = n * s->top_k;

    model_router_linear(model, r->route_logits, a->middle_normed, w->router);
    struct op_router router = router_of(model, layer);
    router.counts = count ? model->counts + (layer - s->dense_layers) * s->experts : NULL;
    ops->router(context, &router);
    struct op_route route = {.tokens = n,
                             .experts = s->experts,
                             .top_k = s->top_k,
                             .chosen = a->chosen,
                             .offsets = a->offsets,
                             .source = a->source,
                             .position = a->position,
                             .choice = model->sharing ? a->choice : NULL};
    ops->route(context, &route);
    Q_TRY(expert_rows_plan(model, layer));
    ops->gather(context, r->slot_input, a->middle_normed, a->source, slots, s->hidden * ops->real_bytes);
    Q_TRY(expert_rows_there(model, layer, r->slot_input, r->row_input));
    experts_linear(model, layer, a->slot_gate_up, r->row_input, w->experts_gate_up, s->hidden, 2 * s->expert_inner);
    ops->swiglu(context, a->slot_inner, a->slot_gate_up, expert_rows_of(model, layer).count, s->expert_inner);
    experts_linear(model, layer, r->row_output, a->slot_inner, w->experts_down, s->expert_inner, s->hidden);
    Q_TRY(expert_rows_back(model, layer, r->row_output, r->slot_rows));
    ops->combine(context, r->delta, s->shared_inner ? r->delta : NULL, r->slot_rows, a->position, a->route_weights, n,
                 s->top_k, s->hidden);
    return Q_OK;
}

/* The norm of the stream, which `delta` joins first (NULL: it is in a->middle already). */
static void norm_middle(struct model *model, size_t layer, const op_real *delta)
{
    struct layer_activations *a = &model->layers[layer];
    model->ops->rmsnorm(model->context, a->middle_normed, a->middle_rstd, delta ? a->middle : NULL,
                        delta ? a->input : a->middle, model->sizes.hidden, delta,
                        model_norm(model, model->weights.layers[layer].post_norm), model_tokens(model),
                        model->sizes.hidden, model->config.rms_norm_eps);
}

/* What the backward needs and the forward did not keep. The router has chosen: that is kept, and counted once. */
static void compute_again(struct model *model, size_t layer)
{
    const struct op_table *ops = model->ops;
    const struct model_sizes *s = &model->sizes;
    struct layer_activations *a = &model->layers[layer];
    bool dense = model_is_dense(model, layer);
    size_t n = model_tokens(model), inner = dense ? s->dense_inner : s->shared_inner;
    norm_middle(model, layer, NULL);
    if (inner)
        ops->swiglu(model->context, a->inner, a->gate_up, n, inner);
    if (!dense)
        ops->swiglu(model->context, a->slot_inner, a->slot_gate_up, expert_rows_of(model, layer).count,
                    s->expert_inner);
}

q_status block_feedforward_forward(struct model *model, size_t layer, bool count)
{
    const struct model_sizes *s = &model->sizes;
    const struct layer_weights *w = &model->weights.layers[layer];
    struct layer_activations *a = &model->layers[layer];
    bool dense = model_is_dense(model, layer);
    norm_middle(model, layer, model->scratch.delta);
    if (dense || s->shared_inner)
        swiglu_forward(model, w, a, dense ? s->dense_inner : s->shared_inner);
    return dense ? Q_OK : experts_forward(model, layer, count);
}

/* The balance loss of this layer, its gradient by the scores into scratch.dscores. */
static void balance_backward(struct model *model, size_t layer, const struct model_scale *scale)
{
    const struct scratch *r = &model->scratch;
    const size_t parts = model_balance_parts(model, scale), sequences = model->batch / parts; /* of a part */
    struct op_balance balance = {.batch = parts,
                                 .sequence = sequences * model->sequence,
                                 .experts = model->sizes.experts,
                                 .top_k = model->sizes.top_k,
                                 .scores = model->layers[layer].scores,
                                 .alpha = (op_acc)scale->balance_alpha,
                                 .loss = r->balance_losses + (layer - model->sizes.dense_layers) * parts,
                                 .dscores = r->dscores,
                                 .grad_scale = (op_acc)(scale->balance * (double)sequences)};
    model->ops->balance(model->context, &balance);
}

/* From the gradient of what the experts give, dstream, to dnormed, to which it is added, and to the routing weights. What the experts gave is not needed:
 * their weights' gradients are taken before the product with down (op combine_backward). */
static q_status slots_backward(struct model *model, size_t layer)
{
    const struct op_table *ops = model->ops;
    struct op_context *context = model->context;
    const struct model_sizes *s = &model->sizes;
    const struct layer_weights *w = &model->weights.layers[layer];
    const struct layer_activations *a = &model->layers[layer];
    struct scratch *r = &model->scratch;
    size_t n = model_tokens(model), slots = n * s->top_k, hidden = s->hidden, inner = s->expert_inner;

    ops->gather(context, r->slot_rows, r->dstream, a->source, slots, hidden * ops->real_bytes);
    Q_TRY(expert_rows_there(model, layer, r->slot_rows, r->row_output));
    experts_input_gradient(model, layer, r->dslot_inner, r->row_output, w->experts_down, inner, hidden);
    Q_TRY(expert_rows_weigh_backward(model, layer));
    experts_weight_gradient(model, layer, w->experts_down, r->row_output, a->slot_inner, inner, hidden);
    ops->swiglu_backward(context, r->dslot_gate_up, r->dslot_inner, a->slot_gate_up, expert_rows_of(model, layer).count,
                         inner);
    ops->gather(context, r->slot_input, a->middle_normed, a->source, slots, hidden * ops->real_bytes);
    Q_TRY(expert_rows_there(model, layer, r->slot_input, r->row_input));
    experts_weight_gradient(model, layer, w->experts_gate_up, r->dslot_gate_up, r->row_input, hidden, 2 * inner);
    experts_input_gradient(model, layer, r->row_output, r->dslot_gate_up, w->experts_gate_up, hidden, 2 * inner);
    Q_TRY(expert_rows_back(model, layer, r->row_output, r->slot_rows));
    ops->gather_backward(context, r->dnormed, r->slot_rows, a->position, n, s->top_k, hidden);
    return Q_OK;
}

/* Adds the routed experts' and the router's parts to dnormed. */
static q_status experts_backward(struct model *model, size_t layer, const struct model_scale *scale)
{
    const struct layer_weights *w = &model->weights.layers[layer];
    const struct layer_activations *a = &model->layers[layer];
    struct scratch *r = &model->scratch;

    Q_TRY(slots_backward(model, layer));
    struct op_router router = router_of(model, layer);
    router.dweights = r->droute_weights;
    router.dlogits = r->droute_logits;
    if (model_balance_parts(model, scale) > 0) {
        balance_backward(model, layer, scale);
        router.dscores = r->dscores;
    }
    model->ops->router_backward(model->context, &router);
    model_router_gradients(model, r->dnormed, r->droute_logits, a->middle_normed, w->router);
    return Q_OK;
}

/* In: scratch.dstream, the gradient of the stream behind the layer. Out: the same between attention and feed-forward. */
q_status block_feedforward_backward(struct model *model, size_t layer, const struct model_scale *scale)
{
    const struct model_sizes *s = &model->sizes;
    const struct layer_weights *w = &model->weights.layers[layer];
    const struct layer_activations *a = &model->layers[layer];
    struct scratch *r = &model->scratch;
    size_t n = model_tokens(model);
    bool dense = model_is_dense(model, layer);
    if (model->shape.recompute >= MODEL_RECOMPUTE_NORMS)
        compute_again(model, layer);
    if (dense || s->shared_inner)
        swiglu_backward(model, w, a, dense ? s->dense_inner : s->shared_inner);
    else
        model->ops->zero(model->context, r->dnormed, n * s->hidden * model->ops->real_bytes);
    if (!dense)
        Q_TRY(experts_backward(model, layer, scale));
    model->ops->rmsnorm_backward(model->context, r->dstream, s->hidden, true, model_gradient(model, w->post_norm),
                                 model_is_narrow(model), r->dnormed, a->middle, s->hidden, a->middle_rstd,
                                 model_norm(model, w->post_norm), n, s->hidden);
    return Q_OK;
}
