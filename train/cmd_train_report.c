/* quern-train report: the course of a run out of metrics.jsonl, and which expert serves what out of experts.jsonl, as one page. */
#include "base/check.h"
#include "base/report_verb.h"
#include "train/cmd_train.h"
#include "train/watch/run_curves.h"

#include <math.h>
#include <stdio.h>

enum {
    POINTS_MAX = 600,
    COARSE_POINTS =
        60, /* what few tokens of a step tell (losses by source, violation by layer) is shown in wider means */
    SOURCES_MAX = 8,
    LAYERS_SHOWN = 6, /* maps by source: of so many layers, spread evenly */
    LINES_MAX = 8,
    LABELS_MAX = 32, /* of experts above a map */
    STRETCHES = 24,  /* columns of the map over tokens: as many as there is room for labels */
};

static const double MAP_TOKENS = 1e6; /* what the maps of the experts' load count */

struct page {
    struct q_report *report;
    struct q_arena arena;
    struct run_curves *curves;
    struct run_experts experts;
};

/* Lines of one plot, gathered: those that the run has. */
struct lines {
    struct q_series series[LINES_MAX];
    size_t count;
};

static const double *column(const struct page *page, const char *name)
{
    return run_curves_column(page->curves, name);
}

static double last(const struct page *page, const char *name)
{
    return run_curves_last(page->curves, name);
}

static void add_line(const struct page *page, struct lines *lines, const char *name, const char *label)
{
    const double *values = column(page, name);
    if (values && lines->count < LINES_MAX)
        lines->series[lines->count++] = (struct q_series){
            .name = label, .x = column(page, "tokens"), .y = values, .count = run_curves_points(page->curves)};
}

static void plot(struct page *page, const struct lines *lines, const char *title, const char *unit, bool log_y)
{
    if (lines->count)
        q_report_lines(page->report, &(struct q_lines){.title = title,
                                                       .x_label = "tokens",
                                                       .y_label = unit,
                                                       .series = lines->series,
                                                       .count = lines->count,
                                                       .log_y = log_y});
}

static void plot_one(struct page *page, const char *name, const char *title, const char *unit, bool log_y)
{
    struct lines lines = {0};
    add_line(page, &lines, name, title);
    plot(page, &lines, title, unit, log_y);
}

/* A column in `points` wider means; NaN where a stretch has nothing. */
static q_status coarse(struct page *page, const char *name, size_t points, double **out)
{
    const double *values = column(page, name);
    size_t total = run_curves_points(page->curves);
    Q_TRY(q_arena_alloc(&page->arena, points, sizeof(double), out));
    for (size_t i = 0; i < points; i++) {
        double sum = 0;
        size_t count = 0;
        for (size_t at = i * total / points; at < (i + 1) * total / points; at++)
            if (isfinite(values[at])) {
                sum += values[at];
                count++;
            }
        (*out)[i] = count ? sum / (double)count : (double)NAN;
    }
    return Q_OK;
}

static size_t coarse_points(const struct page *page)
{
    return Q_MIN(run_curves_points(page->curves), (size_t)COARSE_POINTS);
}

static q_status put_figures(struct page *page)
{
    char text[64];
    const double *loss = column(page, "loss");
    const size_t points = run_curves_points(page->curves);
    snprintf(text, sizeof text, "%.3f", loss[points - 1]);
    q_report_figure(page->report, text, "loss at the end, nats a token");
    snprintf(text, sizeof text, "%.3f", loss[0]);
    q_report_figure(page->report, text, "loss at the start");
    q_report_figure(page->report, q_format_count(text, last(page, "tokens")), "tokens");
    snprintf(text, sizeof text, "%.0f", last(page, "step"));
    q_report_figure(page->report, text, "steps");
    if (isfinite(last(page, "tokens_per_s")))
        q_report_figure(page->report, q_format_count(text, last(page, "tokens_per_s")), "tokens/s at the end");
    if (isfinite(last(page, "flop_share"))) {
        snprintf(text, sizeof text, "%.0f%%", last(page, "flop_share") * 100);
        q_report_figure(page->report, text, "of the measured peak of the matrix product");
    }
    if (isfinite(last(page, "window_violation_max"))) {
        char caption[96], tokens[32];
        snprintf(text, sizeof text, "%.2f", last(page, "window_violation_max"));
        snprintf(caption, sizeof caption, "load violation of the worst layer over the last %s tokens",
                 q_format_count(tokens, last(page, "window_tokens")));
        q_report_figure(page->report, text, caption);
    }
    return Q_OK;
}

