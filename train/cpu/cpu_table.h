/* The tables of the CPU backend, one per instruction set and precision: each fills the caller's. */
#ifndef QUERN_TRAIN_CPU_TABLE_H
#define QUERN_TRAIN_CPU_TABLE_H

#include "train/ops.h"

void cpu_table_generic(struct op_table *table);
void cpu_table_generic_bf16(struct op_table *table);
void cpu_table_avx2(struct op_table *table); /* x86-64: AVX2 and FMA */
void cpu_table_avx2_bf16(struct op_table *table);
void cpu_table_avx512(struct op_table *table); /* x86-64-v4 */
void cpu_table_avx512_bf16(struct op_table *table);
void cpu_table_avx512_dot_bf16(struct op_table *table); /* and AVX-512 BF16: products of two numbers at a time */
void cpu_table_amx_bf16(struct op_table *table);        /* and AMX's tiles of BF16 */

#endif
