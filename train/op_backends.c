/* The backends, by name: those of this processor, and the GPU's. */
#include "train/cpu/cpu_table.h"
#include "train/cuda/cuda_ops.h"
#include "train/ops.h"

#include "base/check.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

const char *const op_precision_names[] = {"fp32", "bf16", NULL};
const char *const op_device_names[] = {"cpu", "cuda", NULL};

enum { SETS_MAX = 3, PRECISIONS = 2 };

static struct op_table tables[SETS_MAX]
                             [PRECISIONS]; /* instruction sets of this processor, narrowest first; by op_precision */
static size_t set_count;

static void fill_set(void (*fp32)(struct op_table *), void (*bf16)(struct op_table *))
{
    fp32(&tables[set_count][OP_FP32]);
    bf16(&tables[set_count++][OP_BF16]);
}

static void fill_tables(void)
{
    fill_set(cpu_table_generic, cpu_table_generic_bf16);
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        fill_set(cpu_table_avx2, cpu_table_avx2_bf16);
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("fma"))
        fill_set(cpu_table_avx512, cpu_table_avx512_bf16);
#endif
}

static void fill_once(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, fill_tables);
}

const struct op_table *op_table_cpu(enum op_precision precision)
{
    fill_once();
    return &tables[set_count - 1][precision];
}

static q_status fail_unknown(const char *name)
{
    char names[256];
    size_t used = 0;
    for (size_t i = 0; i < set_count; i++)
        for (size_t p = 0; p < PRECISIONS; p++)
            used += (size_t)snprintf(names + used, sizeof names - used, ", '%s'", tables[i][p].name);
    return q_fail(
        Q_ERR_USAGE,
        "no backend '%s' on this processor; there are 'cpu' and 'cpu-bf16' (the fastest), 'cuda' and 'cuda-bf16'%s",
        name, names);
}

q_status op_table_of(enum op_device device, enum op_precision precision, const struct op_table **out)
{
    if (device == OP_CUDA)
        return cuda_table_find(precision, out);
    *out = op_table_cpu(precision);
    return Q_OK;
}

q_status op_table_find(const char *name, const struct op_table **out)
{
    if (strcmp(name, "cuda") == 0)
        return cuda_table_find(OP_FP32, out);
    if (strcmp(name, "cuda-bf16") == 0)
        return cuda_table_find(OP_BF16, out);
    *out = op_table_cpu(OP_FP32);
    if (strcmp(name, "cpu") == 0)
        return Q_OK;
    *out = op_table_cpu(OP_BF16);
    if (strcmp(name, "cpu-bf16") == 0)
        return Q_OK;
    for (size_t i = 0; i < set_count; i++)
        for (size_t p = 0; p < PRECISIONS; p++) {
            *out = &tables[i][p];
            if (strcmp(name, tables[i][p].name) == 0)
                return Q_OK;
        }
    return fail_unknown(name);
}
