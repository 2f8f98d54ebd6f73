/* attention_backward: probabilities come back from lse; keys have a kernel of their own, which makes dk and dv, and queries one that makes dq. The shared
 * rotary key's gradient is added over the heads behind.
 *
 * BF16 goes through the matrix units where its shapes suit them: Hopper's way on Hopper (op_attention_backward_hopper.cu), else Ampere's (cuda_flash.cuh).
 * Both are a block for each tile of keys, then one for each tile of queries. One kernel for both would multiply 5 times where two multiply 7 times (scores
 * and dP are made again), but its blocks would add to the same dq: to be the same bits each time that wants the blocks of a head to wait for each other, or
 * a dq for each of them. Two kernels keep all sums in registers, write each gradient once, and are in no order. The heads' parts of the rotary key are
 * floats in the workspace: 134 MB for V3's 128 heads and 4,096 tokens, written and read once in less than a fiftieth of the kernels' time; one block for
 * all heads would leave most of a GPU without work.
 *
 * Else by the plain kernels, in floats, for any head sizes: a warp for each query, then one for each key; its lanes take 32 tokens of the other side at a
 * time, then a few columns each. */
#include "train/cuda/cuda_flash.cuh"
#include "train/cuda/cuda_ops.h"

/* delta[b, h, t] = dout . out, D of FlashAttention-2 (arXiv 2307.08691, algorithm 2): the part of ds that all scores of a query share. */
static __global__ void find_delta(struct heads a, float *delta)
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
        delta[i] = sum;
}

