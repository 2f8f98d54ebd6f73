/* quern-train schedule: what a recipe's run will do. */
#include "base/check.h"
#include "base/json.h"
#include "base/recipe.h"
#include "base/report.h"
#include "shards/shards.h"
#include "train/cmd_train.h"
#include "train/schedule.h"

#include <inttypes.h>
#include <stdio.h>

enum { TABLE_ROWS = 20, PLOT_ROWS = 500, ROWS_BEYOND = 8 /* the first, the last, the warm-up's end, roundings */ };

/* A place of the run that the table shows. */
struct row {
    uint64_t step, tokens;
    struct schedule_point point;
};

/* Walks the run step by step and keeps about `wanted` rows evenly over its tokens: and one where each piece of the rate begins: at
 * most wanted + ROWS_BEYOND and the pieces. Sequences of
 * the shards' length are not known without shards: the table counts in sequences of `length`. */
/* The piece of the rate's course that a place lies in. */
static size_t piece_at(const struct train_settings *settings, uint64_t tokens)
{
    const struct rate_segment *segments = settings->rate.segments.items;
    size_t piece = 0;
    while (piece < settings->rate.segments.count && tokens >= segments[piece].until)
        piece++;
    return piece;
}

static size_t collect(const struct train_settings *settings, uint64_t length, size_t wanted, struct row *rows)
{
    uint64_t step = 0, tokens = 0, next = 0;
    size_t count = 0, piece = 0;
    while (tokens < settings->tokens) {
        struct schedule_point point = schedule_at(settings, length, step, tokens);
        bool last = tokens + point.sequences * length >= settings->tokens;
        if (tokens >= next || last || (step > 0 && step == settings->rate.warmup_steps) ||
            piece_at(settings, tokens) != piece) {
            piece = piece_at(settings, tokens);
            rows[count++] = (struct row){step, tokens, point};
            next = tokens + settings->tokens / wanted;
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

static void plot(struct q_report *report, const char *title, const char *unit, const double *x, const double *y,
                 size_t count)
{
    const struct q_series series = {.name = unit, .x = x, .y = y, .count = count};
    q_report_lines(
        report, &(struct q_lines){.title = title, .x_label = "tokens", .y_label = unit, .series = &series, .count = 1});
}

/* What of a row is a plot's value. */
static double value_of(const struct row *row, size_t column)
{
    const struct schedule_point *point = &row->point;
    const double values[] = {(double)row->tokens, point->rate,  (double)point->sequences,
                             point->gamma,        point->alpha, point->lambda};
    return values[column];
}

/* One page with a plot of each course. Values change by steps where a piece ends: they are drawn as they are at the rows. */
static q_status draw(const struct q_recipe *recipe, const struct row *rows, size_t count, struct q_report *report)
{
    static const char *const titles[] = {NULL,
                                         "Learning rate",
                                         "Batch",
                                         "Step of the routing bias (gamma)",
                                         "Weight of the balance loss (alpha)",
                                         "Weight of multi-token prediction (lambda)"};
    static const char *const units[] = {NULL, "rate", "sequences", "gamma", "alpha", "lambda"};
    struct q_arena arena = {0};
    double *columns[Q_COUNT_OF(titles)];
    char steps[32], tokens[32];
    q_status status = Q_OK;
    q_report_heading(report, recipe->name ? recipe->name : "Schedule");
    q_report_figure(report, q_format_count(steps, (double)rows[count - 1].step + 1), "steps");
    q_report_figure(report, q_format_count(tokens, (double)rows[count - 1].tokens), "tokens before the last step");
    for (size_t c = 0; c < Q_COUNT_OF(titles) && !status; c++) {
        status = q_arena_alloc(&arena, count, sizeof(double), &columns[c]);
        for (size_t i = 0; i < count && !status; i++)
            columns[c][i] = value_of(&rows[i], c);
        if (!status && c > 0)
            plot(report, titles[c], units[c], columns[0], columns[c], count);
    }
    q_arena_release(&arena);
    return status;
}

static q_status write_page(const struct q_recipe *recipe, const struct row *rows, size_t count, const char *path)
{
    struct q_report *report;
    Q_TRY(q_report_create("Schedule", &report));
    q_status status = draw(recipe, rows, count, report);
    if (!status)
        status = q_report_publish(report, path);
    q_report_release(report);
    return status;
}

static q_status schedule_in(const struct q_common *common, struct q_recipe *recipe)
{
    struct train_settings settings;
    struct row *rows;
    uint64_t length;
    if (!common->recipe)
        return q_fail(Q_ERR_USAGE, "which recipe? give --recipe FILE");
    Q_TRY(q_recipe_load(common->recipe, &common->set, recipe));
    Q_TRY(q_settings_load(&train_settings_table, q_recipe_section(recipe, "train"), &recipe->arena, &settings));
    Q_TRY(train_settings_check(&settings, recipe->file));
    Q_TRY(train_sequence_length(recipe, &length));
    Q_TRY(q_arena_alloc(&recipe->arena, PLOT_ROWS + ROWS_BEYOND + settings.rate.segments.count, sizeof *rows, &rows));
    const size_t count = collect(&settings, length, common->out ? PLOT_ROWS : TABLE_ROWS, rows);
    if (common->out)
        return write_page(recipe, rows, count, common->out);
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
