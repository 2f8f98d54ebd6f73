/* sum_squares: partial sums of fixed blocks in double, added in order. */
#include "train/cpu/cpu_ops.h"
#include "train/cpu/cpu_real.h"

#include "base/check.h"

struct job {
    const void *x;
    size_t count;
    double *partial;
};

static inline double square(const struct job *job, bool narrow, size_t i)
{
    const double x = (double)cpu_gradient(job->x, narrow, i);
    return x * x;
}

static inline void sum_block(const struct job *job, bool narrow, size_t block)
{
    enum { LANES = 16 }; /* independent sums: the compiler makes vectors of them */
    double lanes[LANES] = {0}, total = 0;
    size_t i = block * CPU_SUM_BLOCK, end = Q_MIN(i + CPU_SUM_BLOCK, job->count);
    for (; i + LANES <= end; i += LANES)
        for (size_t j = 0; j < LANES; j++)
            lanes[j] += square(job, narrow, i + j);
    for (; i < end; i++)
        total += square(job, narrow, i);
    for (size_t j = 0; j < LANES; j++)
        total += lanes[j];
    job->partial[block] = total;
}

static void sum_wide_block(void *job, unsigned worker, size_t block)
{
    (void)worker;
    sum_block(job, false, block);
}

static void sum_narrow_block(void *job, unsigned worker, size_t block)
{
    (void)worker;
    sum_block(job, true, block);
}

static void sum_squares(struct op_context *context, double *out, const void *x, bool narrow, size_t count)
{
    size_t blocks = (size_t)q_ceil_div(count, CPU_SUM_BLOCK);
    q_check(blocks * sizeof(double) <= context->shared_floats * sizeof(float));
    struct job job = {x, count, (double *)(void *)context->shared};
    q_pool_for(context->pool, blocks, narrow ? sum_narrow_block : sum_wide_block, &job);
    *out = 0;
    for (size_t i = 0; i < blocks; i++)
        *out += job.partial[i];
}

void CPU_NAME(op_sum_squares)(struct op_table *table)
{
    table->sum_squares = sum_squares;
}
