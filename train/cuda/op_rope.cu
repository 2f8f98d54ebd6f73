/* rope: a thread for each pair, in place. */
#include "train/cuda/cuda_device.cuh"
#include "train/cuda/cuda_ops.h"

static __global__ void rope_pairs(struct op_rope r, real *x, size_t pairs)
{
    const size_t half = r.rope / 2;
    for (size_t i = item_index(); i < pairs; i += item_step()) {
        const size_t pair = i % half, group = i / half % r.groups, row = i / half / r.groups;
        real *at = x + row * r.stride + group * r.group_stride + 2 * pair;
        const float *turn = r.table + row % r.sequence * r.rope + 2 * pair;
        const float cosine = turn[0], sine = r.inverse ? -turn[1] : turn[1], a = widen(at[0]), b = widen(at[1]);
        narrow_to(&at[0], a * cosine - b * sine);
        narrow_to(&at[1], a * sine + b * cosine);
    }
}

static void rope(struct op_context *context, const struct op_rope *r)
{
    const size_t pairs = r->rows * r->groups * (r->rope / 2);
    launch(context, "rope", cuda_plan_items(pairs), rope_pairs, *r, reals_out(r->x), pairs);
}

void CUDA_NAME(op_rope)(struct op_table *table)
{
    table->rope = rope;
}
