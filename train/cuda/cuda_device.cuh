/* What the kernels share. Each file of operations is compiled once per precision, as those of the CPU are: op_real is FP32, or BF16 with CUDA_BF16. All
 * arithmetic is done in floats; reals are widened when they are read and rounded to the nearest, ties to even, when they are written.
 *
 * A row belongs to blockDim.x threads (cuda_plan_rows); what they sum is summed in a fixed order, so that the same inputs give the same bits. No sum of
 * floats is done by atomics. */
#ifndef QUERN_TRAIN_CUDA_DEVICE_CUH
#define QUERN_TRAIN_CUDA_DEVICE_CUH

#include "train/cuda/cuda_context.h"

#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include <math.h>
#include <stdint.h>

#define CUDA_JOIN2(a, b) a##_##b
#define CUDA_JOIN(a, b) CUDA_JOIN2(a, b)
#ifdef CUDA_BF16
typedef __nv_bfloat16 real;
enum { CUDA_NARROW = 1 };
#define CUDA_NAME(name) CUDA_JOIN(name, bf16)
#else
typedef float real;
enum { CUDA_NARROW = 0 };
#define CUDA_NAME(name) CUDA_JOIN(name, fp32)
#endif

static inline const real *reals(const op_real *x)
{
    return (const real *)(const void *)x;
}

static inline real *reals_out(op_real *x)
{
    return (real *)(void *)x;
}

static __device__ inline float widen(float x)
{
    return x;
}

static __device__ inline float widen(__nv_bfloat16 x)
{
    return __bfloat162float(x);
}

static __device__ inline void narrow_to(float *to, float x)
{
    *to = x;
}

static __device__ inline void narrow_to(__nv_bfloat16 *to, float x)
{
    *to = __float2bfloat16_rn(x);
}

/* N numbers at `from` as floats, and back: in moves of 16 bytes where N is CUDA_PACK, which `from` is then aligned to. */
template <int N, class T> static __device__ inline void load(float (&x)[N], const T *from)
{
    T raw[N];
    if constexpr (N == 1) {
        raw[0] = from[0];
    } else {
        uint4 moves[N * sizeof(T) / sizeof(uint4)];
        for (unsigned i = 0; i < N * sizeof(T) / sizeof(uint4); i++)
            moves[i] = ((const uint4 *)(const void *)from)[i];
        memcpy(raw, moves, sizeof raw);
    }
    for (int i = 0; i < N; i++)
        x[i] = widen(raw[i]);
}

template <int N, class T> static __device__ inline void store(T *to, const float (&x)[N])
{
    T raw[N];
    for (int i = 0; i < N; i++)
        narrow_to(&raw[i], x[i]);
    if constexpr (N == 1) {
        to[0] = raw[0];
    } else {
        uint4 moves[N * sizeof(T) / sizeof(uint4)];
        memcpy(moves, raw, sizeof raw);
        for (unsigned i = 0; i < N * sizeof(T) / sizeof(uint4); i++)
            ((uint4 *)(void *)to)[i] = moves[i];
    }
}

static constexpr unsigned ALL_LANES = 0xffffffffU;

template <class T> static __device__ inline T warp_sum(T x)
{
    for (int bits = CUDA_WARP / 2; bits > 0; bits /= 2)
        x += __shfl_xor_sync(ALL_LANES, x, bits);
    return x;
}

static __device__ inline float warp_max(float x)
{
    for (int bits = CUDA_WARP / 2; bits > 0; bits /= 2)
        x = fmaxf(x, __shfl_xor_sync(ALL_LANES, x, bits));
    return x;
}

/* Of the blockDim.x threads of a row, to all of them. Where that is more than a warp the row has the block for itself, and all of its threads come here. */
template <class T> static __device__ inline T row_sum(T x)
{
    __shared__ T parts[CUDA_WARP];
    x = warp_sum(x);
    if (blockDim.x == CUDA_WARP) {
        __syncwarp(); /* memory too: what was read before a sum may be written behind it */
        return x;
    }
    __syncthreads(); /* an earlier sum may still be read */
    if (threadIdx.x % CUDA_WARP == 0)
        parts[threadIdx.x / CUDA_WARP] = x;
    __syncthreads();
    x = 0;
    for (unsigned i = 0; i < blockDim.x / CUDA_WARP; i++)
        x += parts[i];
    return x;
}

static __device__ inline float row_max(float x)
{
    __shared__ float parts[CUDA_WARP];
    x = warp_max(x);
    if (blockDim.x == CUDA_WARP) {
        __syncwarp();
        return x;
    }
    __syncthreads();
    if (threadIdx.x % CUDA_WARP == 0)
        parts[threadIdx.x / CUDA_WARP] = x;
    __syncthreads();
    for (unsigned i = 0; i < blockDim.x / CUDA_WARP; i++)
        x = fmaxf(x, parts[i]);
    return x;
}

static __device__ inline size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static __device__ inline float sigmoid(float x)
{
    return 1.0F / (1.0F + expf(-x));
}

/* This thread's row in a plan of rows, and its item in a plan of items with the step to its next one. */
static __device__ inline size_t row_index(void)
{
    return (size_t)blockIdx.x * blockDim.y + threadIdx.y;
}

static __device__ inline size_t item_index(void)
{
    return (size_t)blockIdx.x * blockDim.x + threadIdx.x;
}

static __device__ inline size_t item_step(void)
{
    return (size_t)gridDim.x * blockDim.x;
}

/* Dynamic shared memory of the block. */
static __device__ inline float *shared_floats(void)
{
#ifdef __CUDACC__
    extern __shared__ __align__(128) float memory[];
    return memory;
#else
    return (float *)emulated_shared();
#endif
}

/* The line of the address, 128 bytes of global memory, is asked for, to come to the L2 cache. */
static __device__ inline void fetch_to_l2(const void *from)
{
#ifdef __CUDACC__
    asm volatile("prefetch.global.L2 [%0];" ::"l"(from));
#else
    (void)from;
#endif
}

/* Launches a kernel by its plan on the context's stream; nothing where the plan has no blocks or something has failed before. */
template <class... Parameters, class... Arguments>
static void launch(struct op_context *context, const char *name, struct cuda_plan plan, void (*kernel)(Parameters...),
                   Arguments... arguments)
{
    if (context->error || plan.grid_x == 0 || plan.grid_y == 0)
        return;
    cudaLaunchConfig_t config = {};
    config.gridDim = dim3(plan.grid_x, plan.grid_y);
    config.blockDim = dim3(plan.threads_x, plan.threads_y);
    config.dynamicSmemBytes = plan.shared;
    config.stream = context->stream;
    cudaLaunchAttribute cluster = {};
    cluster.id = cudaLaunchAttributeClusterDimension;
    cluster.val.clusterDim.x = plan.cluster;
    cluster.val.clusterDim.y = cluster.val.clusterDim.z = 1;
    config.attrs = &cluster;
    config.numAttrs = plan.cluster > 0;
    if (plan.shared > CUDA_SHARED_BYTES)
        cuda_note(context, cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)plan.shared),
                  name);
    cuda_note(context, cudaLaunchKernelEx(&config, kernel, (Parameters)arguments...), name);
}

#endif
