/* matmul: B is packed once by all threads into the shared buffer, then tiles of C are computed. */
#include "train/cpu/cpu_gemm.h"
#include "train/cpu/cpu_ops.h"

#include "base/check.h"

enum {
    K_BLOCK = 256,    /* depth of a panel that stays in the first cache: 256 x 16 floats = 16 KiB */
    TILES_WANTED = 16 /* for balance between a few threads; smaller tiles only where C has too few */
};

struct tiling {
    size_t rows, columns;
};

/* The tile of C, from the shape alone, so that bits do not depend on threads (nor would they: k is cut alike in every tile). */
static struct tiling choose_tiling(size_t m, size_t n)
{
    static const struct tiling choices[] = {{240, 256}, {120, 256}, {120, 128}, {60, 128}, {24, 64}};
    size_t i = 0;
    while (i + 1 < Q_COUNT_OF(choices) &&
           q_ceil_div(m, choices[i].rows) * q_ceil_div(n, choices[i].columns) < TILES_WANTED)
        i++;
    return choices[i];
}

struct job {
    const struct op_matmul *product;
    struct tiling tiling;
    size_t n0, n; /* columns of C in this pass: as many as the shared buffer holds */
    size_t k0, k; /* depth of this pass */
    size_t row_tiles;
    bool accumulate;
    float *panels;
};

static void pack_panel(void *context, unsigned worker, size_t panel)
{
    (void)worker;
    const struct job *job = context;
    const struct op_matmul *p = job->product;
    size_t j = panel * GEMM_COLUMNS, columns = Q_MIN((size_t)GEMM_COLUMNS, job->n - j), first = job->n0 + j;
    float *to = job->panels + panel * job->k * GEMM_COLUMNS;
    if (p->kind == OP_NT)
        gemm_pack_columns(to, 0, p->b + first * p->b_stride + job->k0, p->b_stride, job->k, columns);
    else
        gemm_pack_rows(to, 0, p->b + job->k0 * p->b_stride + first, p->b_stride, job->k, columns);
}

static void multiply_tile(void *context, unsigned worker, size_t tile)
{
    (void)worker;
    const struct job *job = context;
    const struct op_matmul *p = job->product;
    size_t i = tile % job->row_tiles * job->tiling.rows, j = tile / job->row_tiles * job->tiling.columns;
    size_t rows = Q_MIN(job->tiling.rows, p->m - i), columns = Q_MIN(job->tiling.columns, job->n - j);
    size_t panel_stride = job->k * GEMM_COLUMNS;
    for (size_t k = 0; k < job->k; k += K_BLOCK) {
        size_t k_at = job->k0 + k;
        struct gemm_a a = p->kind == OP_TN ? (struct gemm_a){p->a + k_at * p->a_stride + i, 1, p->a_stride}
                                           : (struct gemm_a){p->a + i * p->a_stride + k_at, p->a_stride, 1};
        const float *panels = job->panels + j / GEMM_COLUMNS * panel_stride + k * GEMM_COLUMNS;
        gemm_multiply(p->c + i * p->c_stride + job->n0 + j, p->c_stride, a, panels, panel_stride, rows, columns,
                      Q_MIN((size_t)K_BLOCK, job->k - k), job->accumulate || k > 0);
    }
}

void CPU_NAME(cpu_matmul)(struct op_context *context, const struct op_matmul *product)
{
    enum { K_PASS = 1 << 13 }; /* so that a panel of the full depth fits many times */
    size_t m = product->m, n = product->n, k = product->k;
    q_check(m > 0 && n > 0 && k > 0);
    struct job job = {.product = product, .panels = context->pack};
    for (size_t k0 = 0; k0 < k; k0 += K_PASS) {
        job.k0 = k0;
        job.k = Q_MIN((size_t)K_PASS, k - k0);
        job.accumulate = product->accumulate || k0 > 0;
        size_t panels_max = context->pack_floats / (job.k * GEMM_COLUMNS);
        /* a pass ends at a multiple of the widest tile, so that its tiles are the same as in one pass */
        size_t pass = Q_MAX(panels_max * GEMM_COLUMNS / 256 * 256, (size_t)256);
        for (size_t n0 = 0; n0 < n; n0 += pass) {
            job.n0 = n0;
            job.n = Q_MIN(pass, n - n0);
            job.tiling = choose_tiling(m, job.n);
            job.row_tiles = (size_t)q_ceil_div(m, job.tiling.rows);
            q_pool_for(context->pool, gemm_panels(job.n), pack_panel, &job);
            q_pool_for(context->pool, job.row_tiles * (size_t)q_ceil_div(job.n, job.tiling.columns), multiply_tile,
                       &job);
        }
    }
}

void CPU_NAME(op_matmul)(struct op_table *table)
{
    table->matmul = CPU_NAME(cpu_matmul);
}
