#include "train/cuda/cuda_probe.h"

#include <cuda_runtime.h>

static __global__ void probe(void)
{
}

cudaError_t cuda_find_code(void)
{
    struct cudaFuncAttributes attributes;
    return cudaFuncGetAttributes(&attributes, (const void *)probe);
}
