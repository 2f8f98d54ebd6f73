/* The product's micro-kernel and its packing: what matmul, grouped, attention and cross-entropy are made of.
 *
 * C[m,n] = or += A[m,k] B[k,n], in steps of one factor (cpu_factor.h), FACTOR_DEPTH of k. B is packed into panels of GEMM_COLUMNS columns, each
 * [steps][GEMM_COLUMNS] factors, zeros beyond n and, in the last factor, beyond k:
 *
 *     panel 0                panel 1
 *     | steps rows of 16  |  | steps rows of 16  |  ...      panel p begins at panels + p * panel_stride
 *
 * A is read where it lies, A(i, p) = a[i * row + p * column], so that a transposed A costs nothing, unless its rows lie so far apart that they crowd each
 * other out of the cache, or hold numbers that are no factors yet: then it is packed. The sum over k runs in order: bits depend on the shapes and on how
 * the caller cuts k, not on m or n tiles.
 */
#ifndef QUERN_TRAIN_CPU_GEMM_H
#define QUERN_TRAIN_CPU_GEMM_H

#include "train/cpu/cpu_factor.h"

/* A micro-tile: of registers, or of AMX's tiles, two by two. */
#ifdef CPU_TILES
enum { GEMM_TILED = 1, GEMM_ROWS = 32, GEMM_COLUMNS = 32 };
#else
enum { GEMM_TILED = 0, GEMM_ROWS = VEC_ROWS, GEMM_COLUMNS = 2 * VEC_LANES };
#endif

struct gemm_a {
    const factor *data;
    size_t row, column; /* strides; of AMX's tiles column is 1 */
    size_t group;       /* from one group of GEMM_ROWS rows to the next */
};

/* Factors that so many numbers along k make. */
static inline size_t gemm_steps(size_t k)
{
    return (k + FACTOR_DEPTH - 1) / FACTOR_DEPTH;
}

/* A[m, k] where it lies, its stride a multiple of FACTOR_DEPTH. With AMX rows up to a multiple of 16 are read, and what they give is thrown away. */
static inline struct gemm_a gemm_a_rows(const number *data, size_t stride)
{
    const size_t row = stride / FACTOR_DEPTH;
    return (struct gemm_a){(const factor *)(const void *)data, row, 1, GEMM_ROWS * row};
}

/* The part of A from this row and this k on: a multiple of FACTOR_DEPTH. */
static inline struct gemm_a gemm_a_part(struct gemm_a a, size_t row, size_t k)
{
    a.data += row / GEMM_ROWS * a.group + row % GEMM_ROWS * a.row + k / FACTOR_DEPTH * a.column;
    return a;
}

/* Factors from one panel to the next: a cache line more than it holds, so that panels do not begin at the same cache set. */
static inline size_t gemm_panel(size_t k)
{
    return GEMM_COLUMNS * gemm_steps(k) + 16;
}

static inline size_t gemm_panels(size_t n)
{
    return (n + GEMM_COLUMNS - 1) / GEMM_COLUMNS;
}

/* Factors of room for an A[m, k] that is packed. */
static inline size_t gemm_a_room(size_t m, size_t k)
{
    return (m + GEMM_ROWS - 1) / GEMM_ROWS * GEMM_ROWS * (gemm_steps(k) + 32);
}

#define gemm_copy_a CPU_NAME(gemm_copy_a)
#define gemm_pack_a CPU_NAME(gemm_pack_a)
#define gemm_pack_rows CPU_NAME(gemm_pack_rows)
#define gemm_pack_columns CPU_NAME(gemm_pack_columns)
#define gemm_multiply CPU_NAME(gemm_multiply)

/* A given as rows [m, k], copied into whole factors. */
struct gemm_a gemm_copy_a(factor *room, const number *a, size_t stride, size_t m, size_t k);

/* A given as columns, that is stored [k, m]: as groups of GEMM_ROWS rows, each [steps][GEMM_ROWS]; as rows for AMX. */
struct gemm_a gemm_pack_a(factor *room, const number *a, size_t stride, size_t k, size_t m);

/* Packs B given as rows [k, n] (NN, TN) or as columns, that is as a matrix [n, k] (NT). */
void gemm_pack_rows(factor *panels, size_t panel_stride, const number *b, size_t stride, size_t k, size_t n);
void gemm_pack_columns(factor *panels, size_t panel_stride, const number *b, size_t stride, size_t k, size_t n);

void gemm_multiply(float *c, size_t c_stride, struct gemm_a a, const factor *panels, size_t panel_stride, size_t m,
                   size_t n, size_t k, bool accumulate);

/* A given as rows [m, k] of numbers: where they lie if they are factors, else copied into `room`, of gemm_a_room(m, k). */
static inline struct gemm_a gemm_a_of_rows(const number *a, size_t stride, size_t m, size_t k, factor *room)
{
    return CPU_PAIRED ? gemm_copy_a(room, a, stride, m, k) : gemm_a_rows(a, stride);
}

/* A given as columns, near enough to each other to be read where they lie. */
static inline struct gemm_a gemm_a_of_columns(const number *a, size_t stride, size_t k, size_t m, factor *room)
{
#ifdef CPU_PAIRS
    return gemm_pack_a(room, a, stride, k, m);
#else
    (void)k, (void)m, (void)room;
    return (struct gemm_a){a, 1, stride, GEMM_ROWS};
#endif
}

/* Packs reals of B, given as rows or as columns; `room` is for k n floats, where reals are widened. */
static inline void gemm_pack_reals(factor *panels, size_t panel_stride, const real *b, size_t stride, bool columns,
                                   size_t k, size_t n, float *room)
{
    const struct cpu_numbers block = cpu_numbers(b, stride, columns ? n : k, columns ? k : n, room);
    if (columns)
        gemm_pack_columns(panels, panel_stride, block.data, block.stride, k, n);
    else
        gemm_pack_rows(panels, panel_stride, block.data, block.stride, k, n);
}

#endif
