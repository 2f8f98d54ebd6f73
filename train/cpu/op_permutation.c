/* route, gather, combine: tokens to their experts' rows and back. */
#include "train/cpu/cpu_ops.h"
#include "train/cpu/cpu_real.h"

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
    struct op_context *context;
    real *out, *inner;
    const real *x, *y, *base;
    float *dweights;
    const float *weights;
    const int32_t *rows;
    size_t count, top_k, hidden;
};

struct gather_job {
    char *out;
    const char *x;
    const int32_t *source;
    size_t slots, row_bytes;
};

static void gather_rows(void *context, unsigned worker, size_t block)
{
    (void)worker;
    const struct gather_job *job = context;
    size_t end = Q_MIN((block + 1) * ROWS, job->slots);
    for (size_t i = block * ROWS; i < end; i++)
        memcpy(job->out + i * job->row_bytes, job->x + (size_t)job->source[i] * job->row_bytes, job->row_bytes);
}

static void gather(struct op_context *context, void *out, const void *x, const int32_t *source, size_t slots,
                   size_t row_bytes)
{
    struct gather_job job = {out, x, source, slots, row_bytes};
    q_pool_for(context->pool, (size_t)q_ceil_div(slots, ROWS), gather_rows, &job);
}

static void gather_back_rows(void *context, unsigned worker, size_t block)
{
    const struct job *job = context;
    size_t end = Q_MIN((block + 1) * ROWS, job->count);
    for (size_t i = block * ROWS; i < end; i++) {
        struct cpu_sum out = cpu_sum_begin(job->out + i * job->hidden, job->hidden, 1, job->hidden, true,
                                           cpu_scratch(job->context, worker));
        for (size_t k = 0; k < job->top_k; k++) {
            const real *row = job->x + (size_t)job->rows[i * job->top_k + k] * job->hidden;
            for (size_t j = 0; j < job->hidden; j++)
                out.data[j] += real_float(row[j]);
        }
        cpu_sum_end(&out);
    }
}

static void gather_backward(struct op_context *context, op_real *dx, const op_real *dout, const int32_t *position,
                            size_t tokens, size_t top_k, size_t hidden)
{
    struct job job = {.context = context,
                      .out = reals_out(dx),
                      .x = reals(dout),
                      .rows = position,
                      .count = tokens,
                      .top_k = top_k,
                      .hidden = hidden};
    q_pool_for(context->pool, (size_t)q_ceil_div(tokens, ROWS), gather_back_rows, &job);
}

static void combine_rows(void *context, unsigned worker, size_t block)
{
    const struct job *job = context;
    size_t end = Q_MIN((block + 1) * ROWS, job->count);
    for (size_t i = block * ROWS; i < end; i++) {
        const bool in_place = job->base == job->out;
        struct cpu_sum out = cpu_sum_begin(job->out + i * job->hidden, job->hidden, 1, job->hidden, in_place,
                                           cpu_scratch(job->context, worker));
        if (!job->base)
            memset(out.data, 0, job->hidden * sizeof(float));
        else if (!in_place)
            real_widen(out.data, job->base + i * job->hidden, job->hidden);
        for (size_t k = 0; k < job->top_k; k++) {
            const real *row = job->y + (size_t)job->rows[i * job->top_k + k] * job->hidden;
            float weight = job->weights[i * job->top_k + k];
            for (size_t j = 0; j < job->hidden; j++)
                out.data[j] += weight * real_float(row[j]);
        }
        cpu_sum_end(&out);
    }
}

static void combine(struct op_context *context, op_real *out, const op_real *base, const op_real *y,
                    const int32_t *position, const float *weights, size_t tokens, size_t top_k, size_t hidden)
{
    struct job job = {.context = context,
                      .out = reals_out(out),
                      .base = reals(base),
                      .y = reals(y),
                      .rows = position,
                      .weights = weights,
                      .count = tokens,
                      .top_k = top_k,
                      .hidden = hidden};
    q_pool_for(context->pool, (size_t)q_ceil_div(tokens, ROWS), combine_rows, &job);
}

/* One slot: the product of both rows for the weight, and both times the weight. */
static float weigh_rows(real *dinner, real *inner, float weight, size_t width)
{
    vec total = vec_zero(), factor = vec_set(weight);
    size_t j = 0;
    for (; j + VEC_LANES <= width; j += VEC_LANES) {
        vec d = real_load(dinner + j), x = real_load(inner + j);
        total = vec_fma(d, x, total);
        real_store(dinner + j, factor * d);
        real_store(inner + j, factor * x);
    }
    float rest = 0;
    for (; j < width; j++) {
        float d = real_float(dinner[j]), x = real_float(inner[j]);
        rest += d * x;
        dinner[j] = real_of(d * weight);
        inner[j] = real_of(x * weight);
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

static void combine_backward(struct op_context *context, float *dweights, op_real *dinner, op_real *inner,
                             const int32_t *position, const float *weights, size_t tokens, size_t top_k, size_t width)
{
    struct job job = {.out = reals_out(dinner),
                      .inner = reals_out(inner),
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
