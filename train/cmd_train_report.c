/* quern-train report: curves and expert load out of metrics.jsonl, as one page. */
#include "base/check.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/manifest.h"
#include "base/report_verb.h"
#include "train/cmd_train.h"

#include <inttypes.h>
#include <stdio.h>

enum { METRICS_BYTES_MAX = 1 << 30, POINTS_MAX = 600 };

/* A run's lines as columns; long runs are thinned to POINTS_MAX points, each the mean over its stretch. */
struct curves {
    struct q_arena arena;
    size_t count;
    double *tokens, *loss, *rate, *batch, *norm, *violation;
    json_t *last; /* the last line whole: expert load, losses by source */
};

static q_status read_lines(const char *path, json_t **out)
{
    struct q_buffer text = {0};
    json_t *lines = json_array();
    q_status status =
        lines ? q_fs_read_file(path, METRICS_BYTES_MAX, &text) : q_fail(Q_ERR_MEMORY, "no memory for '%s'", path);
    q_string rest = q_buffer_string(&text), line;
    while (!status && q_string_next_line(&rest, &line)) {
        json_t *value;
        /* A line that a kill cut short ends what can be shown. */
        if (q_json_parse(line, path, &value) != Q_OK)
            break;
        status = q_json_push(lines, value);
    }
    q_buffer_release(&text);
    if (status)
        json_decref(lines);
    else
        *out = lines;
    return status;
}

static double number(const json_t *line, const char *key)
{
    return json_number_value(json_object_get(line, key));
}

/* Mean of a column over lines from .. to - 1. */
static double mean(const json_t *lines, const char *key, size_t from, size_t to)
{
    double sum = 0;
    for (size_t i = from; i < to; i++)
        sum += number(json_array_get(lines, i), key);
    return sum / (double)(to - from);
}

static q_status make_curves(json_t *lines, struct curves *curves)
{
    size_t total = json_array_size(lines), points = Q_MIN(total, (size_t)POINTS_MAX);
    double **columns[] = {&curves->tokens, &curves->loss, &curves->rate,
                          &curves->batch,  &curves->norm, &curves->violation};
    static const char *const keys[] = {"tokens", "loss", "rate", "batch", "gradient_norm", "violation"};
    for (size_t c = 0; c < Q_COUNT_OF(columns); c++) {
        Q_TRY(q_arena_alloc(&curves->arena, points, sizeof(double), columns[c]));
        for (size_t i = 0; i < points; i++)
            (*columns[c])[i] = mean(lines, keys[c], i * total / points, (i + 1) * total / points);
    }
    curves->count = points;
    curves->last = total ? json_incref(json_array_get(lines, total - 1)) : NULL;
    return Q_OK;
}

static void plot(struct q_report *report, const struct curves *curves, const char *title, const char *label,
                 const double *y)
{
    struct q_series series = {.name = label, .x = curves->tokens, .y = y, .count = curves->count};
    q_report_lines(report, &(struct q_lines){
                               .title = title, .x_label = "tokens", .y_label = label, .series = &series, .count = 1});
}

static q_status plot_load(struct q_report *report, struct curves *curves)
{
    json_t *load = json_object_get(curves->last, "load"), *row;
    size_t layers = json_array_size(load), experts = json_array_size(json_array_get(load, 0)), i;
    if (layers == 0 || experts == 0)
        return Q_OK;
    double *values;
    const char **labels;
    Q_TRY(q_arena_alloc(&curves->arena, layers * experts, sizeof *values, &values));
    Q_TRY(q_arena_alloc(&curves->arena, layers, sizeof *labels, &labels));
    json_array_foreach(load, i, row)
    {
        double sum = 0;
        for (size_t e = 0; e < experts; e++)
            sum += json_number_value(json_array_get(row, e));
        for (size_t e = 0; e < experts; e++)
            values[i * experts + e] = sum > 0 ? json_number_value(json_array_get(row, e)) * (double)experts / sum : 0;
        Q_TRY(q_arena_printf(&curves->arena, &labels[i], "MoE layer %zu", i + 1));
    }
    q_report_heatmap(report, &(struct q_heatmap){.title = "Load of each expert in the last step (1 = its fair share)",
                                                 .row_labels = labels,
                                                 .values = values,
                                                 .rows = layers,
                                                 .columns = experts,
                                                 .unit = "x"});
    return Q_OK;
}

static q_status plot_sources(struct q_report *report, struct curves *curves)
{
    json_t *sources = json_object_get(curves->last, "loss_by_source"), *value;
    size_t count = json_object_size(sources), i = 0;
    const char **names, *name;
    double *losses;
    Q_TRY(q_arena_alloc(&curves->arena, count, sizeof *names, &names));
    Q_TRY(q_arena_alloc(&curves->arena, count, sizeof *losses, &losses));
    json_object_foreach(sources, name, value)
    {
        names[i] = name;
        losses[i++] = json_number_value(value);
    }
    if (count)
        q_report_bars(report, &(struct q_bars){.title = "Loss by source in the last step",
                                               .unit = "nats a token",
                                               .labels = names,
                                               .values = losses,
                                               .count = count});
    return Q_OK;
}

static q_status fill(struct q_report *report, struct curves *curves)
{
    char text[64], tokens[32];
    q_report_heading(report, "Training");
    if (curves->count == 0) {
        q_report_text(report, "No step has been taken yet.");
        return Q_OK;
    }
    snprintf(text, sizeof text, "%.3f", curves->loss[0]);
    q_report_figure(report, text, "loss at the start, nats a token");
    snprintf(text, sizeof text, "%.3f", curves->loss[curves->count - 1]);
    q_report_figure(report, text, "loss at the end");
    q_report_figure(report, q_format_count(tokens, number(curves->last, "tokens")), "tokens");
    snprintf(text, sizeof text, "%.0f", number(curves->last, "step"));
    q_report_figure(report, text, "steps");
    plot(report, curves, "Loss", "nats a token", curves->loss);
    plot(report, curves, "Learning rate", "rate", curves->rate);
    plot(report, curves, "Batch", "sequences", curves->batch);
    plot(report, curves, "Norm of the gradient before clipping", "norm", curves->norm);
    plot(report, curves, "How uneven the experts' load is (largest over mean, minus 1)", "violation",
         curves->violation);
    Q_TRY(plot_load(report, curves));
    return plot_sources(report, curves);
}

q_status train_report(void *opaque, const char *const *arguments, size_t count)
{
    const struct q_report_options *options = opaque;
    (void)count;
    struct curves curves = {0};
    struct q_report *report = NULL;
    const char *path;
    json_t *lines = NULL;
    q_status status = q_fs_join(&curves.arena, arguments[0], "metrics.jsonl", &path);
    if (!status)
        status = read_lines(path, &lines);
    if (!status)
        status = make_curves(lines, &curves);
    if (!status)
        status = q_report_create("Training", &report);
    if (!status)
        status = fill(report, &curves);
    if (!status)
        status = q_report_deliver(report, arguments[0], options->common.out, options->fragment);
    q_report_release(report);
    json_decref(curves.last);
    json_decref(lines);
    q_arena_release(&curves.arena);
    return status;
}
