#include "tests/corpus/plain_table.h"

#include "base/check.h"
#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>

enum { HEADER_BYTES_MAX = 64 * 1024 };

static void must(q_status status)
{
    if (status == Q_OK)
        return;
    fprintf(stderr, "plain_table: %s\n", q_error_text());
    abort();
}

void table_item_line(const struct corpus_item *item, struct q_buffer *out)
{
    must(q_buffer_printf(out, "%llu ", (unsigned long long)item->index));
    if (!item->reason)
        must(q_buffer_printf(out, "%llu: %.*s\n", (unsigned long long)item->in_bytes, Q_STRING_ARGS(item->bytes)));
    else if (strcmp(item->reason, "table-header") == 0 || strcmp(item->reason, "no-text-column") == 0)
        must(q_buffer_printf(out, "%c%s\n", item->failed ? '!' : '-', item->reason));
    else
        must(q_buffer_printf(out, "%llu %c%s: %s\n", (unsigned long long)item->in_bytes, item->failed ? '!' : '-',
                             item->reason, item->note ? item->note : ""));
}

struct plain {
    q_string bytes;
    char delimiter;
    bool tabs;
    const struct q_buffer *columns; /* NULL: of the header itself */
    size_t column_count;
    struct q_buffer *fields; /* of the row at hand, as they are */
    size_t field_count, capacity;
    struct q_buffer json;
    const char *wrong;
};

static bool is_lost(const struct plain *p)
{
    return p->wrong || p->field_count > p->column_count;
}

/* JSON of one byte, by the rules and no table. */
static void put(struct plain *p, char byte)
{
    if (!p->columns) {
        must(q_buffer_append_byte(&p->fields[p->field_count - 1], byte));
        return;
    }
    if (is_lost(p) || !p->columns[p->field_count - 1].size)
        return;
    unsigned char c = (unsigned char)byte;
    const char *named = strchr("\"\"\\\\\bb\ff\nn\rr\tt", c);
    if (c && named && (c == '"' || c == '\\' || c < 0x20))
        must(q_buffer_printf(&p->json, "\\%c", c == '"' || c == '\\' ? c : named[1]));
    else if (c < 0x20)
        must(q_buffer_printf(&p->json, "\\u%04x", c));
    else
        must(q_buffer_append_byte(&p->json, byte));
}

static void begin_field(struct plain *p)
{
    must(q_grow(&p->fields, &p->capacity, p->field_count + 1, sizeof *p->fields));
    p->fields[p->field_count++] = (struct q_buffer){0};
    if (!p->columns || is_lost(p) || !p->columns[p->field_count - 1].size)
        return;
    must(q_buffer_printf(&p->json, "%c", p->json.size ? ',' : '{'));
    must(q_buffer_append_byte(&p->json, '"'));
    must(q_json_append_escaped(&p->json, q_buffer_string(&p->columns[p->field_count - 1])));
    must(q_buffer_append_string(&p->json, Q_STRING("\":\"")));
}

static void end_field(struct plain *p)
{
    if (p->columns && !is_lost(p) && p->columns[p->field_count - 1].size)
        must(q_buffer_append_byte(&p->json, '"'));
}

/* Up to the delimiter, LF or the end; CRs before LF and the end are not put. */
static size_t plain_text(struct plain *p, size_t at, bool *blank)
{
    const q_string b = p->bytes;
    size_t to = at, put_to;
    while (to < b.size && b.data[to] != p->delimiter && b.data[to] != '\n')
        to++;
    put_to = to;
    if (to == b.size || b.data[to] == '\n')
        while (put_to > at && b.data[put_to - 1] == '\r')
            put_to--;
    *blank = *blank && put_to == at;
    for (; at < put_to; at++)
        put(p, b.data[at]);
    return to;
}

/* From behind the opening quote to what follows the field. */
static size_t quoted_text(struct plain *p, size_t at, bool *blank)
{
    const q_string b = p->bytes;
    *blank = false;
    for (;; at++) {
        if (at == b.size) {
            p->wrong = "a quote is left open";
            return at;
        }
        if (b.data[at] == '"' && at + 1 < b.size && b.data[at + 1] == '"')
            at++;
        else if (b.data[at] == '"')
            break;
        put(p, b.data[at]);
    }
    size_t behind = at + 1;
    while (behind < b.size && b.data[behind] == '\r')
        behind++;
    if (behind == b.size || b.data[behind] == '\n')
        return behind;
    if (behind == at + 1 && b.data[behind] == p->delimiter)
        return behind;
    p->wrong = "text behind a closing quote";
    return plain_text(p, behind, blank);
}

static void release_fields(struct q_buffer *fields, size_t count)
{
    for (size_t i = 0; i < count; i++)
        q_buffer_release(&fields[i]);
}

