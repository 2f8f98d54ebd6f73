/* attention_backward on Hopper: the two kernels of op_attention_backward.cu as FlashAttention-3 would have them (arXiv 2407.08608): products of BF16 by
 * warpgroups, tiles brought by TMA. How tiles come and go stands in cuda_flash_hopper.cuh, why there are two kernels in the README, with what bounds them.
 *
 * Each consumer has 64 rows, keys of the first kernel and queries of the second, and meets the tiles of the other side. With p = exp(scale q . k - lse) and
 * ds = p (dout . v - delta):
 *
 *                 rows        columns        first products             then
 *     keys        64 keys     64 queries     S = K Q^T, dP = V dout^T   dv += p dout, dk += ds q
 *     queries     64 queries  96 keys        S = Q K^T, dP = dout V^T   dq += ds k
 *
 * S and dP never leave the registers: p and ds are made where they are, and are, as BF16, the left factors of what follows. Products can have 216 of 240
 * registers, and keys have 160 sums: there is room for S or dP, 32, and for factors, 16; p goes to what is left. So dP is issued when S is read, and S of the
 * next tile when dv is made and p's factor free:
 *
 *     keys        products    S0   dP0    dv0 dk0 S1   dP1    dv1 dk1 S2 ..
 *                 the threads      p0  ds0             p1  ds1
 *     queries     products    S0 dP0     dq0 S1 dP1     dq1 S2 dP2 ..
 *                 the threads    p0  ds0        p1  ds1
 *
 * While a warpgroup's products wait for its ds, the other one's run. */
#include "train/cuda/cuda_ops.h"

#include "train/cuda/cuda_flash_hopper.cuh"

enum {
    OWN = HOPPER_OWN,
    QUERIES = HOPPER_MET_QUERIES,
    KEYS = HOPPER_MET_KEYS,
    SUM_FLOATS = 2 * QUERIES, /* of a tile of queries: lse of each, then delta */
    SUM_LANES = V / CUDA_PACK /* to a query */
};
static_assert(OWN == CONSUMERS * WGMMA_ROWS && OWN % QUERIES == 0, "tiles of queries are whole");
static_assert(CUDA_WARP % SUM_LANES == 0, "a warp has whole queries");

/* A head's first number in `sums`, and the next one's. */
static __device__ inline size_t padded_length(const struct heads &a)
{
    return (a.sequence + OWN - 1) / OWN * OWN;
}

/* sums[b, h, tile of queries]: lse in powers of two, then dout . out. A query that is not there has a probability of 0 with each key. */
static __global__ void find_sums(struct heads a, float *sums)
{
    const size_t padded = padded_length(a), count = a.batch * a.heads * padded * SUM_LANES;
    for (size_t i = item_index(); i < count; i += item_step()) {
        const size_t row = i / SUM_LANES, column = i % SUM_LANES * CUDA_PACK, t = row % padded, head = row / padded;
        const size_t token = head / a.heads * a.sequence + t, from = (token * a.heads + head % a.heads) * V + column;
        const bool there = t < a.sequence;
        float out[CUDA_PACK], dout[CUDA_PACK], delta = 0;
        if (there) {
            load<CUDA_PACK>(out, a.out + from);
            load<CUDA_PACK>(dout, a.dout + from);
            for (int j = 0; j < CUDA_PACK; j++)
                delta += out[j] * dout[j];
        }
        for (int bits = SUM_LANES / 2; bits > 0; bits /= 2)
            delta += __shfl_xor_sync(ALL_LANES, delta, bits);
        if (column > 0)
            continue;
        float *to = sums + row / QUERIES * SUM_FLOATS + row % QUERIES;
        to[0] = there ? a.lse[head * a.sequence + t] * LOG2_E : INFINITY;
        to[QUERIES] = delta;
    }
}

