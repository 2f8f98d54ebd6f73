/* Products of BF16 by the matrix units, as every GPU from Ampere on has them: a warp multiplies 16 x 16 by 16 x 8 at a time, sums in FP32.
 *
 * A block of 8 warps makes a tile of C, 128 x 128, from both operands' tiles of 32 of k in shared memory, each row [k] of which is contiguous; the next
 * ones are on their way in registers meanwhile. Arrays in registers are indexed by constants: hence the loops that are unrolled.
 *
 *     warps   0 1 2 3    each 64 x 32 of C: 4 x 4 products of 16 x 8, twice for 32 of k
 *             4 5 6 7
 */
#ifndef QUERN_TRAIN_CUDA_MMA_CUH
#define QUERN_TRAIN_CUDA_MMA_CUH

#include "train/cuda/cuda_device.cuh"

enum {
    MMA_TILE = 128,
    MMA_DEPTH = 32,
    MMA_THREADS = 256,
    MMA_STRIDE = MMA_DEPTH + 8, /* of a row in shared memory: 8 rows of a fragment in other banks */
    MMA_PACKS = MMA_TILE * MMA_DEPTH / CUDA_PACK / MMA_THREADS,
    WARP_ROWS = 64,
    WARP_COLUMNS = 32,
    ROW_PIECES = WARP_ROWS / 16,
    COLUMN_PIECES = WARP_COLUMNS / 8,
};

/* D[16,8] += A[16,16] B[16,8] (PTX ISA, mma.m16n8k16). With g = lane / 4 and t = 2 (lane % 4) a lane has, two numbers of k in a word each:
 *   a   rows g, g + 8, g, g + 8 at k = t, t, t + 8, t + 8
 *   b   column g at k = t, t + 8
 *   d   row g at columns t, t + 1, then row g + 8 */
static __device__ inline void mma(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2])
{
#ifdef __CUDACC__
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
                 "{%0, %1, %2, %3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
    emulated_mma(d, a, b);
#endif
}

/* One operand: element (i, p), i being a row of A or a column of B and p along k, is from[i * stride + p], or turned from[p * stride + i]. i < count,
 * p < depth; 0 beyond. Turned, count is a multiple of CUDA_PACK, else depth is; rows are aligned to 16 bytes. */
struct mma_operand {
    const __nv_bfloat16 *from;
    size_t stride, count, depth;
    bool turned;
};

/* This thread's packs of the tile [i0, i0 + 128) x [p0, p0 + 32). */
static __device__ inline void mma_load(uint4 (&packs)[MMA_PACKS], const struct mma_operand &x, size_t i0, size_t p0,
                                       unsigned thread)
{
#pragma unroll
    for (unsigned n = 0; n < MMA_PACKS; n++) {
        const unsigned pack = thread + n * MMA_THREADS;
        const size_t i = i0 + (x.turned ? pack % (MMA_TILE / CUDA_PACK) * CUDA_PACK : pack / (MMA_DEPTH / CUDA_PACK));
        const size_t p = p0 + (x.turned ? pack / (MMA_TILE / CUDA_PACK) : pack % (MMA_DEPTH / CUDA_PACK) * CUDA_PACK);
        const __nv_bfloat16 *at = x.from + (x.turned ? p * x.stride + i : i * x.stride + p);
        packs[n] = uint4{0, 0, 0, 0};
        if (i < x.count && p < x.depth)
            packs[n] = *(const uint4 *)(const void *)at;
    }
}

static __device__ inline void mma_store(__nv_bfloat16 (&tile)[MMA_TILE][MMA_STRIDE], const uint4 (&packs)[MMA_PACKS],
                                        bool turned, unsigned thread)
{
#pragma unroll
    for (unsigned n = 0; n < MMA_PACKS; n++) {
        const unsigned pack = thread + n * MMA_THREADS;
        if (!turned) {
            memcpy(&tile[pack / (MMA_DEPTH / CUDA_PACK)][pack % (MMA_DEPTH / CUDA_PACK) * CUDA_PACK], &packs[n],
                   sizeof packs[n]);
            continue;
        }
        __nv_bfloat16 numbers[CUDA_PACK];
        memcpy(numbers, &packs[n], sizeof numbers);
        for (unsigned j = 0; j < CUDA_PACK; j++)
            tile[pack % (MMA_TILE / CUDA_PACK) * CUDA_PACK + j][pack / (MMA_TILE / CUDA_PACK)] = numbers[j];
    }
}

