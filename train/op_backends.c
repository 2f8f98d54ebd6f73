/* The backends of this processor, by name. */
#include "train/cpu/cpu_table.h"
#include "train/ops.h"

#include <pthread.h>
#include <string.h>

static struct op_table tables[3]; /* of this processor, narrowest first */
static size_t table_count;

static void fill_tables(void)
{
    cpu_table_generic(&tables[table_count++]);
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        cpu_table_avx2(&tables[table_count++]);
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("fma"))
        cpu_table_avx512(&tables[table_count++]);
#endif
}

static void fill_once(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, fill_tables);
}

const struct op_table *op_table_cpu(void)
{
    fill_once();
    return &tables[table_count - 1];
}

q_status op_table_find(const char *name, const struct op_table **out)
{
    *out = op_table_cpu();
    if (strcmp(name, "cpu") == 0)
        return Q_OK;
    for (size_t i = 0; i < table_count; i++) {
        *out = &tables[i];
        if (strcmp(name, tables[i].name) == 0)
            return Q_OK;
    }
    return q_fail(Q_ERR_USAGE, "no backend '%s' on this processor; there are 'cpu' (the fastest), 'cpu-generic'%s%s",
                  name, table_count > 1 ? ", 'cpu-avx2'" : "", table_count > 2 ? ", 'cpu-avx512'" : "");
}
