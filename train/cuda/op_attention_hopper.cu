/* attention on Hopper: FlashAttention-3's way (arXiv 2407.08608), products of BF16 by warpgroups (wgmma), their operands brought by the copy engine (TMA).
 *
 * A block has 128 queries of a head and meets its keys and values 128 at a time, from the diagonal, the only tile that is masked, down to the first one. How
 * tiles come and go stands in cuda_flash_hopper.cuh.
 *
 * A consumer never has its scores anywhere but in registers. They become probabilities where they are, and those, as BF16, the left factor of the product
 * with the values, from the same registers. While that product runs the exponentials of the next tile are taken:
 *
 *     products        S0 ..      S1  P0 V0 ........  S2  P1 V1 ........      ..  Pn Vn
 *     the threads         P0         ..  P1              ..  P2                         out                                                          */
#include "train/cuda/cuda_ops.h"

#include "train/cuda/cuda_flash_hopper.cuh"

enum { QUERIES = HOPPER_QUERIES, KEYS = HOPPER_KEYS, STAGES = HOPPER_KEY_STAGES };
static_assert(QUERIES == KEYS, "one tile is masked");
static_assert(QUERIES == CONSUMERS * WGMMA_ROWS, "a consumer has 64");

#ifndef WGMMA_MISSING
enum barrier_kind { KEYS_FULL, KEYS_EMPTY, VALUES_FULL, VALUES_EMPTY, BARRIER_KINDS };

/* Where things lie in shared memory. */
template <unsigned KEY> struct layout {
    static constexpr unsigned key_bytes = KEYS * KEY * sizeof(real), value_bytes = KEYS * V * sizeof(real);
    uint32_t begin;

    __device__ uint32_t queries() const
    {
        return begin;
    }
    __device__ uint32_t keys(unsigned tile) const
    {
        return begin + (1 + tile % STAGES) * key_bytes;
    }
    __device__ uint32_t values(unsigned tile) const
    {
        return begin + (1 + STAGES) * key_bytes + tile % STAGES * value_bytes;
    }
    __device__ uint32_t queries_full() const
    {
        return begin + (1 + STAGES) * key_bytes + STAGES * value_bytes;
    }
    __device__ uint32_t barrier(enum barrier_kind kind, unsigned tile) const
    {
        return queries_full() + 8 + (kind * STAGES + tile % STAGES) * 8;
    }
};

static __device__ inline void await_loaded(uint32_t full, unsigned tile)
{
    mbarrier_wait(full, parity_of<STAGES>(tile));
}

/* Tiles that a block's queries meet. Number 0 is the diagonal. */
static __device__ inline unsigned tiles_of(const struct flash_place &at)
{
    return at.first / KEYS + 1;
}

template <unsigned KEY>
static __device__ inline void produce(const struct head_source &from, const struct flash_place &at,
                                      const layout<KEY> &smem)
{
    mbarrier_expect(smem.queries_full(), smem.key_bytes);
    load_queries<QUERIES, KEY>(from, smem.queries(), at.first, smem.queries_full());
    for (unsigned tile = 0; tile < tiles_of(at); tile++) {
        const unsigned s0 = at.first - tile * KEYS, before = parity_of<STAGES>(tile) ^ 1;
        const uint32_t keys_full = smem.barrier(KEYS_FULL, tile), values_full = smem.barrier(VALUES_FULL, tile);
        mbarrier_wait(smem.barrier(KEYS_EMPTY, tile), before);
        mbarrier_expect(keys_full, smem.key_bytes);
        load_keys<KEYS, KEY>(from, smem.keys(tile), s0, keys_full);
        mbarrier_wait(smem.barrier(VALUES_EMPTY, tile), before);
        mbarrier_expect(values_full, smem.value_bytes);
        load_values<KEYS>(from, smem.values(tile), s0, values_full);
    }
}

/* A warpgroup's state. Scores, then probabilities; the same as BF16; the output so far. */
struct consumer {
    float scores[1][KEYS / 8][4];
    uint32_t weights[1][KEYS / 16][4];
    struct softmax<1, V> sums;
};

