/* The page: what holds the blocks together. See report_markup.h for the body and its headings. */
#include "base/report.h"

#include "base/check.h"
#include "base/json.h"
#include "base/publish.h"
#include "base/report_markup.h"

#include <stdarg.h>
#include <stdio.h>

void q_report_note(struct q_report *report, q_status status)
{
    if (status != Q_OK && report->error.status == Q_OK)
        q_error_take(&report->error, status);
}

void q_report_put(struct q_report *report, const char *format, ...)
{
    if (report->error.status != Q_OK)
        return;
    /* Markup pieces are short; the buffer is grown for the rare long one. */
    va_list list, again;
    va_start(list, format);
    va_copy(again, list);
    int size = vsnprintf(NULL, 0, format, list);
    va_end(list);
    q_check(size >= 0);
    q_status status = q_buffer_reserve(&report->body, (size_t)size + 1);
    if (status == Q_OK) {
        vsnprintf(report->body.data + report->body.size, (size_t)size + 1, format, again);
        report->body.size += (size_t)size;
    }
    va_end(again);
    q_report_note(report, status);
}

/* Appends text to any buffer with markup characters escaped; the text is valid UTF-8 by now. */
static q_status append_escaped(struct q_buffer *out, q_string text)
{
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];
        switch (c) {
        case '<':
            Q_TRY(q_buffer_append_string(out, Q_STRING("&lt;")));
            break;
        case '>':
            Q_TRY(q_buffer_append_string(out, Q_STRING("&gt;")));
            break;
        case '&':
            Q_TRY(q_buffer_append_string(out, Q_STRING("&amp;")));
            break;
        case '"':
            Q_TRY(q_buffer_append_string(out, Q_STRING("&quot;")));
            break;
        default:
            /* HTML has no place for control characters, not even as references. */
            if ((c >= 0x20 && c != 0x7f) || c == '\n' || c == '\t')
                Q_TRY(q_buffer_append_byte(out, (char)c));
        }
    }
    return Q_OK;
}

void q_report_put_text(struct q_report *report, q_string text)
{
    if (report->error.status != Q_OK)
        return;
    struct q_buffer repaired = {0};
    uint64_t replaced = 0;
    q_status status = Q_OK;
    if (!q_utf8_valid(text)) {
        status = q_utf8_repair(text, &repaired, &replaced);
        text = q_buffer_string(&repaired);
    }
    if (status == Q_OK)
        status = append_escaped(&report->body, text);
    q_buffer_release(&repaired);
    q_report_note(report, status);
}

void q_report_block(struct q_report *report)
{
    if (report->tiles_open)
        q_report_put(report, "</div>\n");
    report->tiles_open = false;
}

q_status q_report_slug(struct q_arena *arena, const char *text, const char **out)
{
    size_t size = strlen(text);
    char *slug;
    Q_TRY(q_arena_alloc(arena, size + sizeof "section", 1, &slug));
    size_t used = 0;
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        if (c >= 'A' && c <= 'Z')
            c = (char)(c - 'A' + 'a');
        if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
            slug[used++] = c;
        else if (used && slug[used - 1] != '-')
            slug[used++] = '-';
    }
    if (used && slug[used - 1] == '-')
        used--;
    slug[used] = 0;
    if (!used)
        memcpy(slug, "section", sizeof "section");
    *out = slug;
    return Q_OK;
}

static bool id_taken(const struct q_report *report, const char *id)
{
    for (size_t i = 0; i < report->heading_count; i++)
        if (!strcmp(report->headings[i].id, id))
            return true;
    return false;
}

/* Adds a heading to the list. `id` NULL: made from the report's and the heading's text, with a number where it is
 * taken. */
static q_status add_heading(struct q_report *report, unsigned level, const char *id, const char *text)
{
    struct q_report_heading heading = {.offset = report->body.size, .level = level, .id = id, .text = text};
    if (!id) {
        const char *slug;
        Q_TRY(q_report_slug(&report->arena, text, &slug));
        Q_TRY(q_arena_printf(&report->arena, &heading.id, "%s-%s", report->slug, slug));
        for (unsigned n = 2; id_taken(report, heading.id); n++)
            Q_TRY(q_arena_printf(&report->arena, &heading.id, "%s-%s-%u", report->slug, slug, n));
    }
    Q_TRY(q_grow(&report->headings, &report->heading_capacity, report->heading_count + 1, sizeof heading));
    report->headings[report->heading_count++] = heading;
    return Q_OK;
}

q_status q_report_create(const char *title, struct q_report **out)
{
    struct q_report *report;
    Q_TRY(q_alloc_zero(1, sizeof *report, &report));
    q_status status = q_arena_cstring(&report->arena, q_string_of(title), &report->title);
    if (status == Q_OK)
        status = q_report_slug(&report->arena, title, &report->slug);
    if (status != Q_OK) {
        q_report_release(report);
        return status;
    }
    *out = report;
    return Q_OK;
}

void q_report_release(struct q_report *report)
{
    if (!report)
        return;
    q_buffer_release(&report->body);
    q_release(report->headings);
    q_arena_release(&report->arena);
    q_release(report);
}

static q_status heading(struct q_report *report, const char *text)
{
    const char *copy;
    Q_TRY(q_arena_cstring(&report->arena, q_string_of(text), &copy));
    return add_heading(report, 0, NULL, copy);
}

void q_report_heading(struct q_report *report, const char *text)
{
    q_report_block(report);
    if (report->error.status == Q_OK)
        q_report_note(report, heading(report, text));
}

