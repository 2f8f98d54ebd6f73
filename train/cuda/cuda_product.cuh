/* Products of whole matrices, as the operations call them. */
#ifndef QUERN_TRAIN_CUDA_PRODUCT_CUH
#define QUERN_TRAIN_CUDA_PRODUCT_CUH

#include "train/cuda/cuda_blas.h"
#include "train/cuda/cuda_device.cuh"

/* By cuBLASLt, which works in `room` (CUDA_BLAS_WORKSPACE bytes), or by a plain kernel where it has no algorithm for the product. A and B are reals; no
 * matrix is empty. `name` is what a failure is told of. op_matmul.cu has it. */
void CUDA_NAME(cuda_multiply)(struct op_context *context, void *room, const struct cuda_product *product,
                              const char *name);

#endif
