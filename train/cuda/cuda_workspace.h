/* What each operation takes of the workspace, as a function of the largest shapes: an operation's file takes (cuda_take) what its function here has
 * planned. Host code. */
#ifndef QUERN_TRAIN_CUDA_WORKSPACE_H
#define QUERN_TRAIN_CUDA_WORKSPACE_H

#include "train/ops.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes that a piece of the workspace takes: rounded up to 256. */
size_t cuda_workspace_piece(size_t count, size_t element_bytes);

/* Q_ERR_USAGE where a warp has no room in shared memory for what the kernels keep of such a router or such a head. */
q_status cuda_limits_check(const struct op_limits *limits) Q_MUST_USE;

/* The largest of all operations, for shapes up to the limits; `dnn`: attention through cuDNN too, which to be deterministic wants more. */
size_t cuda_workspace_bytes(const struct op_limits *limits, size_t real_bytes, bool dnn, bool deterministic);

/* op_table_outline of the backend: of a device but OP_CPU. */
const struct op_table *cuda_table_outline(enum op_device device, enum op_precision precision, bool deterministic);

/* Tokens that `route` sorts as one piece, and how many pieces that makes. */
enum { CUDA_ROUTE_SLOTS = 512 };
size_t cuda_route_chunks(size_t slots);

#ifdef __cplusplus
}
#endif
#endif
