/* The blocks of a report that are not plots: paragraphs, figures, samples, tables, the flow. */
#include "base/report.h"

#include "base/check.h"
#include "base/report_markup.h"

#include <stdarg.h>
#include <stdio.h>

/* A formatted text between two pieces of markup. */
static void put_formatted(struct q_report *report, const char *before, const char *after, const char *format,
                          va_list list)
{
    q_report_block(report);
    va_list again;
    va_copy(again, list);
    int size = vsnprintf(NULL, 0, format, list);
    q_check(size >= 0);
    char *text = NULL;
    q_status status = q_alloc((size_t)size + 1, 1, &text);
    if (status == Q_OK) {
        vsnprintf(text, (size_t)size + 1, format, again);
        q_report_put(report, "%s", before);
        q_report_put_text(report, (q_string){text, (size_t)size});
        q_report_put(report, "%s", after);
    }
    va_end(again);
    q_release(text);
    q_report_note(report, status);
}

void q_report_text(struct q_report *report, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    put_formatted(report, "<p>", "</p>\n", format, list);
    va_end(list);
}

void q_report_warning(struct q_report *report, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    put_formatted(report, "<p class=\"warning\"><strong>Note</strong> ", "</p>\n", format, list);
    va_end(list);
}

void q_report_figure(struct q_report *report, const char *value, const char *caption)
{
    if (!report->tiles_open)
        q_report_put(report, "<div class=\"tiles\">\n");
    report->tiles_open = true;
    q_report_put(report, "<div class=\"tile\"><b>");
    q_report_put_text(report, q_string_of(value));
    q_report_put(report, "</b><span>");
    q_report_put_text(report, q_string_of(caption));
    q_report_put(report, "</span></div>\n");
}