/* Takes the headings of a fragment into the contents. A fragment is our own output (q_report_fragment), where a
 * heading is exactly <h2 id="ID">TEXT</h2> or <h3 ...>; what does not look like that is no heading. */
static q_status list_inserted(struct q_report *report, q_string fragment)
{
    static const q_string open[] = {Q_STRING("<h2 id=\""), Q_STRING("<h3 id=\"")};
    for (size_t at = 0; at < fragment.size;) {
        size_t found[2] = {q_string_find(fragment, open[0], at), q_string_find(fragment, open[1], at)};
        unsigned level = found[0] < found[1] ? 2 : 3;
        size_t from = Q_MIN(found[0], found[1]);
        if (from == SIZE_MAX)
            return Q_OK;
        from += open[0].size;
        size_t id_end = q_string_find(fragment, Q_STRING("\">"), from);
        size_t text_end = id_end == SIZE_MAX ? SIZE_MAX : q_string_find(fragment, Q_STRING("</h"), id_end);
        if (text_end == SIZE_MAX)
            return Q_OK;
        const char *id, *text;
        Q_TRY(q_arena_cstring(&report->arena, q_string_slice(fragment, from, id_end), &id));
        Q_TRY(q_arena_cstring(&report->arena, q_string_slice(fragment, id_end + 2, text_end), &text));
        Q_TRY(add_heading(report, level, id, text));
        at = text_end;
    }
    return Q_OK;
}

void q_report_insert(struct q_report *report, q_string fragment)
{
    q_report_block(report);
    if (report->error.status != Q_OK)
        return;
    q_status status = list_inserted(report, fragment);
    if (status == Q_OK)
        status = q_buffer_append_string(&report->body, fragment);
    q_report_note(report, status);
}

/* The body with its own headings written out at `level`. */
static q_status append_body(const struct q_report *report, unsigned level, struct q_buffer *out)
{
    size_t at = 0;
    q_string body = q_buffer_string(&report->body);
    for (size_t i = 0; i < report->heading_count; i++) {
        const struct q_report_heading *heading = &report->headings[i];
        if (heading->level)
            continue;
        Q_TRY(q_buffer_append_string(out, q_string_slice(body, at, heading->offset)));
        at = heading->offset;
        Q_TRY(q_buffer_printf(out, "<h%u id=\"%s\">", level, heading->id));
        Q_TRY(append_escaped(out, q_string_of(heading->text)));
        Q_TRY(q_buffer_printf(out, "</h%u>\n", level));
    }
    return q_buffer_append_string(out, q_string_slice(body, at, body.size));
}

/* The list of contents: own sections and inserted chapters on the first level, chapters' sections below them. */
static q_status append_contents(const struct q_report *report, struct q_buffer *out)
{
    if (report->heading_count < 2)
        return Q_OK;
    Q_TRY(q_buffer_append_string(out, Q_STRING("<nav aria-label=\"Contents\">\n<ul>\n")));
    for (size_t i = 0; i < report->heading_count; i++) {
        const struct q_report_heading *heading = &report->headings[i];
        Q_TRY(q_buffer_printf(out, "<li%s><a href=\"#%s\">", heading->level == 3 ? " class=\"sub\"" : "", heading->id));
        q_string text = q_string_of(heading->text);
        Q_TRY(heading->level ? q_buffer_append_string(out, text) : append_escaped(out, text));
        Q_TRY(q_buffer_append_string(out, Q_STRING("</a></li>\n")));
    }
    return q_buffer_append_string(out, Q_STRING("</ul>\n</nav>\n"));
}

static q_status append_page(const struct q_report *report, struct q_buffer *out)
{
    Q_TRY(q_buffer_append_string(
        out, Q_STRING("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>")));
    Q_TRY(append_escaped(out, q_string_of(report->title)));
    Q_TRY(q_buffer_append_string(out, Q_STRING("</title>\n<style>\n")));
    Q_TRY(q_buffer_append_string(out, q_string_of(q_report_style)));
    Q_TRY(q_buffer_append_string(out, Q_STRING("</style>\n</head>\n<body>\n<header><h1>")));
    Q_TRY(append_escaped(out, q_string_of(report->title)));
    Q_TRY(q_buffer_append_string(out, Q_STRING("</h1></header>\n")));
    Q_TRY(append_contents(report, out));
    Q_TRY(q_buffer_append_string(out, Q_STRING("<main>\n")));
    Q_TRY(append_body(report, 2, out));
    return q_buffer_append_string(out, Q_STRING("</main>\n</body>\n</html>\n"));
}

q_status q_report_fragment(struct q_report *report, struct q_buffer *out)
{
    q_report_block(report);
    if (report->error.status != Q_OK)
        return q_error_put(&report->error);
    Q_TRY(q_buffer_printf(out, "<section class=\"chapter\">\n<h2 id=\"%s\">", report->slug));
    Q_TRY(append_escaped(out, q_string_of(report->title)));
    Q_TRY(q_buffer_append_string(out, Q_STRING("</h2>\n")));
    Q_TRY(append_body(report, 3, out));
    return q_buffer_append_string(out, Q_STRING("</section>\n"));
}

q_status q_report_publish(struct q_report *report, const char *path)
{
    q_report_block(report);
    if (report->error.status != Q_OK)
        return q_context(q_error_put(&report->error), "report '%s'", path);
    struct q_buffer page = {0};
    q_status status = append_page(report, &page);
    if (status == Q_OK)
        status = q_publish_bytes(path, page.data, page.size, NULL);
    q_buffer_release(&page);
    return q_context(status, "report '%s'", path);
}
