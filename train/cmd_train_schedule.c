/* quern-train schedule: what a recipe's run will do. */
#include "base/check.h"
#include "base/json.h"
#include "base/recipe.h"
#include "base/report.h"
#include "shards/mixture.h"
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

/* A recipe's schedule. */
struct course {
    const struct q_recipe *recipe;
    struct train_settings settings;
    struct mixture_piece *pieces;
    size_t piece_count;
    struct row *rows;
    size_t count;
};

/* Where the piece of the rate's course ends that a place lies in. */
static uint64_t piece_end(const struct train_settings *settings, uint64_t tokens)
{
    const struct rate_segment *segments = settings->rate.segments.items;
    for (size_t i = 0; i < settings->rate.segments.count; i++)
        if (tokens < segments[i].until)
            return segments[i].until;
    return UINT64_MAX;
}

/* About `wanted` rows evenly over the run's tokens, one where each piece of the rate begins, and its last step: at most wanted + ROWS_BEYOND and the pieces.
 * Sequences of the shards' length are not known without shards: the table counts in sequences of `length`. */
static size_t collect(const struct train_settings *settings, uint64_t length, size_t wanted, struct row *rows)
{
    uint64_t step = 0, tokens = 0, steps, total;
    size_t count = 0;
    schedule_length(settings, length, 0, &steps, &total);
    for (;;) {
        rows[count++] = (struct row){step, tokens, schedule_at(settings, length, step, tokens)};
        if (step + 1 >= steps)
            return count;
        const uint64_t next = tokens + Q_MAX(q_ceil_div(settings->tokens, wanted), 1), warm = settings->rate.warmup_steps;
        schedule_advance(settings, length, Q_MIN(next, piece_end(settings, tokens)),
                         step < warm ? Q_MIN(warm, steps - 1) : steps - 1, &step, &tokens);
    }
}

/* Whether any piece of the mixture gives the input another weight than its own. */
static bool changes(const struct course *course, size_t input)
{
    const struct q_input *inputs = course->recipe->inputs.items;
    for (size_t i = 0; i < course->piece_count; i++)
        if (course->pieces[i].weights[input] != inputs[input].weight)
            return true;
    return false;
}

/* Weight of an input in the mixture's piece `piece`, counted from 1; 0: before the first. */
static double weight_in(const struct course *course, size_t piece, size_t input)
{
    const struct q_input *inputs = course->recipe->inputs.items;
    return piece ? course->pieces[piece - 1].weights[input] : inputs[input].weight;
}

static uint64_t piece_from(const struct course *course, size_t piece)
{
    return piece ? course->pieces[piece - 1].from : 0;
}

/* The weights of the mixture where they change: a line for each piece, a column for each input that changes. */
static void print_mixture(const struct course *course)
{
    const struct q_input *inputs = course->recipe->inputs.items;
    const size_t count = course->recipe->inputs.count;
    char tokens[32];
    if (course->piece_count == 0)
        return;
    printf("\n%10s", "tokens");
    for (size_t i = 0; i < count; i++)
        if (changes(course, i))
            printf("  %12s", inputs[i].name);
    for (size_t piece = 0; piece <= course->piece_count; piece++) {
        printf("\n%10s", q_format_count(tokens, (double)piece_from(course, piece)));
        for (size_t i = 0; i < count; i++)
            if (changes(course, i))
                printf("  %12.4g", weight_in(course, piece, i));
    }
    putchar('\n');
}

static void print_table(const struct course *course)
{
    const struct row *rows = course->rows;
    const size_t count = course->count;
    char tokens[32];
    printf("%10s  %10s  %12s  %9s  %9s  %9s  %9s\n", "step", "tokens", "rate", "batch", "gamma", "alpha", "lambda");
    for (size_t i = 0; i < count; i++)
        printf("%10" PRIu64 "  %10s  %12.4g  %9" PRIu64 "  %9.3g  %9.3g  %9.3g\n", rows[i].step,
               q_format_count(tokens, (double)rows[i].tokens), rows[i].point.rate, rows[i].point.sequences,
               rows[i].point.gamma, rows[i].point.alpha, rows[i].point.lambda);
    print_mixture(course);
}

static void put_mixture(const struct course *course, struct q_json *json)
{
    const struct q_input *inputs = course->recipe->inputs.items;
    q_json_open(json, "mixture", '[');
    for (size_t piece = 0; piece <= course->piece_count; piece++) {
        q_json_open(json, NULL, '{');
        q_json_put_u64(json, "from", piece_from(course, piece));
        q_json_open(json, "weights", '{');
        for (size_t i = 0; i < course->recipe->inputs.count; i++)
            q_json_put_double(json, inputs[i].name, weight_in(course, piece, i));
        q_json_close(json, '}');
        q_json_close(json, '}');
    }
    q_json_close(json, ']');
}

