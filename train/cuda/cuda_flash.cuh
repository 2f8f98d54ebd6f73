/* What the kernels of attention by the matrix units share (FlashAttention-2, arXiv 2307.08691): which shapes they take, a block's place, and its tiles.
 *
 * A block has the rows of one tile of a head for its own, 16 or 32 of them a warp, and meets the tiles of the other side one after the other. Scores never
 * leave the registers: a warp multiplies its rows by a tile, makes probabilities of its sums where they are, and takes those, as BF16, for the left
 * factor of the next product. So warps meet only where a tile comes and goes.
 *
 * What bounds them. mma reads registers, and ldmatrix fills them by 128 bytes a cycle of a multiprocessor. For V3's heads (192 and 128) a warp
 *
 *                               rows    meets        reads     multiplies       flop a byte   a cycle
 *     forward                     32      64 keys    52 KiB    1.25 Mi flop            24.6     3,150
 *     backward, keys              16   32 queries    50 KiB    0.63 Mi flop            12.8     1,640
 *     backward, queries           16      32 keys    42 KiB    0.50 Mi flop            12.2     1,560
 *
 * An A100's multiprocessor multiplies 2,048 flop a cycle, one of Hopper 4,096 where wgmma asks for them. So on an A100 the forward is bound by the units
 * themselves, and the backward by shared memory at 76 to 80% of their peak; on a Hopper they stay below 77% and 38 to 40%. Of the backward's flop 5 of 7
 * count (op_attention_backward.cu). More rows a warp would want more than the 255 registers that a thread has: that is what wgmma, whose factors may stay
 * in shared memory, is for.
 */
#ifndef QUERN_TRAIN_CUDA_FLASH_CUH
#define QUERN_TRAIN_CUDA_FLASH_CUH

#include "train/cuda/cuda_attention.cuh"
#include "train/cuda/cuda_tile.cuh"

static constexpr float LOG2_E = 1.44269504F;

static inline bool is_sixteens(size_t width)
{
    return width > 0 && width % 16 == 0;
}

/* Whether the matrix units take it: parts of 16 numbers, a size that has kernels and finds room on this device, rows that can be copied 16 bytes at a
 * time, and the largest score giving the largest probability. */
static inline bool suits_flash(const struct op_context *context, const struct op_attention *p,
                               struct cuda_plan (*plan)(unsigned size, size_t heads, size_t sequence))
{
    const unsigned size = cuda_flash_size(p->nope + p->rope, p->v);
    return cuda_way_open(context, CUDA_MMA_ATTENTION) && is_sixteens(p->nope) && is_sixteens(p->rope) &&
           is_sixteens(p->v) && size < CUDA_FLASH_SIZES && plan(size, 0, 0).shared <= context->shared_max &&
           cuda_is_packed(p->q, p->nope, p->rope) && cuda_is_packed(p->kv, p->nope, p->v) &&
           cuda_is_packed(p->k_rope, p->rope, p->k_rope_stride) && cuda_is_packed(p->dout, p->v, p->v) &&
           p->k_rope_stride <= UINT32_MAX && p->scale > 0;
}

#ifdef CUDA_BF16
/* 2^x; 0 of minus infinity. */
static __device__ inline float power_of_two(float x)
{
#ifdef __CUDACC__
    float power;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(power) : "f"(x));
    return power;
#else
    return exp2f(x);
#endif
}

/* A block's part: tokens `first` on of a sequence, of one head. What the kernel's parameters hold it does not: registers are scarce. */
struct flash_place {
    unsigned row; /* the sequence's first token in the tensors by token */
    unsigned head, first;
};

static __device__ inline unsigned flash_length(const struct heads &a)
{
    return (unsigned)a.sequence;
}

/* Blocks that run together have the same heads, whose keys and values stay in the L2 cache; of each head the longest ones come first. `later_longer`:
 * those of later tokens. */
