/* rmsnorm: rows in parallel; the gradient of the weight by fixed blocks of rows, summed in order. */
#include "train/cpu/cpu_ops.h"
#include "train/cpu/cpu_real.h"

#include "base/check.h"

struct job {
    struct op_context *context;
    real *out, *sum, *dx;
    const real *x, *delta, *dout;
    float *rstd;
    const float *weight, *rstd_in;
    size_t x_stride, dx_stride, rows, width;
    double epsilon;
    bool accumulate;
};

static void norm_rows(void *context, unsigned worker, size_t block)
{
    const struct job *job = context;
    size_t end = Q_MIN((block + 1) * CPU_NORM_ROWS, job->rows), width = job->width;
    for (size_t row = block * CPU_NORM_ROWS; row < end; row++) {
        const real *from = job->x + row * job->x_stride;
        if (job->delta) {
            const real *delta = job->delta + row * width;
            real *sum = job->sum + row * width;
            for (size_t i = 0; i < width; i++)
                sum[i] = real_of(real_float(from[i]) + real_float(delta[i]));
            from = sum;
        }
        const float *x = cpu_floats(from, width, 1, width, cpu_scratch(job->context, worker)).data;
        float rstd = (float)(1.0 / sqrt((double)vec_dot(x, x, width) / (double)width + job->epsilon));
        job->rstd[row] = rstd;
        real *out = job->out + row * width;
        for (size_t i = 0; i < width; i++)
            out[i] = real_of(x[i] * rstd * job->weight[i]);
    }
}

static void rmsnorm(struct op_context *context, op_real *out, float *rstd, op_real *sum, const op_real *x,
                    size_t x_stride, const op_real *delta, const float *weight, size_t rows, size_t width,
                    double epsilon)
{
    struct job job = {.context = context,
                      .out = reals_out(out),
                      .rstd = rstd,
                      .sum = reals_out(sum),
                      .x = reals(x),
                      .x_stride = x_stride,
                      .delta = reals(delta),
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
    float *g = cpu_scratch(job->context, worker), *room = g + width; /* for x, dout and dx */
    memset(partial, 0, width * sizeof(float));
    for (size_t row = block * CPU_NORM_ROWS; row < end; row++) {
        const float *x = cpu_floats(job->x + row * job->x_stride, width, 1, width, room).data;
        const float *dout = cpu_floats(job->dout + row * width, width, 1, width, room + width).data;
        const struct cpu_sum sum =
            cpu_sum_begin(job->dx + row * job->dx_stride, width, 1, width, job->accumulate, room + 2 * width);
        float rstd = job->rstd_in[row], *dx = sum.data;
        for (size_t i = 0; i < width; i++) {
            partial[i] += dout[i] * x[i] * rstd;
            g[i] = dout[i] * job->weight[i];
        }
        float factor = vec_dot(g, x, width) * rstd * rstd / (float)width;
        if (job->accumulate)
            for (size_t i = 0; i < width; i++)
                dx[i] += rstd * (g[i] - x[i] * factor);
        else
            for (size_t i = 0; i < width; i++)
                dx[i] = rstd * (g[i] - x[i] * factor);
        cpu_sum_end(&sum);
    }
}

static void rmsnorm_backward(struct op_context *context, op_real *dx, size_t dx_stride, bool accumulate, void *dweight,
                             bool narrow, const op_real *dout, const op_real *x, size_t x_stride, const float *rstd,
                             const float *weight, size_t rows, size_t width)
{
    struct job job = {.context = context,
                      .dx = reals_out(dx),
                      .dx_stride = dx_stride,
                      .accumulate = accumulate,
                      .dout = reals(dout),
                      .x = reals(x),
                      .x_stride = x_stride,
                      .rstd_in = rstd,
                      .weight = weight,
                      .rows = rows,
                      .width = width};
    size_t blocks = (size_t)q_ceil_div(rows, CPU_NORM_ROWS);
    q_check(blocks * width <= context->shared_floats);
    q_pool_for(context->pool, blocks, backward_rows, &job);
    const struct cpu_sum sum = cpu_sum_gradient(dweight, narrow, width, 1, width, cpu_scratch(context, 0));
    for (size_t block = 0; block < blocks; block++)
        for (size_t i = 0; i < width; i++)
            sum.data[i] += context->shared[block * width + i];
    cpu_sum_end(&sum);
}

void CPU_NAME(op_rmsnorm)(struct op_table *table)
{
    table->rmsnorm = rmsnorm;
    table->rmsnorm_backward = rmsnorm_backward;
}