/* The row that begins at `at`; what is returned is its LF, or the end. */
static size_t read_row(struct plain *p, size_t at, bool *blank)
{
    const q_string b = p->bytes;
    release_fields(p->fields, p->field_count);
    p->field_count = 0;
    p->wrong = NULL;
    q_buffer_clear(&p->json);
    *blank = true;
    for (;;) {
        begin_field(p);
        at = !p->tabs && at < b.size && b.data[at] == '"' ? quoted_text(p, at + 1, blank) : plain_text(p, at, blank);
        bool ends = at == b.size || b.data[at] == '\n';
        end_field(p);
        if (ends)
            return at;
        *blank = false;
        at++;
    }
}

static void choose_delimiter(struct plain *p, bool tabs)
{
    size_t commas = 0, semicolons = 0, tab_count = 0;
    bool quoted = false, begun = false;
    const q_string b = q_string_slice(p->bytes, 0, HEADER_BYTES_MAX);
    for (size_t i = 0; i < b.size; i++) {
        if (b.data[i] == '\n' && begun && !quoted)
            break;
        begun = begun || (b.data[i] != '\n' && b.data[i] != '\r');
        quoted = quoted != (b.data[i] == '"');
        commas += b.data[i] == ',' && !quoted;
        semicolons += b.data[i] == ';' && !quoted;
        tab_count += b.data[i] == '\t' && !quoted;
    }
    p->delimiter = commas >= semicolons && commas >= tab_count ? ',' : semicolons >= tab_count ? ';' : '\t';
    p->tabs = tabs;
    if (tabs)
        p->delimiter = '\t';
}

static const char *judge_header(const struct plain *p, size_t size, const char *text_field)
{
    bool text = false;
    if (p->wrong || size > HEADER_BYTES_MAX)
        return "table-header";
    for (size_t i = 0; i < p->field_count; i++) {
        q_string name = q_buffer_string(&p->fields[i]);
        if (!q_utf8_valid(name) || name.size > 127 || (name.size && memchr(name.data, 0, name.size)))
            return "table-header";
        for (size_t k = 0; k < i; k++)
            if (name.size && q_string_equal(name, q_buffer_string(&p->fields[k])))
                return "table-header";
        text = text || q_string_is(name, text_field);
    }
    return text ? NULL : "no-text-column";
}

static void give_row(struct plain *p, uint64_t row, size_t from, size_t to, uint64_t max, struct q_buffer *out)
{
    char note[160] = "", wrong[64];
    bool too_large = to - from > max || p->json.size >= max;
    snprintf(wrong, sizeof wrong, "%zu fields, the header has %zu", p->field_count, p->column_count);
    struct corpus_item item = {.index = row - 2, .in_bytes = to - from, .failed = true, .note = note};
    item.reason = too_large                           ? "too-large"
                  : p->wrong                          ? "row-quote"
                  : p->field_count != p->column_count ? "row-fields"
                                                      : NULL;
    snprintf(note, sizeof note, "row %llu, at byte %zu: %s", (unsigned long long)row, from,
             too_large  ? "it is larger than corpus.item_bytes_max"
             : p->wrong ? p->wrong
                        : wrong);
    must(q_buffer_append_byte(&p->json, '}'));
    item.bytes = q_buffer_string(&p->json);
    table_item_line(&item, out);
}

static size_t next_row(struct plain *p, size_t at, size_t *from, bool *found)
{
    bool blank = true;
    while (at < p->bytes.size && blank) {
        *from = at;
        at = read_row(p, at, &blank);
        if (blank)
            at += at < p->bytes.size;
    }
    *found = !blank;
    return at;
}

void plain_table(q_string bytes, bool tabs, const char *text_field, uint64_t max, struct q_buffer *out)
{
    struct plain p = {.bytes = bytes};
    size_t from = 0, at = q_string_starts(bytes, "\xEF\xBB\xBF") ? 3 : 0;
    bool found;
    p.bytes = q_string_slice(bytes, at, bytes.size);
    choose_delimiter(&p, tabs);
    p.bytes = bytes;
    at = next_row(&p, at, &from, &found);
    const char *reason = found ? judge_header(&p, at - from, text_field) : "empty";
    struct q_buffer *columns = p.fields;
    p.column_count = p.field_count;
    p.columns = columns;
    p.fields = NULL;
    p.field_count = p.capacity = 0;
    uint64_t rows = 1;
    while (!reason && (at = next_row(&p, at + 1, &from, &found), found))
        give_row(&p, ++rows, from, at, max, out);
    if (!reason && rows == 1)
        reason = "empty";
    if (reason)
        table_item_line(&(struct corpus_item){.reason = reason, .failed = strcmp(reason, "empty") != 0}, out);
    release_fields(p.fields, p.field_count);
    release_fields(columns, p.column_count);
    q_release(columns);
    q_release(p.fields);
    q_buffer_release(&p.json);
}