/* dq[t] = sum over s <= t of ds k_s, ds = p (dout . v_s - delta) scale. */
static __global__ void backward_queries(struct heads a, const float *delta)
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
            ds = p * (dot(dout, key_of(a, at, s) + a.nope, a.v) - delta[row]) * a.scale;
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
static __global__ void backward_keys(struct heads a, const float *delta, float *rotary)
{
    const size_t row = row_index();
    const struct place at = place_of(a, row); /* at.t is s here */
    if (!at.inside)
        return;
    float *key = shared_floats() + threadIdx.y * 2 * (a.key + a.v), *value = key + a.key, *dk = value + a.v,
          *dv = dk + a.key;
    const size_t first = row - at.t; /* of this sequence and head, in lse and delta */
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
            ds = p * (dot(value, dout_of(a, at, t), a.v) - delta[first + t]) * a.scale;
        }
        for (size_t lane = 0; lane < count; lane++) {
            const float p_there = __shfl_sync(ALL_LANES, p, (int)lane),
                        ds_there = __shfl_sync(ALL_LANES, ds, (int)lane);
            for (size_t i = threadIdx.x; i < a.v; i += CUDA_WARP)
                dv[i] += p_there * widen(dout_of(a, at, t0 + lane)[i]);
            for (size_t i = threadIdx.x; i < a.key; i += CUDA_WARP)
                dk[i] += ds_there * widen(query_of(a, at, t0 + lane)[i]);
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

#ifdef CUDA_BF16
/* A block's shared memory: its own tile of both factors, two of the others', and floats beside each of those. KEY and V numbers a row. */
template <unsigned KEY, unsigned V> struct backward_smem {
    static constexpr uint32_t KEY_ROW = KEY * sizeof(real), ROW = (KEY + V) * sizeof(real);
    static constexpr uint32_t own_key = 0, own_v = CUDA_FLASH_OWN * KEY_ROW, others = CUDA_FLASH_OWN * ROW,
                              floats = others + 2 * CUDA_FLASH_OTHER * ROW;

    static __device__ inline uint32_t other_key(unsigned stage)
    {
        return others + stage * CUDA_FLASH_OTHER * ROW;
    }

    static __device__ inline uint32_t other_v(unsigned stage)
    {
        return other_key(stage) + CUDA_FLASH_OTHER * KEY_ROW;
    }

    /* lse of the queries of a stage, and delta behind it */
    static __device__ inline uint32_t sums(unsigned stage)
    {
        return floats + stage * 2 * CUDA_FLASH_OTHER * (uint32_t)sizeof(float);
    }
};

enum { OWN = CUDA_FLASH_OWN, OTHER = CUDA_FLASH_OTHER, BACKWARD_THREADS = CUDA_FLASH_OWN_WARPS * CUDA_WARP };

/* A warp's 16 rows by a tile of the other side, and the same as left factors. */
typedef float backward_sums[1][OTHER / 8][4];
typedef uint32_t backward_words[1][OTHER / 16][4];

static __device__ inline float shared_float(uint32_t at, unsigned i)
{
    return shared_floats()[at / sizeof(float) + i];
}

/* A tile of queries, from t0 on, with what is known of each. */
template <unsigned KEY, unsigned V>
static __device__ inline void copy_query_stage(const struct heads &a, const struct flash_place &at, const float *delta,
                                               unsigned t0, unsigned stage)
{
    typedef backward_smem<KEY, V> smem;
    copy_queries<OTHER, KEY, BACKWARD_THREADS>(a, at, smem::other_key(stage), t0);
    copy_douts<OTHER, V, BACKWARD_THREADS>(a, at, smem::other_v(stage), t0);
    const unsigned i = threadIdx.x % OTHER, t = t0 + i;
    const bool there = t < flash_length(a);
    if (threadIdx.x < 2 * OTHER)
        copy_float(smem::sums(stage) + threadIdx.x * (uint32_t)sizeof(float),
                   (threadIdx.x < OTHER ? a.lse : delta) + flash_sums(a, at) + (there ? t : 0), there);
    copies_commit();
}

/* p[key, query] = exp(scale score - lse), 0 where the query stands before the key. Keys from s0, queries from t0 on. */
static __device__ inline void probabilities_of_keys(const struct heads &a, backward_sums &p, uint32_t lse, unsigned s0,
                                                    unsigned t0)
{
    const float unit = a.scale * LOG2_E;
    const bool diagonal = t0 < s0 + 15;
    each_sum(p, [&](unsigned row, unsigned column, float &x) {
        const float power = power_of_two(fmaf(x, unit, -LOG2_E * shared_float(lse, column)));
        x = diagonal && t0 + column < s0 + row ? 0.0F : power;
    });
}

/* dv[s] = sum over t >= s of p dout_t, dk[s] = the same of ds q_t, ds = p (dout_t . v_s - along_t): scores stand transposed, [keys, queries]. Where there
 * are not registers for both sums, two launches make one each. */
template <unsigned KEY, unsigned V, bool DK, bool DV>
static __global__ void __launch_bounds__(BACKWARD_THREADS)
    backward_key_tiles(struct heads a, const float *delta, float *rotary)
{
    typedef backward_smem<KEY, V> smem;
    const struct flash_place at = flash_place_of(a, OWN, false);
    const unsigned row0 = threadIdx.x / CUDA_WARP * 16, s0 = at.first + row0;
    float dk[1][DK ? KEY / 8 : 1][4] = {}, dv[1][DV ? V / 8 : 1][4] = {};
    copy_keys<OWN, KEY, BACKWARD_THREADS>(a, at, smem::own_key, at.first);
    copy_values<OWN, V, BACKWARD_THREADS>(a, at, smem::own_v, at.first);
    copy_query_stage<KEY, V>(a, at, delta, at.first, 0);
    unsigned stage = 0;
    for (unsigned t0 = at.first; t0 < flash_length(a); t0 += OTHER, stage ^= 1) {
        copies_arrive(); /* this stage; and the other one is read */
        if (t0 + OTHER < flash_length(a))
            copy_query_stage<KEY, V>(a, at, delta, t0 + OTHER, stage ^ 1);
        if (t0 + OTHER <= s0) /* none of these queries sees any of the warp's keys */
            continue;
        backward_sums p = {}, dp = {};
        backward_words words;
        multiply_rows<KEY>(p, smem::own_key, row0, smem::other_key(stage));
        probabilities_of_keys(a, p, smem::sums(stage), s0, t0);
        if constexpr (DV) {
            narrow_sums(words, p);
            multiply_columns<V>(dv, words, smem::other_v(stage));
        }
        if constexpr (DK) {
            multiply_rows<V>(dp, smem::own_v, row0, smem::other_v(stage));
            each_sum(
                dp, [&](unsigned, unsigned column, float &x) { x -= shared_float(smem::sums(stage), OTHER + column); });
            multiply_sums(dp, p);
            narrow_sums(words, dp);
            multiply_columns<KEY>(dk, words, smem::other_key(stage));
        }
    }
    if constexpr (DV)
        store_sums(dv, 0, (unsigned)a.v, s0 < flash_length(a) ? flash_length(a) - s0 : 0,
                   [&](unsigned row) { return flash_row(a, at, a.dkv, a.nope + a.v, s0 + row) + a.nope; });
    if constexpr (DK)
        store_keys<KEY>(a, at, dk, rotary, s0);
}

/* A tile of keys with their values, from s0 on. */
template <unsigned KEY, unsigned V>
static __device__ inline void copy_key_stage(const struct heads &a, const struct flash_place &at, unsigned s0,
                                             unsigned stage)
{
    typedef backward_smem<KEY, V> smem;
    copy_keys<OTHER, KEY, BACKWARD_THREADS>(a, at, smem::other_key(stage), s0);
    copy_values<OTHER, V, BACKWARD_THREADS>(a, at, smem::other_v(stage), s0);
    copies_commit();
}

/* dq[t] = sum over s <= t of ds k_s. */
template <unsigned KEY, unsigned V>
static __global__ void __launch_bounds__(BACKWARD_THREADS) backward_query_tiles(struct heads a, const float *delta)
{
    typedef backward_smem<KEY, V> smem;
    const struct flash_place at = flash_place_of(a, OWN, true);
    const unsigned lane = threadIdx.x % CUDA_WARP, row0 = threadIdx.x / CUDA_WARP * 16, t0 = at.first + row0;
    const unsigned end = (unsigned)least(flash_length(a), at.first + OWN);
    const float unit = a.scale * LOG2_E;
    float dq[1][KEY / 8][4] = {}, shift[2], deltas[2]; /* of rows lane / 4 and lane / 4 + 8 */
    for (unsigned half = 0; half < 2; half++) {
        const unsigned t = t0 + 8 * half + lane / 4;
        shift[half] = t < end ? -LOG2_E * a.lse[flash_sums(a, at) + t] : 0.0F;
        deltas[half] = t < end ? delta[flash_sums(a, at) + t] : 0.0F;
    }
    copy_queries<OWN, KEY, BACKWARD_THREADS>(a, at, smem::own_key, at.first);
    copy_douts<OWN, V, BACKWARD_THREADS>(a, at, smem::own_v, at.first);
    copy_key_stage<KEY, V>(a, at, 0, 0);
    unsigned stage = 0;
    for (unsigned s0 = 0; s0 < end; s0 += OTHER, stage ^= 1) {
        copies_arrive(); /* this stage; and the other one is read */
        if (s0 + OTHER < end)
            copy_key_stage<KEY, V>(a, at, s0 + OTHER, stage ^ 1);
        if (s0 >= t0 + 16) /* none of these keys is seen by any of the warp's queries */
            continue;
        backward_sums p = {}, dp = {};
        backward_words words;
        const bool diagonal = s0 + OTHER > t0 + 1;
        multiply_rows<KEY>(p, smem::own_key, row0, smem::other_key(stage));
        each_sum(p, [&](unsigned row, unsigned column, float &x) {
            const float power = power_of_two(fmaf(x, unit, shift[row / 8 % 2]));
            x = diagonal && s0 + column > t0 + row ? 0.0F : power;
        });
        multiply_rows<V>(dp, smem::own_v, row0, smem::other_v(stage));
        each_sum(dp, [&](unsigned row, unsigned, float &x) { x -= deltas[row / 8 % 2]; });
        multiply_sums(dp, p);
        narrow_sums(words, dp);
        multiply_columns<KEY>(dq, words, smem::other_key(stage));
    }
    each_sum(dq, [&](unsigned, unsigned, float &x) { x *= a.scale; });
    store_sums(dq, 0, (unsigned)a.key, t0 < flash_length(a) ? flash_length(a) - t0 : 0,
               [&](unsigned row) { return flash_row(a, at, a.dq, a.key, t0 + row); });
}

static void backward_flash(struct op_context *context, const struct heads &a, const float *delta, float *rotary)
{
    typedef void key_kernel(struct heads, const float *, float *);
    static key_kernel *const keys[CUDA_FLASH_SIZES][2] = {
        {backward_key_tiles<64, 64, true, true>},
        {backward_key_tiles<128, 128, true, true>},
        {backward_key_tiles<192, 128, true, true>},
        {backward_key_tiles<256, 256, true, false>, backward_key_tiles<256, 256, false, true>}};
    static void (*const queries[CUDA_FLASH_SIZES])(struct heads, const float *) = {
        backward_query_tiles<64, 64>, backward_query_tiles<128, 128>, backward_query_tiles<192, 128>,
        backward_query_tiles<256, 256>};
    const unsigned size = cuda_flash_size(a.key, a.v);
    const struct cuda_plan plan = cuda_plan_flash_backward(size, a.batch * a.heads, a.sequence);
    cuda_way_count(context, "attention backward", "mma");
    for (key_kernel *kernel : keys[size])
        if (kernel)
            launch(context, "attention backward, keys by mma", plan, kernel, a, delta, rotary);
    launch(context, "attention backward, queries by mma", plan, queries[size], a, delta);
}
#endif

static void backward_plain(struct op_context *context, const struct heads &a, const float *delta, float *rotary)
{
    cuda_way_count(context, "attention backward", "plain");
    launch(context, "attention backward, queries", attention_plan(a, 2 * a.key + a.v), backward_queries, a, delta);
    launch(context, "attention backward, keys", attention_plan(a, 2 * (a.key + a.v)), backward_keys, a, delta, rotary);
}

/* By the matrix units as Ampere has them, or plainly. */
static void backward_elsewhere(struct op_context *context, const struct op_attention *attention, float *delta,
                               float *rotary)
{
    const struct heads a = attention_of(attention);
    launch(context, "attention backward, delta", cuda_plan_warps(a.batch * a.heads * a.sequence), find_delta, a, delta);
#ifdef CUDA_BF16
    if (suits_flash(context, attention, cuda_plan_flash_backward)) {
        backward_flash(context, a, delta, rotary);
        return;
    }
#endif
    backward_plain(context, a, delta, rotary);
}

static void attention_backward(struct op_context *context, const struct op_attention *attention)
{
#ifdef CUDA_BF16
    if (attention_backward_dnn(context, attention))
        return;
#endif
    const struct heads a = attention_of(attention);
    const size_t rows = a.batch * a.heads * a.sequence;
    size_t used = 0;
    float *sums = (float *)cuda_take(context, &used, cuda_attention_sums(a.batch, a.heads, a.sequence), sizeof(float));
    float *rotary = (float *)cuda_take(context, &used, rows * a.rope, sizeof(float));
#ifdef CUDA_BF16
    if (!attention_backward_hopper(context, attention, sums, rotary))
#endif
        backward_elsewhere(context, attention, sums, rotary);
    launch(context, "attention backward, heads", cuda_plan_items(a.batch * a.sequence * a.rope), add_heads, a,
           (const float *)rotary);
}

void CUDA_NAME(op_attention_backward)(struct op_table *table)
{
    table->attention_backward = attention_backward;
}
