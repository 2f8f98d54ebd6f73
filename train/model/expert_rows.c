/* The rows that this rank's experts have of a layer: its own slots, where it has all experts; else what all ranks of its group send (expert_exchange.h).
 *
 * How many those are is known when the routers have chosen. Room is there for a load that is even to an eighth; where the fullest rank has more, all of the
 * group make room for that, and agree on it. What a layer keeps for the backward has a place for each layer, the rest is used in turn. */
#include "base/check.h"
#include "train/comm/comm.h"
#include "train/model/expert_exchange.h"
#include "train/model/model_internal.h"

struct expert_sharing {
    struct expert_exchange *exchange;
    struct expert_plan *plans; /* [layers] */
    void **kept;               /* [layers]: the memory of slot_gate_up and slot_inner */
    size_t *kept_rows;         /* [layers]: that it has room for */
    void *turns;               /* the memory that layers use in turn */
    size_t turns_rows;
    op_acc *row_weights, *row_dweights; /* [R]: in the order of senders */
    op_acc *slot_weights;               /* [S] */
    int32_t *offsets;                   /* [E + 1]: of the slots, host */
};

/* Layers with experts that a micro-batch passes: the model's and the MTP modules'. */
static size_t layers_of(const struct model *model)
{
    return model->sizes.layers + model->sizes.modules;
}

static size_t slots_of(const struct model *model)
{
    return model->shape.batch * model->shape.sequence * model->sizes.top_k;
}

static bool inner_again(const struct model *model)
{
    return model->shape.recompute >= MODEL_RECOMPUTE_NORMS;
}

/* Elements of each row in what a layer keeps, and in what layers use in turn. With recomputation the experts' inner rows are of the second kind. */
static size_t kept_width(const struct model *model)
{
    return (inner_again(model) ? 2 : 3) * model->sizes.expert_inner;
}

static size_t turns_width(const struct model *model)
{
    return 2 * model->sizes.hidden + (inner_again(model) ? 4 : 3) * model->sizes.expert_inner;
}

static size_t kept_bytes(const struct model *model, size_t rows)
{
    return rows * kept_width(model) * model->ops->real_bytes;
}

/* With two numbers for each row, the routing weights and their gradients. */
static size_t turns_bytes(const struct model *model, size_t rows)
{
    return rows * (2 * sizeof(op_acc) + turns_width(model) * model->ops->real_bytes);
}

static q_status take(const struct model *model, size_t bytes, void *out)
{
    return model->ops->memory_create(model->context, Q_MAX(bytes, (size_t)1), out);
}

static op_real *real_at(const struct model *model, op_real *x, size_t elements)
{
    return op_real_at(model->ops, x, elements);
}

static void lay_out_kept(struct model *model, size_t layer)
{
    struct layer_activations *a = &model->layers[layer];
    a->slot_gate_up = model->sharing->kept[layer];
    if (!inner_again(model))
        a->slot_inner =
            real_at(model, a->slot_gate_up, model->sharing->kept_rows[layer] * 2 * model->sizes.expert_inner);
}

static void lay_out_turns(struct model *model)
{
    struct expert_sharing *x = model->sharing;
    struct scratch *r = &model->scratch;
    const size_t rows = x->turns_rows, hidden = model->sizes.hidden, inner = model->sizes.expert_inner;
    x->row_weights = x->turns;
    x->row_dweights = x->row_weights + rows;
    r->row_input = (op_real *)(void *)(x->row_dweights + rows);
    r->row_output = real_at(model, r->row_input, rows * hidden);
    r->dslot_gate_up = real_at(model, r->row_output, rows * hidden);
    r->dslot_inner = real_at(model, r->dslot_gate_up, rows * 2 * inner);
    for (size_t i = 0; i < layers_of(model) && inner_again(model); i++)
        model->layers[i].slot_inner = real_at(model, r->dslot_inner, rows * inner);
}

/* What is there is given back first: nothing of it is wanted any more. */
static q_status reserve_kept(struct model *model, size_t layer, size_t rows)
{
    struct expert_sharing *x = model->sharing;
    model->ops->memory_release(model->context, x->kept[layer]);
    x->kept[layer] = NULL;
    Q_TRY(take(model, kept_bytes(model, rows), &x->kept[layer]));
    x->kept_rows[layer] = rows;
    lay_out_kept(model, layer);
    return Q_OK;
}

static q_status reserve_turns(struct model *model, size_t rows)
{
    struct expert_sharing *x = model->sharing;
    model->ops->memory_release(model->context, x->turns);
    x->turns = NULL;
    Q_TRY(take(model, turns_bytes(model, rows), &x->turns));
    x->turns_rows = rows;
    lay_out_turns(model);
    return Q_OK;
}

static q_status create_buffers(struct model *model)
{
    struct expert_sharing *x = model->sharing;
    const size_t layers = layers_of(model), rows = expert_rows_ahead(slots_of(model));
    Q_TRY(q_arena_alloc(&model->arena, layers, sizeof *x->plans, &x->plans));
    Q_TRY(q_arena_alloc(&model->arena, layers, sizeof *x->kept, &x->kept));
    Q_TRY(q_arena_alloc(&model->arena, layers, sizeof *x->kept_rows, &x->kept_rows));
    Q_TRY(q_arena_alloc(&model->arena, model->sizes.experts + 1, sizeof *x->offsets, &x->offsets));
    Q_TRY(expert_exchange_create(model->shape.experts, model->ops, model->context, model->sizes.experts,
                                 model->sizes.hidden, rows, &x->exchange));
    Q_TRY(take(model, slots_of(model) * sizeof(op_acc), &x->slot_weights));
    Q_TRY(reserve_turns(model, rows));
    for (size_t i = 0; i < layers; i++) {
        if (model_is_dense(model, i))
            continue;
        Q_TRY(expert_plan_create(x->exchange, rows, &x->plans[i]));
        Q_TRY(reserve_kept(model, i, rows));
    }
    return Q_OK;
}