static __device__ inline struct flash_place flash_place_of(const struct heads &a, unsigned rows, bool later_longer)
{
    const unsigned length = flash_length(a), heads = (unsigned)a.heads, tiles = (length + rows - 1) / rows;
    const unsigned which = blockIdx.x / tiles, tile = blockIdx.x % tiles;
    struct flash_place at;
    at.row = which / heads * length;
    at.head = which % heads;
    at.first = (later_longer ? tiles - 1 - tile : tile) * rows;
    return at;
}

/* The sequence's first token in lse and delta. */
static __device__ inline unsigned flash_sums(const struct heads &a, const struct flash_place &at)
{
    return at.row * (unsigned)a.heads + at.head * flash_length(a);
}

/* Number 0 of the place's head at token t, in a tensor of `width` numbers for each head. */
template <class T>
static __device__ inline T *flash_row(const struct heads &a, const struct flash_place &at, T *tensor, size_t width,
                                      unsigned t)
{
    return tensor + (size_t)((at.row + t) * (unsigned)a.heads + at.head) * (unsigned)width;
}

static __device__ inline const real *rotary_row(const struct heads &a, const struct flash_place &at, unsigned t)
{
    return a.k_rope + (size_t)(at.row + t) * (unsigned)a.k_rope_stride;
}

/* Copies ROWS tokens from t0 on of such a tensor: `columns` numbers from `offset` on. */
template <unsigned ROWS, unsigned COLUMNS, unsigned THREADS>
static __device__ inline void copy_head(const struct heads &a, const struct flash_place &at, uint32_t tile,
                                        const real *tensor, size_t width, size_t offset, size_t columns, unsigned t0)
{
    copy_tile<ROWS, COLUMNS, THREADS>(
        tile, flash_length(a) - t0, (unsigned)columns,
        [&](unsigned row, unsigned column) { return flash_row(a, at, tensor + offset, width, t0 + row) + column; });
}

template <unsigned ROWS, unsigned COLUMNS, unsigned THREADS>
static __device__ inline void copy_queries(const struct heads &a, const struct flash_place &at, uint32_t tile,
                                           unsigned t0)
{
    copy_head<ROWS, COLUMNS, THREADS>(a, at, tile, a.q, a.key, 0, a.key, t0);
}

template <unsigned ROWS, unsigned COLUMNS, unsigned THREADS>
static __device__ inline void copy_values(const struct heads &a, const struct flash_place &at, uint32_t tile,
                                          unsigned s0)
{
    copy_head<ROWS, COLUMNS, THREADS>(a, at, tile, a.kv, a.nope + a.v, a.nope, a.v, s0);
}

template <unsigned ROWS, unsigned COLUMNS, unsigned THREADS>
static __device__ inline void copy_douts(const struct heads &a, const struct flash_place &at, uint32_t tile,
                                         unsigned t0)
{
    copy_head<ROWS, COLUMNS, THREADS>(a, at, tile, a.dout, a.v, 0, a.v, t0);
}

/* Keys come from two places: the head's own part, and the rotary one that all heads share. */
template <unsigned ROWS, unsigned COLUMNS, unsigned THREADS>
static __device__ inline void copy_keys(const struct heads &a, const struct flash_place &at, uint32_t tile, unsigned s0)
{
    const unsigned nope = (unsigned)a.nope;
    copy_tile<ROWS, COLUMNS, THREADS>(tile, flash_length(a) - s0, (unsigned)a.key, [&](unsigned row, unsigned column) {
        return column < nope ? flash_row(a, at, a.kv, a.nope + a.v, s0 + row) + column
                             : rotary_row(a, at, s0 + row) + (column - nope);
    });
}

/* Two numbers, rounded, to a place that is aligned to both. */
static __device__ inline void store_pair(real *to, float first, float second)
{
    *(uint32_t *)(void *)to = narrow_pair(first, second);
}

/* The warp's sums from column `begin` of them to `end`, rounded, to row_of(row), which has them from its beginning. Rows at `rows` and beyond are not there.
 * Both columns are multiples of 8. */
