/* narrow: blocks in parallel. */
#include "train/cpu/cpu_ops.h"
#include "train/cpu/cpu_real.h"

#include "base/check.h"

enum { BLOCK = 1 << 14 };

struct job {
    real *out;
    const float *x;
    size_t count;
};

static void narrow_block(void *context, unsigned worker, size_t block)
{
    (void)worker;
    const struct job *job = context;
    const size_t first = block * BLOCK;
    real_round(job->out + first, job->x + first, Q_MIN((size_t)BLOCK, job->count - first));
}

static void narrow(struct op_context *context, op_real *out, const float *x, size_t count)
{
    struct job job = {reals_out(out), x, count};
    q_pool_for(context->pool, (size_t)q_ceil_div(count, BLOCK), narrow_block, &job);
}

void CPU_NAME(op_narrow)(struct op_table *table)
{
    table->narrow = narrow;
}
