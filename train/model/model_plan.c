/* The plan of the activations: one walk that either counts or hands out places, so that both agree. */
#include "train/model/model_internal.h"

const char *const model_recompute_names[] = {"none", "norms", "projections", NULL};

struct plan {
    char *base; /* NULL: count */
    size_t used;
    size_t real_bytes;
};

static void *take(struct plan *plan, size_t count, size_t size)
{
    void *place = plan->base ? plan->base + plan->used : NULL;
    plan->used += (count * size + 63) / 64 * 64;
    return place;
}

#define TAKE(member, count) ((member) = take(plan, (count), sizeof(*(member))))
#define TAKE_REALS(member, count) ((member) = take(plan, (count), plan->real_bytes))

/* What the forward leaves for the backward falls in two: what must be kept, and what can be made again from it cheaply ("again": norms, SwiGLU's
 * output, and what MLA's up-projections give). With recomputation the second kind is there once for all layers. */
static void plan_attention_kept(struct plan *plan, const struct model_sizes *s, size_t n, struct layer_activations *a)
{
    TAKE_REALS(a->input, n * s->hidden);
    TAKE_REALS(a->middle, n * s->hidden);
    TAKE(a->input_rstd, n);
    TAKE(a->middle_rstd, n);
    TAKE_REALS(a->low, n * s->low);
    TAKE(a->q_rstd, n);
    TAKE(a->kv_rstd, n);
    TAKE_REALS(a->mixed, n * s->heads * s->v);
    TAKE(a->lse, n * s->heads);
}

static void plan_projections(struct plan *plan, const struct model_sizes *s, size_t n, struct layer_activations *a)
{
    TAKE_REALS(a->q, n * s->heads * s->key);
    TAKE_REALS(a->kv, n * s->heads * (s->nope + s->v));
}

static void plan_attention_again(struct plan *plan, const struct model_sizes *s, size_t n, struct layer_activations *a)
{
    TAKE_REALS(a->input_normed, n * s->hidden);
    TAKE_REALS(a->middle_normed, n * s->hidden);
    TAKE_REALS(a->q_latent, n * s->q_lora);
    TAKE_REALS(a->kv_latent, n * s->kv_lora);
}

static size_t inner_of(const struct model_sizes *s, bool dense)
{
    return dense ? s->dense_inner : s->shared_inner;
}

/* Rows of this rank's experts that have their place here; where ranks share experts nobody knows their number beforehand (expert_rows.c). */
static size_t planned_rows(const struct model_sizes *s, size_t slots)
{
    return s->own_experts == s->experts ? slots : 0;
}

static void plan_feedforward_kept(struct plan *plan, const struct model_sizes *s, size_t n, bool dense,
                                  struct layer_activations *a)
{
    size_t slots = n * s->top_k;
    TAKE_REALS(a->gate_up, n * 2 * inner_of(s, dense));
    if (dense)
        return;
    TAKE(a->scores, n * s->experts);
    TAKE(a->route_weights, slots);
    TAKE(a->chosen, slots);
    TAKE(a->offsets, s->experts + 1);
    TAKE(a->source, slots);
    TAKE(a->position, slots);
    TAKE(a->choice, slots - planned_rows(s, slots));
    TAKE_REALS(a->slot_gate_up, planned_rows(s, slots) * 2 * s->expert_inner);
}

static void plan_feedforward_again(struct plan *plan, const struct model_sizes *s, size_t n, size_t inner, size_t slots,
                                   struct layer_activations *a)
{
    TAKE_REALS(a->inner, n * inner);
    TAKE_REALS(a->slot_inner, planned_rows(s, slots) * s->expert_inner);
}

/* Of any layer that the model has. */
static size_t widest_inner(const struct model_sizes *s, bool any_moe)
{
    size_t inner = s->dense_layers ? s->dense_inner : 0;
    return any_moe && s->shared_inner > inner ? s->shared_inner : inner;
}

static void plan_backward(struct plan *plan, const struct model_sizes *s, size_t n, size_t balances, bool any_moe,
                          bool modules, struct scratch *w)
{
    size_t inner = widest_inner(s, any_moe), slots = any_moe ? n * s->top_k : 0, rows = planned_rows(s, slots);
    TAKE_REALS(w->dstream, n * s->hidden);
    TAKE_REALS(w->dnormed, n * s->hidden);
    w->dhead = w->dnormed;
    if (modules)
        TAKE_REALS(w->dhead, n * s->hidden);
    TAKE_REALS(w->dlow, n * s->low);
    TAKE_REALS(w->dq_latent, n * s->q_lora);
    TAKE_REALS(w->dkv_latent, n * s->kv_lora);
    TAKE_REALS(w->dq, n * s->heads * s->key);
    TAKE_REALS(w->dkv, n * s->heads * (s->nope + s->v));
    TAKE_REALS(w->dmixed, n * s->heads * s->v);
    TAKE_REALS(w->dgate_up, n * 2 * inner);
    TAKE_REALS(w->dinner, n * inner);
    if (rows == slots) {
        TAKE_REALS(w->slot_input, slots * s->hidden);
        w->row_input = w->slot_input;
    }
    TAKE_REALS(w->dslot_gate_up, rows * 2 * s->expert_inner);
    TAKE_REALS(w->dslot_inner, rows * s->expert_inner);
    TAKE(w->droute_weights, slots);
    TAKE(w->droute_logits, any_moe ? n * s->experts : 0);
    TAKE(w->dscores, any_moe ? n * s->experts : 0);
    TAKE(w->balance_losses, balances);
}

