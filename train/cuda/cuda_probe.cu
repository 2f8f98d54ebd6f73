#include "train/cuda/cuda_probe.h"

#include <cuda_runtime.h>

enum { MARK_BYTES = 16384 }; /* more than a driver may take of a block's shared memory for itself */

/* Code that has Hopper's instructions (where WGMMA_MISSING is not defined, cuda_wgmma.cuh) has this shared memory too: the runtime tells of that without a
 * launch. */
static __global__ void probe(void)
{
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
    __shared__ volatile char mark[MARK_BYTES];
    mark[threadIdx.x] = 0;
#endif
}

cudaError_t cuda_find_code(bool *hopper)
{
    struct cudaFuncAttributes attributes = {};
    const cudaError_t error = cudaFuncGetAttributes(&attributes, (const void *)probe);
    *hopper = !error && attributes.sharedSizeBytes >= MARK_BYTES;
    return error;
}
