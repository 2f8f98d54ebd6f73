/* The measured ceilings of a machine: how fast it multiplies matrices and copies memory with a backend, which a training step's speed and an operation's are
 * set against. */
#ifndef QUERN_TRAIN_OP_PEAK_H
#define QUERN_TRAIN_OP_PEAK_H

#include "train/ops.h"

/* Floating-point operations per second (a product and a sum are two) of the backend's own product y = x W^T of square matrices of random numbers, with all
 * threads of the pool: the best of the calls that fit into about `seconds`, since what else runs on the machine only ever takes away. Side and
 * number of calls adapt to the machine. */
q_status op_peak(const struct op_table *ops, struct q_pool *pool, double seconds, double *flop_per_s) Q_MUST_USE;

/* Bytes per second, read and written, of a copy within the backend's memory, likewise: of its own copy and of its gather of rows in order, which has all
 * threads, the faster. */
q_status op_peak_copy(const struct op_table *ops, struct q_pool *pool, double seconds, double *bytes_per_s) Q_MUST_USE;

#endif
