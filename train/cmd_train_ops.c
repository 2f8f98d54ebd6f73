/* quern-train ops: is each operation of a backend right, how far is it from another one's, and how fast is it? */
#include "base/check.h"
#include "base/json.h"
#include "base/threads.h"
#include "train/cmd_train.h"
#include "train/model/model_config.h"
#include "train/ops_check/ops_check.h"
#include "train/watch/op_peak.h"

#include <stdio.h>
#include <string.h>

#define AT(member) offsetof(struct train_ops_options, member)

const struct q_option train_ops_table[] = {
    {"backend", 0, Q_OPTION_TEXT, AT(backend), "NAME",
     "cpu, cpu-generic, cpu-avx2, cpu-avx512, cuda, each with -bf16 too; cpu-avx512-dot-bf16, cpu-amx-bf16, "
     "cuda-dnn-bf16; cuda's with -nondeterministic behind it too (cpu)"},
    {"against", 0, Q_OPTION_TEXT, AT(against), "NAME", "compare with another backend of the same precision too"},
    {"operation", 0, Q_OPTION_TEXT, AT(operation), "NAME", "only operations whose names begin so"},
    {"large", 0, Q_OPTION_FLAG, AT(large), NULL, "larger shapes too, on which a GPU's kernels go round: half a minute"},
    {"perf", 0, Q_OPTION_FLAG, AT(perf), NULL,
     "time them instead, beside the measured ceilings of the matrix product and of a copy"},
    {"model", 0, Q_OPTION_TEXT, AT(model), "NAME", "with --perf, at its shapes: of recipes/models/, or a file (nano)"},
    {"batch", 0, Q_OPTION_U64, AT(batch), "N", "with --perf, sequences (2)"},
    {"sequence", 0, Q_OPTION_U64, AT(sequence), "N", "with --perf, tokens a sequence (512)"},
    {"seconds", 0, Q_OPTION_DOUBLE, AT(seconds), "S", "with --perf, for each of them (0.2)"},
    {0}};

enum { OPERATIONS_MAX = 64 };

/* The largest error of an operation, over its shapes. */
struct worst {
    const char *operation;
    size_t shapes, failed;
    double error, against, apart;
};

struct report {
    const struct train_ops_options *options;
    struct q_json *json; /* NULL: text */
    struct worst rows[OPERATIONS_MAX];
    size_t row_count, cases;
    double flop_per_s, bytes_per_s; /* ceilings */
};

static struct worst *row_of(struct report *report, const char *operation)
{
    for (size_t i = 0; i < report->row_count; i++)
        if (strcmp(report->rows[i].operation, operation) == 0)
            return &report->rows[i];
    q_check(report->row_count < OPERATIONS_MAX);
    struct worst *row = &report->rows[report->row_count++];
    *row = (struct worst){.operation = operation};
    return row;
}

/* In the list that is open while cases run. */
static void put_failure(struct q_json *json, const struct ops_result *result)
{
    q_json_open(json, NULL, '{');
    q_json_put_string(json, "operation", q_string_of(result->operation));
    q_json_put_string(json, "shape", q_string_of(result->shape));
    q_json_put_string(json, "tensor", q_string_of(result->tensor));
    q_json_put_string(json, "what", q_string_of(result->what));
    q_json_put_string(json, "way", q_string_of(result->way));
    q_json_put_double(json, "error", result->error);
    q_json_close(json, '}');
}

static void note_check(void *context, const struct ops_result *result)
{
    struct report *report = context;
    struct worst *row = row_of(report, result->operation);
    report->cases++;
    row->shapes++;
    row->failed += !result->passed;
    ops_keep_largest(&row->error, result->error);
    ops_keep_largest(&row->against, result->against);
    ops_keep_largest(&row->apart, result->apart);
    if (report->json && !result->passed)
        put_failure(report->json, result);
    if (report->json || (report->options->against && result->passed))
        return;
    printf("%-4s  %-24s  %-28s  %9.2g  %s", result->passed ? "ok" : "FAIL", result->operation, result->shape,
           result->difference, result->passed ? result->tensor : result->what);
    printf(result->way[0] ? "  (%s)\n" : "%s\n", result->way);
}

