/* quern-train ops: is each operation of this machine's backend right, and how fast is it? */
#include "base/check.h"
#include "train/cmd_train.h"
#include "train/ops_check.h"

#include <stdio.h>

const struct q_option train_ops_table[] = {
    {"backend", 0, Q_OPTION_TEXT, offsetof(struct train_ops_options, backend), "NAME",
     "cpu, cpu-generic, cpu-avx2, cpu-avx512, cuda, each with -bf16 too; cpu-avx512-dot-bf16, cpu-amx-bf16 (cpu)"},
    {"perf", 0, Q_OPTION_FLAG, offsetof(struct train_ops_options, perf), NULL, "time them at nano's sizes instead"},
    {0}};

static void print_check(void *context, const struct ops_result *result)
{
    (void)context;
    printf("%-4s  %-24s  %-28s  %9.2g  %s\n", result->passed ? "ok" : "FAIL", result->operation, result->shape,
           result->difference, result->passed ? result->tensor : result->what);
}

static void print_time(void *context, const struct ops_result *result)
{
    (void)context;
    printf("%-24s  %-28s  %10.1f us", result->operation, result->shape, result->seconds * 1e6);
    if (result->flop > 0)
        printf("  %8.1f GFLOP/s", result->flop / result->seconds * 1e-9);
    else
        printf("  %8.1f GB/s", result->bytes / result->seconds * 1e-9);
    printf("\n");
}

q_status train_ops(void *given, const char *const *arguments, size_t count)
{
    (void)arguments, (void)count;
    const struct train_ops_options *options = given;
    const struct op_table *table;
    unsigned threads = (unsigned)options->common.threads;
    size_t failed = 0;
    Q_TRY(op_table_find(options->backend ? options->backend : "cpu", &table));
    Q_TRY(op_table_check(table));
    printf("%s, %u thread%s\n", table->name, threads, threads == 1 ? "" : "s");
    if (options->perf)
        return ops_perf(table, threads, 0.2, print_time, NULL);
    Q_TRY(ops_check(table, threads, print_check, NULL, &failed));
    return failed == 0
               ? Q_OK
               : q_fail(Q_ERR_SYSTEM,
                        "%zu operation%s of '%s' differ from the plain ones; do not train on this machine with it",
                        failed, failed == 1 ? "" : "s", table->name);
}
