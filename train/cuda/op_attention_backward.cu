/* attention_backward: a warp for each query gives dq, then one for each key dk and dv; its lanes take 32 tokens of the other side at a time, then a few
 * columns each. Probabilities come back from lse; the shared rotary key's gradient is added over the heads behind. The plain kernels, in floats, for any
 * head sizes. */
#include "train/cuda/cuda_attention.cuh"
#include "train/cuda/cuda_ops.h"

/* along[b, h, t] = dout . out: the softmax's part that all scores of a query share. */
static __global__ void find_along(struct heads a, float *along)
{
    const size_t i = row_index();
    const struct place at = place_of(a, i);
    if (!at.inside)
        return;
    const real *out = a.out + (at.row * a.heads + at.head) * a.v, *dout = dout_of(a, at, at.t);
    float sum = 0;
    for (size_t j = threadIdx.x; j < a.v; j += CUDA_WARP)
        sum += widen(out[j]) * widen(dout[j]);
    sum = warp_sum(sum);
    if (threadIdx.x == 0)
        along[i] = sum;
}

/* dq[t] = sum over s <= t of ds k_s, ds = p (dout . v_s - along) scale. */
static __global__ void backward_queries(struct heads a, const float *along)
{
    const size_t row = row_index();
    const struct place at = place_of(a, row);
    if (!at.inside)
        return;
    float *query = shared_floats() + threadIdx.y * (2 * a.key + a.v), *dout = query + a.key, *sum = dout + a.v;
    load_query(a, at, query);
    for (size_t i = threadIdx.x; i < a.v; i += CUDA_WARP)
        dout[i] = widen(dout_of(a, at, at.t)[i]);
    for (size_t i = threadIdx.x; i < a.key; i += CUDA_WARP)
        sum[i] = 0;
    __syncwarp();
    for (size_t s0 = 0; s0 <= at.t; s0 += CUDA_WARP) {
        const size_t s = s0 + threadIdx.x, count = least(at.t - s0 + 1, CUDA_WARP);
        float ds = 0;
        if (s <= at.t) {
            const float p = expf(a.scale * score_of(a, at, query, s) - a.lse[row]);
            ds = p * (dot(dout, key_of(a, at, s) + a.nope, a.v) - along[row]) * a.scale;
        }
        for (size_t lane = 0; lane < count; lane++) {
            const float weight = __shfl_sync(ALL_LANES, ds, (int)lane);
            const real *nope = key_of(a, at, s0 + lane), *rope = rotary_of(a, at, s0 + lane);
            for (size_t i = threadIdx.x; i < a.key; i += CUDA_WARP)
                sum[i] += weight * widen(i < a.nope ? nope[i] : rope[i - a.nope]);
        }
    }
    for (size_t i = threadIdx.x; i < a.key; i += CUDA_WARP)
        narrow_to(&a.dq[(at.row * a.heads + at.head) * a.key + i], sum[i]);
}

/* dv[s] = sum over t >= s of p dout_t, dk[s] = the same of ds q_t. rotary[b, h, s]: its part of the shared key. */
static __global__ void backward_keys(struct heads a, const float *along, float *rotary)
{
    const size_t row = row_index();
    const struct place at = place_of(a, row); /* at.t is s here */
    if (!at.inside)
        return;
    float *key = shared_floats() + threadIdx.y * 2 * (a.key + a.v), *value = key + a.key, *dk = value + a.v,
          *dv = dk + a.key;
    const size_t first = row - at.t; /* of this sequence and head, in lse and along */
    load_key(a, at, key);
    for (size_t i = threadIdx.x; i < a.v; i += CUDA_WARP)
        value[i] = widen(key_of(a, at, at.t)[a.nope + i]);
    for (size_t i = threadIdx.x; i < a.key + a.v; i += CUDA_WARP)
        dk[i] = 0;
    __syncwarp();
    for (size_t t0 = at.t; t0 < a.sequence; t0 += CUDA_WARP) {
        const size_t t = t0 + threadIdx.x, count = least(a.sequence - t0, CUDA_WARP);
        float p = 0, ds = 0;
        if (t < a.sequence) {
            p = expf(a.scale * dot(key, query_of(a, at, t), a.key) - a.lse[first + t]);
            ds = p * (dot(value, dout_of(a, at, t), a.v) - along[first + t]) * a.scale;
        }
        for (size_t lane = 0; lane < count; lane++) {
            const float weight = __shfl_sync(ALL_LANES, p, (int)lane), slope = __shfl_sync(ALL_LANES, ds, (int)lane);
            for (size_t i = threadIdx.x; i < a.v; i += CUDA_WARP)
                dv[i] += weight * widen(dout_of(a, at, t0 + lane)[i]);
            for (size_t i = threadIdx.x; i < a.key; i += CUDA_WARP)
                dk[i] += slope * widen(query_of(a, at, t0 + lane)[i]);
        }
    }
    __syncwarp(); /* columns go to other lanes */
    real *to = a.dkv + (at.row * a.heads + at.head) * (a.nope + a.v);
    for (size_t i = threadIdx.x; i < a.nope; i += CUDA_WARP)
        narrow_to(&to[i], dk[i]);
    for (size_t i = threadIdx.x; i < a.v; i += CUDA_WARP)
        narrow_to(&to[a.nope + i], dv[i]);
    for (size_t i = threadIdx.x; i < a.rope; i += CUDA_WARP)
        rotary[row * a.rope + i] = dk[a.nope + i];
}

static __global__ void add_heads(struct heads a, const float *rotary)
{
    for (size_t i = item_index(); i < a.batch * a.sequence * a.rope; i += item_step()) {
        const size_t row = i / a.rope, batch = row / a.sequence, t = row % a.sequence;
        float sum = 0;
        for (size_t head = 0; head < a.heads; head++)
            sum += rotary[((batch * a.heads + head) * a.sequence + t) * a.rope + i % a.rope];
        narrow_to(&a.dk_rope[row * a.dk_rope_stride + i % a.rope], sum);
    }
}

static void attention_backward(struct op_context *context, const struct op_attention *attention)
{
    const struct heads a = attention_of(attention);
    const size_t rows = a.batch * a.heads * a.sequence;
    size_t used = 0;
    float *along = (float *)cuda_take(context, &used, rows, sizeof(float));
    float *rotary = (float *)cuda_take(context, &used, rows * a.rope, sizeof(float));
    launch(context, "attention backward, along", cuda_plan_warps(rows), find_along, a, along);
    launch(context, "attention backward, queries", attention_plan(a, 2 * a.key + a.v), backward_queries, a,
           (const float *)along);
    launch(context, "attention backward, keys", attention_plan(a, 2 * (a.key + a.v)), backward_keys, a,
           (const float *)along, rotary);
    launch(context, "attention backward, heads", cuda_plan_items(a.batch * a.sequence * a.rope), add_heads, a,
           (const float *)rotary);
}

void CUDA_NAME(op_attention_backward)(struct op_table *table)
{
    table->attention_backward = attention_backward;
}
