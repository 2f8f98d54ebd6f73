#include "train/cuda/cuda_tensor_map.h"

#include <string.h>

typedef __typeof__(cuTensorMapEncodeTiled) encode_function;

cudaError_t cuda_tensor_map_load(void **encode_tiled)
{
    enum { SINCE = 12000 }; /* the version of CUDA whose function is meant */
    enum cudaDriverEntryPointQueryResult found = cudaDriverEntryPointSymbolNotFound;
    *encode_tiled = NULL;
    const cudaError_t error =
        cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", encode_tiled, SINCE, cudaEnableDefault, &found);
    if (found != cudaDriverEntryPointSuccess)
        *encode_tiled = NULL;
    return error;
}

cudaError_t cuda_tensor_map(void *encode_tiled, const struct cuda_box *box, CUtensorMap *out)
{
    static const cuuint32_t every[3] = {1, 1, 1}; /* no element is left out */
    encode_function *encode;
    void *base; /* it is only read */
    memcpy(&encode, &encode_tiled, sizeof encode_tiled);
    memcpy(&base, &box->base, sizeof base);
    const CUresult result = encode(out, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, 3, base, box->size, box->stride, box->box,
                                   every, CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
                                   CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
    return result == CUDA_SUCCESS ? cudaSuccess : cudaErrorInvalidValue;
}
