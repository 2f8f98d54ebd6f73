/* rmsnorm: a row for a warp or a block. Its backward twice over the rows: for their own gradient, and by columns for the weight's. */
#include "train/cuda/cuda_device.cuh"
#include "train/cuda/cuda_ops.h"

struct norm {
    real *out, *sum;
    float *rstd;
    const real *x, *delta;
    const float *weight;
    size_t x_stride, rows, width;
    float epsilon;
};

/* x + delta as it is stored. */
template <int N> static __device__ inline void load_sum(float (&x)[N], const struct norm &n, size_t row, size_t i)
{
    load<N>(x, n.x + row * n.x_stride + i);
    if (!n.delta)
        return;
    float delta[N];
    load<N>(delta, n.delta + row * n.width + i);
    for (int j = 0; j < N; j++) {
        real rounded;
        narrow_to(&rounded, x[j] + delta[j]);
        x[j] = widen(rounded);
    }
    store<N>(n.sum + row * n.width + i, x);
}

template <int N> static __global__ void __launch_bounds__(CUDA_ROW_THREADS_MAX) rmsnorm_rows(struct norm n)
{
    const size_t row = row_index();
    if (row >= n.rows)
        return;
    const real *in = n.delta ? n.sum + row * n.width : n.x + row * n.x_stride;
    float squares = 0, x[N], weight[N];
    for (size_t i = threadIdx.x * N; i < n.width; i += blockDim.x * N) {
        load_sum<N>(x, n, row, i);
        for (int j = 0; j < N; j++)
            squares += x[j] * x[j];
    }
    const float rstd = 1.0F / sqrtf(row_sum(squares) / (float)n.width + n.epsilon);
    if (threadIdx.x == 0)
        n.rstd[row] = rstd;
    for (size_t i = threadIdx.x * N; i < n.width; i += blockDim.x * N) {
        load<N>(x, in + i); /* a thread reads what it wrote itself */
        load<N>(weight, n.weight + i);
        for (int j = 0; j < N; j++)
            x[j] = x[j] * rstd * weight[j];
        store<N>(n.out + row * n.width + i, x);
    }
}

static void rmsnorm(struct op_context *context, op_real *out, op_acc *rstd, op_real *sum, const op_real *x,
                    size_t x_stride, const op_real *delta, const op_acc *weight, size_t rows, size_t width,
                    double epsilon)
{
    const struct norm n = {reals_out(out), reals_out(sum), rstd, reals(x), reals(delta),
                           weight,         x_stride,       rows, width,    (float)epsilon};
    const bool packed = cuda_is_packed(out, width, width) && cuda_is_packed(x, width, x_stride) &&
                        cuda_is_packed(sum, width, width) && cuda_is_packed(delta, width, width) &&
                        cuda_is_packed(weight, width, width);
    launch(context, "rmsnorm", cuda_plan_rows(rows, width, packed ? CUDA_PACK : 1),
           packed ? rmsnorm_rows<CUDA_PACK> : rmsnorm_rows<1>, n);
}

struct norm_backward {
    real *dx;
    const real *dout, *x;
    const float *rstd, *weight;
    size_t dx_stride, x_stride, rows, width;
    bool accumulate;
};

/* With r = rstd: dx = d w r - x r^3 (sum of d w x) / width. */
template <int N>
static __global__ void __launch_bounds__(CUDA_ROW_THREADS_MAX) rmsnorm_backward_rows(struct norm_backward n)
{
    const size_t row = row_index();
    if (row >= n.rows)
        return;
    const real *in = n.x + row * n.x_stride, *dout = n.dout + row * n.width;
    real *dx = n.dx + row * n.dx_stride;
    const float rstd = n.rstd[row];
    float along = 0, x[N], d[N], weight[N], before[N] = {0};
    for (size_t i = threadIdx.x * N; i < n.width; i += blockDim.x * N) {
        load<N>(x, in + i);
        load<N>(d, dout + i);
        load<N>(weight, n.weight + i);
        for (int j = 0; j < N; j++)
            along += d[j] * weight[j] * x[j];
    }
    const float factor = row_sum(along) * rstd * rstd * rstd / (float)n.width;
    for (size_t i = threadIdx.x * N; i < n.width; i += blockDim.x * N) {
        load<N>(x, in + i);
        load<N>(d, dout + i);
        load<N>(weight, n.weight + i);
        if (n.accumulate)
            load<N>(before, dx + i);
        for (int j = 0; j < N; j++)
            x[j] = before[j] + d[j] * weight[j] * rstd - x[j] * factor;
        store<N>(dx + i, x);
    }
}

/* Sums over a chunk of rows: a thread has a column, and every eighth row of it. */
static __global__ void rmsnorm_backward_columns(struct norm_backward n, float *partial, size_t chunk)
{
    __shared__ float sums[CUDA_CHUNK_THREADS][CUDA_WARP];
    const size_t column = (size_t)blockIdx.x * CUDA_WARP + threadIdx.x, first = blockIdx.y * chunk;
    const size_t end = least(first + chunk, n.rows);
    float sum = 0;
    for (size_t row = first + threadIdx.y; column < n.width && row < end; row += CUDA_CHUNK_THREADS)
        sum += widen(n.dout[row * n.width + column]) * widen(n.x[row * n.x_stride + column]) * n.rstd[row];
    sums[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.y > 0 || column >= n.width)
        return;
    for (int i = 1; i < CUDA_CHUNK_THREADS; i++)
        sum += sums[i][threadIdx.x];
    partial[blockIdx.y * n.width + column] = sum;
}

/* dweight: floats or reals. */
template <class T> static __global__ void add_chunks(void *to, const float *partial, size_t chunks, size_t width)
{
    T *dweight = (T *)to;
    for (size_t i = item_index(); i < width; i += item_step()) {
        float sum = 0;
        for (size_t chunk = 0; chunk < chunks; chunk++)
            sum += partial[chunk * width + i];
        narrow_to(&dweight[i], widen(dweight[i]) + sum);
    }
}

static void rmsnorm_backward(struct op_context *context, op_real *dx, size_t dx_stride, bool accumulate, void *dweight,
                             bool narrow, const op_real *dout, const op_real *x, size_t x_stride, const op_acc *rstd,
                             const op_acc *weight, size_t rows, size_t width)
{
    const struct norm_backward n = {reals_out(dx), reals(dout), reals(x), rstd,  weight,
                                    dx_stride,     x_stride,    rows,     width, accumulate};
    const bool packed = cuda_is_packed(dx, width, dx_stride) && cuda_is_packed(dout, width, width) &&
                        cuda_is_packed(x, width, x_stride) && cuda_is_packed(weight, width, width);
    const struct cuda_plan columns = cuda_plan_columns(rows, width);
    size_t used = 0;
    float *partial = (float *)cuda_take(context, &used, (size_t)columns.grid_y * width, sizeof(float));
    launch(context, "rmsnorm backward, columns", columns, rmsnorm_backward_columns, n, partial, cuda_chunk_rows(rows));
    if (rows > 0)
        launch(context, "rmsnorm backward, sums", cuda_plan_items(width), narrow ? add_chunks<real> : add_chunks<float>,
               dweight, partial, (size_t)columns.grid_y, width);
    launch(context, "rmsnorm backward", cuda_plan_rows(rows, width, packed ? CUDA_PACK : 1),
           packed ? rmsnorm_backward_rows<CUDA_PACK> : rmsnorm_backward_rows<1>, n);
}

void CUDA_NAME(op_rmsnorm)(struct op_table *table)
{
    table->rmsnorm = rmsnorm;
    table->rmsnorm_backward = rmsnorm_backward;
}
