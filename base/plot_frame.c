/* What surrounds a plot's data: the figure, the axes' frame, labels that fit. */
#include "base/plot_axis.h"

#include <math.h>

/* Bytes of the character that begins here, at least 1 and within the text. */
static size_t character_bytes(q_string text, size_t at)
{
    unsigned char c = (unsigned char)text.data[at];
    size_t size = c < 0xc0 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    return size < text.size - at ? size : text.size - at;
}

/* In units of the font's size. Three classes are enough to keep labels apart: narrow, usual, and the square ones of
 * East Asia (all of three bytes and more from U+1100 on; what is there and narrower only wastes some room). */
static double character_width(q_string text, size_t at)
{
    unsigned char c = (unsigned char)text.data[at];
    if (c >= 0xe1)
        return 1.0;
    if (c >= 0xc0)
        return 0.6;
    return strchr("ijlt.,:;'|!()[] ", c) && c ? 0.36 : (c >= 'A' && c <= 'Z') || c == 'm' || c == 'w' ? 0.72 : 0.58;
}

double q_plot_text_width(q_string text, double font)
{
    double width = 0;
    for (size_t at = 0; at < text.size; at += character_bytes(text, at))
        width += character_width(text, at) * font;
    return width;
}

void q_plot_put_label(struct q_report *report, q_string text, double width, double font)
{
    if (q_plot_text_width(text, font) <= width) {
        q_report_put_text(report, text);
        return;
    }
    double room = width - font; /* the ellipsis */
    size_t at = 0;
    while (at < text.size && room >= character_width(text, at) * font) {
        room -= character_width(text, at) * font;
        at += character_bytes(text, at);
    }
    q_report_put_text(report, q_string_slice(text, 0, at));
    q_report_put(report, "\xe2\x80\xa6");
}

void q_plot_begin(struct q_report *report, const char *title, const char *note, double height, const char *description)
{
    q_report_block(report);
    q_report_put(report, "<figure><figcaption>");
    q_report_put_text(report, q_string_of(title));
    if (note && note[0]) {
        q_report_put(report, " <small>");
        q_report_put_text(report, q_string_of(note));
        q_report_put(report, "</small>");
    }
    /* A plot that is wider than the screen scrolls in its own box, so that its text stays large enough to read. */
    q_report_put(report,
                 "</figcaption><div class=\"scroll\" tabindex=\"0\"><svg viewBox=\"0 0 %d %.0f\" role=\"img\"><title>",
                 Q_PLOT_WIDTH, height);
    q_report_put_text(report, q_string_of(title));
    q_report_put(report, "</title><desc>");
    q_report_put_text(report, q_string_of(description));
    q_report_put(report, "</desc>\n");
}

void q_plot_end(struct q_report *report)
{
    q_report_put(report, "</svg></div></figure>\n");
}

void q_plot_nothing(struct q_report *report, const char *title)
{
    q_report_block(report);
    q_report_put(report, "<figure><figcaption>");
    q_report_put_text(report, q_string_of(title));
    q_report_put(report, "</figcaption><p class=\"empty\">Nothing to show: there are no values.</p></figure>\n");
}

double q_axis_label_width(const struct q_axis *axis)
{
    double width = 0;
    for (size_t i = 0; i < axis->tick_count; i++) {
        char text[Q_PLOT_TEXT];
        q_axis_tick_text(axis, axis->ticks[i], text);
        width = fmax(width, q_plot_text_width(q_string_of(text), Q_PLOT_FONT));
    }
    return width;
}

void q_axis_fit_level(struct q_axis *axis, double low, double high, bool log, double low_at, double high_at)
{
    for (unsigned wanted = 8; wanted >= 2; wanted--) {
        q_axis_fit(axis, low, high, log, false, wanted);
        axis->low_at = low_at;
        axis->high_at = high_at;
        double width = q_axis_label_width(axis), closest = INFINITY;
        for (size_t i = 1; i < axis->tick_count; i++)
            closest = fmin(closest, q_axis_place(axis, axis->ticks[i]) - q_axis_place(axis, axis->ticks[i - 1]));
        if (axis->tick_count) {
            double end = q_axis_place(axis, axis->ticks[axis->tick_count - 1]) + width / 2;
            axis->high_at -= fmax(0, end - high_at - 12);
        }
        if (closest >= width + 14)
            return;
    }
}

static void put_x_axis(struct q_report *report, const struct q_axis *x, const struct q_axis *y, const char *label)
{
    double last_end = -INFINITY;
    for (size_t i = 0; i < x->tick_count; i++) {
        char text[Q_PLOT_TEXT];
        q_axis_tick_text(x, x->ticks[i], text);
        double at = q_axis_place(x, x->ticks[i]), half = q_plot_text_width(q_string_of(text), Q_PLOT_FONT) / 2;
        q_report_put(report, "<path class=\"g\" d=\"M%.1f %.1fV%.1f\"/>", at, y->high_at, y->low_at + 4);
        /* A label that would touch the one before it is left out; its grid line stays. */
        if (at - half < last_end + 4)
            continue;
        q_report_put(report, "<text class=\"s\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%s</text>\n", at,
                     y->low_at + 19, text);
        last_end = at + half;
    }
    if (label) {
        q_report_put(report, "<text class=\"s\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">",
                     (x->low_at + x->high_at) / 2, y->low_at + 39);
        q_plot_put_label(report, q_string_of(label), x->high_at - x->low_at, Q_PLOT_FONT);
        q_report_put(report, "</text>\n");
    }
}

void q_plot_frame(struct q_report *report, const struct q_axis *x, const struct q_axis *y, const char *x_label,
                  const char *y_label)
{
    for (size_t i = 0; i < y->tick_count; i++) {
        char text[Q_PLOT_TEXT];
        q_axis_tick_text(y, y->ticks[i], text);
        double at = q_axis_place(y, y->ticks[i]);
        q_report_put(report, "<path class=\"g\" d=\"M%.1f %.1fH%.1f\"/>", x->low_at, at, x->high_at);
        q_report_put(report, "<text class=\"s\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n", x->low_at - 8,
                     at + 4.5, text);
    }
    put_x_axis(report, x, y, x_label);
    if (y_label) { /* above the axis and level, not turned: it is read without bending the neck */
        q_report_put(report, "<text class=\"s\" x=\"%.1f\" y=\"%.1f\">", 2.0, y->high_at - 12);
        q_plot_put_label(report, q_string_of(y_label), x->high_at, Q_PLOT_FONT);
        q_report_put(report, "</text>\n");
    }
}
