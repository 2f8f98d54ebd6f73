/* quern-train bench: how fast whole training steps are on this machine, on made-up tokens. */
#include "base/check.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/random.h"
#include "base/threads.h"
#include "train/cmd_train.h"
#include "train/model/model.h"
#include "train/op_peak.h"
#include "train/op_timing.h"
#include "train/optimizer.h"

#include <stdio.h>
#include <string.h>

const struct q_option train_bench_table[] = {
    {"model", 0, Q_OPTION_TEXT, offsetof(struct train_bench_options, model), "NAME",
     "a name of recipes/models/, or a file"},
    {"batch", 0, Q_OPTION_U64, offsetof(struct train_bench_options, batch), "N", "sequences a step (8)"},
    {"sequence", 0, Q_OPTION_U64, offsetof(struct train_bench_options, sequence), "N", "tokens a sequence (512)"},
    {"steps", 0, Q_OPTION_U64, offsetof(struct train_bench_options, steps), "N",
     "steps to time, behind one that is not (5)"},
    {"recompute", 0, Q_OPTION_TEXT, offsetof(struct train_bench_options, recompute), "WHAT",
     "none, norms or projections, as train.recompute (none)"},
    {"precision", 0, Q_OPTION_TEXT, offsetof(struct train_bench_options, precision), "WHAT",
     "fp32 or bf16, as train.precision (fp32)"},
    {"by-operation", 0, Q_OPTION_FLAG, offsetof(struct train_bench_options, by_operation), NULL,
     "also where the time goes, beside the measured peak of the matrix product"},
    {0}};

struct bench {
    struct q_arena arena;
    struct q_pool *pool;
    const struct op_table *table, *ops; /* ops: the table, or what times it */
    struct op_context *context;
    struct model *model;
    struct optimizer *optimizer;
    struct model_config config;
    struct model_batch batch;
};

/* Tokens drawn evenly: the routing is then about even too. */
static q_status fill_batch(struct bench *bench)
{
    size_t count = bench->batch.batch * bench->batch.sequence;
    int32_t *ids, *targets;
    Q_TRY(q_arena_alloc(&bench->arena, count, sizeof *ids, &ids));
    Q_TRY(q_arena_alloc(&bench->arena, count, sizeof *targets, &targets));
    q_random_key key = q_random_key_of(1, "bench", 0, 0);
    for (size_t i = 0; i < count; i++) {
        ids[i] = (int32_t)q_random_below(key, i, model_config_ids(&bench->config));
        targets[i] = (int32_t)q_random_below(key, count + i, model_config_ids(&bench->config));
    }
    bench->batch.ids = ids;
    bench->batch.targets = targets;
    return Q_OK;
}

static q_status recompute_of(const char *name, enum model_recompute *out)
{
    for (int i = 0; model_recompute_names[i]; i++)
        if (!name || strcmp(name, model_recompute_names[i]) == 0) {
            *out = (enum model_recompute)i;
            return Q_OK;
        }
    return q_fail(Q_ERR_USAGE, "there is no --recompute '%s'; it is none, norms or projections", name);
}

static q_status table_of(const char *precision, const struct op_table **out)
{
    for (int i = 0; op_precision_names[i]; i++)
        if (!precision || strcmp(precision, op_precision_names[i]) == 0) {
            *out = op_table_cpu((enum op_precision)i);
            return Q_OK;
        }
    return q_fail(Q_ERR_USAGE, "there is no --precision '%s'; it is fp32 or bf16", precision);
}

static q_status set_up(struct bench *bench, const struct train_bench_options *options)
{
    struct optimizer_settings adamw = {.beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8, .weight_decay = 0.1, .clip = 1};
    if (!options->model)
        return q_fail(Q_ERR_USAGE, "which model? give --model NAME");
    Q_TRY(model_config_named(options->model, NULL, &bench->arena, &bench->config));
    bench->config.num_nextn_predict_layers = 0; /* docs/cli.md: what is compared with others' trainers */
    Q_TRY(table_of(options->precision, &bench->table));
    Q_TRY(op_table_check(bench->table));
    bench->ops = options->by_operation ? op_timing_begin(bench->table) : bench->table;
    Q_TRY(q_pool_create((unsigned)options->common.threads, &bench->pool));
    Q_TRY(bench->ops->create(bench->pool, &bench->context));
    bench->batch.batch = options->batch ? (size_t)options->batch : 8;
    bench->batch.sequence = options->sequence ? (size_t)options->sequence : 512;
    struct model_shape shape = {.batch = bench->batch.batch, .sequence = bench->batch.sequence, .training = true};
    Q_TRY(recompute_of(options->recompute, &shape.recompute));
    Q_TRY(model_create(&bench->config, bench->ops, bench->context, &shape, &bench->model));
    Q_TRY(model_init(bench->model, 1));
    Q_TRY(optimizer_create(bench->model, &adamw, NULL, &bench->optimizer));
    return fill_batch(bench);
}

static q_status step(struct bench *bench)
{
    double tokens = (double)(bench->batch.batch * bench->batch.sequence);
    struct model_scale scale = {.loss = 1 / tokens, .balance_alpha = 1e-4, .balance = 1 / (double)bench->batch.batch};
    Q_TRY(model_forward_backward(bench->model, &bench->batch, &scale, NULL, NULL));
    model_update_bias(bench->model, 0.001);
    return optimizer_step(bench->optimizer, 1e-4, NULL);
}

