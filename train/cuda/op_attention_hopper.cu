/* attention on Hopper: FlashAttention-3's way (arXiv 2407.08608), products of BF16 by warpgroups (wgmma), their operands brought by the copy engine (TMA).
 *
 * A block has 128 queries of a head and meets its keys and values 128 at a time, from the diagonal, the only tile that is masked, down to the first one.
 * It is three warpgroups: one thread of the last one produces, that is, has TMA bring the queries once, and keys and values into stages of their own;
 * the first two consume, each with 64 of the queries. A stage goes round between them by two barriers:
 *
 *     full    1 arrival, the producer's, and the bytes: consumers multiply
 *     empty   8 arrivals, one of each consumer warp whose products of the stage are over: the producer loads again
 *
 * A consumer never has its scores anywhere but in registers. They become probabilities where they are, and those, as BF16, the left factor of the product
 * with the values, from the same registers. While that product runs the exponentials of the next tile are taken:
 *
 *     products        S0 ..      S1  P0 V0 ........  S2  P1 V1 ........      ..  Pn Vn
 *     the threads         P0         ..  P1              ..  P2                         out
 *
 * In shared memory everything lies in pieces of 64 numbers of each of 128 tokens, one box of TMA each: queries and keys are K-major operands, values are
 * MN-major (cuda_wgmma.cuh). A key's pieces come from two tensors, the head's part of kv and the rotary one that all heads share.
 *
 * Sequences are apart: to TMA each is a piece of its own, behind whose end there are zeros. So a probability of zero meets no neighbour's infinity. Within a
 * sequence it may, as with the other kernels: a value that is not finite makes all queries of its tile NaN, those before it too. */
#include "train/cuda/cuda_ops.h"

#ifdef CUDA_BF16
#include "train/cuda/cuda_flash.cuh"
#include "train/cuda/cuda_tensor_map.h"
#include "train/cuda/cuda_wgmma.cuh"

enum {
    QUERIES = HOPPER_QUERIES,
    KEYS = HOPPER_KEYS,
    V = HOPPER_VALUE,
    STAGES = HOPPER_KEY_STAGES,
    CONSUMERS = QUERIES / WGMMA_ROWS, /* warpgroups */
    PIECE_BYTES = KEYS * BOX_ROW_BYTES,
    PRODUCER_REGISTERS = 24, /* 128 x 24 + 256 x 240 are 64,512, what 384 threads have of 168 each */
    CONSUMER_REGISTERS = 240 /* 64 of them scores, 64 the output, 32 probabilities */
};
static_assert(QUERIES == KEYS, "one tile is masked, and one box is for all tensors");
static_assert(HOPPER_THREADS == (CONSUMERS + 1) * WARPGROUP, "one warpgroup produces");
static_assert(KEYS == WGMMA_FOURS * 8 && V == WGMMA_FOURS * 8, "sums of 64 x 128");

struct maps {
    const CUtensorMap *q, *kv, *k_rope;
};

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

/* A stage has been round so often when the tile comes into it: the parity of its phase. */
static __device__ inline unsigned parity_of(unsigned tile)
{
    return tile / STAGES % 2;
}

static __device__ inline void await_loaded(uint32_t full, unsigned tile)
{
    mbarrier_wait(full, parity_of(tile));
}

/* Tiles that a block's queries meet. Number 0 is the diagonal. */
static __device__ inline unsigned tiles_of(const struct flash_place &at)
{
    return at.first / KEYS + 1;
}

/* Pieces of a tensor by token, from x and the token on. */
template <unsigned PIECES>
static __device__ inline void load_pieces(uint32_t to, const CUtensorMap *map, unsigned x, unsigned token,
                                          unsigned sequence, uint32_t barrier)
{
    for (unsigned i = 0; i < PIECES; i++)
        tensor_load(to + i * PIECE_BYTES, map, (int)(x + i * BOX_NUMBERS), (int)token, (int)sequence, barrier);
}

template <unsigned KEY>
static __device__ inline void load_keys(const struct heads &a, const struct maps &maps, const struct flash_place &at,
                                        uint32_t to, unsigned s0, unsigned sequence, uint32_t barrier)
{
    const unsigned nope = (unsigned)a.nope, x = at.head * (nope + V);
    for (unsigned i = 0; i < KEY; i += BOX_NUMBERS) {
        const bool own = i < nope;
        tensor_load(to + i / BOX_NUMBERS * PIECE_BYTES, own ? maps.kv : maps.k_rope, (int)(own ? x + i : i - nope),
                    (int)s0, (int)sequence, barrier);
    }
}

