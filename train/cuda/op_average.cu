/* average: the moving average of parameters. */
#include "train/cuda/cuda_device.cuh"
#include "train/cuda/cuda_ops.h"

static __global__ void average_items(float *mean, const float *x, size_t count, float share)
{
    for (size_t i = item_index(); i < count; i += item_step())
        mean[i] += share * (x[i] - mean[i]);
}

static void average(struct op_context *context, op_acc *mean, const op_acc *x, size_t count, double share)
{
    launch(context, "average", cuda_plan_items(count), average_items, mean, x, count, (float)share);
}

void CUDA_NAME(op_average)(struct op_table *table)
{
    table->average = average;
}
