/* balance: a warp for each token counts its best experts; then one gives its share and gradient; the shares of a sequence are added in order. */
#include "train/cuda/cuda_ops.h"
#include "train/cuda/cuda_topk.cuh"

static __global__ void count_best(struct op_balance b, int32_t *counts)
{
    const size_t token = row_index();
    if (token >= b.batch * b.sequence)
        return;
    float *values = topk_room(b.experts);
    for (size_t e = threadIdx.x; e < b.experts; e += CUDA_WARP)
        values[e] = topk_value(b.scores[token * b.experts + e]);
    for (size_t k = 0; k < b.top_k; k++) {
        const size_t e = take_best(values, b.experts);
        if (threadIdx.x == 0)
            atomicAdd(&counts[token / b.sequence * b.experts + e], 1);
    }
}

/* With S = sum_j s_j and u = sum_i f_i s_i / S of a token: loss = alpha / T sum_t u_t, du/ds_e = (f_e - u) / S. */
static __global__ void balance_rows(struct op_balance b, const int32_t *counts, float *shares)
{
    const size_t token = row_index();
    if (token >= b.batch * b.sequence)
        return;
    const int32_t *count = counts + token / b.sequence * b.experts;
    const float *scores = b.scores + token * b.experts;
    const float often = (float)b.experts / ((float)b.top_k * (float)b.sequence);
    float sum = 0, weighted = 0;
    for (size_t e = threadIdx.x; e < b.experts; e += CUDA_WARP) {
        sum += scores[e];
        weighted += often * (float)count[e] * scores[e];
    }
    const float inverse = 1.0F / (warp_sum(sum) + 1e-20F), u = warp_sum(weighted) * inverse;
    if (threadIdx.x == 0)
        shares[token] = u;
    for (size_t e = threadIdx.x; e < b.experts; e += CUDA_WARP)
        b.dscores[token * b.experts + e] =
            b.grad_scale * (b.alpha / (float)b.sequence) * inverse * (often * (float)count[e] - u);
}

/* A block for each sequence. */
static __global__ void add_shares(struct op_balance b, const float *shares)
{
    double sum = 0;
    for (size_t t = threadIdx.x; t < b.sequence; t += blockDim.x)
        sum += (double)shares[blockIdx.x * b.sequence + t];
    sum = row_sum(sum);
    if (threadIdx.x == 0)
        b.loss[blockIdx.x] = (float)(sum * (double)(b.alpha / (float)b.sequence));
}

static void balance(struct op_context *context, const struct op_balance *b)
{
    const size_t tokens = b->batch * b->sequence, counted = b->batch * b->experts;
    size_t used = 0;
    int32_t *counts = (int32_t *)cuda_take(context, &used, counted, sizeof(int32_t));
    float *shares = (float *)cuda_take(context, &used, tokens, sizeof(float));
    if (context->error || tokens == 0)
        return;
    cuda_note(context, cudaMemsetAsync(counts, 0, counted * sizeof *counts, context->stream), "balance, zeros");
    launch(context, "balance, counts", topk_plan(tokens, b->experts), count_best, *b, counts);
    launch(context, "balance", cuda_plan_warps(tokens), balance_rows, *b, (const int32_t *)counts, shares);
    launch(context, "balance, loss", cuda_plan_blocks(b->batch, CUDA_THREADS), add_shares, *b, (const float *)shares);
}

void CUDA_NAME(op_balance)(struct op_table *table)
{
    table->balance = balance;
}
