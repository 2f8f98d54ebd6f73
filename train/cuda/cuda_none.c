/* In place of the CUDA backend, where there is no nvcc. */
#include "train/cuda/cuda_ops.h"

q_status cuda_table_find(enum op_device device, enum op_precision precision, bool deterministic,
                         const struct op_table **out)
{
    (void)device, (void)precision, (void)deterministic, (void)out;
    return q_fail(Q_ERR_USAGE,
                  "this quern was built without CUDA; build it where nvcc is, or choose the backend 'cpu'");
}
