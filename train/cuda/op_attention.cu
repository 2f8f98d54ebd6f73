/* attention: a warp for each query of a head. Its lanes take a key each, 32 at a time, and then a few columns of the values each; the softmax is kept
 * online (Milakov and Gimelshein, arXiv 1805.02867). The plain kernel, in floats, for any head sizes. */
#include "train/cuda/cuda_attention.cuh"
#include "train/cuda/cuda_ops.h"

static __global__ void attention_rows(struct heads a)
{
    const struct place at = place_of(a, row_index());
    if (!at.inside)
        return;
    float *query = shared_floats() + threadIdx.y * (a.key + a.v), *sum = query + a.key;
    load_query(a, at, query);
    for (size_t i = threadIdx.x; i < a.v; i += CUDA_WARP)
        sum[i] = 0;
    __syncwarp();
    float max = -INFINITY, total = 0;
    for (size_t s0 = 0; s0 <= at.t; s0 += CUDA_WARP) {
        const size_t s = s0 + threadIdx.x;
        const float score = s <= at.t ? a.scale * score_of(a, at, query, s) : -INFINITY;
        const float higher = fmaxf(max, warp_max(score)), shrink = expf(max - higher), p = expf(score - higher);
        total = total * shrink + warp_sum(p);
        max = higher;
        weigh_values(a, at, sum, shrink, p, s0);
    }
    for (size_t i = threadIdx.x; i < a.v; i += CUDA_WARP)
        narrow_to(&a.out[at.row * a.heads * a.v + at.head * a.v + i], sum[i] / total);
    if (threadIdx.x == 0)
        a.lse[(at.batch * a.heads + at.head) * a.sequence + at.t] = max + logf(total);
}

static void attention(struct op_context *context, const struct op_attention *attention)
{
    const struct heads a = attention_of(attention);
    launch(context, "attention", attention_plan(a, a.key + a.v), attention_rows, a);
}

void CUDA_NAME(op_attention)(struct op_table *table)
{
    table->attention = attention;
}
