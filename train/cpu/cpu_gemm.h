/* The product's micro-kernel and its packing: what matmul, grouped, attention and cross-entropy are made of.
 *
 * C[m,n] = or += A[m,k] B[k,n]. B is packed into panels of GEMM_COLUMNS columns, each [k][GEMM_COLUMNS], zeros beyond n:
 *
 *     panel 0            panel 1
 *     | k rows of 16  |  | k rows of 16  |  ...      panel p begins at panels + p * panel_stride
 *
 * A is read where it lies, A(i, p) = a[i * row + p * column], so that a transposed A costs nothing, unless its rows lie so
 * far apart that they crowd each other out of the cache: then it is packed. The sum over k runs in order in one
 * accumulator per element: bits depend on the shapes and on how the caller cuts k, not on m or n tiles.
 */
#ifndef QUERN_TRAIN_CPU_GEMM_H
#define QUERN_TRAIN_CPU_GEMM_H

#include "train/cpu/cpu_real.h"

#include <stdbool.h>

struct gemm_a {
    const float *data;
    size_t row, column; /* strides */
    size_t group;       /* from one group of GEMM_ROWS rows to the next */
};

/* A as rows [m, k]; as columns, that is stored [k, m]; and packed by gemm_pack_a. */
static inline struct gemm_a gemm_a_rows(const float *data, size_t stride)
{
    return (struct gemm_a){data, stride, 1, GEMM_ROWS * stride};
}

static inline struct gemm_a gemm_a_columns(const float *data, size_t stride)
{
    return (struct gemm_a){data, 1, stride, GEMM_ROWS};
}

/* Floats of a packed group: a cache line more than it holds, so that groups do not begin at the same cache set. */
static inline size_t gemm_a_group(size_t k)
{
    return GEMM_ROWS * k + 16;
}

static inline struct gemm_a gemm_a_packed(const float *data, size_t k)
{
    return (struct gemm_a){data, 1, GEMM_ROWS, gemm_a_group(k)};
}

/* Floats from one panel to the next: a cache line more than it holds, for the same reason. */
static inline size_t gemm_panel(size_t k)
{
    return GEMM_COLUMNS * k + 16;
}

static inline size_t gemm_panels(size_t n)
{
    return (n + GEMM_COLUMNS - 1) / GEMM_COLUMNS;
}

/* Packs B given as rows [k, n] (NN, TN) or as columns, that is as a matrix [n, k] (NT). */
#define gemm_pack_rows CPU_NAME(gemm_pack_rows)
#define gemm_pack_a CPU_NAME(gemm_pack_a)
#define gemm_pack_columns CPU_NAME(gemm_pack_columns)
#define gemm_multiply CPU_NAME(gemm_multiply)
/* Packs A stored [k, m] as groups of GEMM_ROWS rows, each [k][GEMM_ROWS]: for a deep A whose columns lie far apart. Room for
 * whole groups of gemm_a_group(k). */
void gemm_pack_a(float *to, const float *a, size_t stride, size_t k, size_t m);
void gemm_pack_rows(float *panels, size_t panel_stride, const float *b, size_t stride, size_t k, size_t n);
void gemm_pack_columns(float *panels, size_t panel_stride, const float *b, size_t stride, size_t k, size_t n);

/* Packs reals of B, given as rows or as columns; `room` is for k n floats, where reals are not floats. */
static inline void gemm_pack_reals(float *panels, size_t panel_stride, const real *b, size_t stride, bool columns,
                                   size_t k, size_t n, float *room)
{
    const struct cpu_floats block = cpu_floats(b, stride, columns ? n : k, columns ? k : n, room);
    if (columns)
        gemm_pack_columns(panels, panel_stride, block.data, block.stride, k, n);
    else
        gemm_pack_rows(panels, panel_stride, block.data, block.stride, k, n);
}

void gemm_multiply(float *c, size_t c_stride, struct gemm_a a, const float *panels, size_t panel_stride, size_t m,
                   size_t n, size_t k, bool accumulate);

#endif