static q_status print_json(const struct course *course)
{
    const struct row *rows = course->rows;
    const size_t count = course->count;
    struct q_buffer text = {0};
    struct q_json json = q_json_begin(&text);
    q_json_open(&json, NULL, '{');
    put_mixture(course, &json);
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

/* The weights of the inputs that change, as steps. */
static q_status draw_mixture(const struct course *course, struct q_arena *arena, struct q_report *report)
{
    const struct q_input *inputs = course->recipe->inputs.items;
    const size_t points = 2 * course->piece_count + 2, inputs_count = course->recipe->inputs.count;
    struct q_series *series;
    double *x, *y;
    size_t count = 0;
    Q_TRY(q_arena_alloc(arena, inputs_count + 1, sizeof *series, &series));
    Q_TRY(q_arena_alloc(arena, points, sizeof *x, &x));
    for (size_t i = 0; i < points; i++) /* each piece's beginning and its end */
        x[i] = (double)(i + 1 < points ? piece_from(course, (i + 1) / 2) : course->settings.tokens);
    for (size_t input = 0; input < inputs_count; input++) {
        if (!changes(course, input))
            continue;
        Q_TRY(q_arena_alloc(arena, points, sizeof *y, &y));
        for (size_t i = 0; i < points; i++)
            y[i] = weight_in(course, i / 2, input);
        series[count++] = (struct q_series){.name = inputs[input].name, .x = x, .y = y, .count = points};
    }
    if (count)
        q_report_lines(report, &(struct q_lines){.title = "Weights of the sources that change",
                                                 .x_label = "tokens",
                                                 .y_label = "passes over the source in one of the mixture",
                                                 .series = series,
                                                 .count = count});
    return Q_OK;
}

/* One page with a plot of each course. Values change by steps where a piece ends: they are drawn as they are at the rows. */
static q_status draw(const struct course *course, struct q_report *report)
{
    const struct row *rows = course->rows;
    const size_t count = course->count;
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
    q_report_heading(report, course->recipe->name ? course->recipe->name : "Schedule");
    q_report_figure(report, q_format_count(steps, (double)rows[count - 1].step + 1), "steps");
    q_report_figure(report, q_format_count(tokens, (double)rows[count - 1].tokens), "tokens before the last step");
    for (size_t c = 0; c < Q_COUNT_OF(titles) && !status; c++) {
        status = q_arena_alloc(&arena, count, sizeof(double), &columns[c]);
        for (size_t i = 0; i < count && !status; i++)
            columns[c][i] = value_of(&rows[i], c);
        if (!status && c > 0)
            plot(report, titles[c], units[c], columns[0], columns[c], count);
    }
    if (!status)
        status = draw_mixture(course, &arena, report);
    q_arena_release(&arena);
    return status;
}

static q_status write_page(const struct course *course, const char *path)
{
    struct q_report *report;
    Q_TRY(q_report_create("Schedule", &report));
    q_status status = draw(course, report);
    if (!status)
        status = q_report_publish(report, path);
    q_report_release(report);
    return status;
}

static q_status schedule_in(const struct q_common *common, struct q_recipe *recipe)
{
    struct course course = {.recipe = recipe};
    struct train_settings *settings = &course.settings;
    uint64_t length;
    if (!common->recipe)
        return q_fail(Q_ERR_USAGE, "which recipe? give --recipe FILE");
    Q_TRY(q_recipe_load(common->recipe, &common->set, recipe));
    Q_TRY(q_settings_load(&train_settings_table, q_recipe_section(recipe, "train"), &recipe->arena, settings));
    Q_TRY(train_settings_check(settings, recipe->file));
    Q_TRY(mixture_pieces(recipe, &recipe->arena, &course.pieces, &course.piece_count));
    Q_TRY(train_sequence_length(recipe, &length));
    Q_TRY(q_arena_alloc(&recipe->arena, PLOT_ROWS + ROWS_BEYOND + settings->rate.segments.count, sizeof *course.rows,
                        &course.rows));
    course.count = collect(settings, length, common->out ? PLOT_ROWS : TABLE_ROWS, course.rows);
    if (common->out)
        return write_page(&course, common->out);
    if (common->json)
        return print_json(&course);
    print_table(&course);
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