/* The tile's scores, as a group that is under way behind it. */
template <unsigned KEY>
static __device__ inline void score(struct consumer &c, const layout<KEY> &smem, unsigned tile, unsigned group)
{
    await_loaded(smem.barrier(KEYS_FULL, tile), tile);
    wgmma_fence();
    multiply_pieces<KEY, QUERIES, KEYS>(c.scores[0], smem.queries() + group * WGMMA_ROWS * BOX_ROW_BYTES,
                                        smem.keys(tile));
    wgmma_commit();
}

/* The tile's values, which have been waited for, by their probabilities, likewise. */
template <unsigned KEY>
static __device__ inline void multiply_values(struct consumer &c, const layout<KEY> &smem, unsigned tile)
{
    wgmma_fence();
    multiply_words(c.sums.out[0], c.weights[0], smem.values(tile));
    wgmma_commit();
}

/* What is under way is over but for GROUPS: the tile's scores are there. */
template <unsigned GROUPS, unsigned KEY>
static __device__ inline void await_scores(struct consumer &c, const layout<KEY> &smem, unsigned tile)
{
    wgmma_wait<GROUPS>();
    wgmma_settle(c.scores[0]);
    consumer_release(smem.barrier(KEYS_EMPTY, tile));
}

template <unsigned KEY>
static __device__ inline void await_values(struct consumer &c, const layout<KEY> &smem, unsigned tile)
{
    wgmma_wait<0>();
    wgmma_settle(c.sums.out[0]);
    wgmma_settle(c.weights[0]);
    consumer_release(smem.barrier(VALUES_EMPTY, tile));
}

/* Scores become probabilities relative to the largest so far; *correction is what the sums before are to be multiplied by. `unit`: what a score of 1 is as a
 * power of two. The four lanes of a row hold the same largest. */
static __device__ inline void online_softmax(struct consumer &c, float (&correction)[2], float unit)
{
#pragma unroll
    for (unsigned half = 0; half < 2; half++) {
        float max = c.sums.max[0][half], total = 0;
#pragma unroll
        for (unsigned x = 0; x < KEYS / 8; x++)
            max = fmaxf(max, fmaxf(c.scores[0][x][2 * half], c.scores[0][x][2 * half + 1]));
        max = fmaxf(max, __shfl_xor_sync(ALL_LANES, max, 1));
        max = fmaxf(max, __shfl_xor_sync(ALL_LANES, max, 2));
        const float shift = -max * unit;
        correction[half] = power_of_two((c.sums.max[0][half] - max) * unit);
#pragma unroll
        for (unsigned x = 0; x < KEYS / 8; x++)
#pragma unroll
            for (unsigned i = 2 * half; i < 2 * half + 2; i++) {
                c.scores[0][x][i] = power_of_two(fmaf(c.scores[0][x][i], unit, shift));
                total += c.scores[0][x][i];
            }
        c.sums.max[0][half] = max;
        c.sums.total[0][half] = c.sums.total[0][half] * correction[half] + total;
    }
}

/* The diagonal: its tile has keys behind the queries, of which the warp's first one is number row0 of the tile. */
static __device__ inline void mask(struct consumer &c, unsigned row0)
{
    each_sum(c.scores, [&](unsigned row, unsigned column, float &score) {
        if (column > row0 + row)
            score = -INFINITY;
    });
}

static __device__ inline void rescale(struct consumer &c, const float (&correction)[2])
{
#pragma unroll
    for (unsigned x = 0; x < V / 8; x++)
#pragma unroll
        for (unsigned i = 0; i < 4; i++)
            c.sums.out[0][x][i] *= correction[i / 2];
}

