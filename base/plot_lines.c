#include "base/check.h"
#include "base/plot_axis.h"

#include <math.h>
#include <stdio.h>

enum { HEIGHT = 330, TOP = 34, BOTTOM = 48, SERIES_MAX = 8, NAME_ROOM_MAX = 190, MARKS = 48, NAME_STEP = 16 };

/* Lines differ by dash as well as by colour: on paper, and for eyes that mix colours up. */
static const char *const dashes[SERIES_MAX] = {"", "7 4", "2 4", "9 3 2 3", "12 4", "4 2", "9 3 2 3 2 3", "1 3"};

struct canvas {
    struct q_axis x, y;
    const struct q_lines *lines;
    size_t count; /* series drawn */
};

/* Where a series has a point that the axes can show. */
static bool shown(const struct q_lines *lines, const struct q_series *series, size_t i)
{
    double x = series->x[i], y = series->y[i];
    return isfinite(x) && isfinite(y) && (!lines->log_x || x > 0) && (!lines->log_y || y > 0);
}

struct reach {
    double x_low, x_high, y_low, y_high;
    size_t points;
};

static struct reach reach_of(const struct q_lines *lines, size_t count)
{
    struct reach reach = {INFINITY, -INFINITY, INFINITY, -INFINITY, 0};
    for (size_t s = 0; s < count; s++)
        for (size_t i = 0; i < lines->series[s].count; i++) {
            const struct q_series *series = &lines->series[s];
            if (!shown(lines, series, i))
                continue;
            reach.x_low = fmin(reach.x_low, series->x[i]);
            reach.x_high = fmax(reach.x_high, series->x[i]);
            reach.y_low = fmin(reach.y_low, series->y[i]);
            reach.y_high = fmax(reach.y_high, series->y[i]);
            reach.points++;
        }
    return reach;
}

static void put_point(struct q_report *report, bool *pen_down, double x, double y)
{
    q_report_put(report, "%s%.1f %.1f", *pen_down ? "L" : "M", x, y);
    *pen_down = true;
}

/* The points of one pixel's width: the first, the lowest, the highest and the last in their order say all that can be
 * seen of them. */
struct column {
    double x;
    double first, least, most, last;
    size_t count, least_at, most_at;
};

static void put_column(struct q_report *report, bool *pen_down, const struct column *column)
{
    bool least_first = column->least_at < column->most_at;
    double middle[2] = {least_first ? column->least : column->most, least_first ? column->most : column->least};
    put_point(report, pen_down, column->x, column->first);
    for (int i = 0; column->count > 2 && i < 2; i++)
        put_point(report, pen_down, column->x, middle[i]);
    if (column->count > 1)
        put_point(report, pen_down, column->x, column->last);
}

static void put_path(struct q_report *report, const struct canvas *canvas, const struct q_series *series)
{
    struct column column = {0};
    bool pen_down = false;
    for (size_t i = 0; i < series->count; i++) {
        if (!shown(canvas->lines, series, i)) { /* a gap: the pen is lifted */
            if (column.count)
                put_column(report, &pen_down, &column);
            column.count = 0;
            pen_down = false;
            continue;
        }
        double x = q_axis_place(&canvas->x, series->x[i]), y = q_axis_place(&canvas->y, series->y[i]);
        bool same = column.count && series->count > Q_PLOT_WIDTH && floor(x) == floor(column.x);
        if (!same && column.count)
            put_column(report, &pen_down, &column);
        if (!same)
            column = (struct column){.x = x, .first = y, .least = y, .most = y};
        if (y < column.least)
            column.least = y, column.least_at = column.count;
        if (y > column.most)
            column.most = y, column.most_at = column.count;
        column.last = y;
        column.count++;
    }
    if (column.count)
        put_column(report, &pen_down, &column);
}

/* Places to point at: at most MARKS of a series, with its value. Seen only where the series has few points (and where
 * the mouse is). */
static void put_marks(struct q_report *report, const struct canvas *canvas, size_t s)
{
    const struct q_series *series = &canvas->lines->series[s];
    size_t stride = series->count / MARKS + 1;
    bool few = series->count <= 16;
    for (size_t i = 0; i < series->count; i++) {
        /* The last point is always one of them: it is the one most asked for. */
        if (((series->count - 1 - i) % stride) || !shown(canvas->lines, series, i))
            continue;
        double x = q_axis_place(&canvas->x, series->x[i]), y = q_axis_place(&canvas->y, series->y[i]);
        char x_text[Q_PLOT_TEXT], y_text[Q_PLOT_TEXT];
        if (few)
            q_report_put(report, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"var(--c%zu)\"/>", x, y, s);
        q_report_put(report, "<circle class=\"h\" cx=\"%.1f\" cy=\"%.1f\" r=\"6\"><title>", x, y);
        q_report_put_text(report, q_string_of(series->name));
        q_report_put(report, " at %s: %s</title></circle>\n", q_plot_number(x_text, series->x[i]),
                     q_plot_number(y_text, series->y[i]));
    }
}

