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

/* A worker's room: cpu_group_floats. */
struct room {
    factor *panels; /* B packed */
    factor *packed; /* A packed */
    float *numbers; /* a block of B as numbers, then one of A; NULL where reals are floats */
    float *sums;    /* a block of C; likewise */
};

static struct room room_of(float *floats)
{
    float *packed = floats + CPU_GROUP_PANELS, *numbers = CPU_NARROW ? packed + CPU_GROUP_A : NULL;
    return (struct room){(factor *)(void *)floats, (factor *)(void *)packed, numbers,
                         CPU_NARROW ? numbers + CPU_GROUP_NUMBERS : NULL};
}

/* C = A B_e over rows first .. end of expert e. */
static void multiply_block(const struct op_grouped *p, size_t e, size_t column, size_t first, size_t rows,
                           const struct room *room)
{
    const size_t columns = Q_MIN((size_t)CPU_GROUP_COLUMNS, p->n - column);
    const bool columnwise = p->kind == OP_NT;
    const real *b = reals(p->b) + e * p->expert_stride;
    struct cpu_sum c =
        cpu_sum_begin((real *)p->c + first * p->n + column, p->n, rows, columns, p->accumulate, room->sums);
    for (size_t k = 0; k < p->k; k += CPU_DEPTH) {
        size_t depth = Q_MIN((size_t)CPU_DEPTH, p->k - k);
        gemm_pack_reals(room->panels, gemm_panel(depth), columnwise ? b + column * p->k + k : b + k * p->n + column,
                        columnwise ? p->k : p->n, columnwise, depth, columns, room->numbers);
        struct cpu_numbers a = cpu_numbers(reals(p->a) + first * p->k + k, p->k, rows, depth, room->numbers);
        gemm_multiply(c.data, c.stride, gemm_a_of_rows(a.data, a.stride, rows, depth, room->packed), room->panels,
                      gemm_panel(depth), rows, columns, depth, p->accumulate || k > 0);
    }
    cpu_sum_end(&c);
}

/* All rows of expert e at once, so that B is packed once; as many as there is room for where they are summed there. */
static void multiply_rows(const struct op_grouped *p, size_t e, size_t column, const struct room *room)
{
    const size_t end = (size_t)p->offsets[e + 1];
    for (size_t first = (size_t)p->offsets[e], rows; first < end; first += rows) {
        rows = CPU_NARROW ? Q_MIN((size_t)CPU_A_ROWS, end - first) : end - first;
        multiply_block(p, e, column, first, rows, room);
    }
}

/* A part of an expert's gradient: columns of it, summed over `depth` of its rows from `row` on. */
struct part {
    size_t column, columns, row, depth;
};

static void pack_part(const struct op_grouped *p, const struct part *part, const struct room *room)
{
    gemm_pack_reals(room->panels, gemm_panel(part->depth), reals(p->b) + part->row * p->n + part->column, p->n, false,
                    part->depth, part->columns, room->numbers);
}

/* C += A^T B for CPU_A_ROWS rows of C at most, those from i on. B is packed. */
static void add_part(const struct op_grouped *p, const struct part *part, size_t i, float *c, size_t c_stride,
                     const struct room *room)
{
    const size_t rows = Q_MIN((size_t)CPU_A_ROWS, p->m - i);
    struct cpu_numbers a = cpu_numbers(reals(p->a) + part->row * p->m + i, p->m, part->depth, rows, room->numbers);
    gemm_multiply(c, c_stride, gemm_pack_a(room->packed, a.data, a.stride, part->depth, rows), room->panels,
                  gemm_panel(part->depth), rows, part->columns, part->depth, true);
}

static struct part first_part(const struct op_grouped *p, size_t column, size_t row)
{
    return (struct part){.column = column, .columns = Q_MIN((size_t)CPU_GROUP_COLUMNS, p->n - column), .row = row};
}

/* C_e += A^T B over the rows of expert e: the rows are the depth. */
static void multiply_weights(const struct op_grouped *p, size_t e, size_t column, const struct room *room)
{
    const size_t end = (size_t)p->offsets[e + 1];
    float *c = (float *)p->c + e * p->expert_stride + column;
    struct part part = first_part(p, column, (size_t)p->offsets[e]);
    for (; part.row < end; part.row += CPU_DEPTH) {
        part.depth = Q_MIN((size_t)CPU_DEPTH, end - part.row);
        pack_part(p, &part, room);
        for (size_t i = 0; i < p->m; i += CPU_A_ROWS)
            add_part(p, &part, i, c + i * p->n, p->n, room);
    }
}

/* The same where C is reals: a block of it is summed over all rows before it is rounded, and B is packed again for each. */
static void multiply_narrow_weights(const struct op_grouped *p, size_t e, size_t column, const struct room *room)
{
    const size_t first = (size_t)p->offsets[e], end = (size_t)p->offsets[e + 1];
    real *c = (real *)p->c + e * p->expert_stride + column;
    for (size_t i = 0; i < p->m; i += CPU_A_ROWS) {
        struct part part = first_part(p, column, first);
        struct cpu_sum sum =
            cpu_sum_begin(c + i * p->n, p->n, Q_MIN((size_t)CPU_A_ROWS, p->m - i), part.columns, true, room->sums);
        for (; part.row < end; part.row += CPU_DEPTH) {
            part.depth = Q_MIN((size_t)CPU_DEPTH, end - part.row);
            pack_part(p, &part, room);
            add_part(p, &part, i, sum.data, sum.stride, room);
        }
        cpu_sum_end(&sum);
    }
}

static void grouped_tile(void *context, unsigned worker, size_t tile)
{
    const struct job *job = context;
    const struct op_grouped *p = job->product;
    size_t e = tile / job->column_tiles, column = tile % job->column_tiles * CPU_GROUP_COLUMNS;
    if (p->offsets[e] == p->offsets[e + 1])
        return;
    const struct room room = room_of(cpu_scratch(job->context, worker));
    if (p->kind != OP_TN)
        multiply_rows(p, e, column, &room);
    else if (CPU_NARROW && p->narrow)
        multiply_narrow_weights(p, e, column, &room);
    else
        multiply_weights(p, e, column, &room);
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
