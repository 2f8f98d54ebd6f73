#include "tests/train/cuda/defects.h"

#include "train/cuda/cuda_device.cuh"

enum { THREADS = 64 };

static __global__ void sum_kernel(float *out, bool barrier)
{
    __shared__ float numbers[THREADS];
    numbers[threadIdx.x] = (float)threadIdx.x;
    if (barrier)
        __syncthreads();
    out[threadIdx.x] = numbers[threadIdx.x] + numbers[(threadIdx.x + 1) % THREADS];
}

template <class T> static __global__ void read_kernel(T *out)
{
    __shared__ T numbers[THREADS];
    out[threadIdx.x] = (T)threadIdx.x + numbers[threadIdx.x];
    __syncthreads();
    numbers[threadIdx.x] = 0; /* for the next block to find */
}

static __global__ void wait_kernel(int)
{
    if (threadIdx.x < THREADS / 2)
        __syncthreads();
}

static __global__ void exchange_kernel(int)
{
    if (threadIdx.x % 2)
        (void)__shfl_xor_sync(ALL_LANES, threadIdx.x, 1);
}

static struct cuda_plan one_block(void)
{
    struct cuda_plan plan = {};
    plan.grid_x = plan.grid_y = plan.threads_y = 1;
    plan.threads_x = THREADS;
    return plan;
}

void sum_neighbours(struct op_context *context, float *out, bool barrier)
{
    launch(context, "sum", one_block(), sum_kernel, out, barrier);
}

void read_unwritten(struct op_context *context, float *out)
{
    for (int i = 0; i < 2; i++)
        launch(context, "read", one_block(), read_kernel<float>, out);
}

void wait_apart(struct op_context *context)
{
    launch(context, "wait", one_block(), wait_kernel, 0);
}

void exchange_apart(struct op_context *context)
{
    launch(context, "exchange", one_block(), exchange_kernel, 0);
}
