/* Products of whole matrices, by cuBLASLt, which is loaded when the first context is made: a program that was built with CUDA runs without it. */
#ifndef QUERN_TRAIN_CUDA_BLAS_H
#define QUERN_TRAIN_CUDA_BLAS_H

#include "train/ops.h"

#include <cuda_runtime_api.h>

#ifdef __cplusplus
extern "C" {
#endif

/* C[m,n] = or += A B, row-major, by the letters of enum op_product. A and B are BF16 or FP32, both the same; C may be FP32 where they are BF16. Sums are
 * FP32, without TF32. */
struct cuda_product {
    enum op_product kind;
    size_t m, n, k;
    const void *a, *b;
    void *c;
    size_t a_stride, b_stride, c_stride; /* in elements */
    bool narrow, narrow_c;               /* A and B are BF16; C is */
    bool accumulate;
};

struct cuda_blas;

/* deterministic: products have the same bits each time; else one whose C is FP32 may have others. Q_ERR_SYSTEM where there is no cuBLASLt: what to install,
 * or where to name it. */
q_status cuda_blas_create(bool deterministic, struct cuda_blas **out) Q_MUST_USE;
void cuda_blas_release(struct cuda_blas *blas); /* NULL is allowed */

/* Later, on the stream. The algorithm is found once for each shape; `workspace`, of CUDA_BLAS_WORKSPACE bytes, is
 * cuBLASLt's while it runs. No matrix is empty. cudaErrorNotSupported: it has no algorithm for this product, and nothing was done (cuda_multiply computes it
 * all the same). */
cudaError_t cuda_blas_multiply(struct cuda_blas *blas, cudaStream_t stream, void *workspace,
                               const struct cuda_product *product);

#ifdef __cplusplus
}
#endif
#endif
