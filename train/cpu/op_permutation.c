/* route, gather, combine: tokens to their experts' rows and back. */
#include "train/cpu/cpu_ops.h"

#include "base/check.h"

enum { ROWS = 64 }; /* of a tile */

/* A counting sort in two passes over the slots; whole numbers, a few microseconds: one thread. */
static void route(struct op_context *context, const struct op_route *route)
{
    (void)context;
    size_t slots = route->tokens * route->top_k;
    int32_t *offsets = route->offsets;
    memset(offsets, 0, (route->experts + 1) * sizeof(int32_t));
    for (size_t i = 0; i < slots; i++)
        offsets[route->chosen[i] + 1]++;
    for (size_t e = 0; e < route->experts; e++)
        offsets[e + 1] += offsets[e];
    for (size_t i = 0; i < slots; i++) { /* offsets[e] runs to the end of e's rows ... */
        int32_t row = offsets[route->chosen[i]]++;
        route->source[row] = (int32_t)(i / route->top_k);
        route->position[i] = row;
        if (route->choice)
            route->choice[row] = (int32_t)i;
    }
    for (size_t e = route->experts; e > 0; e--) /* ... and goes back to their start */
        offsets[e] = offsets[e - 1];
    offsets[0] = 0;
}

struct job {
    float *out, *inner, *dweights;
    const float *x, *y, *base, *weights;
    const int32_t *rows;
    size_t count, top_k, hidden;
};

static void gather_rows(void *context, unsigned worker, size_t block)
{
    (void)worker;
    const struct job *job = context;
    size_t end = Q_MIN((block + 1) * ROWS, job->count);
    for (size_t i = block * ROWS; i < end; i++)
        memcpy(job->out + i * job->hidden, job->x + (size_t)job->rows[i] * job->hidden, job->hidden * sizeof(float));
}

static void gather(struct op_context *context, float *out, const float *x, const int32_t *source, size_t slots,
                   size_t hidden)
{
    struct job job = {.out = out, .x = x, .rows = source, .count = slots, .hidden = hidden};
    q_pool_for(context->pool, (size_t)q_ceil_div(slots, ROWS), gather_rows, &job);
}

static void gather_back_rows(void *context, unsigned worker, size_t block)
{
    (void)worker;
    const struct job *job = context;
    size_t end = Q_MIN((block + 1) * ROWS, job->count);
    for (size_t i = block * ROWS; i < end; i++) {
        float *out = job->out + i * job->hidden;
        for (size_t k = 0; k < job->top_k; k++) {
            const float *row = job->x + (size_t)job->rows[i * job->top_k + k] * job->hidden;
            for (size_t j = 0; j < job->hidden; j++)
                out[j] += row[j];
        }
    }
}

static void gather_backward(struct op_context *context, float *dx, const float *dout, const int32_t *position,
                            size_t tokens, size_t top_k, size_t hidden)
{
    struct job job = {.out = dx, .x = dout, .rows = position, .count = tokens, .top_k = top_k, .hidden = hidden};
    q_pool_for(context->pool, (size_t)q_ceil_div(tokens, ROWS), gather_back_rows, &job);
}

static void combine_rows(void *context, unsigned worker, size_t block)
{
    (void)worker;
    const struct job *job = context;
    size_t end = Q_MIN((block + 1) * ROWS, job->count);
    for (size_t i = block * ROWS; i < end; i++) {
        float *out = job->out + i * job->hidden;
        if (!job->base)
            memset(out, 0, job->hidden * sizeof(float));
        else if (job->base != job->out)
            memcpy(out, job->base + i * job->hidden, job->hidden * sizeof(float));
        for (size_t k = 0; k < job->top_k; k++) {
            const float *row = job->y + (size_t)job->rows[i * job->top_k + k] * job->hidden;
            float weight = job->weights[i * job->top_k + k];
            for (size_t j = 0; j < job->hidden; j++)
                out[j] += weight * row[j];
        }
    }
}

static void combine(struct op_context *context, float *out, const float *base, const float *y, const int32_t *position,
                    const float *weights, size_t tokens, size_t top_k, size_t hidden)
{
    struct job job = {.out = out,
                      .base = base,
                      .y = y,
                      .rows = position,
                      .weights = weights,
                      .count = tokens,
                      .top_k = top_k,
                      .hidden = hidden};
    q_pool_for(context->pool, (size_t)q_ceil_div(tokens, ROWS), combine_rows, &job);
}

/* One slot: the product of both rows for the weight, and both times the weight. */
static float weigh_rows(float *dinner, float *inner, float weight, size_t width)
{
    vec total = vec_zero(), factor = vec_set(weight);
    size_t j = 0;
    for (; j + VEC_LANES <= width; j += VEC_LANES) {
        vec d = vec_load(dinner + j), x = vec_load(inner + j);
        total = vec_fma(d, x, total);
        vec_store(dinner + j, factor * d);
        vec_store(inner + j, factor * x);
    }
    float rest = 0;
    for (; j < width; j++) {
        rest += dinner[j] * inner[j];
        dinner[j] *= weight;
        inner[j] *= weight;
    }
    return vec_sum(total) + rest;
}

static void combine_back_rows(void *context, unsigned worker, size_t block)
{
    (void)worker;
    const struct job *job = context;
    size_t end = Q_MIN((block + 1) * ROWS, job->count) * job->top_k;
    for (size_t slot = block * ROWS * job->top_k; slot < end; slot++) {
        size_t row = (size_t)job->rows[slot] * job->hidden;
        job->dweights[slot] = weigh_rows(job->out + row, job->inner + row, job->weights[slot], job->hidden);
    }
}

static void combine_backward(struct op_context *context, float *dweights, float *dinner, float *inner,
                             const int32_t *position, const float *weights, size_t tokens, size_t top_k, size_t width)
{
    struct job job = {.out = dinner,
                      .inner = inner,
                      .dweights = dweights,
                      .rows = position,
                      .weights = weights,
                      .count = tokens,
                      .top_k = top_k,
                      .hidden = width};
    q_pool_for(context->pool, (size_t)q_ceil_div(tokens, ROWS), combine_back_rows, &job);
}

void CPU_NAME(op_permutation)(struct op_table *table)
{
    table->route = route;
    table->gather = gather;
    table->gather_backward = gather_backward;
    table->combine = combine;
    table->combine_backward = combine_backward;
}
