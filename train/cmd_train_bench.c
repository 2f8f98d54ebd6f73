/* quern-train bench: how fast whole training steps are on this machine, on made-up tokens. */
#include "base/check.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/threads.h"
#include "train/cmd_train.h"
#include "train/model/model.h"
#include "train/op_timing.h"
#include "train/op_ways.h"
#include "train/optimizer.h"
#include "train/watch/op_peak.h"

#include <stdio.h>
#include <string.h>

const struct q_option train_bench_table[] = {
    {"model", 0, Q_OPTION_TEXT, offsetof(struct train_bench_options, model), "NAME",
     "a name of recipes/models/, or a file"},
    {"batch", 0, Q_OPTION_U64, offsetof(struct train_bench_options, batch), "N", "sequences a step (8)"},
    {"sequence", 0, Q_OPTION_U64, offsetof(struct train_bench_options, sequence), "N", "tokens a sequence (512)"},
    {"steps", 0, Q_OPTION_U64, offsetof(struct train_bench_options, steps), "N",
     "steps to time, behind the first, which is not (5)"},
    {"recompute", 0, Q_OPTION_TEXT, offsetof(struct train_bench_options, recompute), "WHAT",
     "none, norms or projections, as train.recompute (none)"},
    {"precision", 0, Q_OPTION_TEXT, offsetof(struct train_bench_options, precision), "WHAT",
     "fp32 or bf16, as train.precision (fp32)"},
    {"gradients", 0, Q_OPTION_TEXT, offsetof(struct train_bench_options, gradients), "WHAT",
     "fp32 or, with --precision bf16, bf16, as train.gradients (fp32)"},
    {"backend", 0, Q_OPTION_TEXT, offsetof(struct train_bench_options, backend), "WHAT",
     "cpu, cuda or cuda-dnn, as train.backend (cpu)"},
    {"block", 0, Q_OPTION_TEXT, offsetof(struct train_bench_options, block), "WHAT",
     "instead of steps: forward and backward of the last layer alone, or of a half of it: layer, attention or "
     "feedforward"},
    {"skew", 0, Q_OPTION_DOUBLE, offsetof(struct train_bench_options, skew), "X",
     "biases of the routers from X / 2 down to -X / 2, expert by expert: an uneven load (0)"},
    {"seconds", 0, Q_OPTION_DOUBLE, offsetof(struct train_bench_options, seconds), "S",
     "no further step is begun after so long; one is timed in any case"},
    {"by-operation", 0, Q_OPTION_FLAG, offsetof(struct train_bench_options, by_operation), NULL,
     "also where the time goes, beside the measured peak of the matrix product"},
    {"no-graphs", 0, Q_OPTION_FLAG, offsetof(struct train_bench_options, no_graphs), NULL,
     "a GPU is given each operation by itself, in every step"},
    {"no-deterministic", 0, Q_OPTION_FLAG, offsetof(struct train_bench_options, no_deterministic), NULL,
     "a GPU's libraries may add in any order, as train.deterministic: false"},
    {0}};