#ifndef WGMMA_MISSING
/* Where things lie in shared memory: the block's own tile, both parts of its tokens, stages of OTHER tokens of the other side, FLOATS beside each. */
template <unsigned KEY_, unsigned OTHER_, unsigned STAGES_, unsigned FLOATS> struct backward_smem {
    static constexpr unsigned KEY = KEY_, OTHER = OTHER_, STAGES = STAGES_;
    static constexpr unsigned own_bytes = OWN * (KEY + V) * sizeof(real),
                              other_bytes = OTHER * (KEY + V) * sizeof(real), float_bytes = FLOATS * sizeof(float);
    uint32_t begin;

    __device__ uint32_t own_key() const
    {
        return begin;
    }
    __device__ uint32_t own_v() const
    {
        return begin + OWN * KEY * (unsigned)sizeof(real);
    }
    __device__ uint32_t key(unsigned tile) const
    {
        return begin + own_bytes + tile % STAGES * other_bytes;
    }
    __device__ uint32_t v(unsigned tile) const
    {
        return key(tile) + OTHER * KEY * (unsigned)sizeof(real);
    }
    __device__ uint32_t floats(unsigned tile) const
    {
        return begin + own_bytes + STAGES * other_bytes + tile % STAGES * float_bytes;
    }
    __device__ uint32_t own_full() const
    {
        return begin + own_bytes + STAGES * (other_bytes + float_bytes);
    }
    __device__ uint32_t full(unsigned tile) const
    {
        return own_full() + 8 + tile % STAGES * 16;
    }
    __device__ uint32_t empty(unsigned tile) const
    {
        return full(tile) + 8;
    }
};
template <unsigned KEY> using key_smem = backward_smem<KEY, QUERIES, HOPPER_QUERY_STAGES, SUM_FLOATS>;
template <unsigned KEY> using query_smem = backward_smem<KEY, KEYS, HOPPER_MET_KEY_STAGES, 0>;

/* One thread makes the barriers. */
template <class Smem> static __device__ inline Smem prepare_smem(void)
{
    const Smem smem = {smem_begin()};
    if (threadIdx.x == 0) {
        mbarrier_init(smem.own_full(), 1);
        for (unsigned i = 0; i < Smem::STAGES; i++) {
            mbarrier_init(smem.full(i), 1);
            mbarrier_init(smem.empty(i), CONSUMER_WARPS);
        }
        proxy_fence();
    }
    __syncthreads();
    return smem;
}

/* The tile's stage is empty, and its bytes are told of. */
template <class Smem> static __device__ inline void begin_stage(const Smem &smem, unsigned tile)
{
    mbarrier_wait(smem.empty(tile), parity_of<Smem::STAGES>(tile) ^ 1);
    mbarrier_expect(smem.full(tile), Smem::other_bytes + Smem::float_bytes);
}

template <class Smem> static __device__ inline void await_stage(const Smem &smem, unsigned tile)
{
    mbarrier_wait(smem.full(tile), parity_of<Smem::STAGES>(tile));
}

/* A warpgroup that reads nothing of a tile gives its stage back, once the tile is there: before that it would count for the one before. */
template <class Smem> static __device__ inline void pass_over(const Smem &smem, unsigned tile)
{
    await_stage(smem, tile);
    consumer_release(smem.empty(tile));
}

/* A warpgroup's 64 rows by a tile: S and p, or dP and ds without the scale; and one of both as the left factor of sums, until they are made. */
template <class Smem> using tile_floats = float[1][Smem::OTHER / 8][4];
template <class Smem> using tile_factor = uint32_t[1][Smem::OTHER / 16][4];

/* S, dP and sums over the tile's tokens, each a group that is under way behind it. */
template <class Smem>
static __device__ inline void begin_scores(tile_floats<Smem> &s, const Smem &smem, unsigned group, unsigned tile)
{
    wgmma_fence();
    multiply_pieces<Smem::KEY, OWN, Smem::OTHER>(s[0], smem.own_key() + group * WGMMA_ROWS * BOX_ROW_BYTES,
                                                 smem.key(tile));
    wgmma_commit();
}

template <class Smem>
static __device__ inline void begin_dp(tile_floats<Smem> &dp, const Smem &smem, unsigned group, unsigned tile)
{
    wgmma_fence();
    multiply_pieces<V, OWN, Smem::OTHER>(dp[0], smem.own_v() + group * WGMMA_ROWS * BOX_ROW_BYTES, smem.v(tile));
    wgmma_commit();
}

template <unsigned FOURS, unsigned STEPS>
static __device__ inline void begin_sums(float (&sums)[FOURS][4], const uint32_t (&factor)[1][STEPS][4],
                                         uint32_t tokens)
{
    wgmma_fence();
    multiply_words(sums, factor[0], tokens);
    wgmma_commit();
}

