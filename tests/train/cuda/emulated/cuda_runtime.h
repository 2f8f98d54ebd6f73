/* What CUDA adds to C++, on the processor (see cuda_runtime_api.h). Each thread of a block is a coroutine with a stack of its own; a barrier is a switch
 * to the next one, and warps run one after the other, each as far as it comes. Threads that have come to different barriers, or have ended where others
 * wait, end the program with a line. Shared memory is the thread's own, of the one that launches: a block runs at a time, and before each the device fills
 * all of it with rubbish. Blocks of a cluster run together, each with dynamic shared memory of its own; what is static they would share, so that kernels for
 * clusters must have none. */
#ifndef QUERN_TESTS_CUDA_RUNTIME_H
#define QUERN_TESTS_CUDA_RUNTIME_H

#include "cuda_runtime_api.h"
#include "emulated_tile.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#define __global__
#define __device__
#define __host__
#define __shared__ static thread_local
#define __launch_bounds__(...)
#define __grid_constant__
#define __restrict__ __restrict
#define __align__(bytes) __attribute__((aligned(bytes)))

struct dim3 {
    unsigned x, y, z;
    dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_)
    {
    }
};
struct alignas(16) uint4 {
    unsigned x, y, z, w;
};

extern dim3 threadIdx, blockIdx, blockDim, gridDim;

enum cudaLaunchAttributeID { cudaLaunchAttributeClusterDimension = 4 };
struct cudaLaunchAttribute {
    cudaLaunchAttributeID id;
    union {
        struct {
            unsigned x, y, z;
        } clusterDim;
    } val;
};

struct cudaLaunchConfig_t {
    dim3 gridDim, blockDim;
    size_t dynamicSmemBytes;
    cudaStream_t stream;
    struct cudaLaunchAttribute *attrs;
    unsigned numAttrs;
};

extern "C" cudaError_t emulated_launch(const cudaLaunchConfig_t *config, const void *function, void (*body)(void *),
                                       const void *argument, size_t bytes);
extern "C" cudaError_t emulated_allow_shared(const void *function, int bytes);
extern "C" void *emulated_shared(void); /* dynamic shared memory of the block */
extern "C" void __syncthreads(void);
extern "C" void __syncwarp(unsigned mask = 0xffffffffU);
/* Every lane of the mask gives its value and gets that of lane `from` (itself, where that is no lane). */
extern "C" uint64_t emulated_exchange(unsigned mask, uint64_t value, unsigned from);
extern "C" unsigned emulated_lane(void);
/* mma.m16n8k16 of BF16 (PTX ISA, "Matrix fragments for mma.m16n8k16 with floating point type"): all lanes of the warp give their fragments and add to their sums. */
extern "C" void emulated_mma(float d[4], const uint32_t a[4], const uint32_t b[2]);

template <class... Parameters, class... Arguments>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t *config, void (*kernel)(Parameters...), Arguments... arguments)
{
    const auto call = [=] { kernel(static_cast<Parameters>(arguments)...); };
    return emulated_launch(
        config, reinterpret_cast<const void *>(kernel),
        [](void *argument) { (*static_cast<decltype(call) *>(argument))(); }, &call, sizeof call);
}

template <class Function>
cudaError_t cudaFuncSetAttribute(Function *function, enum cudaFuncAttribute attribute, int value)
{
    (void)attribute;
    return emulated_allow_shared(reinterpret_cast<const void *>(function), value);
}

template <class T> T __shfl_sync(unsigned mask, T value, int lane)
{
    uint64_t bits = 0;
    static_assert(sizeof value <= sizeof bits, "as in emulated_exchange");
    memcpy(&bits, &value, sizeof value);
    bits = emulated_exchange(mask, bits, static_cast<unsigned>(lane));
    memcpy(&value, &bits, sizeof value);
    return value;
}

template <class T> T __shfl_xor_sync(unsigned mask, T value, int bits)
{
    return __shfl_sync(mask, value, static_cast<int>(emulated_lane()) ^ bits);
}

template <class T> T atomicAdd(T *to, T value)
{
    T old = *to;
    *to = old + value;
    return old;
}

template <class T> T atomicMin(T *to, T value)
{
    T old = *to;
    *to = value < old ? value : old;
    return old;
}

#endif
