/* The plan of the activations: one walk that either counts or hands out places, so that both agree. */
#include "train/model/model_internal.h"

struct plan {
    char *base; /* NULL: count */
    size_t used;
};

static void *take(struct plan *plan, size_t count, size_t size)
{
    void *place = plan->base ? plan->base + plan->used : NULL;
    plan->used += (count * size + 63) / 64 * 64;
    return place;
}

#define TAKE(member, count) ((member) = take(plan, (count), sizeof(*(member))))

static void plan_attention(struct plan *plan, const struct model_sizes *s, size_t n, struct layer_activations *a)
{
    TAKE(a->input, n * s->hidden);
    TAKE(a->middle, n * s->hidden);
    TAKE(a->input_rstd, n);
    TAKE(a->middle_rstd, n);
    TAKE(a->input_normed, n * s->hidden);
    TAKE(a->middle_normed, n * s->hidden);
    TAKE(a->low, n * s->low);
    TAKE(a->q_rstd, n);
    TAKE(a->kv_rstd, n);
    TAKE(a->q_latent, n * s->q_lora);
    TAKE(a->kv_latent, n * s->kv_lora);
    TAKE(a->q, n * s->heads * s->key);
    TAKE(a->kv, n * s->heads * (s->nope + s->v));
    TAKE(a->mixed, n * s->heads * s->v);
    TAKE(a->lse, n * s->heads);
}

static void plan_feedforward(struct plan *plan, const struct model_sizes *s, size_t n, bool dense,
                             struct layer_activations *a)
{
    size_t inner = dense ? s->dense_inner : s->shared_inner, slots = n * s->top_k;
    TAKE(a->gate_up, n * 2 * inner);
    TAKE(a->inner, n * inner);
    if (dense)
        return;
    TAKE(a->scores, n * s->experts);
    TAKE(a->route_weights, slots);
    TAKE(a->chosen, slots);
    TAKE(a->offsets, s->experts + 1);
    TAKE(a->source, slots);
    TAKE(a->position, slots);
    TAKE(a->slot_input, slots * s->hidden);
    TAKE(a->slot_gate_up, slots * 2 * s->expert_inner);
    TAKE(a->slot_inner, slots * s->expert_inner);
    TAKE(a->slot_output, slots * s->hidden);
}

static void plan_backward(struct plan *plan, const struct model_sizes *s, size_t n, size_t batch, bool any_moe,
                          bool modules, struct scratch *w)
{
    size_t inner = s->dense_layers ? s->dense_inner : 0, slots = any_moe ? n * s->top_k : 0;
    inner = any_moe && s->shared_inner > inner ? s->shared_inner : inner;
    TAKE(w->dstream, n * s->hidden);
    TAKE(w->dnormed, n * s->hidden);
    w->dhead = w->dnormed;
    if (modules)
        TAKE(w->dhead, n * s->hidden);
    TAKE(w->dlow, n * s->low);
    TAKE(w->dq_latent, n * s->q_lora);
    TAKE(w->dkv_latent, n * s->kv_lora);
    TAKE(w->dq, n * s->heads * s->key);
    TAKE(w->dkv, n * s->heads * (s->nope + s->v));
    TAKE(w->dmixed, n * s->heads * s->v);
    TAKE(w->dgate_up, n * 2 * inner);
    TAKE(w->dinner, n * inner);
    TAKE(w->dslot, slots * s->hidden);
    TAKE(w->dslot_gate_up, slots * 2 * s->expert_inner);
    TAKE(w->dslot_inner, slots * s->expert_inner);
    TAKE(w->droute_weights, slots);
    TAKE(w->droute_logits, any_moe ? n * s->experts : 0);
    TAKE(w->dscores, any_moe ? n * s->experts : 0);
    TAKE(w->balance_losses, batch);
}

/* Depth 0 alone is used without training. */
static void plan_depth(struct plan *plan, const struct model_sizes *s, size_t n, bool module, bool training,
                       struct depth_activations *a)
{
    TAKE(a->targets, n);
    TAKE(a->losses, n);
    TAKE(a->stream, n * s->hidden);
    TAKE(a->normed, n * s->hidden);
    TAKE(a->rstd, n);
    if (!module) {
        TAKE(a->log_z, training ? n : 0);
        return;
    }
    TAKE(a->ids, n);
    TAKE(a->embedding, n * s->hidden);
    TAKE(a->embedding_normed, n * s->hidden);
    TAKE(a->hidden_normed, n * s->hidden);
    TAKE(a->embedding_rstd, n);
    TAKE(a->hidden_rstd, n);
}

/* Without training nothing is kept: all layers of a kind share one set, layer by layer. The two residual buffers alternate, which the sums allow. */
size_t model_plan_activations(struct model *model, char *base)
{
    struct plan room = {.base = base}, *plan = &room;
    const struct model_sizes *s = &model->sizes;
    size_t n = model->shape.batch * model->shape.sequence;
    size_t modules = model->shape.training ? s->modules : 0;
    bool any_moe = s->layers + modules > s->dense_layers && s->experts > 0;
    struct scratch *w = &model->scratch;
    TAKE(w->ids, n);
    TAKE(w->delta, n * s->hidden);
    TAKE(w->route_logits, any_moe ? n * s->experts : 0);
    TAKE(w->logits, MODEL_LOGITS_ROWS * s->rows);
    for (size_t d = 0; d <= modules; d++)
        plan_depth(plan, s, model->shape.batch * (model->shape.sequence - d), d > 0, model->shape.training,
                   &model->depths[d]);
    for (size_t i = 0; i < s->layers + modules; i++) {
        bool dense = model_is_dense(model, i), first = i == 0 || (i == s->dense_layers && !dense);
        struct layer_activations *a = &model->layers[i];
        if (!model->shape.training && i > 0)
            *a = model->layers[i - 1];
        if (model->shape.training || i == 0)
            plan_attention(plan, s, n, a);
        if (model->shape.training || first)
            plan_feedforward(plan, s, n, dense, a);
    }
    if (model->shape.training)
        plan_backward(plan, s, n, model->shape.batch, any_moe, modules > 0, w);
    return room.used;
}