/* What is under way is over but for GROUPS: these numbers are there, or this factor is not read any more. */
template <unsigned GROUPS, class T> static __device__ inline void await(T &numbers)
{
    wgmma_wait<GROUPS>();
    wgmma_settle(numbers[0]);
}

/* The first row of this warp. */
static __device__ inline unsigned own_row(void)
{
    return threadIdx.x / CUDA_WARP * 16;
}

static __device__ inline unsigned query_tiles(const struct heads &a, const struct flash_place &at)
{
    return (flash_length(a) - at.first + QUERIES - 1) / QUERIES;
}

/* A head's first query in `sums`, counted through all heads. */
static __device__ inline size_t sums_row(const struct heads &a, const struct flash_place &at)
{
    return (at.row / flash_length(a) * a.heads + at.head) * padded_length(a);
}

template <unsigned KEY>
static __device__ inline void produce_queries(const struct heads &a, const struct head_source &from,
                                              const struct flash_place &at, const key_smem<KEY> &smem,
                                              const float *sums)
{
    mbarrier_expect(smem.own_full(), smem.own_bytes);
    load_keys<OWN, KEY>(from, smem.own_key(), at.first, smem.own_full());
    load_values<OWN>(from, smem.own_v(), at.first, smem.own_full());
    for (unsigned tile = 0; tile < query_tiles(a, at); tile++) {
        const unsigned t0 = at.first + tile * QUERIES;
        begin_stage(smem, tile);
        load_queries<QUERIES, KEY>(from, smem.key(tile), t0, smem.full(tile));
        load_douts<QUERIES>(from, smem.v(tile), t0, smem.full(tile));
        bulk_load(smem.floats(tile), sums + (sums_row(a, at) + t0) / QUERIES * SUM_FLOATS, smem.float_bytes,
                  smem.full(tile));
    }
}

/* What came to a stage beside its tile. */
static __device__ inline const float *stage_floats(uint32_t at)
{
    return shared_floats() + (at - shared_address((const void *)shared_floats())) / sizeof(float);
}

/* Scores become what probabilities are as powers of two. A query that stands before a key does not see it. */
template <class Smem>
static __device__ inline void shift_scores(tile_floats<Smem> &s, const Smem &smem, unsigned group, unsigned tile,
                                           float unit)
{
    const unsigned thread = thread_here(), first = thread % 4 * 2;
    const float *lse = stage_floats(smem.floats(tile)) + first;
    if (tile * QUERIES + 1 < (group + 1) * WGMMA_ROWS) {
        const int key = (int)(thread / CUDA_WARP * 16 + thread % CUDA_WARP / 4 - tile * QUERIES);
#pragma unroll
        for (unsigned x = 0; x < QUERIES / 8; x++)
#pragma unroll
            for (unsigned i = 0; i < 4; i++)
                if ((int)(8 * x + first + i % 2) < key + (int)(i / 2 * 8))
                    s[0][x][i] = -INFINITY;
    }
#pragma unroll
    for (unsigned x = 0; x < QUERIES / 8; x++)
#pragma unroll
        for (unsigned i = 0; i < 4; i++)
            s[0][x][i] = fmaf(s[0][x][i], unit, -lse[8 * x + i % 2]);
}

template <unsigned FOURS> static __device__ inline void exponentiate(float (&p)[1][FOURS][4])
{
    each_sum(p, [](unsigned, unsigned, float &x) { x = power_of_two(x); });
}

/* dP becomes ds. */
template <class Smem>
static __device__ inline void ds_of_keys(tile_floats<Smem> &dp, const tile_floats<Smem> &p, const Smem &smem,
                                         unsigned tile)
{
    const float *delta = stage_floats(smem.floats(tile)) + QUERIES + thread_here() % 4 * 2;
#pragma unroll
    for (unsigned x = 0; x < QUERIES / 8; x++)
#pragma unroll
        for (unsigned i = 0; i < 4; i++)
            dp[0][x][i] = (dp[0][x][i] - delta[8 * x + i % 2]) * p[0][x][i];
}

