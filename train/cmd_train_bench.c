/* quern-train bench: how fast whole training steps are on this machine, on made-up tokens. */
#include "base/check.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/random.h"
#include "base/threads.h"
#include "train/cmd_train.h"
#include "train/model/model.h"
#include "train/optimizer.h"

#include <stdio.h>

const struct q_option train_bench_table[] = {
    {"model", 0, Q_OPTION_TEXT, offsetof(struct train_bench_options, model), "NAME",
     "a name of recipes/models/, or a file"},
    {"batch", 0, Q_OPTION_U64, offsetof(struct train_bench_options, batch), "N", "sequences a step (8)"},
    {"sequence", 0, Q_OPTION_U64, offsetof(struct train_bench_options, sequence), "N", "tokens a sequence (512)"},
    {"steps", 0, Q_OPTION_U64, offsetof(struct train_bench_options, steps), "N",
     "steps to time, behind one that is not (5)"},
    {0}};

struct bench {
    struct q_arena arena;
    struct q_pool *pool;
    const struct op_table *ops;
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
        ids[i] = (int32_t)q_random_below(key, i, bench->config.vocab_size);
        targets[i] = (int32_t)q_random_below(key, count + i, bench->config.vocab_size);
    }
    bench->batch.ids = ids;
    bench->batch.targets = targets;
    return Q_OK;
}

static q_status set_up(struct bench *bench, const struct train_bench_options *options)
{
    struct optimizer_settings adamw = {.beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8, .weight_decay = 0.1, .clip = 1};
    if (!options->model)
        return q_fail(Q_ERR_USAGE, "which model? give --model NAME");
    Q_TRY(model_config_named(options->model, NULL, &bench->arena, &bench->config));
    bench->config.num_nextn_predict_layers = 0; /* docs/cli.md: what is compared with others' trainers */
    bench->ops = op_table_cpu();
    Q_TRY(op_table_check(bench->ops));
    Q_TRY(q_pool_create((unsigned)options->common.threads, &bench->pool));
    Q_TRY(bench->ops->create(bench->pool, &bench->context));
    bench->batch.batch = options->batch ? (size_t)options->batch : 8;
    bench->batch.sequence = options->sequence ? (size_t)options->sequence : 512;
    struct model_shape shape = {.batch = bench->batch.batch, .sequence = bench->batch.sequence, .training = true};
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

static q_status print(const struct bench *bench, const struct train_bench_options *options, double seconds,
                      uint64_t steps)
{
    double tokens_per_s = (double)(bench->batch.batch * bench->batch.sequence * steps) / seconds;
    double flop_per_s = tokens_per_s * model_config_flop_per_token(&bench->config, bench->batch.sequence);
    struct q_buffer text = {0};
    struct q_json json = q_json_begin(&text);
    q_json_open(&json, NULL, '{');
    q_json_put_string(&json, "model", q_string_of(options->model));
    q_json_put_string(&json, "backend", q_string_of(bench->ops->name));
    q_json_put_u64(&json, "threads", options->common.threads);
    q_json_put_fixed(&json, "tokens_per_s", tokens_per_s, 1);
    q_json_put_fixed(&json, "flop_per_s", flop_per_s, 0);
    q_json_put_u64(&json, "peak_bytes", q_memory_peak_bytes());
    q_json_close(&json, '}');
    q_json_newline(&json);
    q_status status = q_json_end(&json);
    char memory[32];
    if (!status && options->common.json)
        fwrite(text.data, 1, text.size, stdout);
    else if (!status)
        printf("%s on %s, %u threads: %.0f tokens/s, %.1f GFLOP/s, %s\n", options->model, bench->ops->name,
               (unsigned)options->common.threads, tokens_per_s, flop_per_s * 1e-9,
               q_format_bytes(memory, (double)q_memory_peak_bytes()));
    q_buffer_release(&text);
    return status;
}

static q_status bench_in(struct bench *bench, const struct train_bench_options *options)
{
    uint64_t steps = options->steps ? options->steps : 5;
    Q_TRY(set_up(bench, options));
    Q_TRY(step(bench));
    double started = q_seconds();
    for (uint64_t i = 0; i < steps; i++)
        Q_TRY(step(bench));
    return print(bench, options, q_seconds() - started, steps);
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