/* Two numbers of k. */
static __device__ inline uint32_t mma_word(const __nv_bfloat16 *at)
{
    uint32_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

/* A warp's part of C: piece (y, x) has rows row0 + 16 y and columns column0 + 8 x on. */
struct mma_sums {
    float d[ROW_PIECES][COLUMN_PIECES][4];
};

/* 16 of k, from `k` on. */
static __device__ inline void mma_step(struct mma_sums &sums, const __nv_bfloat16 (&a)[MMA_TILE][MMA_STRIDE],
                                       const __nv_bfloat16 (&b)[MMA_TILE][MMA_STRIDE], unsigned k, unsigned warp,
                                       unsigned lane)
{
    const unsigned row0 = warp / 4 * WARP_ROWS + lane / 4, column0 = warp % 4 * WARP_COLUMNS + lane / 4,
                   t = k + lane % 4 * 2;
    uint32_t left[ROW_PIECES][4], right[COLUMN_PIECES][2];
#pragma unroll
    for (unsigned y = 0; y < ROW_PIECES; y++)
#pragma unroll
        for (unsigned i = 0; i < 4; i++)
            left[y][i] = mma_word(&a[row0 + y * 16 + i % 2 * 8][t + i / 2 * 8]);
#pragma unroll
    for (unsigned x = 0; x < COLUMN_PIECES; x++)
#pragma unroll
        for (unsigned i = 0; i < 2; i++)
            right[x][i] = mma_word(&b[column0 + x * 8][t + i * 8]);
#pragma unroll
    for (unsigned y = 0; y < ROW_PIECES; y++)
#pragma unroll
        for (unsigned x = 0; x < COLUMN_PIECES; x++)
            mma(sums.d[y][x], left[y], right[x]);
}

/* The tile of C from row i0 and column j0 on. All MMA_THREADS threads of the block come here. */
static __device__ inline void mma_tile(struct mma_sums &sums, const struct mma_operand &a, const struct mma_operand &b,
                                       size_t i0, size_t j0, unsigned thread)
{
    __shared__ __align__(16) __nv_bfloat16 left[2][MMA_TILE][MMA_STRIDE], right[2][MMA_TILE][MMA_STRIDE];
    uint4 next_left[MMA_PACKS], next_right[MMA_PACKS];
    sums = mma_sums();
    mma_load(next_left, a, i0, 0, thread);
    mma_load(next_right, b, j0, 0, thread);
    unsigned which = 0;
    for (size_t p = 0; p < a.depth; p += MMA_DEPTH, which ^= 1) {
        mma_store(left[which], next_left, a.turned, thread);
        mma_store(right[which], next_right, b.turned, thread);
        __syncthreads(); /* one a step: the other buffer is read until its own barrier */
        mma_load(next_left, a, i0, p + MMA_DEPTH, thread);
        mma_load(next_right, b, j0, p + MMA_DEPTH, thread);
        for (unsigned k = 0; k < MMA_DEPTH; k += 16)
            mma_step(sums, left[which], right[which], k, thread / CUDA_WARP, thread % CUDA_WARP);
    }
    __syncthreads(); /* before the next tile's first store */
}

/* Calls put(i, j, first, second) for each pair of neighbours (i, j), (i, j + 1) of the tile that this thread has. */
template <class Put>
static __device__ inline void mma_each(const struct mma_sums &sums, unsigned thread, const Put &put)
{
    const unsigned warp = thread / CUDA_WARP, lane = thread % CUDA_WARP;
#pragma unroll
    for (unsigned y = 0; y < ROW_PIECES; y++)
#pragma unroll
        for (unsigned x = 0; x < COLUMN_PIECES; x++)
#pragma unroll
            for (unsigned half = 0; half < 2; half++)
                put(warp / 4 * WARP_ROWS + y * 16 + half * 8 + lane / 4, warp % 4 * WARP_COLUMNS + x * 8 + lane % 4 * 2,
                    sums.d[y][x][2 * half], sums.d[y][x][2 * half + 1]);
}

#endif
