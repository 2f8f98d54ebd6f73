/* The backends, by name: those of this processor, and the GPU's. */
#include "train/cpu/cpu_features.h"
#include "train/cpu/cpu_table.h"
#include "train/cuda/cuda_ops.h"
#include "train/cuda/cuda_workspace.h"
#include "train/ops.h"

#include "base/check.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

const char *const op_precision_names[] = {"fp32", "bf16", NULL};
const char *const op_device_names[] = {"cpu", "cuda", "cuda-dnn", NULL};

enum { TABLES_MAX = 5, PRECISIONS = 2 };

/* Tables of this processor, the slowest first. */
struct tables {
    struct op_table list[TABLES_MAX];
    size_t count;
};

static struct tables tables[PRECISIONS]; /* by op_precision */

static void add(enum op_precision precision, void (*fill)(struct op_table *))
{
    fill(&tables[precision].list[tables[precision].count++]);
}

#if defined(__x86_64__)
/* What the processor can do, and the system lets a process do. */
static void add_vectors(void)
{
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        add(OP_FP32, cpu_table_avx2);
        add(OP_BF16, cpu_table_avx2_bf16);
    }
    if (!(__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
          __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
          __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("fma")))
        return;
    add(OP_FP32, cpu_table_avx512);
    add(OP_BF16, cpu_table_avx512_bf16);
    if (!cpu_has_dot_bf16())
        return;
    add(OP_BF16, cpu_table_avx512_dot_bf16);
    if (cpu_has_amx_bf16())
        add(OP_BF16, cpu_table_amx_bf16);
}
#endif

static void fill_tables(void)
{
    add(OP_FP32, cpu_table_generic);
    add(OP_BF16, cpu_table_generic_bf16);
#if defined(__x86_64__)
    add_vectors();
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
    return &tables[precision].list[tables[precision].count - 1];
}

static q_status fail_unknown(const char *name)
{
    char names[256];
    size_t used = 0;
    for (size_t p = 0; p < PRECISIONS; p++)
        for (size_t i = 0; i < tables[p].count; i++)
            used += (size_t)snprintf(names + used, sizeof names - used, ", '%s'", tables[p].list[i].name);
    return q_fail(
        Q_ERR_USAGE,
        "no backend '%s' on this processor; there are 'cpu' and 'cpu-bf16' (the fastest), 'cuda', 'cuda-bf16' and "
        "'cuda-dnn-bf16' (with '-nondeterministic' too)%s",
        name, names);
}

q_status op_table_of(enum op_device device, enum op_precision precision, bool deterministic,
                     const struct op_table **out)
{
    if (device != OP_CPU)
        return cuda_table_find(device, precision, deterministic, out);
    *out = op_table_cpu(precision);
    return Q_OK;
}

const struct op_table *op_table_outline(enum op_device device, enum op_precision precision, bool deterministic)
{
    return device == OP_CPU ? op_table_cpu(precision) : cuda_table_outline(device, precision, deterministic);
}

/* A GPU's; NULL where none has the name. */
static q_status find_on_gpu(const char *name, const struct op_table **out)
{
    *out = NULL;
    for (int device = OP_CUDA; device <= OP_CUDA_DNN; device++)
        for (int precision = 0; precision < PRECISIONS; precision++)
            for (int deterministic = 0; deterministic < 2; deterministic++)
                if (strcmp(name, cuda_table_outline(device, precision, deterministic)->name) == 0)
                    return cuda_table_find(device, precision, deterministic, out);
    return Q_OK;
}

q_status op_table_find(const char *name, const struct op_table **out)
{
    Q_TRY(find_on_gpu(name, out));
    if (*out)
        return Q_OK;
    *out = op_table_cpu(OP_FP32);
    if (strcmp(name, "cpu") == 0)
        return Q_OK;
    *out = op_table_cpu(OP_BF16);
    if (strcmp(name, "cpu-bf16") == 0)
        return Q_OK;
    for (size_t p = 0; p < PRECISIONS; p++)
        for (size_t i = 0; i < tables[p].count; i++) {
            *out = &tables[p].list[i];
            if (strcmp(name, (*out)->name) == 0)
                return Q_OK;
        }
    return fail_unknown(name);
}
