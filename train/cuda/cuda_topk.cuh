/* The best of a row of numbers in shared memory, by a warp. */
#ifndef QUERN_TRAIN_CUDA_TOPK_CUH
#define QUERN_TRAIN_CUDA_TOPK_CUH

#include "train/cuda/cuda_device.cuh"

#include <float.h>

/* A warp for each token, with a row of `experts` floats and as many beside it. */
static inline struct cuda_plan topk_plan(size_t tokens, size_t experts)
{
    return cuda_plan_room(tokens, 2 * experts);
}

/* This warp's room: 2 experts floats. */
static __device__ inline float *topk_room(size_t experts)
{
    return shared_floats() + threadIdx.y * 2 * experts;
}

/* What is no number is the least that can be chosen; -INFINITY cannot. */
static __device__ inline float topk_value(float x)
{
    return x == x ? fmaxf(x, -FLT_MAX) : -FLT_MAX;
}

/* The index of the largest value, the lower one where two are equal; it is taken: -INFINITY from now on. At least one value is more. All lanes get it. */
static __device__ inline size_t take_best(float *values, size_t count)
{
    float best = -INFINITY;
    unsigned index = UINT32_MAX;
    __syncwarp();
    for (size_t i = threadIdx.x; i < count; i += CUDA_WARP)
        if (values[i] > best) {
            best = values[i];
            index = (unsigned)i;
        }
    for (int bits = CUDA_WARP / 2; bits > 0; bits /= 2) {
        const float other = __shfl_xor_sync(ALL_LANES, best, bits);
        const unsigned at = __shfl_xor_sync(ALL_LANES, index, bits);
        if (other > best || (other == best && at < index)) {
            best = other;
            index = at;
        }
    }
    if (threadIdx.x == index % CUDA_WARP)
        values[index] = -INFINITY;
    return index;
}

#endif
