#include "base/check.h"
#include "base/plot_axis.h"

#include <math.h>
#include <stdio.h>

enum { BARS_MAX = 40, ROW = 24, BAR = 16, VALUE_ROOM = 92, LABEL_MAX = 270 };

/* What is drawn: the bars as given, or the first 39 and the sum of the others. */
struct drawn {
    const struct q_bars *bars;
    size_t count;
    bool folded;
    double others;    /* sum of the folded ones */
    double low, high; /* of all drawn values, with 0 */
    double total;     /* of those that are numbers; shares are shown where none is negative */
    double label_width;
};

static double value_of(const struct drawn *drawn, size_t i)
{
    return drawn->folded && i == drawn->count - 1 ? drawn->others : drawn->bars->values[i];
}

static q_string label_of(const struct drawn *drawn, size_t i, char others[Q_PLOT_TEXT])
{
    if (!drawn->folded || i < drawn->count - 1)
        return q_string_of(drawn->bars->labels[i]);
    snprintf(others, Q_PLOT_TEXT, "%zu others", drawn->bars->count - drawn->count + 1);
    return q_string_of(others);
}

static struct drawn measure(const struct q_bars *bars)
{
    struct drawn drawn = {
        .bars = bars, .count = Q_MIN(bars->count, (size_t)BARS_MAX), .folded = bars->count > BARS_MAX};
    for (size_t i = drawn.count - drawn.folded; drawn.folded && i < bars->count; i++)
        drawn.others += isfinite(bars->values[i]) ? bars->values[i] : 0;
    for (size_t i = 0; i < drawn.count; i++) {
        char others[Q_PLOT_TEXT];
        double value = value_of(&drawn, i);
        if (isfinite(value)) {
            drawn.low = fmin(drawn.low, value);
            drawn.high = fmax(drawn.high, value);
            drawn.total += value;
        }
        drawn.label_width = fmax(drawn.label_width, q_plot_text_width(label_of(&drawn, i, others), Q_PLOT_FONT));
    }
    drawn.label_width = fmin(drawn.label_width, LABEL_MAX);
    return drawn;
}

/* One row: label, bar from zero, figure at its end; all of it in one group whose title gives the exact value. */
static void put_bar(struct q_report *report, const struct drawn *drawn, const struct q_axis *axis, size_t i)
{
    char others[Q_PLOT_TEXT], exact[Q_PLOT_TEXT], brief[Q_PLOT_TEXT];
    q_string label = label_of(drawn, i, others);
    double value = value_of(drawn, i), top = (double)i * ROW + 4, zero = q_axis_place(axis, 0);
    double end = isfinite(value) ? q_axis_place(axis, value) : zero;
    q_report_put(report, "<g><title>");
    q_report_put_text(report, label);
    q_report_put(report, ": %s", q_plot_number(exact, value));
    if (drawn->bars->unit && isfinite(value)) {
        q_report_put(report, " ");
        q_report_put_text(report, q_string_of(drawn->bars->unit));
    }
    if (isfinite(value) && drawn->low == 0 && drawn->total > 0)
        q_report_put(report, " (%.1f%%)", 100 * value / drawn->total);
    q_report_put(report, "</title><text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">", drawn->label_width + 4,
                 top + 12.5);
    q_plot_put_label(report, label, drawn->label_width + 1, Q_PLOT_FONT);
    q_report_put(report, "</text>");
    if (end != zero) /* at least half a unit, so that little is not nothing */
        q_report_put(report, "<rect class=\"b\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%d\" rx=\"1.5\"/>",
                     fmin(zero, end), top, fmax(fabs(end - zero), 0.5), BAR);
    q_report_put(report, "<text class=\"s\" x=\"%.1f\" y=\"%.1f\">%s</text></g>\n", fmax(zero, end) + 6, top + 12.5,
                 q_plot_short(brief, value, drawn->bars->unit));
}

void q_report_bars(struct q_report *report, const struct q_bars *bars)
{
    if (!bars->count) {
        q_plot_nothing(report, bars->title);
        return;
    }
    struct drawn drawn = measure(bars);
    struct q_axis axis;
    q_axis_fit(&axis, drawn.low, drawn.high, false, false, 4);
    axis.low_at = drawn.label_width + 12;
    axis.high_at = Q_PLOT_WIDTH - VALUE_ROOM;
    char description[160], least[Q_PLOT_TEXT], most[Q_PLOT_TEXT];
    snprintf(description, sizeof description, "%zu bars from %s to %s; every bar is labelled with its value",
             drawn.count, q_plot_short(least, drawn.low, bars->unit), q_plot_short(most, drawn.high, bars->unit));
    double height = (double)drawn.count * ROW + 4, zero = q_axis_place(&axis, 0);
    q_plot_begin(report, bars->title, bars->unit, height, description);
    for (size_t i = 0; i < drawn.count; i++)
        put_bar(report, &drawn, &axis, i);
    q_report_put(report, "<path class=\"z\" d=\"M%.1f 0V%.0f\"/>", zero, height);
    q_plot_end(report);
}