/* Losses by source in wider means: a step holds few sequences of each. */
static q_status plot_sources(struct page *page)
{
    static const char prefix[] = "loss_by_source/";
    struct q_series series[SOURCES_MAX];
    const size_t points = coarse_points(page);
    double *tokens, *values;
    size_t count = 0, all = 0;
    Q_TRY(coarse(page, "tokens", points, &tokens));
    for (size_t i = 0; i < run_curves_columns(page->curves); i++) {
        const char *name = run_curves_name(page->curves, i);
        if (strncmp(name, prefix, sizeof prefix - 1) != 0 || all++ >= SOURCES_MAX)
            continue;
        Q_TRY(coarse(page, name, points, &values));
        series[count++] =
            (struct q_series){.name = name + sizeof prefix - 1, .x = tokens, .y = values, .count = points};
    }
    if (count > 1)
        q_report_lines(page->report, &(struct q_lines){.title = "Loss by source",
                                                       .x_label = "tokens",
                                                       .y_label = "nats a token",
                                                       .series = series,
                                                       .count = count});
    if (all > count)
        q_report_text(page->report, "The first %zu of %zu sources; metrics.jsonl has all of them.", count, all);
    return Q_OK;
}

static q_status put_loss(struct page *page)
{
    struct lines losses = {0};
    q_report_heading(page->report, "Loss");
    add_line(page, &losses, "loss", "next token");
    add_line(page, &losses, "mtp_loss", "MTP");
    plot(page, &losses, losses.count > 1 ? "Loss of the next token and of the MTP modules" : "Loss", "nats a token",
         false);
    Q_TRY(plot_sources(page));
    if (last(page, "balance_loss") > 0)
        plot_one(page, "balance_loss", "Balance loss", "loss", true);
    return Q_OK;
}

static void put_course(struct page *page)
{
    q_report_heading(page->report, "Course");
    plot_one(page, "rate", "Learning rate", "rate", false);
    plot_one(page, "batch", "Batch", "sequences", false);
    plot_one(page, "gradient_norm", "Norm of the gradient before clipping", "norm", true);
    plot_one(page, "tokens_per_s", "Speed", "tokens/s", false);
    plot_one(page, "flop_share", "Speed as a share of the measured peak of the matrix product", "share", false);
}

/* MoE layers of the run, MTP's too: the lines have a number for each. */
static size_t count_routers(const struct page *page)
{
    char name[64];
    for (size_t router = 0;; router++) {
        snprintf(name, sizeof name, "violation_by_layer/%zu", router);
        if (!column(page, name))
            return router;
    }
}

/* Which layer a router is in stands in experts.jsonl alone; a run may have none. */
static const char *layer_label(struct page *page, size_t router)
{
    const char *label = "";
    const q_status status = router < page->experts.routers
                                ? q_arena_printf(&page->arena, &label, "layer %d", page->experts.layers[router])
                                : q_arena_printf(&page->arena, &label, "MoE layer %zu", router + 1);
    return status ? "layer" : label;
}

static void put_violation(struct page *page)
{
    struct lines lines = {0};
    add_line(page, &lines, "violation_max", "a step, worst layer");
    add_line(page, &lines, "violation", "a step, mean");
    add_line(page, &lines, "window_violation_max", "1 M tokens, worst layer");
    add_line(page, &lines, "window_violation", "1 M tokens, mean");
    plot(page, &lines, "Load violation: largest load of an expert over the mean, minus 1", "violation", true);
}

