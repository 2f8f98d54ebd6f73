#include "tests/train/cuda/defects.h"

#include "train/cuda/cuda_tile.cuh"

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

/* Each warp takes the rows of the other one: four matrices of 8 x 8. */
static __global__ void copy_kernel(uint16_t *out, const uint16_t *in, struct copy_defects how)
{
    const unsigned thread = threadIdx.x, lane = thread % CUDA_WARP, first = thread < CUDA_WARP ? CUDA_WARP : 0;
    uint32_t words[4];
    copy_chunk(thread * 16, in + thread * 8, true);
    copies_commit();
    if (how.wait)
        emulated_copies_wait(0);
    if (how.barrier)
        __syncthreads();
    if (how.turned)
        ldmatrix<true>(words, (first + lane) * 16);
    else
        ldmatrix<false>(words, (first + lane) * 16);
    for (unsigned i = 0; i < 4; i++)
        memcpy(out + (first + 8 * i + lane / 4) * 8 + lane % 4 * 2, &words[i], sizeof words[i]);
    emulated_copies_wait(0);
}

static __global__ void groups_kernel(uint16_t *out, const uint16_t *in)
{
    for (unsigned i = threadIdx.x; i < COPY_GROUPS * THREADS; i += THREADS) {
        copy_chunk(i * 16, in + i * 8, true);
        copies_commit();
    }
    copies_arrive<1>();
    for (unsigned i = threadIdx.x; i < COPY_GROUPS * THREADS; i += THREADS)
        memcpy(out + i * 8, (const char *)shared_floats() + i * 16, 16);
    copies_arrive();
}

static __global__ void same_banks_kernel(int)
{
    uint32_t words[4];
    ldmatrix<false>(words, threadIdx.x % 8 * 64);
}

static __global__ void leave_kernel(int)
{
    copy_chunk(threadIdx.x * 16, nullptr, false);
    copies_commit();
}

static __global__ void askew_kernel(int)
{
    copy_chunk(threadIdx.x * 16 + 8, nullptr, false);
}

static __global__ void outside_kernel(int)
{
    copy_chunk(threadIdx.x * 16, nullptr, true);
    copies_commit();
    copies_arrive();
}

static struct cuda_plan one_block(void)
{
    struct cuda_plan plan = {};
    plan.grid_x = plan.grid_y = plan.threads_y = 1;
    plan.threads_x = THREADS;
    plan.shared = COPY_GROUPS * THREADS * 16 + 16;
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

void copy_through(struct op_context *context, uint16_t *out, const uint16_t *in, struct copy_defects how)
{
    launch(context, "copy", one_block(), copy_kernel, out, in, how);
}

void copy_groups(struct op_context *context, uint16_t *out, const uint16_t *in)
{
    launch(context, "groups", one_block(), groups_kernel, out, in);
}

void read_same_banks(struct op_context *context)
{
    launch(context, "banks", one_block(), same_banks_kernel, 0);
}

void leave_a_copy(struct op_context *context)
{
    launch(context, "leave", one_block(), leave_kernel, 0);
}

void copy_askew(struct op_context *context)
{
    launch(context, "askew", one_block(), askew_kernel, 0);
}

void copy_outside(struct op_context *context)
{
    launch(context, "outside", one_block(), outside_kernel, 0);
}
