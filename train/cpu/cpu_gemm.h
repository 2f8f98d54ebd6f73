/* The product's micro-kernel and its packing: what matmul, grouped, attention and cross-entropy are made of.
 *
 * C[m,n] = or += A[m,k] B[k,n]. B is packed into panels of GEMM_COLUMNS columns, each [k][GEMM_COLUMNS], zeros beyond n:
 *
 *     panel 0            panel 1
 *     | k rows of 16  |  | k rows of 16  |  ...      panel p begins at panels + p * panel_stride
 *
 * A is read where it lies, A(i, p) = a[i * a_row + p * a_column], so that a transposed A costs nothing. The sum over k runs in order in
 * one accumulator per element: bits depend on the shapes and on how the caller cuts k, not on m or n tiles.
 */
#ifndef QUERN_TRAIN_CPU_GEMM_H
#define QUERN_TRAIN_CPU_GEMM_H

#include "train/cpu/cpu_vector.h"

#include <stdbool.h>

struct gemm_a {
    const float *data;
    size_t row, column; /* strides */
};

static inline size_t gemm_panels(size_t n)
{
    return (n + GEMM_COLUMNS - 1) / GEMM_COLUMNS;
}

/* Packs B given as rows [k, n] (NN, TN) or as columns, that is as a matrix [n, k] (NT). */
#define gemm_pack_rows CPU_NAME(gemm_pack_rows)
#define gemm_pack_columns CPU_NAME(gemm_pack_columns)
#define gemm_multiply CPU_NAME(gemm_multiply)
void gemm_pack_rows(float *panels, size_t panel_stride, const float *b, size_t stride, size_t k, size_t n);
void gemm_pack_columns(float *panels, size_t panel_stride, const float *b, size_t stride, size_t k, size_t n);

void gemm_multiply(float *c, size_t c_stride, struct gemm_a a, const float *panels, size_t panel_stride, size_t m,
                   size_t n, size_t k, bool accumulate);

#endif
