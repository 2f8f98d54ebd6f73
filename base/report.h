/* Reports: one self-contained HTML page per stage (or a run), with plots as inline SVG; no script from elsewhere, no fonts to fetch, readable without
 * colour, light and dark.
 *
 * A report is built from top to bottom; every string is escaped here. Failures stick and come out of q_report_publish.
 *
 *     struct q_report *report;
 *     Q_TRY(q_report_create("Corpus", &report));
 *     q_report_heading(report, "What was kept");
 *     q_report_bars(report, &(struct q_bars){.title = "Documents by language", .labels = names, .values = counts, .count = n});
 *     Q_TRY(q_report_publish(report, "report.html"));
 */
#ifndef QUERN_BASE_REPORT_H
#define QUERN_BASE_REPORT_H

#include "base/memory.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

struct q_report;

q_status q_report_create(const char *title, struct q_report **out) Q_MUST_USE;
void q_report_release(struct q_report *report);

void q_report_heading(struct q_report *report, const char *text);             /* starts a section, listed in the contents */
void q_report_text(struct q_report *report, const char *format, ...) Q_PRINTF(2, 3);    /* a paragraph */
void q_report_warning(struct q_report *report, const char *format, ...) Q_PRINTF(2, 3); /* a paragraph that stands out */
/* A tile with a big figure and a small caption; neighbours share a row. */
void q_report_figure(struct q_report *report, const char *value, const char *caption);
/* A sample of text, cut at `bytes_max` on a character; caption above. */
void q_report_sample(struct q_report *report, const char *caption, q_string text, size_t bytes_max);

/* A table. cells: rows x columns, row by row. Columns whose cells are all numbers are right-aligned. */
struct q_table {
    const char *const *header;
    size_t columns;
    const char *const *cells;
    size_t rows;
};
void q_report_table(struct q_report *report, const struct q_table *table);

/* Horizontal bars, one per label, in the order given; more than 40 are folded into "N others". */
struct q_bars {
    const char *title;
    const char *unit;
    const char *const *labels;
    const double *values;
    size_t count;
};
void q_report_bars(struct q_report *report, const struct q_bars *bars);

/* Columns over ranges: count bins, edges[count + 1]. log_x draws the edges on a logarithmic axis. */
struct q_histogram {
    const char *title;
    const char *x_label, *y_label;
    const double *edges;
    const double *values;
    size_t count;
    bool log_x;
};
void q_report_histogram(struct q_report *report, const struct q_histogram *histogram);

/* Lines over a shared axis: up to 8 series, each with its own points. */
struct q_series {
    const char *name;
    const double *x, *y;
    size_t count;
};
struct q_lines {
    const char *title;
    const char *x_label, *y_label;
    const struct q_series *series;
    size_t count;
    bool log_x, log_y;
};
void q_report_lines(struct q_report *report, const struct q_lines *lines);

/* A grid of cells shaded by value, rows x columns, row by row. */
struct q_heatmap {
    const char *title;
    const char *const *row_labels;
    const char *const *column_labels; /* may be NULL */
    const double *values;
    size_t rows, columns;
    const char *unit;
};
void q_report_heatmap(struct q_report *report, const struct q_heatmap *heatmap);

/* A raw fragment made by q_report_fragment of another program: a run's page puts its stages together from them. */
void q_report_insert(struct q_report *report, q_string fragment);
/* What is between <body> tags, for q_report_insert; appended. */
q_status q_report_fragment(struct q_report *report, struct q_buffer *out) Q_MUST_USE;
/* The page, published under `path`. */
q_status q_report_publish(struct q_report *report, const char *path) Q_MUST_USE;

#endif
