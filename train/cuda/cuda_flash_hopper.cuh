/* What the kernels of attention on Hopper share: how tokens of a head come into shared memory, and products of what lies there.
 *
 * A block is three warpgroups: one thread of the last one produces, that is, has TMA bring a tile of the block's own rows once, and tiles of the other side
 * into stages of their own; the first two consume, each with 64 of the rows. A stage goes round between them by two barriers:
 *
 *     full    1 arrival, the producer's, and the bytes: consumers multiply
 *     empty   8 arrivals, one of each consumer warp whose products of the stage are over: the producer loads again
 *
 * In shared memory everything lies in pieces of 64 numbers of each of a tile's tokens, one box of TMA each: both factors of scores are K-major, the right
 * factor of what is summed over tokens is MN-major (cuda_wgmma.cuh), from the same pieces. A key's pieces come from two tensors, the head's part of kv and
 * the rotary one that all heads share.
 *
 * Sequences are apart: to TMA each is a piece of its own, behind whose end there are zeros. So a probability of zero meets no neighbour's infinity. Within a
 * sequence it may, as with the other kernels: a number that is not finite makes all rows that meet its tile NaN, those that it is none of the business of
 * too. */
#ifndef QUERN_TRAIN_CUDA_FLASH_HOPPER_CUH
#define QUERN_TRAIN_CUDA_FLASH_HOPPER_CUH

#include "train/cuda/cuda_flash.cuh"
#include "train/cuda/cuda_tensor_map.h"
#include "train/cuda/cuda_wgmma.cuh"

enum {
    V = HOPPER_VALUE,
    CONSUMERS = HOPPER_THREADS / WARPGROUP - 1, /* warpgroups; the last one produces */
    CONSUMER_WARPS = CONSUMERS * WARPGROUP / CUDA_WARP,
    PRODUCER_REGISTERS = 24, /* 128 x 24 + 256 x 240 are 64,512, what 384 threads have of 168 each */
    CONSUMER_REGISTERS = 240
};
static_assert(CONSUMERS == 2, "of 64 rows each");

struct maps {
    const CUtensorMap *q, *kv, *k_rope, *dout;
};

#ifndef WGMMA_MISSING
/* What a producer loads from: a head of a sequence. */
struct head_source {
    struct maps maps;
    unsigned head, sequence, nope;
};

static __device__ inline struct head_source head_source_of(const struct heads &a, const struct maps &maps,
                                                           const struct flash_place &at)
{
    return {maps, at.head, at.row / flash_length(a), (unsigned)a.nope};
}

/* PIECES pieces of ROWS tokens of a tensor by token, from number x and the token on. */
template <unsigned ROWS, unsigned PIECES>
static __device__ inline void load_pieces(const struct head_source &from, const CUtensorMap *map, uint32_t to,
                                          unsigned x, unsigned token, uint32_t barrier)
{
    static_assert(ROWS * BOX_ROW_BYTES % ATOM_BYTES == 0, "boxes begin at atoms");
    for (unsigned i = 0; i < PIECES; i++)
        tensor_load(to + i * ROWS * BOX_ROW_BYTES, map, (int)(x + i * BOX_NUMBERS), (int)token, (int)from.sequence,
                    barrier);
}

template <unsigned ROWS, unsigned KEY>
static __device__ inline void load_queries(const struct head_source &from, uint32_t to, unsigned token,
                                           uint32_t barrier)
{
    load_pieces<ROWS, KEY / BOX_NUMBERS>(from, from.maps.q, to, from.head * KEY, token, barrier);
}

template <unsigned ROWS, unsigned KEY>
static __device__ inline void load_keys(const struct head_source &from, uint32_t to, unsigned token, uint32_t barrier)
{
    const unsigned x = from.head * (from.nope + V);
    for (unsigned i = 0; i < KEY; i += BOX_NUMBERS) {
        const bool own = i < from.nope;
        load_pieces<ROWS, 1>(from, own ? from.maps.kv : from.maps.k_rope, to + i / BOX_NUMBERS * ROWS * BOX_ROW_BYTES,
                             own ? x + i : i - from.nope, token, barrier);
    }
}

template <unsigned ROWS>
static __device__ inline void load_values(const struct head_source &from, uint32_t to, unsigned token, uint32_t barrier)
{
    load_pieces<ROWS, V / BOX_NUMBERS>(from, from.maps.kv, to, from.head * (from.nope + V) + from.nope, token, barrier);
}

template <unsigned ROWS>
static __device__ inline void load_douts(const struct head_source &from, uint32_t to, unsigned token, uint32_t barrier)
{
    load_pieces<ROWS, V / BOX_NUMBERS>(from, from.maps.dout, to, from.head * V, token, barrier);
}

/* Dynamic shared memory from its first multiple of an atom on. */
static __device__ inline uint32_t smem_begin(void)
{
    const uint32_t address = shared_address((const void *)shared_floats());
    return address + (0 - address) % ATOM_BYTES;
}

/* A stage of STAGES has been round so often when the tile comes into it: the parity of its phase. */
template <unsigned STAGES> static __device__ inline unsigned parity_of(unsigned tile)
{
    return tile / STAGES % 2;
}

/* This thread's warpgroup, as a number that the compiler knows to be the same for a warp: what follows from it does not cost registers of each thread. */
static __device__ inline unsigned warpgroup_here(void)
{
    return __shfl_sync(ALL_LANES, threadIdx.x / WARPGROUP, 0);
}

/* A consumer's warp does not read the stage any more. */
static __device__ inline void consumer_release(uint32_t empty)
{
    if (threadIdx.x % CUDA_WARP == 0)
        mbarrier_arrive(empty);
}

/* D = A B over DEPTH numbers of each token, both K-major, in pieces of A_ROWS and B_ROWS tokens. */
template <unsigned DEPTH, unsigned A_ROWS, unsigned B_ROWS, unsigned FOURS>
static __device__ inline void multiply_pieces(float (&d)[FOURS][4], uint32_t a_at, uint32_t b_at)
{
    constexpr unsigned EACH = BOX_NUMBERS / WGMMA_DEPTH; /* of a piece */
    const uint64_t a = wgmma_descriptor(a_at, 0), b = wgmma_descriptor(b_at, 0);
    wgmma_shared<false>(d, a, b);
#pragma unroll
    for (unsigned i = 1; i < DEPTH / WGMMA_DEPTH; i++) {
        const uint64_t piece = i / EACH * (BOX_ROW_BYTES >> 4), step = i % EACH * wgmma_step(false);
        wgmma_shared<true>(d, a + piece * A_ROWS + step, b + piece * B_ROWS + step);
    }
}

/* D += A B over 16 STEPS tokens, A in registers and B MN-major, in pieces of as many tokens. */
template <unsigned FOURS, unsigned STEPS>
static __device__ inline void multiply_words(float (&d)[FOURS][4], const uint32_t (&a)[STEPS][4], uint32_t b_at)
{
    const uint64_t b = wgmma_descriptor(b_at, STEPS * WGMMA_DEPTH * BOX_ROW_BYTES);
#pragma unroll
    for (unsigned i = 0; i < STEPS; i++)
        wgmma_registers(d, a[i], b + i * wgmma_step(true));
}
#endif

#endif
