/* The table of this instruction set and precision: every file's operations. */
#include "train/cpu/cpu_table.h"

#include "train/cpu/cpu_factor.h"
#include "train/cpu/cpu_ops.h"

void CPU_NAME(cpu_table)(struct op_table *table); /* tests have tables that cpu_table.h does not name */

void CPU_NAME(cpu_table)(struct op_table *table)
{
    *table = (struct op_table){.name = CPU_TABLE, .real_bytes = sizeof(real), .rounds_factors = CPU_PAIRED};
    cpu_context_install(table, CPU_NARROW);
    CPU_NAME(op_adamw)(table);
    CPU_NAME(op_attention)(table);
    CPU_NAME(op_attention_backward)(table);
    CPU_NAME(op_average)(table);
    CPU_NAME(op_balance)(table);
    CPU_NAME(op_cross_entropy)(table);
    CPU_NAME(op_embedding)(table);
    CPU_NAME(op_grouped)(table);
    CPU_NAME(op_matmul)(table);
    CPU_NAME(op_narrow)(table);
    CPU_NAME(op_permutation)(table);
    CPU_NAME(op_rmsnorm)(table);
    CPU_NAME(op_rope)(table);
    CPU_NAME(op_router)(table);
    CPU_NAME(op_sum_squares)(table);
    CPU_NAME(op_swiglu)(table);
}