/* What was taken so far is released with the model. */
q_status expert_sharing_create(struct model *model)
{
    Q_TRY(q_arena_alloc(&model->arena, 1, sizeof *model->sharing, &model->sharing));
    return create_buffers(model);
}

void expert_sharing_release(struct model *model)
{
    struct expert_sharing *x = model->sharing;
    if (!x)
        return;
    for (size_t i = 0; i < layers_of(model); i++) {
        if (x->plans)
            expert_plan_release(&x->plans[i]);
        if (x->kept)
            model->ops->memory_release(model->context, x->kept[i]);
    }
    model->ops->memory_release(model->context, x->turns);
    model->ops->memory_release(model->context, x->slot_weights);
    expert_exchange_release(x->exchange);
}

size_t expert_sharing_bytes(const struct model *model)
{
    const size_t slots = slots_of(model), rows = expert_rows_ahead(slots);
    size_t layers = 0;
    for (size_t i = 0; i < layers_of(model); i++)
        layers += !model_is_dense(model, i);
    if (model->shape.expert_ranks <= 1 || layers == 0)
        return 0;
    return layers * (kept_bytes(model, rows) + expert_plan_bytes(rows)) + turns_bytes(model, rows) +
           slots * sizeof(op_acc) + expert_exchange_bytes(model->ops, model->sizes.hidden, rows);
}

static q_status make_room(struct model *model, size_t layer, size_t rows)
{
    const struct expert_sharing *x = model->sharing;
    const size_t ahead = expert_rows_ahead(rows);
    if (rows > x->kept_rows[layer])
        Q_TRY(reserve_kept(model, layer, ahead));
    return rows > x->turns_rows ? reserve_turns(model, ahead) : Q_OK;
}

q_status expert_rows_plan(struct model *model, size_t layer)
{
    struct expert_sharing *x = model->sharing;
    if (!x)
        return Q_OK;
    struct expert_plan *plan = &x->plans[layer];
    model->ops->copy_out(model->context, x->offsets, model->layers[layer].offsets,
                         (model->sizes.experts + 1) * sizeof *x->offsets);
    Q_TRY(expert_plan_fill(x->exchange, x->offsets, plan));
    if (plan->most <= x->kept_rows[layer] && plan->most <= x->turns_rows)
        return Q_OK;
    const q_status status = make_room(model, layer, plan->most);
    return comm_agree(model->shape.experts, q_context(status, "room for %zu rows of experts", plan->most));
}

struct expert_rows expert_rows_of(const struct model *model, size_t layer)
{
    if (!model->sharing)
        return (struct expert_rows){model_tokens(model) * model->sizes.top_k, model->layers[layer].offsets};
    const struct expert_plan *plan = &model->sharing->plans[layer];
    return (struct expert_rows){plan->rows, plan->offsets};
}

q_status expert_rows_there(struct model *model, size_t layer, const op_real *slots, op_real *rows)
{
    struct expert_sharing *x = model->sharing;
    return x ? expert_exchange_there(x->exchange, &x->plans[layer], slots, rows, model->sizes.hidden) : Q_OK;
}

q_status expert_rows_back(struct model *model, size_t layer, const op_real *rows, op_real *slots)
{
    struct expert_sharing *x = model->sharing;
    return x ? expert_exchange_back(x->exchange, &x->plans[layer], rows, slots, model->sizes.hidden) : Q_OK;
}

q_status expert_rows_weigh_backward(struct model *model, size_t layer)
{
    const struct op_table *ops = model->ops;
    struct op_context *context = model->context;
    const struct layer_activations *a = &model->layers[layer];
    const struct scratch *r = &model->scratch;
    struct expert_sharing *x = model->sharing;
    const size_t n = model_tokens(model), top_k = model->sizes.top_k, inner = model->sizes.expert_inner;
    if (!x) {
        ops->combine_backward(context, r->droute_weights, r->dslot_inner, a->slot_inner, a->position, a->route_weights,
                              n, top_k, inner);
        return Q_OK;
    }
    /* Numbers come in the order of senders: to_expert is what `position` is to the slots of one choice each. */
    const struct expert_plan *plan = &x->plans[layer];
    ops->gather(context, x->slot_weights, a->route_weights, a->choice, n * top_k, sizeof(op_acc));
    Q_TRY(expert_exchange_numbers_there(x->exchange, plan, x->slot_weights, x->row_weights));
    ops->combine_backward(context, x->row_dweights, r->dslot_inner, a->slot_inner, plan->to_expert, x->row_weights,
                          plan->rows, 1, inner);
    Q_TRY(expert_exchange_numbers_back(x->exchange, plan, x->row_dweights, x->slot_weights));
    ops->gather(context, r->droute_weights, x->slot_weights, a->position, n * top_k, sizeof(op_acc));
    return Q_OK;
}