/* Router by router over the run, as many rows as there are MoE layers. */
static q_status plot_violation_by_layer(struct page *page)
{
    const size_t points = Q_MIN(run_curves_points(page->curves), (size_t)STRETCHES), routers = count_routers(page);
    const char **rows, **columns;
    double *values, *tokens, *one;
    Q_TRY(q_arena_alloc(&page->arena, routers * points, sizeof(double), &values));
    Q_TRY(q_arena_alloc(&page->arena, routers, sizeof *rows, &rows));
    Q_TRY(q_arena_alloc(&page->arena, points, sizeof *columns, &columns));
    Q_TRY(coarse(page, "tokens", points, &tokens));
    for (size_t router = 0; router < routers; router++) {
        char name[64];
        snprintf(name, sizeof name, "violation_by_layer/%zu", router);
        Q_TRY(coarse(page, name, points, &one));
        memcpy(values + router * points, one, points * sizeof(double));
        rows[router] = layer_label(page, router);
    }
    for (size_t i = 0; i < points; i++) {
        char text[32];
        Q_TRY(q_arena_printf(&page->arena, &columns[i], "%s", q_format_count(text, tokens[i])));
    }
    if (points > 1)
        q_report_heatmap(page->report, &(struct q_heatmap){.title = "Load violation of a step by layer, over tokens",
                                                           .row_labels = rows,
                                                           .column_labels = columns,
                                                           .values = values,
                                                           .rows = routers,
                                                           .columns = points,
                                                           .low = 0,
                                                           .high = 1});
    return Q_OK;
}

/* A line per layer where there are few of them; else the mean over the layers. */
static q_status plot_by_layer(struct page *page, const char *name, const char *title, const char *unit)
{
    struct lines lines = {0};
    const size_t routers = count_routers(page);
    for (size_t router = 0; routers <= LINES_MAX && router < routers; router++) {
        const char *key;
        Q_TRY(q_arena_printf(&page->arena, &key, "%s_by_layer/%zu", name, router));
        add_line(page, &lines, key, layer_label(page, router));
    }
    if (lines.count == 0) {
        add_line(page, &lines, name, title);
        Q_TRY(q_arena_printf(&page->arena, &title, "%s, mean over the layers", title));
    }
    plot(page, &lines, title, unit, false);
    return Q_OK;
}

/* To hundredths: what a map's cells have room for. */
static double rounded(double share)
{
    return round(share * 100) / 100;
}

/* Numbers of experts, from 0, above the columns; NULL where there are too many. */
static q_status expert_labels(struct page *page, const char ***out)
{
    *out = NULL;
    if (page->experts.experts > LABELS_MAX)
        return Q_OK;
    Q_TRY(q_arena_alloc(&page->arena, page->experts.experts, sizeof **out, out));
    for (size_t e = 0; e < page->experts.experts; e++)
        Q_TRY(q_arena_printf(&page->arena, &(*out)[e], "%zu", e));
    return Q_OK;
}

static q_status plot_load(struct page *page)
{
    const struct run_experts *experts = &page->experts;
    const size_t cells = experts->routers * experts->experts;
    const char **rows, **columns;
    double *values;
    Q_TRY(expert_labels(page, &columns));
    Q_TRY(q_arena_alloc(&page->arena, cells, sizeof(double), &values));
    for (size_t i = 0; i < cells; i++)
        values[i] = rounded(experts->all[i]);
    Q_TRY(q_arena_alloc(&page->arena, experts->routers, sizeof *rows, &rows));
    for (size_t router = 0; router < experts->routers; router++)
        rows[router] = layer_label(page, router);
    q_report_heatmap(page->report, &(struct q_heatmap){.title = "Load of each expert (1 = its fair share)",
                                                       .row_labels = rows,
                                                       .column_labels = columns,
                                                       .values = values,
                                                       .rows = experts->routers,
                                                       .columns = experts->experts,
                                                       .low = 0,
                                                       .high = 2});
    return Q_OK;
}