/* Numbers become a factor, here and not behind products that want their registers. */
template <unsigned FOURS>
static __device__ inline void make_factor(uint32_t (&factor)[1][FOURS / 2][4], const float (&numbers)[1][FOURS][4])
{
    narrow_sums(factor, numbers);
    wgmma_settle(factor[0]);
}

/* A warpgroup's sums over queries, and what it has of a tile. */
template <unsigned KEY> struct key_state {
    float dk[1][KEY / 8][4], dv[1][V / 8][4];
    tile_floats<key_smem<KEY>> p, ds;
    tile_factor<key_smem<KEY>> p_factor, ds_factor;
};

/* Scores of a tile are there, and nothing is under way; behind it the same of the next tile, or of the last one the sums under way. */
template <unsigned KEY, bool LAST>
static __device__ inline void meet_queries(struct key_state<KEY> &c, const key_smem<KEY> &smem, unsigned group,
                                           unsigned tile, float unit)
{
    shift_scores<key_smem<KEY>>(c.p, smem, group, tile, unit);
    begin_dp<key_smem<KEY>>(c.ds, smem, group, tile);
    exponentiate(c.p);
    if (!LAST)
        await_stage(smem, tile + 1); /* here: a branch keeps ptxas from putting the exponentials behind the wait */
    await<0>(c.ds);
    ds_of_keys<key_smem<KEY>>(c.ds, c.p, smem, tile);
    make_factor(c.p_factor, c.p);
    make_factor(c.ds_factor, c.ds);
    begin_sums(c.dv[0], c.p_factor, smem.v(tile));
    begin_sums(c.dk[0], c.ds_factor, smem.key(tile));
    if (LAST)
        return;
    await<1>(c.p_factor); /* before there are no registers for scores */
    begin_scores<key_smem<KEY>>(c.p, smem, group, tile + 1);
    await<1>(c.ds_factor);
    consumer_release(smem.empty(tile));
    await<0>(c.p);
}

template <unsigned KEY>
static __device__ inline void write_keys(const struct heads &a, const struct flash_place &at, struct key_state<KEY> &c,
                                         float *rotary, unsigned s0)
{
    store_sums(c.dv, 0, V, s0 < flash_length(a) ? flash_length(a) - s0 : 0,
               [&](unsigned row) { return flash_row(a, at, a.dkv, a.nope + V, s0 + row) + a.nope; });
    store_keys<KEY>(a, at, c.dk, rotary, s0);
}

/* A warpgroup's 64 keys meet all tiles of queries but those that stand before them altogether. */
template <unsigned KEY>
static __device__ inline void consume_queries(const struct heads &a, const struct flash_place &at,
                                              const key_smem<KEY> &smem, unsigned group, float *rotary)
{
    const unsigned tiles = query_tiles(a, at), first = group * WGMMA_ROWS / QUERIES;
    const float unit = a.scale * LOG2_E;
    struct key_state<KEY> c = key_state<KEY>();
    for (unsigned tile = 0; tile < first && tile < tiles; tile++)
        pass_over(smem, tile);
    if (first >= tiles) /* none of these keys is there */
        return;
    wgmma_settle(c.dk[0]);
    wgmma_settle(c.dv[0]);
    mbarrier_wait(smem.own_full(), 0);
    await_stage(smem, first);
    begin_scores<key_smem<KEY>>(c.p, smem, group, first);
    await<0>(c.p);
    for (unsigned tile = first; tile + 1 < tiles; tile++)
        meet_queries<KEY, false>(c, smem, group, tile, unit);
    meet_queries<KEY, true>(c, smem, group, tiles - 1, unit);
    await<0>(c.p_factor);
    wgmma_settle(c.ds_factor[0]);
    wgmma_settle(c.dk[0]);
    wgmma_settle(c.dv[0]);
    write_keys<KEY>(a, at, c, rotary, at.first + own_row());
}

/* Tiles of keys that queries before `end` see. */
static __device__ inline unsigned key_tiles(const struct heads &a, unsigned end)
{
    return ((unsigned)least(flash_length(a), end) + KEYS - 1) / KEYS;
}

