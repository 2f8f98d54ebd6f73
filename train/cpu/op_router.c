/* router: tokens in parallel; counts are whole numbers, added behind in one pass. */
#include "train/cpu/cpu_ops.h"
#include "train/cpu/cpu_topk.h"

#include "base/check.h"

enum { ROWS = 64 }; /* of a tile */

struct job {
    const struct op_context *context;
    const struct op_router *router;
};

static void sigmoid_row(float *scores, const float *logits, size_t experts)
{
    size_t i = 0;
    for (; i + VEC_LANES <= experts; i += VEC_LANES)
        vec_store(scores + i, vec_sigmoid(vec_load(logits + i)));
    if (i < experts)
        vec_store_part(scores + i, vec_sigmoid(vec_load_part(logits + i, experts - i, 0)), experts - i);
}

/* The sum of the two best of a group (or its only one). */
static float group_score(const float *choice, size_t size)
{
    float first = choice[0], second = -INFINITY;
    for (size_t i = 1; i < size; i++) {
        float c = choice[i];
        if (c > first) {
            second = first;
            first = c;
        } else if (c > second) {
            second = c;
        }
    }
    return size > 1 ? first + second : first;
}

/* allowed[E] = whether the expert's group is one of the best; `groups` and `open` are room for the groups' scores and marks. */
static void allow_groups(const struct op_router *r, const float *choice, float *groups, uint8_t *open, uint8_t *allowed)
{
    size_t size = r->experts / r->groups;
    memset(allowed, r->top_groups == r->groups, r->experts);
    if (r->top_groups == r->groups)
        return;
    for (size_t g = 0; g < r->groups; g++)
        groups[g] = group_score(choice + g * size, size);
    memset(open, 1, r->groups);
    for (size_t i = 0; i < r->top_groups; i++) {
        size_t g = cpu_best(groups, open, r->groups);
        open[g] = 0;
        memset(allowed + g * size, 1, size);
    }
}

static void route_token(const struct op_router *r, size_t token, float *room)
{
    float *choice = room, *groups = room + r->experts;
    uint8_t *allowed = (uint8_t *)(groups + r->groups), *open = allowed + r->experts;
    float *scores = r->scores + token * r->experts, *weights = r->weights + token * r->top_k;
    int32_t *chosen = r->chosen + token * r->top_k;
    sigmoid_row(scores, r->logits + token * r->experts, r->experts);
    for (size_t e = 0; e < r->experts; e++)
        choice[e] = scores[e] + r->bias[e];
    allow_groups(r, choice, groups, open, allowed);
    float sum = 0;
    for (size_t k = 0; k < r->top_k; k++) {
        size_t e = cpu_best(choice, allowed, r->experts);
        allowed[e] = 0;
        chosen[k] = (int32_t)e;
        weights[k] = scores[e];
        sum += scores[e];
    }
    float factor =
        r->normalise ? r->scaling / (sum + 1e-20F) : r->scaling; /* 1e-20: as published, so that all zeros give zeros */
    for (size_t k = 0; k < r->top_k; k++)
        weights[k] *= factor;
}

static void router_rows(void *context, unsigned worker, size_t block)
{
    const struct job *job = context;
    size_t end = Q_MIN((block + 1) * ROWS, job->router->tokens);
    for (size_t token = block * ROWS; token < end; token++)
        route_token(job->router, token, cpu_scratch(job->context, worker));
}

static void router(struct op_context *context, const struct op_router *router)
{
    struct job job = {context, router};
    q_pool_for(context->pool, (size_t)q_ceil_div(router->tokens, ROWS), router_rows, &job);
    if (router->counts)
        for (size_t i = 0; i < router->tokens * router->top_k; i++)
            router->counts[router->chosen[i]]++;
}

/* With D the sum of the chosen scores: w_k = c s_k / D, so ds_k = c / D (dw_k - sum_j dw_j s_j / D); dlogit = ds s (1 - s). */
static void backward_token(const struct op_router *r, size_t token)
{
    const float *scores = r->scores + token * r->experts, *dweights = r->dweights + token * r->top_k;
    const int32_t *chosen = r->chosen + token * r->top_k;
    float *dlogits = r->dlogits + token * r->experts;
    if (r->dscores)
        memcpy(dlogits, r->dscores + token * r->experts, r->experts * sizeof(float));
    else
        memset(dlogits, 0, r->experts * sizeof(float));
    float sum = 0, pull = 0;
    for (size_t k = 0; k < r->top_k; k++) {
        sum += scores[chosen[k]];
        pull += dweights[k] * scores[chosen[k]];
    }
    float factor = r->normalise ? r->scaling / (sum + 1e-20F) : r->scaling;
    float mean = r->normalise ? pull / (sum + 1e-20F) : 0;
    for (size_t k = 0; k < r->top_k; k++)
        dlogits[chosen[k]] += factor * (dweights[k] - mean);
    for (size_t e = 0; e < r->experts; e++)
        dlogits[e] *= scores[e] * (1.0F - scores[e]);
}

static void backward_rows(void *context, unsigned worker, size_t block)
{
    (void)worker;
    const struct op_router *router = context;
    size_t end = Q_MIN((block + 1) * ROWS, router->tokens);
    for (size_t token = block * ROWS; token < end; token++)
        backward_token(router, token);
}

static void router_backward(struct op_context *context, const struct op_router *router)
{
    struct op_router copy = *router;
    q_pool_for(context->pool, (size_t)q_ceil_div(router->tokens, ROWS), backward_rows, &copy);
}

/* A few numbers per layer: not worth a thread. */
static void bias_update(struct op_context *context, float *bias, const int64_t *counts, size_t experts, double gamma)
{
    (void)context;
    int64_t total = 0;
    for (size_t e = 0; e < experts; e++)
        total += counts[e];
    for (size_t e = 0; e < experts; e++) {
        int64_t excess = counts[e] * (int64_t)experts - total; /* whole numbers: the sign is exact */
        bias[e] += (float)(excess < 0 ? gamma : excess > 0 ? -gamma : 0.0);
    }
}

void CPU_NAME(op_router)(struct op_table *table)
{
    table->router = router;
    table->router_backward = router_backward;
    table->bias_update = bias_update;
}