void q_report_sample(struct q_report *report, const char *caption, q_string text, size_t bytes_max)
{
    q_report_block(report);
    bool cut = text.size > bytes_max;
    size_t size = cut ? bytes_max : text.size;
    /* Back to the first byte of a character: continuation bytes are 10xxxxxx, at most three of them. */
    for (int i = 0; cut && i < 3 && size > 0 && ((unsigned char)text.data[size] & 0xc0) == 0x80; i++)
        size--;
    q_report_put(report, "<figure class=\"sample\"><figcaption>");
    q_report_put_text(report, q_string_of(caption));
    /* dir=auto: the direction of the text's first strong letter, for Arabic and Hebrew. */
    q_report_put(report, "</figcaption><pre dir=\"auto\">");
    q_report_put_text(report, q_string_slice(text, 0, size));
    q_report_put(report, "%s</pre></figure>\n", cut ? "<i>\xe2\x80\xa6</i>" : "");
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* A word of digits: "12", "-3.5e-4", "1,204", "60%", "3/12", "14.8T", "4.7*" (marked, say as the best). */
static bool is_number_word(q_string word)
{
    size_t i = word.size && (word.data[0] == '-' || word.data[0] == '+');
    if (i >= word.size || !is_digit(word.data[i]))
        return false;
    for (; i < word.size; i++) {
        char c = word.data[i];
        bool last = i + 1 == word.size;
        if (is_digit(c) || c == ',' || c == '.' || c == '/' || (last && (c == '%' || c == '*' || is_letter(c))))
            continue;
        bool sign = !last && (word.data[i + 1] == '-' || word.data[i + 1] == '+');
        if (c != 'e' || i + 1 + sign >= word.size || !is_digit(word.data[i + 1 + sign]))
            return false;
        i += sign;
    }
    return true;
}

/* A short word of letters: "MB", "kB/s", "m". */
static bool is_unit_word(q_string word)
{
    for (size_t i = 0; i < word.size; i++)
        if (!is_letter(word.data[i]) && word.data[i] != '/')
            return false;
    return word.size <= 5;
}

/* Whether a cell reads as a quantity: a number, with units or more numbers behind it ("12.3 MB", "2 m 05 s"). */
static bool is_quantity(q_string cell)
{
    bool first = true;
    while (cell.size) {
        size_t space = q_string_find(cell, Q_STRING(" "), 0);
        q_string word = q_string_slice(cell, 0, space);
        if (!is_number_word(word) && (first || !is_unit_word(word)))
            return false;
        first = false;
        cell = space == SIZE_MAX ? Q_STRING("") : q_string_slice(cell, space + 1, cell.size);
    }
    return !first;
}

/* A column is set flush right where every cell is a quantity or says that there is none, and one is a quantity. */
static bool column_is_quantities(const struct q_table *table, size_t column)
{
    bool any = false;
    for (size_t row = 0; row < table->rows; row++) {
        q_string cell = q_string_of(table->cells[row * table->columns + column]);
        bool empty = cell.size == 0 || q_string_is(cell, "-") || q_string_is(cell, "\xe2\x80\x93");
        if (!empty && !is_quantity(cell))
            return false;
        any = any || !empty;
    }
    return any;
}

static void put_cell(struct q_report *report, const char *tag, bool right, const char *text)
{
    q_report_put(report, "<%s%s%s>", tag, !strcmp(tag, "th") ? " scope=\"col\"" : "", right ? " class=\"n\"" : "");
    q_report_put_text(report, q_string_of(text));
    q_report_put(report, "</%s>", tag);
}

void q_report_table(struct q_report *report, const struct q_table *table)
{
    q_report_block(report);
    bool *right = NULL;
    q_status status = q_alloc_zero(table->columns, sizeof *right, &right);
    if (status != Q_OK) {
        q_report_note(report, status);
        return;
    }
    q_report_put(report, "<div class=\"scroll\" tabindex=\"0\"><table>\n<thead><tr>");
    for (size_t i = 0; i < table->columns; i++) {
        right[i] = column_is_quantities(table, i);
        put_cell(report, "th", right[i], table->header[i]);
    }
    q_report_put(report, "</tr></thead>\n<tbody>\n");
    for (size_t row = 0; row < table->rows; row++) {
        q_report_put(report, "<tr>");
        for (size_t i = 0; i < table->columns; i++)
            put_cell(report, "td", right[i], table->cells[row * table->columns + i]);
        q_report_put(report, "</tr>\n");
    }
    q_report_put(report, "</tbody></table></div>\n");
    if (!table->rows)
        q_report_put(report, "<p class=\"empty\">No rows.</p>\n");
    q_release(right);
}

/* An opening tag with the name as an id in it. */
static void put_with_id(struct q_report *report, const char *tag, const char *name)
{
    const char *slug = "";
    q_report_note(report, q_report_slug(&report->arena, name, &slug));
    q_report_put(report, "<a %s%s\">", tag, slug);
}

void q_report_anchor(struct q_report *report, const char *name)
{
    q_report_block(report);
    put_with_id(report, "id=\"", name);
    q_report_put(report, "</a>\n");
}

void q_report_flow(struct q_report *report, const struct q_flow_box *boxes, size_t count)
{
    static const char *const classes[] = {"missing", "partial", "done", "failed"};
    static const char *const signs[] = {"\xe2\x97\x8b missing", "\xe2\x97\x90 partly built", "\xe2\x9c\x93 done",
                                        "\xe2\x9c\x97 failed"};
    q_report_block(report);
    q_report_put(report, "<ol class=\"flow\">\n");
    for (size_t i = 0; i < count; i++) {
        const struct q_flow_box *box = &boxes[i];
        q_report_put(report, "<li class=\"%s\"><b>", classes[box->state]);
        if (box->link)
            put_with_id(report, "href=\"#", box->link);
        q_report_put_text(report, q_string_of(box->name));
        q_report_put(report, "%s</b><i>%s</i>", box->link ? "</a>" : "", signs[box->state]);
        for (size_t line = 0; line < box->line_count; line++) {
            q_report_put(report, "<span>");
            q_report_put_text(report, q_string_of(box->lines[line]));
            q_report_put(report, "</span>");
        }
        q_report_put(report, "</li>\n");
    }
    q_report_put(report, "</ol>\n");
}