template <unsigned KEY>
static __device__ inline void produce_keys(const struct heads &a, const struct head_source &from,
                                           const struct flash_place &at, const query_smem<KEY> &smem)
{
    mbarrier_expect(smem.own_full(), smem.own_bytes);
    load_queries<OWN, KEY>(from, smem.own_key(), at.first, smem.own_full());
    load_douts<OWN>(from, smem.own_v(), at.first, smem.own_full());
    for (unsigned tile = 0; tile < key_tiles(a, at.first + OWN); tile++) {
        begin_stage(smem, tile);
        load_keys<KEYS, KEY>(from, smem.key(tile), tile * KEYS, smem.full(tile));
        load_values<KEYS>(from, smem.v(tile), tile * KEYS, smem.full(tile));
    }
}

/* The same of queries; `ahead`: the tile's first key minus the warp's first query. */
template <class Smem>
static __device__ inline void softmax_queries(tile_floats<Smem> &s, const float (&lse)[2], float unit, int ahead)
{
    if (ahead > -(int)KEYS)
        each_sum(s, [&](unsigned row, unsigned column, float &x) {
            if ((int)column + ahead > (int)row)
                x = -INFINITY;
        });
    each_sum(s, [&](unsigned row, unsigned, float &x) { x = power_of_two(fmaf(x, unit, -lse[row / 8 % 2])); });
}

/* A warpgroup's 64 queries meet all keys up to their own. */
template <unsigned KEY>
static __device__ inline void consume_keys(const struct heads &a, const struct flash_place &at,
                                           const query_smem<KEY> &smem, unsigned group, const float *sums)
{
    const unsigned tiles = key_tiles(a, at.first + OWN), seen = key_tiles(a, at.first + (group + 1) * WGMMA_ROWS),
                   t0 = at.first + own_row();
    const float unit = a.scale * LOG2_E;
    float dq[1][KEY / 8][4] = {}, lse[2], delta[2]; /* of rows lane / 4 and lane / 4 + 8 */
    tile_floats<query_smem<KEY>> p = {}, ds = {};
    tile_factor<query_smem<KEY>> factor = {};
    for (unsigned half = 0; half < 2; half++) {
        const size_t row = sums_row(a, at) + t0 + threadIdx.x % CUDA_WARP / 4 + 8 * half;
        lse[half] = sums[row / QUERIES * SUM_FLOATS + row % QUERIES];
        delta[half] = sums[row / QUERIES * SUM_FLOATS + QUERIES + row % QUERIES];
    }
    wgmma_settle(dq[0]);
    mbarrier_wait(smem.own_full(), 0);
    for (unsigned tile = 0; tile < seen; tile++) {
        await_stage(smem, tile);
        begin_scores<query_smem<KEY>>(p, smem, group, tile);
        await<1>(factor); /* of the tile before */
        if (tile > 0)
            consumer_release(smem.empty(tile - 1));
        begin_dp<query_smem<KEY>>(ds, smem, group, tile);
        await<1>(p);
        softmax_queries<query_smem<KEY>>(p, lse, unit, (int)(tile * KEYS - t0));
        await_stage(smem, tile); /* it is: a branch keeps ptxas from putting the exponentials behind the wait */
        await<0>(ds);
        each_sum(ds, [&](unsigned row, unsigned, float &x) { x -= delta[row / 8 % 2]; });
        multiply_sums(ds, p);
        narrow_sums(factor, ds);
        begin_sums(dq[0], factor, smem.key(tile));
    }
    await<0>(factor);
    wgmma_settle(dq[0]);
    consumer_release(smem.empty(seen - 1));
    for (unsigned tile = seen; tile < tiles; tile++)
        pass_over(smem, tile);
    each_sum(dq, [&](unsigned, unsigned, float &x) { x *= a.scale; });
    store_sums(dq, 0, KEY, t0 < flash_length(a) ? flash_length(a) - t0 : 0,
               [&](unsigned row) { return flash_row(a, at, a.dq, KEY, t0 + row); });
}
#endif

