/* The measured peak: how fast this machine multiplies matrices with a backend, which a training step's speed is set against. */
#ifndef QUERN_TRAIN_OP_PEAK_H
#define QUERN_TRAIN_OP_PEAK_H

#include "train/ops.h"

/* Floating-point operations per second (a product and a sum are two) of the backend's own product y = x W^T of square matrices, FP32, with all
 * threads of the pool: the best of * the calls that fit into about `seconds`, since what else runs on the machine only ever takes away. Side and
 * number of calls adapt to the machine. */
q_status op_peak(const struct op_table *ops, struct q_pool *pool, double seconds, double *flop_per_s) Q_MUST_USE;

#endif