/* Height of the last point shown; the middle where there is none. */
static double end_of(const struct canvas *canvas, const struct q_series *series)
{
    for (size_t i = series->count; i-- > 0;)
        if (shown(canvas->lines, series, i))
            return q_axis_place(&canvas->y, series->y[i]);
    return (canvas->y.low_at + canvas->y.high_at) / 2;
}

/* Heights of the names at the right, each as near to its line's end as the others allow: sorted by height, pushed
 * down, then up from the bottom. */
static void place_names(const struct canvas *canvas, double at[SERIES_MAX])
{
    size_t order[SERIES_MAX];
    for (size_t s = 0; s < canvas->count; s++) {
        at[s] = end_of(canvas, &canvas->lines->series[s]);
        size_t i = s;
        for (; i > 0 && at[order[i - 1]] > at[s]; i--)
            order[i] = order[i - 1];
        order[i] = s;
    }
    for (size_t i = 1; i < canvas->count; i++)
        at[order[i]] = fmax(at[order[i]], at[order[i - 1]] + NAME_STEP);
    double limit = canvas->y.low_at;
    for (size_t i = canvas->count; i-- > 0; limit = at[order[i]] - NAME_STEP)
        at[order[i]] = fmin(at[order[i]], limit);
}

static void put_names(struct q_report *report, const struct canvas *canvas)
{
    double at[SERIES_MAX], left = canvas->x.high_at + 8;
    place_names(canvas, at);
    for (size_t s = 0; s < canvas->count; s++) {
        q_report_put(report,
                     "<path class=\"l\" style=\"stroke:var(--c%zu)\" stroke-dasharray=\"%s\" d=\"M%.1f %.1fh22\"/>", s,
                     dashes[s], left, at[s]);
        q_report_put(report, "<text x=\"%.1f\" y=\"%.1f\"><title>", left + 28, at[s] + 4.5);
        q_report_put_text(report, q_string_of(canvas->lines->series[s].name));
        q_report_put(report, "</title>");
        q_plot_put_label(report, q_string_of(canvas->lines->series[s].name), Q_PLOT_WIDTH - left - 28, Q_PLOT_FONT);
        q_report_put(report, "</text>\n");
    }
}

/* Both axes: y first, for the room of its labels; at the right there is room for the longest name. A single series is
 * named by the title alone. */
static void lay_out(struct canvas *canvas, const struct reach *reach)
{
    const struct q_lines *lines = canvas->lines;
    q_axis_fit(&canvas->y, reach->y_low, reach->y_high, lines->log_y, !lines->log_y, 5);
    canvas->y.low_at = HEIGHT - BOTTOM;
    canvas->y.high_at = TOP;
    double names = 0;
    for (size_t s = 0; canvas->count > 1 && s < canvas->count; s++)
        names = fmax(names, q_plot_text_width(q_string_of(lines->series[s].name), Q_PLOT_FONT) + 40);
    q_axis_fit_level(&canvas->x, reach->x_low, reach->x_high, lines->log_x, q_axis_label_width(&canvas->y) + 14,
                     Q_PLOT_WIDTH - 16 - fmin(names, NAME_ROOM_MAX));
}

void q_report_lines(struct q_report *report, const struct q_lines *lines)
{
    struct canvas canvas = {.lines = lines, .count = Q_MIN(lines->count, (size_t)SERIES_MAX)};
    struct reach reach = reach_of(lines, canvas.count);
    if (!reach.points) {
        q_plot_nothing(report, lines->title);
        return;
    }
    lay_out(&canvas, &reach);
    char description[240], note[64] = "", low[Q_PLOT_TEXT], high[Q_PLOT_TEXT], from[Q_PLOT_TEXT], to[Q_PLOT_TEXT];
    snprintf(description, sizeof description, "%zu %s from %s to %s; values between %s and %s", canvas.count,
             canvas.count == 1 ? "line" : "lines", q_plot_number(from, reach.x_low), q_plot_number(to, reach.x_high),
             q_plot_number(low, reach.y_low), q_plot_number(high, reach.y_high));
    if (lines->count > canvas.count)
        snprintf(note, sizeof note, "the first %zu of %zu lines", canvas.count, lines->count);
    q_plot_begin(report, lines->title, note, HEIGHT, description);
    q_plot_frame(report, &canvas.x, &canvas.y, lines->x_label, lines->y_label);
    for (size_t s = 0; s < canvas.count; s++) {
        q_report_put(report, "<path class=\"l\" style=\"stroke:var(--c%zu)\" stroke-dasharray=\"%s\" d=\"", s,
                     dashes[s]);
        put_path(report, &canvas, &lines->series[s]);
        q_report_put(report, "\"/>\n");
    }
    for (size_t s = 0; s < canvas.count; s++)
        put_marks(report, &canvas, s);
    if (canvas.count > 1)
        put_names(report, &canvas);
    q_plot_end(report);
}