/* By operation, in units of what passes. */
static void print_worst(const struct report *report, const char *ours, const char *other)
{
    printf("%-4s  %-24s  %6s  %12s  %12s  %8s\n", "", "largest error / allowed", "shapes", ours, other, "apart");
    for (size_t i = 0; i < report->row_count; i++) {
        const struct worst *row = &report->rows[i];
        printf("%-4s  %-24s  %6zu  %12.3f  %12.3f  %8.3f\n", row->failed ? "FAIL" : "ok", row->operation, row->shapes,
               row->error, row->against, row->apart);
    }
}

static void put_worst(struct report *report, size_t failed)
{
    q_json_put_u64(report->json, "cases", report->cases);
    q_json_put_u64(report->json, "failed", failed);
    q_json_open(report->json, "operations", '{');
    for (size_t i = 0; i < report->row_count; i++) {
        const struct worst *row = &report->rows[i];
        q_json_open(report->json, row->operation, '{');
        q_json_put_u64(report->json, "shapes", row->shapes);
        q_json_put_u64(report->json, "failed", row->failed);
        q_json_put_double(report->json, "error", row->error);
        if (report->options->against) {
            q_json_put_double(report->json, "against_error", row->against);
            q_json_put_double(report->json, "apart", row->apart);
        }
        q_json_close(report->json, '}');
    }
    q_json_close(report->json, '}');
}

static q_status check(const struct ops_wanted *wanted, struct report *report)
{
    size_t failed = 0;
    if (report->options->against)
        Q_TRY(op_table_check(wanted->against));
    if (report->json)
        q_json_open(report->json, "failures", '[');
    const q_status status = ops_check(wanted, note_check, report, &failed);
    if (report->json) {
        q_json_close(report->json, ']');
        put_worst(report, failed);
    } else if (wanted->against && status == Q_OK) {
        print_worst(report, wanted->table->name, wanted->against->name);
    }
    Q_TRY(status);
    if (report->cases == 0)
        return q_fail(Q_ERR_USAGE, "there is no operation '%s'", wanted->operation);
    return failed == 0
               ? Q_OK
               : q_fail(Q_ERR_SYSTEM,
                        "%zu operation%s of '%s' differ from the plain ones; do not train on this machine with it",
                        failed, failed == 1 ? "" : "s", wanted->table->name);
}

static void note_time(void *context, const struct ops_result *result)
{
    struct report *report = context;
    const double flop_per_s = result->flop / result->seconds, bytes_per_s = result->bytes / result->seconds;
    report->cases++;
    if (report->json) {
        q_json_open(report->json, NULL, '{');
        q_json_put_string(report->json, "operation", q_string_of(result->operation));
        q_json_put_string(report->json, "shape", q_string_of(result->shape));
        q_json_put_fixed(report->json, "us", result->seconds * 1e6, 3);
        q_json_put_fixed(report->json, "flop_per_s", flop_per_s, 0);
        q_json_put_fixed(report->json, "flop_share", flop_per_s / report->flop_per_s, 4);
        q_json_put_fixed(report->json, "bytes_per_s", bytes_per_s, 0);
        q_json_put_fixed(report->json, "bytes_share", bytes_per_s / report->bytes_per_s, 4);
        if (result->way[0])
            q_json_put_string(report->json, "way", q_string_of(result->way));
        q_json_close(report->json, '}');
        return;
    }
    printf("%-24s  %-32s  %10.1f", result->operation, result->shape, result->seconds * 1e6);
    if (result->flop > 0)
        printf("  %9.3f  %4.0f%%", flop_per_s * 1e-12, flop_per_s / report->flop_per_s * 100);
    else
        printf("  %9s  %5s", "", "");
    printf("  %8.1f  %4.0f%%%s%s\n", bytes_per_s * 1e-9, bytes_per_s / report->bytes_per_s * 100,
           result->way[0] ? "  " : "", result->way);
    (void)fflush(stdout);
}