template <unsigned KEY>
static __device__ inline void consume(const struct heads &a, const struct flash_place &at, const layout<KEY> &smem,
                                      unsigned group)
{
    const unsigned row0 = threadIdx.x / CUDA_WARP * 16, tiles = tiles_of(at);
    const float unit = a.scale * LOG2_E;
    struct consumer c = consumer();
    float correction[2];
    c.sums.max[0][0] = c.sums.max[0][1] = -INFINITY;
    mbarrier_wait(smem.queries_full(), 0);
    score(c, smem, 0, group);
    await_scores<0>(c, smem, 0);
    mask(c, row0);
    online_softmax(c, correction, unit);
    await_loaded(smem.barrier(VALUES_FULL, 0), 0);
    narrow_sums(c.weights, c.scores);
    for (unsigned tile = 1; tile < tiles; tile++) {
        score(c, smem, tile, group);
        multiply_values(c, smem, tile - 1);
        await_scores<1>(c, smem, tile);
        online_softmax(c, correction, unit);
        /* not where they are multiplied: this branch keeps ptxas from putting the exponentials behind the wait for products */
        await_loaded(smem.barrier(VALUES_FULL, tile), tile);
        await_values(c, smem, tile - 1);
        rescale(c, correction);
        narrow_sums(c.weights, c.scores);
    }
    multiply_values(c, smem, tiles - 1);
    await_values(c, smem, tiles - 1);
    write_out(a, at, c.sums, at.first + row0);
}

/* One thread makes the barriers. */
template <unsigned KEY> static __device__ inline layout<KEY> prepare_smem(void)
{
    const layout<KEY> smem = {smem_begin()};
    if (threadIdx.x == 0) {
        mbarrier_init(smem.queries_full(), 1);
        for (unsigned i = 0; i < STAGES; i++) {
            mbarrier_init(smem.barrier(KEYS_FULL, i), 1);
            mbarrier_init(smem.barrier(KEYS_EMPTY, i), CONSUMER_WARPS);
            mbarrier_init(smem.barrier(VALUES_FULL, i), 1);
            mbarrier_init(smem.barrier(VALUES_EMPTY, i), CONSUMER_WARPS);
        }
        proxy_fence();
    }
    __syncthreads();
    return smem;
}
#endif

template <unsigned KEY>
static __global__ void __launch_bounds__(HOPPER_THREADS, 1)
    attend_hopper(const __grid_constant__ CUtensorMap q, const __grid_constant__ CUtensorMap kv,
                  const __grid_constant__ CUtensorMap k_rope, const __grid_constant__ struct heads a)
{
#ifndef WGMMA_MISSING
    const layout<KEY> smem = prepare_smem<KEY>();
    const struct flash_place at = flash_place_of(a, QUERIES, true);
    const unsigned group = threadIdx.x / WARPGROUP;
    if (group == CONSUMERS) {
        registers_give_back<PRODUCER_REGISTERS>();
        if (threadIdx.x % WARPGROUP == 0)
            produce<KEY>(head_source_of(a, {&q, &kv, &k_rope, NULL}, at), at, smem);
    } else {
        registers_take<CONSUMER_REGISTERS>();
        consume<KEY>(a, at, smem, group);
    }
#else
    __trap(); /* it is not launched: cuda_find_code */
#endif
}

bool attention_hopper(struct op_context *context, const struct op_attention *p)
{
    CUtensorMap q, kv, k_rope;
    const struct heads a = attention_of(p);
    if (!context->encode_tiled || !cuda_way_open(context, CUDA_WGMMA_ATTENTION) || !cuda_suits_attention_hopper(p))
        return false;
    const struct cuda_plan plan = cuda_plan_attention_hopper(a.key, a.batch * a.heads, a.sequence);
    if (plan.shared > context->shared_max)
        return false;
    const struct cuda_token_boxes boxes = cuda_attention_boxes(p, QUERIES, KEYS);
    cuda_note(context, cuda_tensor_map(context->encode_tiled, &boxes.q, &q), "attention, tensor map of q");
    cuda_note(context, cuda_tensor_map(context->encode_tiled, &boxes.kv, &kv), "attention, tensor map of kv");
    cuda_note(context, cuda_tensor_map(context->encode_tiled, &boxes.k_rope, &k_rope),
              "attention, tensor map of k_rope");
    cuda_way_count(context, "attention", "wgmma");
    launch(context, "attention, wgmma", plan, a.key == 192 ? attend_hopper<192> : attend_hopper<128>, q, kv, k_rope, a);
    return true;
}