struct bench {
    struct q_arena arena;
    struct q_pool *pool;
    const struct op_table *table, *ops; /* ops: the table, or what times it, or `plain` */
    struct op_table plain;              /* the table without graphs */
    bool graphs;                        /* the second step is captured */
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

/* The place of `given` in a list of names ended by NULL, its first where nothing is given. */
static q_status choice_of(const char *option, const char *given, const char *const *names, int *out)
{
    for (*out = 0; names[*out]; ++*out)
        if (!given || strcmp(given, names[*out]) == 0)
            return Q_OK;
    return q_fail(Q_ERR_USAGE, "there is no --%s '%s'; see --help", option, given);
}

static q_status find_table(struct bench *bench, const struct train_bench_options *options)
{
    int device, precision;
    Q_TRY(choice_of("backend", options->backend, op_device_names, &device));
    Q_TRY(choice_of("precision", options->precision, op_precision_names, &precision));
    Q_TRY(op_table_of((enum op_device)device, (enum op_precision)precision, !options->no_deterministic, &bench->table));
    bench->graphs = device != OP_CPU && !options->no_graphs && !options->by_operation && !options->block;
    return op_table_check(bench->table);
}

/* Made-up parameters: some random numbers again and again, and ones for norms. What a run begins with is drawn for each by itself: of a layer of V3 that
 * would be minutes. */
static q_status fill_parameters(struct bench *bench)
{
    enum { PERIOD = 1000003 }; /* a prime: no two rows of a matrix are the same */
    const size_t norms = model_matrix_elements(bench->model), experts = model_shared_elements(bench->model),
                 end = model_parameter_elements(bench->model);
    op_acc *arena = model_parameter_arena(bench->model);
    float *numbers;
    Q_TRY(q_alloc(PERIOD, sizeof *numbers, &numbers));
    q_random_normal_floats(q_random_key_of(1, "bench", 1, 0), 0, bench->config.initializer_range, numbers, PERIOD);
    for (size_t i = 0; i < end; i += PERIOD)
        bench->ops->copy_in(bench->context, arena + i, numbers, Q_MIN((size_t)PERIOD, end - i) * sizeof *arena);
    for (size_t i = 0; i < PERIOD; i++)
        numbers[i] = 1;
    for (size_t i = norms; i < experts; i += PERIOD)
        bench->ops->copy_in(bench->context, arena + i, numbers, Q_MIN((size_t)PERIOD, experts - i) * sizeof *arena);
    q_release(numbers);
    model_narrow(bench->model);
    return bench->ops->synchronize(bench->context);
}

static q_status fill_biases(struct bench *bench, double skew)
{
    size_t count;
    const struct model_parameter *parameters = model_parameters(bench->model, &count);
    op_acc *values;
    Q_TRY(q_arena_alloc(&bench->arena, Q_MAX(bench->config.n_routed_experts, (uint64_t)1), sizeof *values, &values));
    for (size_t e = 0; e < bench->config.n_routed_experts; e++)
        values[e] = (op_acc)(skew * (0.5 - ((double)e + 0.5) / (double)bench->config.n_routed_experts));
    for (size_t i = 0; i < count; i++)
        if (parameters[i].kind == MODEL_BIAS)
            Q_TRY(model_put(bench->model, &parameters[i], values));
    return Q_OK;
}

static const struct op_table *what_is_called(struct bench *bench, const struct train_bench_options *options)
{
    bench->plain = *bench->table;
    bench->plain.repeat = op_repeat_plainly;
    if (options->by_operation)
        return op_timing_begin(bench->table);
    return options->no_graphs ? &bench->plain : bench->table;
}

static q_status set_up(struct bench *bench, const struct train_bench_options *options)
{
    struct optimizer_settings adamw = {.beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8, .weight_decay = 0.1, .clip = 1};
    int recompute, gradients;
    if (!options->model)
        return q_fail(Q_ERR_USAGE, "which model? give --model NAME");
    Q_TRY(model_config_named(options->model, NULL, &bench->arena, &bench->config));
    bench->config.num_nextn_predict_layers = 0; /* docs/cli.md: what is compared with others' trainers */
    Q_TRY(find_table(bench, options));
    bench->ops = what_is_called(bench, options);
    Q_TRY(q_pool_create((unsigned)options->common.threads, &bench->pool));
    Q_TRY(bench->ops->create(bench->pool, &bench->context));
    bench->batch.batch = options->batch ? (size_t)options->batch : 8;
    bench->batch.sequence = options->sequence ? (size_t)options->sequence : 512;
    Q_TRY(choice_of("recompute", options->recompute, model_recompute_names, &recompute));
    Q_TRY(choice_of("gradients", options->gradients, op_precision_names, &gradients));
    if (gradients == OP_BF16 && bench->table->real_bytes == sizeof(op_acc))
        return q_fail(Q_ERR_USAGE, "--gradients bf16 wants --precision bf16 too");
    struct model_shape shape = {.batch = bench->batch.batch,
                                .sequence = bench->batch.sequence,
                                .training = true,
                                .narrow_gradients = gradients == OP_BF16,
                                .recompute = (enum model_recompute)recompute};
    Q_TRY(model_create(&bench->config, bench->ops, bench->context, &shape, &bench->model));
    Q_TRY(fill_parameters(bench));
    Q_TRY(fill_biases(bench, options->skew));
    if (!options->block)
        Q_TRY(optimizer_create(bench->model, &adamw, NULL, &bench->optimizer));
    return fill_batch(bench);
}

static q_status forward_backward(struct bench *bench)
{
    double tokens = (double)(bench->batch.batch * bench->batch.sequence);
    struct model_scale scale = {.loss = 1 / tokens, .balance_alpha = 1e-4, .balance = 1 / (double)bench->batch.batch};
    return model_forward_backward(bench->model, &bench->batch, &scale, NULL, NULL);
}

static q_status update(struct bench *bench)
{
    model_update_bias(bench->model, 0.001);
    return bench->optimizer ? optimizer_step(bench->optimizer, 1e-4, NULL) : Q_OK;
}

/* What the timed steps came to; of a block its forward and its backward. */
struct result {
    uint64_t steps;
    double seconds, forward_seconds, backward_seconds;
    double flop_per_token, tokens_per_s, flop_per_s;
    double load_max; /* tokens of the fullest expert of the routers, over the mean; 0: there are none */
    size_t bytes;    /* of tensors: parameters, gradients, moments, activations, workspace */
    size_t device; /* bytes of a GPU that are taken, whoever has them: these, and what its libraries and graphs keep */
    double peak;   /* FLOP/s of the matrix product; 0: not measured */
    struct op_timing rows[OP_TIMING_MAX];
    size_t row_count;
};

/* Of the first micro-batch, which is not timed. */
static q_status read_load(struct bench *bench, struct result *result)
{
    const size_t count = model_counts_size(bench->model), experts = (size_t)bench->config.n_routed_experts;
    int64_t *counts, fullest = 0, sum = 0;
    if (count == 0)
        return Q_OK;
    Q_TRY(q_arena_alloc(&bench->arena, count, sizeof *counts, &counts));
    model_get_counts(bench->model, counts);
    for (size_t i = 0; i < count; i++) {
        fullest = Q_MAX(fullest, counts[i]);
        sum += i < experts ? counts[i] : 0; /* each router counts the same tokens */
    }
    result->load_max = (double)fullest * (double)experts / (double)sum;
    return Q_OK;
}

static q_status count_bytes(const struct bench *bench, struct result *result)
{
    const struct model_memory m = model_memory(bench->model);
    size_t free_bytes, all_bytes;
    Q_TRY(bench->ops->memory_room(bench->context, &free_bytes, &all_bytes));
    result->device = all_bytes - free_bytes;
    result->bytes = m.parameters + m.gradients + m.weights + m.biases + m.counts + m.positions + m.activations +
                    m.shared_rows + m.workspace;
    if (bench->optimizer)
        result->bytes +=
            model_parameter_elements(bench->model) * (optimizer_element_bytes(bench->optimizer, OPTIMIZER_M) +
                                                      optimizer_element_bytes(bench->optimizer, OPTIMIZER_V));
    return Q_OK;
}

static q_status time_steps(struct bench *bench, uint64_t steps, double seconds, struct result *result)
{
    const double started = q_seconds();
    for (; result->steps < steps && (result->steps == 0 || q_seconds() < started + seconds); result->steps++) {
        Q_TRY(forward_backward(bench));
        Q_TRY(update(bench));
    }
    Q_TRY(bench->ops->synchronize(bench->context));
    result->seconds = q_seconds() - started;
    result->flop_per_token = model_config_flop_per_token(&bench->config, bench->batch.sequence);
    return Q_OK;
}

static q_status time_block(struct bench *bench, enum model_block block, uint64_t steps, double seconds,
                           struct result *result)
{
    const double end = q_seconds() + seconds;
    for (; result->steps < steps && (result->steps == 0 || q_seconds() < end); result->steps++) {
        model_block_begin(bench->model);
        Q_TRY(bench->ops->synchronize(bench->context));
        const double started = q_seconds();
        Q_TRY(model_block_forward(bench->model, block));
        Q_TRY(bench->ops->synchronize(bench->context));
        const double between = q_seconds();
        Q_TRY(model_block_backward(bench->model, block));
        Q_TRY(bench->ops->synchronize(bench->context));
        result->forward_seconds += between - started;
        result->backward_seconds += q_seconds() - between;
    }
    result->seconds = result->forward_seconds + result->backward_seconds;
    if (block != MODEL_BLOCK_FEEDFORWARD)
        result->flop_per_token += model_config_attention_flop(&bench->config, bench->batch.sequence);
    if (block != MODEL_BLOCK_ATTENTION)
        result->flop_per_token += model_config_feedforward_flop(&bench->config);
    return Q_OK;
}

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

/* A product is a third of its work forward, and two thirds backward; so is attention. */
static void put_block(struct q_json *json, const struct bench *bench, const char *block, const struct result *result)
{
    const double tokens = (double)(bench->batch.batch * bench->batch.sequence * result->steps);
    const double flop = tokens * result->flop_per_token;
    q_json_put_string(json, "block", q_string_of(block));
    q_json_put_fixed(json, "flop", flop / (double)result->steps, 0);
    q_json_put_fixed(json, "forward_ms", result->forward_seconds / (double)result->steps * 1e3, 3);
    q_json_put_fixed(json, "backward_ms", result->backward_seconds / (double)result->steps * 1e3, 3);
    q_json_put_fixed(json, "forward_flop_per_s", flop / 3 / result->forward_seconds, 0);
    q_json_put_fixed(json, "backward_flop_per_s", flop * 2 / 3 / result->backward_seconds, 0);
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
    q_json_put_u64(&json, "batch", bench->batch.batch);
    q_json_put_u64(&json, "sequence", bench->batch.sequence);
    q_json_put_u64(&json, "steps", result->steps);
    if (options->block)
        put_block(&json, bench, options->block, result);
    q_json_put_fixed(&json, "tokens_per_s", result->tokens_per_s, 1);
    q_json_put_fixed(&json, "flop_per_s", result->flop_per_s, 0);
    if (result->load_max > 0)
        q_json_put_fixed(&json, "load_max", result->load_max, 3);
    q_json_put_u64(&json, "tensor_bytes", result->bytes);
    if (result->device)
        q_json_put_u64(&json, "device_bytes", result->device);
    q_json_put_u64(&json, "peak_bytes", q_memory_peak_bytes());
    if (result->row_count)
        put_operations(&json, result);
    op_ways_put(&json, bench->ops, bench->context);
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
    char memory[32], tensors[32];
    if (options->common.json)
        return print_json(bench, options, result);
    printf("%s%s%s on %s, %u threads: %.0f tokens/s, %.1f GFLOP/s, %s, of tensors %s\n", options->model,
           options->block ? ", " : "", options->block ? options->block : "", bench->ops->name,
           (unsigned)options->common.threads, result->tokens_per_s, result->flop_per_s * 1e-9,
           q_format_bytes(memory, (double)q_memory_peak_bytes()), q_format_bytes(tensors, (double)result->bytes));
    if (options->block)
        printf("forward %.3f ms, backward %.3f ms\n", result->forward_seconds / (double)result->steps * 1e3,
               result->backward_seconds / (double)result->steps * 1e3);
    if (result->load_max > 0)
        printf("the fullest expert has %.2f times the mean\n", result->load_max);
    if (result->row_count)
        print_operations(result);
    op_ways_print(bench->ops, bench->context);
    return Q_OK;
}

/* The first time, not timed: with the load. And the second, where that is captured as a graph, which takes longer than to launch one. */
static q_status warm_up(struct bench *bench, struct result *result)
{
    Q_TRY(forward_backward(bench));
    Q_TRY(read_load(bench, result));
    Q_TRY(update(bench));
    if (bench->graphs) {
        Q_TRY(forward_backward(bench));
        Q_TRY(update(bench));
    }
    return bench->ops->synchronize(bench->context);
}

static q_status bench_in(struct bench *bench, const struct train_bench_options *options)
{
    const uint64_t steps = options->steps ? options->steps : 5;
    const double seconds = options->seconds > 0 ? options->seconds : 1e9;
    struct result result = {0};
    int block = 0;
    Q_TRY(choice_of("block", options->block, model_block_names, &block));
    Q_TRY(set_up(bench, options));
    Q_TRY(warm_up(bench, &result));
    if (options->by_operation)
        (void)op_timing_begin(bench->table);
    Q_TRY(options->block ? time_block(bench, (enum model_block)block, steps, seconds, &result)
                         : time_steps(bench, steps, seconds, &result));
    result.tokens_per_s = (double)(bench->batch.batch * bench->batch.sequence * result.steps) / result.seconds;
    result.flop_per_s = result.tokens_per_s * result.flop_per_token;
    Q_TRY(count_bytes(bench, &result));
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