template <unsigned KEY>
static __device__ inline void produce(const struct heads &a, const struct maps &maps, const struct flash_place &at,
                                      const layout<KEY> &room)
{
    const unsigned sequence = at.row / flash_length(a), nope = (unsigned)a.nope;
    mbarrier_expect(room.queries_full(), room.key_bytes);
    load_pieces<KEY / BOX_NUMBERS>(room.queries(), maps.q, at.head * KEY, at.first, sequence, room.queries_full());
    for (unsigned tile = 0; tile < tiles_of(at); tile++) {
        const unsigned s0 = at.first - tile * KEYS;
        const uint32_t keys_full = room.barrier(KEYS_FULL, tile), values_full = room.barrier(VALUES_FULL, tile);
        mbarrier_wait(room.barrier(KEYS_EMPTY, tile), parity_of(tile) ^ 1);
        mbarrier_expect(keys_full, room.key_bytes);
        load_keys<KEY>(a, maps, at, room.keys(tile), s0, sequence, keys_full);
        mbarrier_wait(room.barrier(VALUES_EMPTY, tile), parity_of(tile) ^ 1);
        mbarrier_expect(values_full, room.value_bytes);
        load_pieces<V / BOX_NUMBERS>(room.values(tile), maps.kv, at.head * (nope + V) + nope, s0, sequence,
                                     values_full);
    }
}

/* A consumer's warp does not read the stage any more. */
static __device__ inline void release(uint32_t empty)
{
    if (threadIdx.x % CUDA_WARP == 0)
        mbarrier_arrive(empty);
}

/* A warpgroup's state. Scores, then probabilities; the same as BF16; the output so far. */
struct consumer {
    float scores[1][KEYS / 8][4];
    uint32_t weights[1][KEYS / 16][4];
    struct softmax<1, V> sums;
};

/* The tile's scores, as a group that is under way behind it. */
template <unsigned KEY>
static __device__ inline void score(struct consumer &c, const layout<KEY> &room, unsigned tile, unsigned group)
{
    const uint64_t a = wgmma_descriptor(room.queries() + group * WGMMA_ROWS * BOX_ROW_BYTES, 0);
    const uint64_t b = wgmma_descriptor(room.keys(tile), 0);
    await_loaded(room.barrier(KEYS_FULL, tile), tile);
    wgmma_fence();
    wgmma_128<false>(c.scores[0], a, b);
#pragma unroll
    for (unsigned i = 1; i < KEY / WGMMA_DEPTH; i++) {
        constexpr unsigned EACH = BOX_NUMBERS / WGMMA_DEPTH; /* of a piece */
        const uint64_t step = i / EACH * (PIECE_BYTES >> 4) + i % EACH * wgmma_step(false);
        wgmma_128<true>(c.scores[0], a + step, b + step);
    }
    wgmma_commit();
}

/* The tile's values, which have been waited for, by their probabilities, likewise. */
template <unsigned KEY> static __device__ inline void weigh(struct consumer &c, const layout<KEY> &room, unsigned tile)
{
    const uint64_t b = wgmma_descriptor(room.values(tile), PIECE_BYTES);
    wgmma_fence();
#pragma unroll
    for (unsigned i = 0; i < KEYS / WGMMA_DEPTH; i++)
        wgmma_128_registers(c.sums.out[0], c.weights[0][i], b + i * wgmma_step(true));
    wgmma_commit();
}

/* What is under way is over but for GROUPS: the tile's scores are there. */
template <unsigned GROUPS, unsigned KEY>
static __device__ inline void await_scores(struct consumer &c, const layout<KEY> &room, unsigned tile)
{
    wgmma_wait<GROUPS>();
    wgmma_settle(c.scores[0]);
    release(room.barrier(KEYS_EMPTY, tile));
}

template <unsigned KEY>
static __device__ inline void await_values(struct consumer &c, const layout<KEY> &room, unsigned tile)
{
    wgmma_wait<0>();
    wgmma_settle(c.sums.out[0]);
    wgmma_settle(c.weights[0]);
    release(room.barrier(VALUES_EMPTY, tile));
}

/* Scores become probabilities relative to the largest so far; *shrink is what the sums before are to be multiplied by. `unit`: what a score of 1 is as a
 * power of two. The four lanes of a row hold the same largest. */
static __device__ inline void soften(struct consumer &c, float (&shrink)[2], float unit)
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
        shrink[half] = power_of_two((c.sums.max[0][half] - max) * unit);
#pragma unroll
        for (unsigned x = 0; x < KEYS / 8; x++)
