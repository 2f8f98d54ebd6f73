/* A tile of a product by the plain way, in floats: TILE x TILE of it, DEPTH of k at a time in shared memory, EACH x EACH sums a thread. For any shape, any
 * alignment and either type; slow. */
#ifndef QUERN_TRAIN_CUDA_PLAIN_TILE_CUH
#define QUERN_TRAIN_CUDA_PLAIN_TILE_CUH

#include "train/cuda/cuda_device.cuh"

enum { TILE = 64, DEPTH = 16, EACH = 4, SIDE = TILE / EACH };

struct tile {
    float a[DEPTH][TILE + 4], b[DEPTH][TILE + 4]; /* + 4: columns of a warp in other banks */
};

/* A block for each tile, or as many as go round over them. */
static inline struct cuda_plan tile_plan(size_t blocks)
{
    struct cuda_plan plan = cuda_plan_blocks(blocks, SIDE);
    plan.threads_y = SIDE;
    return plan;
}

/* C[TILE, TILE] of A(i, p) and B(p, j), p < depth: sum[y][x] is that of row threadIdx.y + y SIDE and column threadIdx.x + x SIDE. What lies outside gives
 * 0. All threads of the block come here. */
template <class A, class B>
static __device__ inline void tile_multiply(float (&sum)[EACH][EACH], size_t depth, const A &a, const B &b)
{
    __shared__ struct tile tile;
    const unsigned thread = threadIdx.y * SIDE + threadIdx.x;
    for (size_t p0 = 0; p0 < depth; p0 += DEPTH) {
        for (unsigned i = thread; i < DEPTH * TILE; i += SIDE * SIDE) {
            tile.a[i % DEPTH][i / DEPTH] = p0 + i % DEPTH < depth ? a(i / DEPTH, p0 + i % DEPTH) : 0.0F;
            tile.b[i / TILE][i % TILE] = p0 + i / TILE < depth ? b(p0 + i / TILE, i % TILE) : 0.0F;
        }
        __syncthreads();
        for (int p = 0; p < DEPTH; p++)
#pragma unroll
            for (int y = 0; y < EACH; y++)
#pragma unroll
                for (int x = 0; x < EACH; x++)
                    sum[y][x] += tile.a[p][threadIdx.y + y * SIDE] * tile.b[p][threadIdx.x + x * SIDE];
        __syncthreads();
    }
}

/* Calls put(i, j, sum) for each number of the tile that this thread has. */
template <class Put> static __device__ inline void tile_each(const float (&sum)[EACH][EACH], const Put &put)
{
#pragma unroll
    for (int y = 0; y < EACH; y++)
#pragma unroll
        for (int x = 0; x < EACH; x++)
            put(threadIdx.y + y * SIDE, threadIdx.x + x * SIDE, sum[y][x]);
}

#endif
