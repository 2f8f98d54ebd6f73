/* rmsnorm: rows in parallel; the gradient of the weight by fixed blocks of rows, summed in order. */
#include "train/cpu/cpu_ops.h"

#include "base/check.h"

struct job {
    struct op_context *context;
    float *out, *sum, *rstd;
    const float *x, *delta, *weight, *rstd_in, *dout;
    size_t x_stride, rows, width;
    float *dx, *dweight;
    size_t dx_stride;
    double epsilon;
    bool accumulate;
};

/* sum over i of a[i] * b[i], lanes first, the rest behind them. */
static float dot(const float *a, const float *b, size_t n)
{
    vec total = vec_zero();
    size_t i = 0;
    for (; i + VEC_LANES <= n; i += VEC_LANES)
        total = vec_fma(vec_load(a + i), vec_load(b + i), total);
    float rest = 0;
    for (; i < n; i++)
        rest += a[i] * b[i];
    return vec_sum(total) + rest;
}

static void norm_rows(void *context, unsigned worker, size_t block)
{
    (void)worker;
    const struct job *job = context;
    size_t end = Q_MIN((block + 1) * CPU_NORM_ROWS, job->rows), width = job->width;
    for (size_t row = block * CPU_NORM_ROWS; row < end; row++) {
        const float *x = job->x + row * job->x_stride;
        if (job->delta) {
            const float *delta = job->delta + row * width;
            float *sum = job->sum + row * width;
            for (size_t i = 0; i < width; i++)
                sum[i] = x[i] + delta[i];
            x = sum;
        }
        float rstd = (float)(1.0 / sqrt((double)dot(x, x, width) / (double)width + job->epsilon));
        job->rstd[row] = rstd;
        float *out = job->out + row * width;
        for (size_t i = 0; i < width; i++)
            out[i] = x[i] * rstd * job->weight[i];
    }
}

static void rmsnorm(struct op_context *context, float *out, float *rstd, float *sum, const float *x, size_t x_stride,
                    const float *delta, const float *weight, size_t rows, size_t width, double epsilon)
{
    struct job job = {.out = out,
                      .rstd = rstd,
                      .sum = sum,
                      .x = x,
                      .x_stride = x_stride,
                      .delta = delta,
                      .weight = weight,
                      .rows = rows,
                      .width = width,
                      .epsilon = epsilon};
    q_pool_for(context->pool, (size_t)q_ceil_div(rows, CPU_NORM_ROWS), norm_rows, &job);
}

/* With n = x rstd and g = dout weight: dx = rstd (g - n mean(g n)), dweight += dout n. */
static void backward_rows(void *context, unsigned worker, size_t block)
{
    const struct job *job = context;
    size_t end = Q_MIN((block + 1) * CPU_NORM_ROWS, job->rows), width = job->width;
    float *partial = job->context->shared + block * width;
    float *g = cpu_scratch(job->context, worker);
    memset(partial, 0, width * sizeof(float));
    for (size_t row = block * CPU_NORM_ROWS; row < end; row++) {
        const float *x = job->x + row * job->x_stride, *dout = job->dout + row * width;
        float rstd = job->rstd_in[row], *dx = job->dx + row * job->dx_stride;
        for (size_t i = 0; i < width; i++) {
            partial[i] += dout[i] * x[i] * rstd;
            g[i] = dout[i] * job->weight[i];
        }
        float factor = dot(g, x, width) * rstd * rstd / (float)width;
        if (job->accumulate)
            for (size_t i = 0; i < width; i++)
                dx[i] += rstd * (g[i] - x[i] * factor);
        else
            for (size_t i = 0; i < width; i++)
                dx[i] = rstd * (g[i] - x[i] * factor);
    }
}

static void rmsnorm_backward(struct op_context *context, float *dx, size_t dx_stride, bool accumulate, float *dweight,
                             const float *dout, const float *x, size_t x_stride, const float *rstd, const float *weight,
                             size_t rows, size_t width)
{
    struct job job = {.context = context,
                      .dx = dx,
                      .dx_stride = dx_stride,
                      .accumulate = accumulate,
                      .dout = dout,
                      .x = x,
                      .x_stride = x_stride,
                      .rstd_in = rstd,
                      .weight = weight,
                      .rows = rows,
                      .width = width};
    size_t blocks = (size_t)q_ceil_div(rows, CPU_NORM_ROWS);
    q_check(blocks * width <= context->shared_floats);
    q_pool_for(context->pool, blocks, backward_rows, &job);
    for (size_t block = 0; block < blocks; block++)
        for (size_t i = 0; i < width; i++)
            dweight[i] += context->shared[block * width + i];
}

void CPU_NAME(op_rmsnorm)(struct op_table *table)
{
    table->rmsnorm = rmsnorm;
    table->rmsnorm_backward = rmsnorm_backward;
}
