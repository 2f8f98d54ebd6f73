#include "base/check.h"
#include "base/plot_axis.h"

#include <math.h>
#include <stdio.h>

enum { HEIGHT = 300, TOP = 34, BOTTOM = 48, RIGHT = 16 };

/* The left end of the x axis. A logarithmic one cannot begin at 0 (a first bin of "up to 1"): it begins one bin's
 * width, in logarithms, before the first edge above 0. */
static double left_edge(const struct q_histogram *histogram)
{
    const double *edges = histogram->edges;
    if (!histogram->log_x || edges[0] > 0)
        return edges[0];
    size_t first = 0;
    while (first < histogram->count && !(edges[first] > 0))
        first++;
    double ratio = first < histogram->count ? edges[first + 1] / edges[first] : 2;
    return edges[first] / (isfinite(ratio) && ratio > 1 ? ratio : 2);
}

static void put_columns(struct q_report *report, const struct q_histogram *histogram, const struct q_axis *x,
                        const struct q_axis *y)
{
    double zero = q_axis_place(y, 0);
    for (size_t i = 0; i < histogram->count; i++) {
        double value = histogram->values[i];
        if (!isfinite(value) || value == 0)
            continue;
        double left = q_axis_place(x, histogram->edges[i]), right = q_axis_place(x, histogram->edges[i + 1]),
               end = q_axis_place(y, value);
        double gap = right - left > 4 ? 1 : 0;
        char from[Q_PLOT_TEXT], to[Q_PLOT_TEXT], text[Q_PLOT_TEXT];
        q_report_put(report,
                     "<rect class=\"b\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"><title>%s to %s: "
                     "%s</title></rect>\n",
                     left + gap / 2, fmin(zero, end), fmax(right - left - gap, 0.5), fmax(fabs(zero - end), 0.5),
                     q_plot_number(from, histogram->edges[i]), q_plot_number(to, histogram->edges[i + 1]),
                     q_plot_number(text, value));
    }
}

void q_report_histogram(struct q_report *report, const struct q_histogram *histogram)
{
    if (!histogram->count) {
        q_plot_nothing(report, histogram->title);
        return;
    }
    double low = 0, high = 0, sum = 0;
    for (size_t i = 0; i < histogram->count; i++)
        if (isfinite(histogram->values[i])) {
            low = fmin(low, histogram->values[i]);
            high = fmax(high, histogram->values[i]);
            sum += histogram->values[i];
        }
    struct q_axis x, y;
    q_axis_fit(&y, low, high, false, true, 4);
    y.low_at = HEIGHT - BOTTOM;
    y.high_at = TOP;
    q_axis_fit_level(&x, left_edge(histogram), histogram->edges[histogram->count], histogram->log_x,
                     q_axis_label_width(&y) + 14, Q_PLOT_WIDTH - RIGHT);
    char description[200], all[Q_PLOT_TEXT], most[Q_PLOT_TEXT], from[Q_PLOT_TEXT], to[Q_PLOT_TEXT];
    snprintf(description, sizeof description, "%zu columns from %s to %s; the highest is %s, all together %s",
             histogram->count, q_plot_number(from, histogram->edges[0]),
             q_plot_number(to, histogram->edges[histogram->count]), q_plot_number(most, high), q_plot_number(all, sum));
    q_plot_begin(report, histogram->title, NULL, HEIGHT, description);
    q_plot_frame(report, &x, &y, histogram->x_label, histogram->y_label);
    put_columns(report, histogram, &x, &y);
    q_report_put(report, "<path class=\"z\" d=\"M%.1f %.1fH%.1f\"/>", x.low_at, q_axis_place(&y, 0), x.high_at);
    q_plot_end(report);
}
