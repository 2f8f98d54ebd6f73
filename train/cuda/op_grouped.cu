/* grouped: products over runs of slots, whose counts stay on the device. Blocks go round over the tiles of all experts; which expert a tile is of they
 * find in the offsets.
 *
 * BF16 goes through the matrix units where rows can be moved 16 bytes at a time: Hopper's way on Hopper (op_grouped_hopper.cu), else Ampere's
 * (op_grouped_mma.cu). The rest goes through the plain kernel (cuda_plain_tile.cuh). */
#include "train/cuda/cuda_ops.h"
#include "train/cuda/cuda_plain_tile.cuh"

#include "base/check.h"

enum { BLOCKS = 528 };

/* The product for the kernel: pointers of the types they have. */
struct runs {
    enum op_product kind;
    size_t experts, m, n, k, expert_stride;
    const int32_t *offsets;
    const real *a, *b;
    void *c;
    bool accumulate;
};

/* The expert and the rows of a tile of `height` rows: *e, *first to *end; false behind the last one. */
static __device__ inline bool find_rows(const struct runs &g, size_t height, size_t row_tile, size_t *e, size_t *first,
                                        size_t *end)
{
    size_t before = 0;
    for (*e = 0; *e < g.experts; ++*e) {
        const size_t start = (size_t)g.offsets[*e], rows = (size_t)g.offsets[*e + 1] - start;
        const size_t tiles = (rows + height - 1) / height;
        if (row_tile < before + tiles) {
            *first = start + (row_tile - before) * height;
            *end = least(*first + height, start + rows);
            return true;
        }
        before += tiles;
    }
    return false;
}

/* NT and NN. */
static __global__ void multiply_runs(struct runs g)
{
    const size_t columns = (g.n + TILE - 1) / TILE;
    size_t e, first, end;
    for (size_t at = blockIdx.x; find_rows(g, TILE, at / columns, &e, &first, &end); at += gridDim.x) {
        const size_t column = at % columns * TILE;
        const real *weights = g.b + e * g.expert_stride;
        float sum[EACH][EACH] = {{0}};
        tile_multiply(
            sum, g.k, [&](size_t i, size_t p) { return first + i < end ? widen(g.a[(first + i) * g.k + p]) : 0.0F; },
            [&](size_t p, size_t j) {
                return column + j >= g.n ? 0.0F
                       : g.kind == OP_NT ? widen(weights[(column + j) * g.k + p])
                                         : widen(weights[p * g.n + column + j]);
            });
        tile_each(sum, [&](size_t i, size_t j, float x) {
            real *to = (real *)g.c + (first + i) * g.n + column + j;
            if (first + i < end && column + j < g.n)
                narrow_to(to, g.accumulate ? widen(*to) + x : x);
        });
    }
}

/* TN: a block for each tile of each expert's gradient, whose numbers are of type C. */
template <class C> static __global__ void multiply_gradients(struct runs g)
{
    const size_t columns = (g.n + TILE - 1) / TILE, tiles = (g.m + TILE - 1) / TILE * columns;
    const size_t e = blockIdx.x / tiles, at = blockIdx.x % tiles, row = at / columns * TILE,
                 column = at % columns * TILE;
    const size_t first = (size_t)g.offsets[e], depth = (size_t)g.offsets[e + 1] - first;
    float sum[EACH][EACH] = {{0}};
    if (depth == 0)
        return;
    tile_multiply(
        sum, depth, [&](size_t i, size_t p) { return row + i < g.m ? widen(g.a[(first + p) * g.m + row + i]) : 0.0F; },
        [&](size_t p, size_t j) { return column + j < g.n ? widen(g.b[(first + p) * g.n + column + j]) : 0.0F; });
    tile_each(sum, [&](size_t i, size_t j, float x) {
        C *to = (C *)g.c + e * g.expert_stride + (row + i) * g.n + column + j;
        if (row + i < g.m && column + j < g.n)
            narrow_to(to, widen(*to) + x);
    });
}

static void grouped(struct op_context *context, const struct op_grouped *p)
{
    const struct runs g = {p->kind,    p->experts,  p->m,        p->n, p->k,         p->expert_stride,
                           p->offsets, reals(p->a), reals(p->b), p->c, p->accumulate};
#ifdef CUDA_BF16
    if (grouped_hopper(context, p) || grouped_mma(context, p))
        return;
#endif
    const size_t tiles = (size_t)q_ceil_div(p->m, TILE) * (size_t)q_ceil_div(p->n, TILE) * p->experts;
    cuda_way_count(context, "grouped", "plain");
    launch(context, "grouped", tile_plan(p->kind == OP_TN ? tiles : (size_t)BLOCKS),
           p->kind != OP_TN ? multiply_runs
           : p->narrow      ? multiply_gradients<real>
                            : multiply_gradients<float>,
           g);
}

void CUDA_NAME(op_grouped)(struct op_table *table)
{
    table->grouped = grouped;
}
