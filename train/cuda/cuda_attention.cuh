/* What attention's kernels share: the tensors, and a warp's query or key. */
#ifndef QUERN_TRAIN_CUDA_ATTENTION_CUH
#define QUERN_TRAIN_CUDA_ATTENTION_CUH

#include "train/cuda/cuda_device.cuh"

struct heads {
    size_t batch, sequence, heads, nope, rope, key, v, k_rope_stride, dk_rope_stride;
    float scale;
    const real *q, *kv, *k_rope, *dout;
    real *out, *dq, *dkv, *dk_rope;
    float *lse;
};

static inline struct heads attention_of(const struct op_attention *p)
{
    struct heads a = {};
    a.batch = p->batch;
    a.sequence = p->sequence;
    a.heads = p->heads;
    a.nope = p->nope;
    a.rope = p->rope;
    a.key = p->nope + p->rope;
    a.v = p->v;
    a.k_rope_stride = p->k_rope_stride;
    a.dk_rope_stride = p->dk_rope_stride;
    a.scale = p->scale;
    a.q = reals(p->q);
    a.kv = reals(p->kv);
    a.k_rope = reals(p->k_rope);
    a.dout = reals(p->dout);
    a.out = reals_out(p->out);
    a.dq = reals_out(p->dq);
    a.dkv = reals_out(p->dkv);
    a.dk_rope = reals_out(p->dk_rope);
    a.lse = p->lse;
    return a;
}

/* A warp for each token of each head, those of a head one after the other, with so many floats of shared memory. */
static inline struct cuda_plan attention_plan(const struct heads &a, size_t floats)
{
    return cuda_plan_room(a.batch * a.heads * a.sequence, floats);
}

struct place {
    bool inside;
    size_t batch, head, t;
    size_t row; /* of the tensors by token */
};

static __device__ inline struct place place_of(const struct heads &a, size_t i)
{
    struct place at;
    at.inside = i < a.batch * a.heads * a.sequence;
    at.t = i % a.sequence;
    at.head = i / a.sequence % a.heads;
    at.batch = i / a.sequence / a.heads;
    at.row = at.batch * a.sequence + at.t;
    return at;
}

/* The row of token s of the same sequence. */
static __device__ inline size_t row_of(const struct heads &a, const struct place &at, size_t s)
{
    return at.batch * a.sequence + s;
}

/* Query, key and value of a head: where they begin. */
static __device__ inline const real *query_of(const struct heads &a, const struct place &at, size_t s)
{
    return a.q + (row_of(a, at, s) * a.heads + at.head) * a.key;
}

static __device__ inline const real *key_of(const struct heads &a, const struct place &at, size_t s)
{
    return a.kv + (row_of(a, at, s) * a.heads + at.head) * (a.nope + a.v);
}

static __device__ inline const real *rotary_of(const struct heads &a, const struct place &at, size_t s)
{
    return a.k_rope + row_of(a, at, s) * a.k_rope_stride;
}

static __device__ inline const real *dout_of(const struct heads &a, const struct place &at, size_t s)
{
    return a.dout + (row_of(a, at, s) * a.heads + at.head) * a.v;
}

/* The warp's own query, and its own key with its rotary part, as floats in shared memory; __syncwarp behind. */
static __device__ inline void load_query(const struct heads &a, const struct place &at, float *query)
{
    for (size_t i = threadIdx.x; i < a.key; i += CUDA_WARP)
        query[i] = widen(query_of(a, at, at.t)[i]);
}

static __device__ inline void load_key(const struct heads &a, const struct place &at, float *key)
{
    for (size_t i = threadIdx.x; i < a.key; i += CUDA_WARP)
        key[i] = widen(i < a.nope ? key_of(a, at, at.t)[i] : rotary_of(a, at, at.t)[i - a.nope]);
}

/* query . key of token s. */
static __device__ inline float score_of(const struct heads &a, const struct place &at, const float *query, size_t s)
{
    const real *nope = key_of(a, at, s), *rope = rotary_of(a, at, s);
    float sum = 0;
    for (size_t i = 0; i < a.nope; i++)
        sum += query[i] * widen(nope[i]);
    for (size_t i = 0; i < a.rope; i++)
        sum += query[a.nope + i] * widen(rope[i]);
    return sum;
}

static __device__ inline float dot(const float *x, const real *y, size_t count)
{
    float sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += x[i] * widen(y[i]);
    return sum;
}

/* sum[v] = sum correction + the values of tokens s0 .. s0 + 31, each by its lane's p (0 behind the query). */
static __device__ inline void add_values(const struct heads &a, const struct place &at, float *sum, float correction,
                                         float p, size_t s0)
{
    const size_t count = least(at.t - s0 + 1, CUDA_WARP);
    for (size_t i0 = 0; i0 < a.v; i0 += CUDA_WARP) { /* all lanes: the exchange needs them */
        const size_t i = i0 + threadIdx.x;
        float value = i < a.v ? sum[i] * correction : 0.0F;
        for (size_t lane = 0; lane < count; lane++) {
            const float weight = __shfl_sync(ALL_LANES, p, (int)lane);
            if (i < a.v)
                value += weight * widen(key_of(a, at, s0 + lane)[a.nope + i]);
        }
        if (i < a.v)
            sum[i] = value;
    }
}

#endif
