/* The operations of this folder, a file each. Every file is compiled once per instruction set and gives one function, which puts the file's
 * operations into a table. */
#ifndef QUERN_TRAIN_CPU_OPS_H
#define QUERN_TRAIN_CPU_OPS_H

#include "train/cpu/cpu_context.h"
#include "train/cpu/cpu_vector.h"
#include "train/ops.h"

void CPU_NAME(op_adamw)(struct op_table *table);
void CPU_NAME(op_attention)(struct op_table *table);
void CPU_NAME(op_attention_backward)(struct op_table *table);
void CPU_NAME(op_average)(struct op_table *table);
void CPU_NAME(op_cross_entropy)(struct op_table *table);
void CPU_NAME(op_embedding)(struct op_table *table);
void CPU_NAME(op_grouped)(struct op_table *table);
void CPU_NAME(op_matmul)(struct op_table *table);
void CPU_NAME(op_narrow)(struct op_table *table);
void CPU_NAME(op_permutation)(struct op_table *table);
void CPU_NAME(op_rmsnorm)(struct op_table *table);
void CPU_NAME(op_rope)(struct op_table *table);
void CPU_NAME(op_router)(struct op_table *table);
void CPU_NAME(op_balance)(struct op_table *table);
void CPU_NAME(op_sum_squares)(struct op_table *table);
void CPU_NAME(op_swiglu)(struct op_table *table);

/* The product itself, for cross-entropy. */
void CPU_NAME(cpu_matmul)(struct op_context *context, const struct op_matmul *product);

#endif