/* One map a layer, all on one scale: the report's picture of specialisation (DeepSeek-V3, figure 9). */
static q_status plot_load_by_source(struct page *page, size_t router)
{
    const struct run_experts *experts = &page->experts;
    const size_t width = experts->experts;
    const char *title, **columns;
    double *values;
    Q_TRY(expert_labels(page, &columns));
    Q_TRY(q_arena_alloc(&page->arena, experts->source_count * width, sizeof(double), &values));
    for (size_t s = 0; s < experts->source_count; s++)
        for (size_t e = 0; e < width; e++)
            values[s * width + e] = rounded(experts->shares[(s * experts->routers + router) * width + e]);
    Q_TRY(q_arena_printf(&page->arena, &title, "Layer %d: load of each expert by source", experts->layers[router]));
    q_report_heatmap(page->report, &(struct q_heatmap){.title = title,
                                                       .row_labels = experts->sources,
                                                       .column_labels = columns,
                                                       .values = values,
                                                       .rows = experts->source_count,
                                                       .columns = width,
                                                       .low = 0,
                                                       .high = 2});
    return Q_OK;
}

static q_status put_specialisation(struct page *page)
{
    const struct run_experts *experts = &page->experts;
    const size_t routers = experts->routers, shown = Q_MIN(routers, (size_t)LAYERS_SHOWN);
    const char **labels;
    double *values;
    char tokens[32];
    if (experts->source_count < 2)
        return Q_OK;
    q_report_heading(page->report, "Which expert serves what");
    q_report_text(page->report,
                  "Each row is a source, each column an expert: 1 is an expert's fair share of that source's tokens, 0 "
                  "means that it got none, 2 and more are shaded alike. Over the last %s tokens.",
                  q_format_count(tokens, experts->tokens));
    Q_TRY(q_arena_alloc(&page->arena, routers, sizeof *labels, &labels));
    Q_TRY(q_arena_alloc(&page->arena, routers, sizeof *values, &values));
    for (size_t router = 0; router < routers; router++) {
        labels[router] = layer_label(page, router);
        values[router] = run_experts_specialisation(experts, router);
    }
    for (size_t i = 0; i < shown; i++)
        Q_TRY(plot_load_by_source(page, shown > 1 ? i * (routers - 1) / (shown - 1) : 0));
    if (shown < routers)
        q_report_text(page->report, "%zu of %zu layers; experts.jsonl has all of them.", shown, routers);
    q_report_bars(page->report,
                  &(struct q_bars){.title = "Specialisation of each layer (0: every source is served alike)",
                                   .labels = labels,
                                   .values = values,
                                   .count = routers});
    return Q_OK;
}

static q_status put_experts(struct page *page)
{
    if (!column(page, "violation"))
        return Q_OK;
    q_report_heading(page->report, "Experts");
    put_violation(page);
    const bool mapped = page->experts.routers > 0;
    Q_TRY(plot_violation_by_layer(page));
    Q_TRY(mapped ? plot_load(page) : Q_OK);
    Q_TRY(plot_by_layer(page, "router_entropy", "Entropy of a token's scores in the router", "nats"));
    Q_TRY(plot_by_layer(page, "bias_norm", "Norm of the routing biases", "norm"));
    return mapped ? put_specialisation(page) : Q_OK;
}

static q_status fill(struct page *page)
{
    q_report_heading(page->report, "Training");
    if (run_curves_points(page->curves) == 0 || !column(page, "loss") || !column(page, "tokens")) {
        q_report_text(page->report, "No step has been taken yet.");
        return Q_OK;
    }
    Q_TRY(put_figures(page));
    Q_TRY(put_loss(page));
    put_course(page);
    return put_experts(page);
}

q_status train_report(void *opaque, const char *const *arguments, size_t count)
{
    const struct q_report_options *options = opaque;
    if (count > 1)
        return train_report_runs(options, arguments, count);
    struct page page = {0};
    q_status status = run_curves_read(arguments[0], POINTS_MAX, &page.curves);
    if (!status)
        status = run_experts_read(arguments[0], MAP_TOKENS, &page.experts);
    if (!status)
        status = q_report_create("Training", &page.report);
    if (!status)
        status = fill(&page);
    if (!status)
        status = q_report_deliver(page.report, arguments[0], options->common.out, options->fragment);
    q_report_release(page.report);
    run_experts_release(&page.experts);
    run_curves_release(page.curves);
    q_arena_release(&page.arena);
    return status;
}
