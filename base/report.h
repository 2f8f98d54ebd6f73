/* Reports: one self-contained HTML page per stage (or a run), with plots as inline SVG; no script at all, no fonts to
 * fetch, readable without colour, light and dark, on paper and on a telephone.
 *
 * A report is built from top to bottom; every string is escaped here. Failures stick and come out of q_report_publish.
 *
 *     struct q_report *report;
 *     Q_TRY(q_report_create("Corpus", &report));
 *     q_report_heading(report, "What was kept");
 *     q_report_bars(report, &(struct q_bars){.title = "Documents by language", .labels = names, .values = counts,
 *                                          .count = n});
 *     q_status status = q_report_publish(report, "report.html");
 *     q_report_release(report);
 *
 * The same calls give the same bytes. Values that are not numbers (NaN, infinities) and plots without values are shown
 * as such and never stop a report. Texts need not be valid UTF-8.
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

void q_report_heading(struct q_report *report, const char *text);                       /* a section, in the contents */
void q_report_text(struct q_report *report, const char *format, ...) Q_PRINTF(2, 3);    /* a paragraph */
void q_report_warning(struct q_report *report, const char *format, ...) Q_PRINTF(2, 3); /* one that stands out */
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

/* Horizontal bars, one per label, in the order given; those behind the 39th of more than 40 are folded into "N
 * others", their sum. With the unit "bytes" the values are written as 12.3 MB. */
struct q_bars {
    const char *title;
    const char *unit; /* may be NULL */
    const char *const *labels;
    const double *values;
    size_t count;
};
void q_report_bars(struct q_report *report, const struct q_bars *bars);

/* Columns over ranges: count bins, edges[count + 1] in rising order. log_x draws the edges on a logarithmic axis; a
 * first edge of 0 is then drawn one bin's width before the next. */
struct q_histogram {
    const char *title;
    const char *x_label, *y_label;
    const double *edges;
    const double *values;
    size_t count;
    bool log_x;
};
void q_report_histogram(struct q_report *report, const struct q_histogram *histogram);

/* Lines over a shared axis: up to 8 series (more are left out, and the plot says so), each with its own points in the
 * order of their x. A value that is not a number breaks its line; long series are thinned to the lowest and highest
 * value of each pixel's width. */
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

/* A grid of cells shaded by value, from the least to the greatest, rows x columns, row by row. Small grids have their
 * values written in the cells. Grids to be compared are given the same ends of the scale; what lies beyond is shaded
 * like the end. */
struct q_heatmap {
    const char *title;
    const char *const *row_labels;
    const char *const *column_labels; /* may be NULL */
    const double *values;
    size_t rows, columns;
    const char *unit;
    double low, high; /* ends of the scale; both 0: those of the values */
};
void q_report_heatmap(struct q_report *report, const struct q_heatmap *heatmap);

/* The way of the work as boxes with arrows between them, in order. */
enum q_flow_state { Q_FLOW_MISSING, Q_FLOW_PARTIAL, Q_FLOW_DONE, Q_FLOW_FAILED };
struct q_flow_box {
    const char *name;
    enum q_flow_state state;  /* shown by a sign and a word, not by colour alone */
    const char *const *lines; /* short figures below the name */
    size_t line_count;
    const char *link; /* the anchor in this page that the name leads to; NULL: none */
};
void q_report_flow(struct q_report *report, const struct q_flow_box *boxes, size_t count);
/* A place for a box's link to lead to, before the next block. Names differ from titles and headings: those have ids of
 * their own. */
void q_report_anchor(struct q_report *report, const char *name);

/* A raw fragment made by q_report_fragment of another program: a run's page puts its stages together from them. */
void q_report_insert(struct q_report *report, q_string fragment);
/* The report as a chapter of another page, for q_report_insert: its title as a heading, its sections one level below;
 * appended. */
q_status q_report_fragment(struct q_report *report, struct q_buffer *out) Q_MUST_USE;
/* The page, published under `path`. */
q_status q_report_publish(struct q_report *report, const char *path) Q_MUST_USE;

#endif
