/* narrow: master weights as reals. */
#include "train/cuda/cuda_device.cuh"
#include "train/cuda/cuda_ops.h"

template <int N> static __global__ void narrow_items(real *out, const float *x, size_t count)
{
    for (size_t i = item_index() * N; i < count; i += item_step() * N) {
        float values[N];
        load<N>(values, x + i);
        store<N>(out + i, values);
    }
}

static void narrow(struct op_context *context, op_real *out, const op_acc *x, size_t count)
{
    const bool packed = cuda_is_packed(out, count, 0) && cuda_is_packed(x, count, 0);
    launch(context, "narrow", cuda_plan_items(packed ? count / CUDA_PACK : count),
           packed ? narrow_items<CUDA_PACK> : narrow_items<1>, reals_out(out), x, count);
}

void CUDA_NAME(op_narrow)(struct op_table *table)
{
    table->narrow = narrow;
}
