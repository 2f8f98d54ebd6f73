/* router: a warp for each token; counts are whole numbers, added by atomics. */
#include "train/cuda/cuda_ops.h"
#include "train/cuda/cuda_topk.cuh"

/* Experts of groups that are not among the best cannot be chosen. `choice` and `groups` are this warp's. */
static __device__ inline void close_groups(const struct op_router &r, float *choice, float *groups)
{
    const size_t size = r.experts / r.groups;
    for (size_t g = threadIdx.x; g < r.groups; g += CUDA_WARP) { /* the sum of its two best; its only one */
        float first = choice[g * size], second = -INFINITY;
        for (size_t i = 1; i < size; i++) {
            const float c = choice[g * size + i];
            second = fmaxf(second, fminf(first, c));
            first = fmaxf(first, c);
        }
        groups[g] = size > 1 ? first + second : first;
    }
    __syncwarp();
    for (size_t e = threadIdx.x; e < r.experts; e += CUDA_WARP) {
        const size_t mine = e / size;
        size_t better = 0;
        for (size_t g = 0; g < r.groups; g++)
            better += groups[g] > groups[mine] || (groups[g] == groups[mine] && g < mine);
        if (better >= r.top_groups)
            choice[e] = -INFINITY;
    }
}

static __global__ void router_rows(struct op_router r)
{
    const size_t token = row_index();
    if (token >= r.tokens)
        return;
    float *choice = topk_room(r.experts), *scores = r.scores + token * r.experts;
    for (size_t e = threadIdx.x; e < r.experts; e += CUDA_WARP) {
        const float score = sigmoid(r.logits[token * r.experts + e]);
        scores[e] = score;
        choice[e] = topk_value(score + r.bias[e]);
    }
    __syncwarp();
    if (r.top_groups < r.groups)
        close_groups(r, choice, choice + r.experts);
    float sum = 0;
    for (size_t k = 0; k < r.top_k; k++) {
        const size_t e = take_best(choice, r.experts);
        if (threadIdx.x == 0) {
            r.chosen[token * r.top_k + k] = (int32_t)e;
            if (r.counts)
                atomicAdd((unsigned long long *)&r.counts[e], 1ULL);
        }
        sum += scores[e];
    }
    const float factor = r.normalise ? r.scaling / (sum + 1e-20F) : r.scaling; /* 1e-20: as published */
    __syncwarp();
    for (size_t k = threadIdx.x; k < r.top_k; k += CUDA_WARP)
        r.weights[token * r.top_k + k] = scores[r.chosen[token * r.top_k + k]] * factor;
}

static void router(struct op_context *context, const struct op_router *r)
{
    launch(context, "router", topk_plan(r->tokens, r->experts), router_rows, *r);
}

/* With D the sum of the chosen scores: w_k = c s_k / D, so ds_k = c / D (dw_k - sum_j dw_j s_j / D); dlogit = ds s (1 - s). */
static __global__ void router_backward_rows(struct op_router r)
{
    const size_t token = row_index();
    if (token >= r.tokens)
        return;
    const float *scores = r.scores + token * r.experts, *dweights = r.dweights + token * r.top_k;
    const int32_t *chosen = r.chosen + token * r.top_k;
    float *dlogits = r.dlogits + token * r.experts, sum = 0, pull = 0;
    for (size_t k = 0; k < r.top_k; k++) {
        sum += scores[chosen[k]];
        pull += dweights[k] * scores[chosen[k]];
    }
    const float factor = r.normalise ? r.scaling / (sum + 1e-20F) : r.scaling;
    const float mean = r.normalise ? pull / (sum + 1e-20F) : 0.0F;
    for (size_t e = threadIdx.x; e < r.experts; e += CUDA_WARP) {
        float d = r.dscores ? r.dscores[token * r.experts + e] : 0.0F;
        for (size_t k = 0; k < r.top_k; k++)
            if (chosen[k] == (int32_t)e)
                d += factor * (dweights[k] - mean);
        dlogits[e] = d * scores[e] * (1.0F - scores[e]);
    }
}

static void router_backward(struct op_context *context, const struct op_router *r)
{
    launch(context, "router backward", cuda_plan_warps(r->tokens), router_backward_rows, *r);
}

static __global__ void update_bias(float *bias, const int64_t *counts, size_t experts, float gamma)
{
    int64_t total = 0;
    for (size_t e = 0; e < experts; e++)
        total += counts[e];
    for (size_t e = item_index(); e < experts; e += item_step()) {
        const int64_t excess = counts[e] * (int64_t)experts - total; /* whole numbers: the sign is exact */
        bias[e] += excess < 0 ? gamma : excess > 0 ? -gamma : 0.0F;
    }
}

static void bias_update(struct op_context *context, op_acc *bias, const int64_t *counts, size_t experts, double gamma)
{
    launch(context, "bias update", cuda_plan_items(experts), update_bias, bias, counts, experts, (float)gamma);
}

void CUDA_NAME(op_router)(struct op_table *table)
{
    table->router = router;
    table->router_backward = router_backward;
    table->bias_update = bias_update;
}