static q_status measure_ceilings(const struct ops_wanted *wanted, double seconds, struct report *report)
{
    struct q_pool *pool;
    Q_TRY(q_pool_create(wanted->threads, &pool));
    q_status status = op_peak(wanted->table, pool, seconds, &report->flop_per_s);
    if (!status)
        status = op_peak_copy(wanted->table, pool, seconds, &report->bytes_per_s);
    q_pool_release(pool);
    return status;
}

static q_status time_model(const struct ops_wanted *wanted, const struct model_config *config, struct report *report)
{
    const struct train_ops_options *options = report->options;
    const double seconds = options->seconds > 0 ? options->seconds : 0.2;
    Q_TRY(measure_ceilings(wanted, 5 * seconds, report));
    if (report->json) {
        q_json_put_fixed(report->json, "matrix_flop_per_s", report->flop_per_s, 0);
        q_json_put_fixed(report->json, "copy_bytes_per_s", report->bytes_per_s, 0);
        q_json_open(report->json, "operations", '[');
    } else {
        printf("ceilings: matrix product %.3f TFLOP/s, copy %.1f GB/s read and written\n", report->flop_per_s * 1e-12,
               report->bytes_per_s * 1e-9);
        printf("%-24s  %-32s  %10s  %9s  %5s  %8s  %5s\n", "", "", "us", "TFLOP/s", "share", "GB/s", "share");
    }
    Q_TRY(ops_perf(wanted, config, options->batch ? (size_t)options->batch : 2,
                   options->sequence ? (size_t)options->sequence : 512, seconds, note_time, report));
    if (report->json)
        q_json_close(report->json, ']');
    return report->cases ? Q_OK : q_fail(Q_ERR_USAGE, "there is no operation '%s'", wanted->operation);
}

static q_status perf(const struct ops_wanted *wanted, struct report *report)
{
    struct q_arena arena = {0};
    struct model_config config;
    const char *name = report->options->model ? report->options->model : "nano";
    q_status status = model_config_named(name, NULL, &arena, &config);
    if (!status && report->json)
        q_json_put_string(report->json, "model", q_string_of(name));
    if (!status)
        status = time_model(wanted, &config, report);
    q_arena_release(&arena);
    return status;
}

static q_status run(const struct ops_wanted *wanted, struct report *report)
{
    return report->options->perf ? perf(wanted, report) : check(wanted, report);
}

/* What was found is printed also where operations failed. */
static q_status run_json(const struct ops_wanted *wanted, struct report *report)
{
    struct q_buffer text = {0};
    struct q_json json = q_json_begin(&text);
    report->json = &json;
    q_json_open(&json, NULL, '{');
    q_json_put_string(&json, "backend", q_string_of(wanted->table->name));
    if (wanted->against)
        q_json_put_string(&json, "against", q_string_of(wanted->against->name));
    q_status status = run(wanted, report);
    q_json_close(&json, '}');
    q_json_newline(&json);
    if (report->cases && q_json_end(&json) == Q_OK)
        fwrite(text.data, 1, text.size, stdout);
    q_buffer_release(&text);
    return status;
}

q_status train_ops(void *given, const char *const *arguments, size_t count)
{
    (void)arguments, (void)count;
    const struct train_ops_options *options = given;
    struct ops_wanted wanted = {
        .threads = (unsigned)options->common.threads, .operation = options->operation, .large = options->large};
    struct report report = {.options = options};
    Q_TRY(op_table_find(options->backend ? options->backend : "cpu", &wanted.table));
    if (options->against)
        Q_TRY(op_table_find(options->against, &wanted.against));
    Q_TRY(op_table_check(wanted.table));
    if (options->common.json)
        return run_json(&wanted, &report);
    printf("%s, %u thread%s\n", wanted.table->name, wanted.threads, wanted.threads == 1 ? "" : "s");
    return run(&wanted, &report);
}