/* What the timed steps came to. */
struct result {
    uint64_t steps;
    double seconds, tokens_per_s, flop_per_s;
    double peak; /* FLOP/s of the matrix product; 0: not measured */
    struct op_timing rows[OP_TIMING_MAX];
    size_t row_count;
};

static void put_operations(struct q_json *json, const struct result *result)
{
    q_json_put_fixed(json, "peak_flop_per_s", result->peak, 0);
    q_json_put_fixed(json, "flop_share", result->flop_per_s / result->peak, 4);
    q_json_open(json, "operations", '{');
    for (size_t i = 0; i < result->row_count; i++) {
        const struct op_timing *row = &result->rows[i];
        if (!row->calls)
            continue;
        q_json_open(json, row->name, '{');
        q_json_put_u64(json, "calls", row->calls / result->steps);
        q_json_put_fixed(json, "ms", row->seconds / (double)result->steps * 1e3, 3);
        q_json_put_fixed(json, "share", row->seconds / result->seconds, 4);
        q_json_put_fixed(json, "flop_per_s", row->seconds > 0 ? row->flop / row->seconds : 0, 0);
        q_json_close(json, '}');
    }
    q_json_close(json, '}');
}

static q_status print_json(const struct bench *bench, const struct train_bench_options *options,
                           const struct result *result)
{
    struct q_buffer text = {0};
    struct q_json json = q_json_begin(&text);
    q_json_open(&json, NULL, '{');
    q_json_put_string(&json, "model", q_string_of(options->model));
    q_json_put_string(&json, "backend", q_string_of(bench->ops->name));
    q_json_put_u64(&json, "threads", options->common.threads);
    q_json_put_fixed(&json, "tokens_per_s", result->tokens_per_s, 1);
    q_json_put_fixed(&json, "flop_per_s", result->flop_per_s, 0);
    q_json_put_u64(&json, "peak_bytes", q_memory_peak_bytes());
    if (result->row_count)
        put_operations(&json, result);
    q_json_close(&json, '}');
    q_json_newline(&json);
    q_status status = q_json_end(&json);
    if (!status)
        fwrite(text.data, 1, text.size, stdout);
    q_buffer_release(&text);
    return status;
}

static void print_operations(const struct result *result)
{
    double rest = result->seconds;
    printf("\n%-20s %8s %10s %7s %10s %6s\n", "operation", "calls", "ms a step", "share", "GFLOP/s", "peak");
    for (size_t i = 0; i < result->row_count; i++) {
        const struct op_timing *row = &result->rows[i];
        if (!row->calls)
            continue;
        printf("%-20s %8llu %10.2f %6.1f%%", row->name, (unsigned long long)(row->calls / result->steps),
               row->seconds / (double)result->steps * 1e3, row->seconds / result->seconds * 100);
        if (row->flop > 0)
            printf(" %10.1f %5.0f%%", row->flop / row->seconds * 1e-9, row->flop / row->seconds / result->peak * 100);
        printf("\n");
        rest -= row->seconds;
    }
    printf("%-20s %8s %10.2f %6.1f%%\n", "what is between", "", rest / (double)result->steps * 1e3,
           rest / result->seconds * 100);
    printf("peak of the product: %.1f GFLOP/s\n", result->peak * 1e-9);
}

static q_status print(const struct bench *bench, const struct train_bench_options *options, const struct result *result)
{
    char memory[32];
    if (options->common.json)
        return print_json(bench, options, result);
    printf("%s on %s, %u threads: %.0f tokens/s, %.1f GFLOP/s, %s\n", options->model, bench->ops->name,
           (unsigned)options->common.threads, result->tokens_per_s, result->flop_per_s * 1e-9,
           q_format_bytes(memory, (double)q_memory_peak_bytes()));
    if (result->row_count)
        print_operations(result);
    return Q_OK;
}

static q_status bench_in(struct bench *bench, const struct train_bench_options *options)
{
    struct result result = {.steps = options->steps ? options->steps : 5};
    Q_TRY(set_up(bench, options));
    Q_TRY(step(bench));
    if (options->by_operation)
        (void)op_timing_begin(bench->table); /* the first step does not count */
    const double started = q_seconds();
    for (uint64_t i = 0; i < result.steps; i++)
        Q_TRY(step(bench));
    result.seconds = q_seconds() - started;
    result.tokens_per_s = (double)(bench->batch.batch * bench->batch.sequence * result.steps) / result.seconds;
    result.flop_per_s = result.tokens_per_s * model_config_flop_per_token(&bench->config, bench->batch.sequence);
    if (options->by_operation) {
        result.row_count = op_timing_read(result.rows);
        Q_TRY(op_peak(bench->table, bench->pool, 1.0, &result.peak));
    }
    return print(bench, options, &result);
}

q_status train_bench(void *options, const char *const *arguments, size_t count)
{
    (void)arguments, (void)count;
    struct bench bench = {0};
    q_status status = bench_in(&bench, options);
    optimizer_release(bench.optimizer);
    model_release(bench.model);
    if (bench.ops)
        bench.ops->release(bench.context);
    q_pool_release(bench.pool);
    q_arena_release(&bench.arena);
    return status;
}