template <unsigned Y, unsigned X, class Row>
static __device__ inline void store_sums(const float (&d)[Y][X][4], unsigned begin, unsigned end, unsigned rows,
                                         const Row &row_of)
{
    const unsigned lane = threadIdx.x % CUDA_WARP;
#pragma unroll
    for (unsigned y = 0; y < Y; y++)
#pragma unroll
        for (unsigned half = 0; half < 2; half++) {
            const unsigned row = 16 * y + 8 * half + lane / 4;
            if (row >= rows)
                continue;
            real *to = row_of(row) + lane % 4 * 2 - begin;
#pragma unroll
            for (unsigned x = 0; x < X; x++)
                if (8 * x >= begin && 8 * x < end)
                    store_pair(to + 8 * x, d[y][x][2 * half], d[y][x][2 * half + 1]);
        }
}

/* The gradients of a warp's 16 keys from s0 on; rotary[b, h, s]: the head's part of the shared one. */
template <unsigned KEY>
static __device__ inline void store_keys(const struct heads &a, const struct flash_place &at,
                                         float (&dk)[1][KEY / 8][4], float *rotary, unsigned s0)
{
    const unsigned lane = threadIdx.x % CUDA_WARP, nope = (unsigned)a.nope, rope = (unsigned)a.rope;
    const unsigned rows = s0 < flash_length(a) ? flash_length(a) - s0 : 0;
    each_sum(dk, [&](unsigned, unsigned, float &x) { x *= a.scale; });
    store_sums(dk, 0, nope, rows, [&](unsigned row) { return flash_row(a, at, a.dkv, a.nope + a.v, s0 + row); });
#pragma unroll
    for (unsigned half = 0; half < 2; half++) {
        const unsigned row = 8 * half + lane / 4;
        float *to = rotary + (size_t)(flash_sums(a, at) + s0 + row) * rope + lane % 4 * 2;
        if (row >= rows)
            continue;
#pragma unroll
        for (unsigned x = 0; x < KEY / 8; x++)
            if (8 * x >= nope && 8 * x < nope + rope) {
                to[8 * x - nope] = dk[0][x][2 * half];
                to[8 * x - nope + 1] = dk[0][x][2 * half + 1];
            }
    }
}

/* A warp's queries: 16 of each piece, of which a lane has rows lane / 4 and lane / 4 + 8. `max` is of the scores so far, unscaled, `total` this lane's part
 * of the sum of what they are to it. */
template <unsigned PIECES, unsigned V> struct softmax {
    float out[PIECES][V / 8][4];
    float max[PIECES][2], total[PIECES][2];
};

/* Rows t0 .. of the output, and their lse. */
template <unsigned PIECES, unsigned V>
static __device__ inline void write_out(const struct heads &a, const struct flash_place &at,
                                        struct softmax<PIECES, V> &sums, unsigned t0)
{
    const unsigned lane = threadIdx.x % CUDA_WARP;
#pragma unroll
    for (unsigned y = 0; y < PIECES; y++)
#pragma unroll
        for (unsigned half = 0; half < 2; half++) {
            float total = sums.total[y][half];
            total += __shfl_xor_sync(ALL_LANES, total, 1);
            total += __shfl_xor_sync(ALL_LANES, total, 2);
            const unsigned t = t0 + 16 * y + 8 * half + lane / 4;
            if (lane % 4 == 0 && t < flash_length(a))
                a.lse[flash_sums(a, at) + t] = sums.max[y][half] * a.scale + logf(total);
            const float share = 1.0F / total;
#pragma unroll
            for (unsigned x = 0; x < V / 8; x++) {
                sums.out[y][x][2 * half] *= share;
                sums.out[y][x][2 * half + 1] *= share;
            }
        }
    store_sums(sums.out, 0, (unsigned)a.v, t0 < flash_length(a) ? flash_length(a) - t0 : 0,
               [&](unsigned row) { return flash_row(a, at, a.out, a.v, t0 + row); });
}
#endif

#endif
