/* Axes and texts of plots: round ticks, figures as people write them, widths of labels. All plots are drawn on a
 * canvas 720 units wide that the page scales; a unit is a CSS pixel on a screen wide enough.
 */
#ifndef QUERN_BASE_PLOT_AXIS_H
#define QUERN_BASE_PLOT_AXIS_H

#include "base/report_markup.h"

#include <stdbool.h>

enum { Q_PLOT_WIDTH = 720, Q_PLOT_FONT = 13, Q_PLOT_TICKS_MAX = 24, Q_PLOT_TEXT = 64 };

/* A scale from values to places on the canvas: low_at is where `min` lies, high_at where `max` does (an upright axis
 * has low_at > high_at). min < max always, both finite; > 0 on a logarithmic axis. */
struct q_axis {
    double min, max;
    bool log;
    double low_at, high_at;
    double ticks[Q_PLOT_TICKS_MAX];
    size_t tick_count;
    double step; /* between ticks; 0 where they are powers of ten */
};

/* Fits the axis around [low, high]. `round` widens the ends to ticks. Equal, absent (low > high) or unfit values give
 * a usable axis. About `wanted` (2..10) ticks, at 1, 2 or 5 times a power of ten; on a logarithmic axis at powers of
 * ten (and 2, 5 times them where there is room). */
void q_axis_fit(struct q_axis *axis, double low, double high, bool log, bool round, unsigned wanted);
/* Fits an axis that lies level between two places, with as many ticks as its labels leave room for; high_at moves in
 * where the last label needs it. */
void q_axis_fit_level(struct q_axis *axis, double low, double high, bool log, double low_at, double high_at);
/* Width of the widest tick label: the room that an upright axis needs at its left. */
double q_axis_label_width(const struct q_axis *axis);
/* Where the value lies; values outside are held at the ends. */
double q_axis_place(const struct q_axis *axis, double value);
/* The text of a tick: "1,500", "2.5 M", "0.05", "1e-6". */
void q_axis_tick_text(const struct q_axis *axis, double tick, char out[Q_PLOT_TEXT]);

/* A value as people write it: "12,345", "3.142", "2.2e-5"; "no value" for what is no number. */
char *q_plot_number(char out[Q_PLOT_TEXT], double value);
/* The same, shorter from a million on ("12.3 M"), and with the unit "bytes" as "12.3 MB". */
char *q_plot_short(char out[Q_PLOT_TEXT], double value, const char *unit);

/* Width of a text in a system font of `font` pixels: an estimate good to some 15%. */
double q_plot_text_width(q_string text, double font);
/* Writes the text, escaped, cut with an ellipsis where it is wider than `width`. */
void q_plot_put_label(struct q_report *report, q_string text, double width, double font);

/* <figure> with its caption, and <svg> of Q_PLOT_WIDTH x height with title and description; q_plot_end closes both.
 * q_plot_nothing is the figure of a plot without values. */
void q_plot_begin(struct q_report *report, const char *title, const char *note, double height, const char *description);
void q_plot_end(struct q_report *report);
void q_plot_nothing(struct q_report *report, const char *title);

/* The frame of a plot with two axes: grid lines, tick labels, names of the axes (NULL: none). The plot's area is
 * x->low_at .. x->high_at by y->high_at .. y->low_at. */
void q_plot_frame(struct q_report *report, const struct q_axis *x, const struct q_axis *y, const char *x_label,
                  const char *y_label);

#endif