#pragma unroll
            for (unsigned i = 2 * half; i < 2 * half + 2; i++) {
                c.scores[0][x][i] = power_of_two(fmaf(c.scores[0][x][i], unit, shift));
                total += c.scores[0][x][i];
            }
        c.sums.max[0][half] = max;
        c.sums.total[0][half] = c.sums.total[0][half] * shrink[half] + total;
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

static __device__ inline void lessen(struct consumer &c, const float (&shrink)[2])
{
#pragma unroll
    for (unsigned x = 0; x < V / 8; x++)
#pragma unroll
        for (unsigned i = 0; i < 4; i++)
            c.sums.out[0][x][i] *= shrink[i / 2];
}

template <unsigned KEY>
static __device__ inline void consume(const struct heads &a, const struct flash_place &at, const layout<KEY> &room,
                                      unsigned group)
{
    const unsigned row0 = threadIdx.x / CUDA_WARP * 16, tiles = tiles_of(at);
    const float unit = a.scale * LOG2_E;
    struct consumer c = consumer();
    float shrink[2];
    c.sums.max[0][0] = c.sums.max[0][1] = -INFINITY;
    mbarrier_wait(room.queries_full(), 0);
    score(c, room, 0, group);
    await_scores<0>(c, room, 0);
    mask(c, row0);
    soften(c, shrink, unit);
    await_loaded(room.barrier(VALUES_FULL, 0), 0);
    narrow_sums(c.weights, c.scores);
    for (unsigned tile = 1; tile < tiles; tile++) {
        score(c, room, tile, group);
        weigh(c, room, tile - 1);
        await_scores<1>(c, room, tile);
        soften(c, shrink, unit);
        /* not where they are multiplied: this branch keeps ptxas from putting the exponentials behind the wait for products */
        await_loaded(room.barrier(VALUES_FULL, tile), tile);
        await_values(c, room, tile - 1);
        lessen(c, shrink);
        narrow_sums(c.weights, c.scores);
    }
    weigh(c, room, tiles - 1);
    await_values(c, room, tiles - 1);
    write_out(a, at, c.sums, at.first + row0);
}

/* Boxes begin at a multiple of an atom; one thread makes the barriers. */
template <unsigned KEY> static __device__ inline layout<KEY> prepare_room(void)
{
    const uint32_t address = shared_address((const void *)shared_floats());
    const layout<KEY> room = {address + (0 - address) % ATOM_BYTES};
    if (threadIdx.x == 0) {
        constexpr unsigned WARPS = CONSUMERS * WARPGROUP / CUDA_WARP;
        mbarrier_init(room.queries_full(), 1);
        for (unsigned i = 0; i < STAGES; i++) {
            mbarrier_init(room.barrier(KEYS_FULL, i), 1);
            mbarrier_init(room.barrier(KEYS_EMPTY, i), WARPS);
            mbarrier_init(room.barrier(VALUES_FULL, i), 1);
            mbarrier_init(room.barrier(VALUES_EMPTY, i), WARPS);
        }
        proxy_fence();
    }
    __syncthreads();
    return room;
}
#endif

template <unsigned KEY>
static __global__ void __launch_bounds__(HOPPER_THREADS, 1)
    attend_hopper(const __grid_constant__ CUtensorMap q, const __grid_constant__ CUtensorMap kv,
                  const __grid_constant__ CUtensorMap k_rope, const __grid_constant__ struct heads a)
{
#ifndef WGMMA_MISSING
    const layout<KEY> room = prepare_room<KEY>();
    const struct flash_place at = flash_place_of(a, QUERIES, true);
    const unsigned group = threadIdx.x / WARPGROUP;
    if (group == CONSUMERS) {
        registers_give_back<PRODUCER_REGISTERS>();
        if (threadIdx.x % WARPGROUP == 0)
            produce<KEY>(a, {&q, &kv, &k_rope}, at, room);
    } else {
        registers_take<CONSUMER_REGISTERS>();
        consume<KEY>(a, at, room, group);
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
    const struct cuda_token_boxes boxes = cuda_attention_boxes(p);
    cuda_note(context, cuda_tensor_map(context->encode_tiled, &boxes.q, &q), "attention, tensor map of q");
    cuda_note(context, cuda_tensor_map(context->encode_tiled, &boxes.kv, &kv), "attention, tensor map of kv");
    cuda_note(context, cuda_tensor_map(context->encode_tiled, &boxes.k_rope, &k_rope),
              "attention, tensor map of k_rope");
    cuda_way_count(context, "attention", "wgmma");
    launch(context, "attention, wgmma", plan, a.key == 192 ? attend_hopper<192> : attend_hopper<128>, q, kv, k_rope, a);
    return true;
}
#endif
