/* average: blocks in parallel. */
#include "train/cpu/cpu_ops.h"

#include "base/check.h"

enum { BLOCK = 1 << 14 };

struct job {
    float *average;
    const float *x;
    size_t count;
    float share;
};

static void average_block(void *context, unsigned worker, size_t block)
{
    (void)worker;
    const struct job *job = context;
    size_t i = block * BLOCK;
    const size_t end = Q_MIN(i + BLOCK, job->count);
    for (; i + VEC_LANES <= end; i += VEC_LANES) {
        const vec old = vec_load(job->average + i);
        vec_store(job->average + i, old + vec_set(job->share) * (vec_load(job->x + i) - old));
    }
    for (; i < end; i++)
        job->average[i] += job->share * (job->x[i] - job->average[i]);
}

static void average(struct op_context *context, float *mean, const float *x, size_t count, double share)
{
    struct job job = {mean, x, count, (float)share};
    q_pool_for(context->pool, (size_t)q_ceil_div(count, BLOCK), average_block, &job);
}

void CPU_NAME(op_average)(struct op_table *table)
{
    table->average = average;
}
