/* The best of a row of numbers in shared memory, by a warp. */
#ifndef QUERN_TRAIN_CUDA_TOPK_CUH
#define QUERN_TRAIN_CUDA_TOPK_CUH

#include "train/cuda/cuda_device.cuh"

#include "base/check.h"

#include <float.h>

/* Warps of a block that each have a row of `experts` floats, and half as many beside it, in dynamic shared memory. */
static inline struct cuda_plan topk_plan(size_t tokens, size_t experts)
{
    enum { SHARED_MAX = 48 << 10, WARPS_MAX = 8 };
    const size_t row = 2 * experts * sizeof(float), warps = Q_MIN(SHARED_MAX / row, (size_t)WARPS_MAX);
    struct cuda_plan plan = {};
    q_check(warps > 0);
    plan.grid_x = (unsigned)q_ceil_div(tokens, warps);
    plan.grid_y = 1;
    plan.threads_x = CUDA_WARP;
    plan.threads_y = (unsigned)warps;
    plan.shared = warps * row;
    return plan;
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
