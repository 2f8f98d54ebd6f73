/* grouped: one tile is (expert, block of columns) with all the expert's rows, so that B is packed once, in the worker's own block, and no row
 * is padded. Experts differ in rows: the pool hands tiles out as threads get free. */
#include "train/cpu/cpu_gemm.h"
#include "train/cpu/cpu_ops.h"

#include "base/check.h"

struct job {
    const struct op_context *context;
    const struct op_grouped *product;
    size_t column_tiles;
};

/* C = A B_e over the rows of expert e. */
static void multiply_rows(const struct op_grouped *p, size_t e, size_t column, float *panels)
{
    size_t first = (size_t)p->offsets[e], rows = (size_t)p->offsets[e + 1] - first;
    size_t columns = Q_MIN((size_t)CPU_GROUP_COLUMNS, p->n - column);
    const float *b = p->b + e * p->expert_stride;
    for (size_t k = 0; k < p->k; k += CPU_DEPTH) {
        size_t depth = Q_MIN((size_t)CPU_DEPTH, p->k - k);
        if (p->kind == OP_NT)
            gemm_pack_columns(panels, gemm_panel(depth), b + column * p->k + k, p->k, depth, columns);
        else
            gemm_pack_rows(panels, gemm_panel(depth), b + k * p->n + column, p->n, depth, columns);
        struct gemm_a a = gemm_a_rows(p->a + first * p->k + k, p->k);
        gemm_multiply(p->c + first * p->n + column, p->n, a, panels, gemm_panel(depth), rows, columns, depth,
                      p->accumulate || k > 0);
    }
}

/* C_e += A^T B over the rows of expert e: the rows are the depth. A is packed behind the panels. */
static void multiply_weights(const struct op_grouped *p, size_t e, size_t column, float *panels)
{
    size_t first = (size_t)p->offsets[e], end = (size_t)p->offsets[e + 1];
    size_t columns = Q_MIN((size_t)CPU_GROUP_COLUMNS, p->n - column);
    float *c = p->c + e * p->expert_stride + column, *packed = panels + CPU_DEPTH * (CPU_GROUP_COLUMNS + CPU_PADDING);
    for (size_t row = first; row < end; row += CPU_DEPTH) {
        size_t depth = Q_MIN((size_t)CPU_DEPTH, end - row);
        gemm_pack_rows(panels, gemm_panel(depth), p->b + row * p->n + column, p->n, depth, columns);
        for (size_t i = 0; i < p->m; i += CPU_A_ROWS) {
            size_t rows = Q_MIN((size_t)CPU_A_ROWS, p->m - i);
            gemm_pack_a(packed, p->a + row * p->m + i, p->m, depth, rows);
            gemm_multiply(c + i * p->n, p->n, gemm_a_packed(packed, depth), panels, gemm_panel(depth), rows, columns,
                          depth, true);
        }
    }
}

static void grouped_tile(void *context, unsigned worker, size_t tile)
{
    const struct job *job = context;
    const struct op_grouped *p = job->product;
    size_t e = tile / job->column_tiles, column = tile % job->column_tiles * CPU_GROUP_COLUMNS;
    if (p->offsets[e] == p->offsets[e + 1])
        return;
    float *panels = cpu_scratch(job->context, worker);
    if (p->kind == OP_TN)
        multiply_weights(p, e, column, panels);
    else
        multiply_rows(p, e, column, panels);
}

static void grouped(struct op_context *context, const struct op_grouped *product)
{
    q_check(product->kind != OP_TN ||
            product->accumulate); /* an expert without rows could not be told from "write zeros" */
    struct job job = {context, product, (size_t)q_ceil_div(product->n, CPU_GROUP_COLUMNS)};
    q_pool_for(context->pool, product->experts * job.column_tiles, grouped_tile, &job);
}

void CPU_NAME(op_grouped)(struct op_table *table)
{
    table->grouped = grouped;
}
