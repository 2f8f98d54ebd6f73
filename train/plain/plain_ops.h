/* The plain operations: what train/ops.h says, as loops that can be read beside it. Compiled with double (OP_FLOAT), they are the oracle: their gradients are
 * compared with finite differences, and the fast backends with them. One thread, no tricks; every sum runs in index order. */
#ifndef QUERN_TRAIN_PLAIN_OPS_H
#define QUERN_TRAIN_PLAIN_OPS_H

#include "train/ops.h"

/* What op_real is here: the same as op_acc. */
typedef OP_FLOAT real;

static inline const real *reals(const op_real *x)
{
    return (const real *)(const void *)x;
}

static inline real *reals_out(op_real *x)
{
    return (real *)(void *)x;
}

/* The whole table; the context needs no pool. */
void plain_table(struct op_table *table);

/* Its parts, a file each. */
void plain_context(struct op_table *table);
void plain_dense(struct op_table *table);
void plain_attention(struct op_table *table);
void plain_experts(struct op_table *table);
void plain_optimizer(struct op_table *table);

#endif
