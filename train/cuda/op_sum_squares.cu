/* sum_squares: in double, blocks of CUDA_SUM_ITEMS, then their sums in order. */
#include "train/cuda/cuda_device.cuh"
#include "train/cuda/cuda_ops.h"

#include "base/check.h"

/* x: floats or reals. */
template <class T> static __global__ void square_block(double *partial, const void *from, size_t count)
{
    const T *x = (const T *)from;
    const size_t first = (size_t)blockIdx.x * CUDA_SUM_ITEMS;
    const size_t end = least(first + CUDA_SUM_ITEMS, count);
    double sum = 0;
    for (size_t i = first + threadIdx.x; i < end; i += blockDim.x)
        sum += (double)widen(x[i]) * (double)widen(x[i]);
    sum = row_sum(sum);
    if (threadIdx.x == 0)
        partial[blockIdx.x] = sum;
}

/* One block; thread t takes the partial sums t, t + 256 ... */
static __global__ void add_blocks(double *out, const double *partial, size_t count)
{
    double sum = 0;
    for (size_t i = threadIdx.x; i < count; i += blockDim.x)
        sum += partial[i];
    sum = row_sum(sum);
    if (threadIdx.x == 0)
        *out = sum;
}

static void sum_squares(struct op_context *context, double *out, const void *x, bool narrow, size_t count)
{
    const size_t blocks = (size_t)q_ceil_div(count, CUDA_SUM_ITEMS);
    size_t used = 0;
    double *partial = (double *)cuda_take(context, &used, blocks + 1, sizeof(double));
    launch(context, "sum of squares", cuda_plan_blocks(blocks, CUDA_THREADS),
           narrow ? square_block<real> : square_block<float>, partial, x, count);
    launch(context, "sum of squares, blocks", cuda_plan_blocks(1, CUDA_THREADS), add_blocks, partial + blocks,
           (const double *)partial, blocks);
    *context->host = 0;
    cuda_note(context,
              cudaMemcpyAsync(context->host, partial + blocks, sizeof *out, cudaMemcpyDeviceToHost, context->stream),
              "sum of squares");
    cuda_note(context, cudaStreamSynchronize(context->stream), "sum of squares");
    *out = *context->host;
}

void CUDA_NAME(op_sum_squares)(struct op_table *table)
{
    table->sum_squares = sum_squares;
}
