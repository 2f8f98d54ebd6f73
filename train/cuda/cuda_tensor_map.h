/* Tensor maps: what the copy engine of Hopper (TMA) knows of a tensor. The driver makes them (CUDA Driver API, "Tensor Map Object Management"), on the host
 * and without a call to the device. It is found in the driver that runs, so that nothing is linked with it. */
#ifndef QUERN_TRAIN_CUDA_TENSOR_MAP_H
#define QUERN_TRAIN_CUDA_TENSOR_MAP_H

#include "train/cuda/cuda_plan.h"

#include <cuda.h>
#include <cuda_runtime_api.h>

#ifdef __cplusplus
extern "C" {
#endif

/* *encode_tiled is the driver's cuTensorMapEncodeTiled, NULL where it has none (before CUDA 12). */
cudaError_t cuda_tensor_map_load(void **encode_tiled);

/* A map of BF16 whose boxes are swizzled by 128 bytes: box[0] is 64. Zeros outside of the tensor. cudaErrorInvalidValue: what
 * cuda_suits_hopper and cuda_suits_attention_hopper refuse. */
cudaError_t cuda_tensor_map(void *encode_tiled, const struct cuda_box *box, CUtensorMap *out);

#ifdef __cplusplus
}
#endif
#endif
