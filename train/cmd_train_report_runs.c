/* quern-train report NAME=DIR...: the courses of several runs over each other, and where each of them ended, as one page. */
#include "base/check.h"
#include "base/report_verb.h"
#include "train/cmd_train.h"
#include "train/watch/run_curves.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    RUNS_MAX = 8,    /* that a plot has colours for */
    POINTS_MAX = 100 /* means over stretches of a run: runs are told apart by eye */
};

struct compared_run {
    const char *name;
    struct run_curves *curves;
};

struct comparison {
    struct q_report *report;
    struct q_arena arena;
    struct compared_run runs[RUNS_MAX];
    size_t count;
};

/* "NAME=DIR", or a folder, which is its own name. */
static q_status read_run(struct comparison *comparison, const char *argument)
{
    struct compared_run *run = &comparison->runs[comparison->count];
    const char *equals = strchr(argument, '='), *folder = equals ? equals + 1 : argument;
    Q_TRY(equals ? q_arena_cstring(&comparison->arena, (q_string){argument, (size_t)(equals - argument)}, &run->name)
                 : Q_OK);
    if (!equals)
        run->name = argument;
    Q_TRY(run_curves_read(folder, POINTS_MAX, &run->curves));
    comparison->count++;
    return run_curves_points(run->curves) ? Q_OK : q_fail(Q_ERR_INPUT, "'%s' has taken no step yet", folder);
}

/* A number that runs have, over tokens. */
static void plot(struct comparison *comparison, const char *column, const char *title, const char *unit, bool log_y)
{
    struct q_series series[RUNS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < comparison->count; i++) {
        const struct compared_run *run = &comparison->runs[i];
        const double *values = run_curves_column(run->curves, column);
        if (values)
            series[count++] = (struct q_series){.name = run->name,
                                                .x = run_curves_column(run->curves, "tokens"),
                                                .y = values,
                                                .count = run_curves_points(run->curves)};
    }
    if (count)
        q_report_lines(comparison->report, &(struct q_lines){.title = title,
                                                             .x_label = "tokens",
                                                             .y_label = unit,
                                                             .series = series,
                                                             .count = count,
                                                             .log_y = log_y});
}

/* Where the runs ended: of the loss the mean over the last hundredth, for a step has few tokens. */
static q_status put_ends(struct comparison *comparison)
{
    static const struct {
        const char *column, *title, *format;
        bool mean;
    } ends[] = {{"step", "steps", "%.0f", false},
                {"tokens", "tokens", "%.0f", false},
                {"loss", "loss, nats a token", "%.3f", true},
                {"mtp_loss", "MTP loss", "%.3f", true},
                {"window_violation_max", "load violation, worst layer", "%.3f", false},
                {"window_violation", "load violation, mean", "%.3f", false}};
    const char *header[Q_COUNT_OF(ends) + 1] = {"run"}, *cells[RUNS_MAX * (Q_COUNT_OF(ends) + 1)];
    size_t cell = 0;
    for (size_t i = 0; i < Q_COUNT_OF(ends); i++)
        header[i + 1] = ends[i].title;
    for (size_t r = 0; r < comparison->count; r++) {
        const struct compared_run *run = &comparison->runs[r];
        cells[cell++] = run->name;
        for (size_t i = 0; i < Q_COUNT_OF(ends); i++) {
            const double *values = run_curves_column(run->curves, ends[i].column);
            const double value = !values        ? (double)NAN
                                 : ends[i].mean ? values[run_curves_points(run->curves) - 1]
                                                : run_curves_last(run->curves, ends[i].column);
            char text[32] = "-";
            if (isfinite(value))
                (void)snprintf(text, sizeof text, ends[i].format, value);
            Q_TRY(q_arena_printf(&comparison->arena, &cells[cell++], "%s", text));
        }
    }
    q_report_table(comparison->report, &(struct q_table){header, Q_COUNT_OF(header), cells, comparison->count});
    return Q_OK;
}

static q_status fill(struct comparison *comparison)
{
    q_report_heading(comparison->report, "Where they ended");
    Q_TRY(put_ends(comparison));
    q_report_heading(comparison->report, "Loss");
    plot(comparison, "loss", "Loss of the next token", "nats a token", false);
    plot(comparison, "mtp_loss", "Loss of the MTP modules", "nats a token", false);
    q_report_heading(comparison->report, "Experts");
    plot(comparison, "window_violation_max", "Load violation of the worst layer over the last 1 M tokens", "violation",
         true);
    plot(comparison, "violation_max", "Load violation of the worst layer in a step", "violation", true);
    plot(comparison, "router_entropy", "Entropy of a token's scores in the router", "nats", false);
    q_report_heading(comparison->report, "Course");
    plot(comparison, "rate", "Learning rate", "rate", false);
    plot(comparison, "gradient_norm", "Norm of the gradient before clipping", "norm", true);
    plot(comparison, "tokens_per_s", "Speed", "tokens/s", false);
    return Q_OK;
}

q_status train_report_runs(const struct q_report_options *options, const char *const *arguments, size_t count)
{
    struct comparison comparison = {0};
    q_status status = Q_OK;
    if (count > RUNS_MAX)
        return q_fail(Q_ERR_USAGE, "%zu runs are more than a plot has colours for; give at most %d", count, RUNS_MAX);
    if (!options->common.out && !options->fragment)
        return q_fail(Q_ERR_USAGE, "where is the page of several runs to go? give -o FILE");
    for (size_t i = 0; i < count && !status; i++)
        status = read_run(&comparison, arguments[i]);
    if (!status)
        status = q_report_create("Training runs", &comparison.report);
    if (!status)
        status = fill(&comparison);
    if (!status)
        status = q_report_deliver(comparison.report, ".", options->common.out, options->fragment);
    q_report_release(comparison.report);
    for (size_t i = 0; i < comparison.count; i++)
        run_curves_release(comparison.runs[i].curves);
    q_arena_release(&comparison.arena);
    return status;
}
