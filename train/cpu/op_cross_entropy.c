/* cross_entropy: blocks of rows of the logits, each turned into its own gradient where it lies, then used for dx and dweight. The head's
 * product is thus done once for the loss and once each for its two gradients, and never again. The gradient becomes BF16 where products multiply that. */
#include "train/cpu/cpu_factor.h"
#include "train/cpu/cpu_ops.h"

#include "base/check.h"

struct job {
    const struct op_cross_entropy *loss;
    float *logits;
    size_t first, rows, stride;
};

static float row_max(const float *x, size_t n)
{
    vec max = vec_set(-INFINITY);
    size_t i = 0;
    for (; i + VEC_LANES <= n; i += VEC_LANES)
        max = vec_at_least(max, vec_load(x + i));
    if (i < n)
        max = vec_at_least(max, vec_load_part(x + i, n - i, -INFINITY));
    return vec_max(max);
}

/* x = exp(x - max); returns the sum. */
static float row_exp(float *x, size_t n, float max)
{
    vec total = vec_zero(), shift = vec_set(max);
    size_t i = 0;
    for (; i + VEC_LANES <= n; i += VEC_LANES) {
        vec p = vec_exp(vec_load(x + i) - shift);
        vec_store(x + i, p);
        total += p;
    }
    float rest = 0;
    if (i < n) {
        vec_store_part(x + i, vec_exp(vec_load_part(x + i, n - i, 0) - shift), n - i);
        for (; i < n; i++)
            rest += x[i];
    }
    return vec_sum(total) + rest;
}

static void row_scale(float *x, size_t n, float scale)
{
    for (size_t i = 0; i < n; i++)
        x[i] *= scale;
}

/* Floats as numbers, in their place; what stands behind them up to a whole vector, too. */
static void row_number(float *x, size_t n)
{
#ifdef CPU_PAIRS
    for (size_t i = 0; i < n; i += VEC_LANES)
        real_store((real *)(void *)x + i, vec_load(x + i));
#else
    (void)x, (void)n;
#endif
}

/* The loss of a row, and in the logits' place its gradient: scale * (softmax (1 + 2 z_loss log_z) - one at the target). */
static void loss_row(void *context, unsigned worker, size_t row)
{
    (void)worker;
    const struct job *job = context;
    const struct op_cross_entropy *l = job->loss;
    float *x = job->logits + row * job->stride;
    int32_t target = l->targets[job->first + row];
    if (target < 0) {
        l->losses[job->first + row] = 0;
        if (l->log_z)
            l->log_z[job->first + row] = 0;
        memset(x, 0, l->vocabulary * sizeof(float));
        return;
    }
    float at_target = x[target], max = row_max(x, l->vocabulary);
    float sum = row_exp(x, l->vocabulary, max);
    double log_sum = log((double)sum);
    float log_z = (float)((double)max + log_sum);
    l->losses[job->first + row] = (float)((double)max - (double)at_target + log_sum);
    if (l->log_z)
        l->log_z[job->first + row] = log_z;
    if (l->dx) {
        row_scale(x, l->vocabulary, l->grad_scale / sum * (1.0F + 2.0F * l->z_loss * log_z));
        x[target] -= l->grad_scale;
        row_number(x, l->vocabulary);
    }
}

static void cross_entropy(struct op_context *context, const struct op_cross_entropy *l)
{
    size_t block = cpu_logits_rows(l->vocabulary);
    q_check(block * cpu_logits_stride(l->vocabulary) <= context->shared_floats);
    for (size_t first = 0; first < l->tokens; first += block) {
        struct job job = {l, context->shared, first, Q_MIN(block, l->tokens - first), cpu_logits_stride(l->vocabulary)};
        const real *x = reals(l->x) + first * l->hidden;
        struct op_matmul logits = {.kind = OP_NT,
                                   .m = job.rows,
                                   .n = l->vocabulary,
                                   .k = l->hidden,
                                   .a = x,
                                   .a_stride = l->hidden,
                                   .b = l->weight,
                                   .b_stride = l->hidden,
                                   .c = job.logits,
                                   .c_stride = job.stride,
                                   .wide = true};
        CPU_NAME(cpu_matmul)(context, &logits);
        q_pool_for(context->pool, job.rows, loss_row, &job);
        if (!l->dx)
            continue;
        struct op_matmul dx = {.kind = OP_NN,
                               .m = job.rows,
                               .n = l->hidden,
                               .k = l->vocabulary,
                               .a = job.logits,
                               .a_stride = job.stride * FACTOR_DEPTH,
                               .b = l->weight,
                               .b_stride = l->hidden,
                               .c = reals_out(l->dx) + first * l->hidden,
                               .c_stride = l->hidden,
                               .wide = !CPU_PAIRED};
        CPU_NAME(cpu_matmul)(context, &dx);
        struct op_matmul dweight = {.kind = OP_TN,
                                    .m = l->vocabulary,
                                    .n = l->hidden,
                                    .k = job.rows,
                                    .a = job.logits,
                                    .a_stride = job.stride * FACTOR_DEPTH,
                                    .b = (const op_real *)(const void *)x,
                                    .b_stride = l->hidden,
                                    .c = l->dweight,
                                    .c_stride = l->hidden,
                                    .accumulate = true,
                                    .wide = !CPU_PAIRED,
                                    .narrow = l->narrow};
        CPU_NAME(cpu_matmul)(context, &dweight);
    }
}

void CPU_NAME(op_cross_entropy)(struct op_table *table)
{
    table->cross_entropy = cross_entropy;
}