template <unsigned KEY>
static __global__ void __launch_bounds__(HOPPER_THREADS, 1)
    backward_keys_hopper(const __grid_constant__ CUtensorMap q, const __grid_constant__ CUtensorMap kv,
                         const __grid_constant__ CUtensorMap k_rope, const __grid_constant__ CUtensorMap dout,
                         const __grid_constant__ struct heads a, const float *sums, float *rotary)
{
#ifndef WGMMA_MISSING
    const key_smem<KEY> smem = prepare_smem<key_smem<KEY>>();
    const struct flash_place at = flash_place_of(a, OWN, false);
    const unsigned group = warpgroup_here();
    if (group == CONSUMERS) {
        registers_give_back<PRODUCER_REGISTERS>();
        if (threadIdx.x % WARPGROUP == 0)
            produce_queries<KEY>(a, head_source_of(a, {&q, &kv, &k_rope, &dout}, at), at, smem, sums);
    } else {
        registers_take<CONSUMER_REGISTERS>();
        consume_queries<KEY>(a, at, smem, group, rotary);
    }
#else
    __trap(); /* a build for 9.0 without 90a: better no answer than none written */
#endif
}

template <unsigned KEY>
static __global__ void __launch_bounds__(HOPPER_THREADS, 1)
    backward_queries_hopper(const __grid_constant__ CUtensorMap q, const __grid_constant__ CUtensorMap kv,
                            const __grid_constant__ CUtensorMap k_rope, const __grid_constant__ CUtensorMap dout,
                            const __grid_constant__ struct heads a, const float *sums)
{
#ifndef WGMMA_MISSING
    const query_smem<KEY> smem = prepare_smem<query_smem<KEY>>();
    const struct flash_place at = flash_place_of(a, OWN, true);
    const unsigned group = warpgroup_here();
    if (group == CONSUMERS) {
        registers_give_back<PRODUCER_REGISTERS>();
        if (threadIdx.x % WARPGROUP == 0)
            produce_keys<KEY>(a, head_source_of(a, {&q, &kv, &k_rope, &dout}, at), at, smem);
    } else {
        registers_take<CONSUMER_REGISTERS>();
        consume_keys<KEY>(a, at, smem, group, sums);
    }
#else
    __trap();
#endif
}

/* The tensors, so many tokens at a time. */
struct token_maps {
    CUtensorMap q, kv, k_rope, dout;
};

static struct token_maps maps_of(struct op_context *context, const struct op_attention *p, uint32_t queries,
                                 uint32_t keys)
{
    struct token_maps maps;
    const struct cuda_token_boxes boxes = cuda_attention_boxes(p, queries, keys);
    const char *const what = "attention backward, tensor maps";
    cuda_note(context, cuda_tensor_map(context->encode_tiled, &boxes.q, &maps.q), what);
    cuda_note(context, cuda_tensor_map(context->encode_tiled, &boxes.kv, &maps.kv), what);
    cuda_note(context, cuda_tensor_map(context->encode_tiled, &boxes.k_rope, &maps.k_rope), what);
    cuda_note(context, cuda_tensor_map(context->encode_tiled, &boxes.dout, &maps.dout), what);
    return maps;
}

bool attention_backward_hopper(struct op_context *context, const struct op_attention *p, float *sums, float *rotary)
{
    const struct heads a = attention_of(p);
    if (!context->encode_tiled || !cuda_way_open(context, CUDA_WGMMA_ATTENTION_BACKWARD) ||
        !cuda_suits_attention_backward_hopper(p))
        return false;
    const struct cuda_plan keys = cuda_plan_hopper_keys(a.key, a.batch * a.heads, a.sequence),
                           queries = cuda_plan_hopper_queries(a.key, a.batch * a.heads, a.sequence);
    if (keys.shared > context->shared_max || queries.shared > context->shared_max)
        return false;
    cuda_way_count(context, "attention backward", "wgmma");
    const size_t rows = cuda_attention_sums(a.batch, a.heads, a.sequence) / 2;
    const struct token_maps of_keys = maps_of(context, p, QUERIES, OWN), of_queries = maps_of(context, p, OWN, KEYS);
    launch(context, "attention backward, sums", cuda_plan_items(rows * SUM_LANES), find_sums, a, sums);
    launch(context, "attention backward, keys by wgmma", keys,
           a.key == 192 ? backward_keys_hopper<192> : backward_keys_hopper<128>, of_keys.q, of_keys.kv, of_keys.k_rope,
           of_keys.dout, a, sums, rotary);
    launch(context, "attention backward, queries by wgmma", queries,
           a.key == 192 ? backward_queries_hopper<192> : backward_queries_hopper<128>, of_queries.q, of_queries.kv,
           of_queries.k_rope, of_queries.dout, a, sums);
    return true;
}