/* Depth 0 alone is used without training. */
static void plan_depth(struct plan *plan, const struct model_sizes *s, size_t n, bool module, bool training,
                       struct depth_activations *a)
{
    TAKE(a->targets, n);
    TAKE(a->losses, n);
    TAKE_REALS(a->stream, n * s->hidden);
    TAKE_REALS(a->normed, n * s->hidden);
    TAKE(a->rstd, n);
    if (!module) {
        TAKE(a->log_z, training ? n : 0);
        return;
    }
    TAKE(a->ids, n);
    TAKE(a->embedding_rstd, n);
    TAKE(a->hidden_rstd, n);
}

static void plan_depth_again(struct plan *plan, const struct model_sizes *s, size_t n, struct depth_activations *a)
{
    TAKE_REALS(a->embedding, n * s->hidden);
    TAKE_REALS(a->embedding_normed, n * s->hidden);
    TAKE_REALS(a->hidden_normed, n * s->hidden);
}

/* The head's activations by depth. The first module has the longest sequences: with recomputation the others use its room. */
static void plan_depths(struct plan *plan, struct model *model, size_t modules)
{
    const struct model_shape *shape = &model->shape;
    for (size_t d = 0; d <= modules; d++) {
        struct depth_activations *a = &model->depths[d];
        size_t n = shape->batch * (shape->sequence - d);
        if (d > 1 && shape->recompute >= MODEL_RECOMPUTE_NORMS)
            *a = model->depths[1];
        else if (d > 0)
            plan_depth_again(plan, &model->sizes, n, a);
        plan_depth(plan, &model->sizes, n, d > 0, shape->training, a);
    }
}

/* Training: a set for each layer, but what is made again. */
static void plan_layers(struct plan *plan, struct model *model, size_t count, bool any_moe)
{
    const struct model_sizes *s = &model->sizes;
    const enum model_recompute recompute = model->shape.recompute;
    size_t n = model->shape.batch * model->shape.sequence, slots = n * s->top_k;
    struct layer_activations again = {0};
    if (recompute >= MODEL_RECOMPUTE_PROJECTIONS)
        plan_projections(plan, s, n, &again);
    if (recompute >= MODEL_RECOMPUTE_NORMS) {
        plan_attention_again(plan, s, n, &again);
        plan_feedforward_again(plan, s, n, widest_inner(s, any_moe), any_moe ? slots : 0, &again);
    }
    for (size_t i = 0; i < count; i++) {
        struct layer_activations *a = &model->layers[i];
        bool dense = model_is_dense(model, i);
        *a = again;
        if (recompute < MODEL_RECOMPUTE_PROJECTIONS)
            plan_projections(plan, s, n, a);
        if (recompute < MODEL_RECOMPUTE_NORMS) {
            plan_attention_again(plan, s, n, a);
            plan_feedforward_again(plan, s, n, inner_of(s, dense), dense ? 0 : slots, a);
        }
        plan_attention_kept(plan, s, n, a);
        plan_feedforward_kept(plan, s, n, dense, a);
    }
}

/* Without training nothing is kept: all layers of a kind share one set, layer by layer. The two residual buffers alternate, which the sums allow. */
static void plan_shared_layers(struct plan *plan, struct model *model)
{
    const struct model_sizes *s = &model->sizes;
    size_t n = model->shape.batch * model->shape.sequence;
    for (size_t i = 0; i < s->layers; i++) {
        struct layer_activations *a = &model->layers[i];
        bool dense = model_is_dense(model, i);
        if (i == 0) {
            plan_projections(plan, s, n, a);
            plan_attention_again(plan, s, n, a);
            plan_attention_kept(plan, s, n, a);
        } else {
            *a = model->layers[i - 1];
        }
        if (i == 0 || (i == s->dense_layers && !dense)) {
            plan_feedforward_again(plan, s, n, inner_of(s, dense), dense ? 0 : n * s->top_k, a);
            plan_feedforward_kept(plan, s, n, dense, a);
        }
    }
}

size_t model_plan_activations(struct model *model, char *base)
{
    struct plan room = {.base = base, .real_bytes = model->ops->real_bytes}, *plan = &room;
    const struct model_sizes *s = &model->sizes;
    size_t n = model->shape.batch * model->shape.sequence;
    size_t modules = model->shape.training ? s->modules : 0;
    bool any_moe = s->layers + modules > s->dense_layers && s->experts > 0;
    struct scratch *w = &model->scratch;
    TAKE(w->ids, n);
    TAKE_REALS(w->delta, n * s->hidden);
    TAKE(w->route_logits, any_moe ? n * s->experts : 0);
    TAKE_REALS(w->slot_rows, any_moe ? n * s->top_k * s->hidden : 0);
    w->slot_input = w->row_input = w->row_output = w->slot_rows; /* forward they are never needed at once */
    TAKE(w->logits, MODEL_LOGITS_ROWS * s->rows);
    plan_depths(plan, model, modules);
    if (!model->shape.training) {
        plan_shared_layers(plan, model);
        return room.used;
    }
    plan_layers(plan, model, s->layers + modules, any_moe);
    plan_backward(plan, s, n, model_routers(model) * model->shape.batch, any_moe, modules > 0, w);
    return room.used;
}
