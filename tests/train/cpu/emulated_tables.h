/* Tables of BF16 whose products multiply pairs, by instructions that are emulated. */
#ifndef QUERN_TESTS_TRAIN_CPU_EMULATED_TABLES_H
#define QUERN_TESTS_TRAIN_CPU_EMULATED_TABLES_H

#include "train/ops.h"

void cpu_table_emulated_dot(struct op_table *table); /* as AVX-512 BF16 */
void cpu_table_emulated_amx(struct op_table *table);

#endif
