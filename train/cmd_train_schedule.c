/* quern-train schedule: what a recipe's run will do. */
#include "base/check.h"
#include "base/json.h"
#include "base/recipe.h"
#include "shards/shards.h"
#include "train/cmd_train.h"
#include "train/schedule.h"

#include <inttypes.h>
#include <stdio.h>

enum { SCHEDULE_ROWS = 24 };

/* A place of the run that the table shows. */
struct row {
    uint64_t step, tokens;
    struct schedule_point point;
};

/* Walks the run step by step while the batch grows or the rate warms up, and keeps about SCHEDULE_ROWS rows evenly over its tokens. Sequences of
 * the shards' length are not known without shards: the table counts in sequences of `length`. */
static size_t collect(const struct train_settings *settings, uint64_t length, struct row *rows)
{
    uint64_t step = 0, tokens = 0, next = 0;
    size_t count = 0;
    while (tokens < settings->tokens) {
        struct schedule_point point = schedule_at(settings, length, step, tokens);
        bool last = tokens + point.sequences * length >= settings->tokens;
        if (tokens >= next || last || (step > 0 && step == settings->rate.warmup_steps)) {
            rows[count++] = (struct row){step, tokens, point};
            next = tokens + settings->tokens / (SCHEDULE_ROWS - 4);
        }
        step++;
        tokens += point.sequences * length;
    }
    return count;
}

static void print_table(const struct row *rows, size_t count)
{
    char tokens[32];
    printf("%10s  %10s  %12s  %9s  %9s  %9s  %9s\n", "step", "tokens", "rate", "batch", "gamma", "alpha", "lambda");
    for (size_t i = 0; i < count; i++)
        printf("%10" PRIu64 "  %10s  %12.4g  %9" PRIu64 "  %9.3g  %9.3g  %9.3g\n", rows[i].step,
               q_format_count(tokens, (double)rows[i].tokens), rows[i].point.rate, rows[i].point.sequences,
               rows[i].point.gamma, rows[i].point.alpha, rows[i].point.lambda);
}

static q_status print_json(const struct row *rows, size_t count)
{
    struct q_buffer text = {0};
    struct q_json json = q_json_begin(&text);
    q_json_open(&json, NULL, '{');
    q_json_open(&json, "schedule", '[');
    for (size_t i = 0; i < count; i++) {
        q_json_open(&json, NULL, '{');
        q_json_put_u64(&json, "step", rows[i].step);
        q_json_put_u64(&json, "tokens", rows[i].tokens);
        q_json_put_double(&json, "rate", rows[i].point.rate);
        q_json_put_u64(&json, "batch", rows[i].point.sequences);
        q_json_put_double(&json, "gamma", rows[i].point.gamma);
        q_json_put_double(&json, "alpha", rows[i].point.alpha);
        q_json_put_double(&json, "lambda", rows[i].point.lambda);
        q_json_close(&json, '}');
    }
    q_json_close(&json, ']');
    q_json_close(&json, '}');
    q_json_newline(&json);
    q_status status = q_json_end(&json);
    if (!status)
        fwrite(text.data, 1, text.size, stdout);
    q_buffer_release(&text);
    return status;
}

/* Which other settings that section has is the shards' program's business. */
q_status train_sequence_length(const struct q_recipe *recipe, uint64_t *length)
{
    *length = 4096;
    const struct q_node *shards = q_recipe_section(recipe, "shards");
    const struct q_node *node = shards ? q_node_child(shards, "sequence_tokens") : NULL;
    Q_TRY(node ? q_context(q_parse_count(node->text, length), "%s:%u", node->file, node->line) : Q_OK);
    return *length ? Q_OK : q_fail(Q_ERR_USAGE, "%s: 'shards.sequence_tokens' is 0", recipe->file);
}

static q_status schedule_in(const struct q_common *common, struct q_recipe *recipe)
{
    struct train_settings settings;
    struct row rows[SCHEDULE_ROWS + 8];
    uint64_t length;
    if (!common->recipe)
        return q_fail(Q_ERR_USAGE, "which recipe? give --recipe FILE");
    Q_TRY(q_recipe_load(common->recipe, &common->set, recipe));
    Q_TRY(q_settings_load(&train_settings_table, q_recipe_section(recipe, "train"), &recipe->arena, &settings));
    Q_TRY(train_settings_check(&settings, recipe->file));
    Q_TRY(train_sequence_length(recipe, &length));
    size_t count = collect(&settings, length, rows);
    if (common->json)
        return print_json(rows, count);
    print_table(rows, count);
    return Q_OK;
}

q_status train_schedule(void *options, const char *const *arguments, size_t count)
{
    (void)arguments, (void)count;
    struct q_recipe recipe = {0};
    q_status status = schedule_in(options, &recipe);
    q_recipe_release(&recipe);
    return status;
}
