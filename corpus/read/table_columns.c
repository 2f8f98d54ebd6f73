#include "corpus/read/table_columns.h"

#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>

void table_columns_release(struct table_columns *columns)
{
    q_buffer_release(&columns->bytes);
    q_release(columns->items);
    *columns = (struct table_columns){0};
}

q_status table_columns_add(struct table_columns *columns, q_string name)
{
    struct q_buffer *bytes = &columns->bytes;
    struct table_column column = {.name_at = bytes->size, .name_size = name.size};
    Q_TRY(q_buffer_append_string(bytes, name));
    column.member_at = bytes->size;
    if (name.size) {
        Q_TRY(q_buffer_append_string(bytes, Q_STRING(",\"")));
        Q_TRY(q_json_append_escaped(bytes, name));
        Q_TRY(q_buffer_append_string(bytes, Q_STRING("\":")));
    }
    column.member_size = bytes->size - column.member_at;
    Q_TRY(q_grow(&columns->items, &columns->capacity, columns->count + 1, sizeof *columns->items));
    columns->items[columns->count++] = column;
    return Q_OK;
}

static int compare(const void *a, const void *b)
{
    return q_string_compare(*(const q_string *)a, *(const q_string *)b);
}

/* *twice: a name that two columns have, in its place among the sorted ones; SIZE_MAX: none. */
static q_status find_twice(const struct table_columns *columns, q_string *twice)
{
    q_string *names;
    *twice = (q_string){0};
    Q_TRY(q_alloc(columns->count, sizeof *names, &names));
    for (size_t i = 0; i < columns->count; i++)
        names[i] = table_column_name(columns, i);
    qsort(names, columns->count, sizeof *names, compare);
    for (size_t i = 1; i < columns->count && !twice->size; i++)
        if (q_string_equal(names[i - 1], names[i]))
            *twice = names[i]; /* none is two columns without a name */
    q_release(names);
    return Q_OK;
}

/* Names for a person to read: up to the first few, on one line. */
static void show_names(const struct table_columns *columns, char *note, size_t size)
{
    enum { SHOWN_BYTES = 24 };
    size_t at = strlen(note);
    for (size_t i = 0; i < columns->count && at + SHOWN_BYTES + 8 < size; i++) {
        q_string name = q_string_slice(table_column_name(columns, i), 0, SHOWN_BYTES);
        at += (size_t)snprintf(note + at, size - at, "%s'", i ? ", " : "");
        for (size_t k = 0; k < name.size; k++)
            note[at++] = (unsigned char)name.data[k] < 0x20 ? '?' : name.data[k];
        at += (size_t)snprintf(note + at, size - at, "'");
        if (i + 1 < columns->count && at + SHOWN_BYTES + 8 >= size)
            snprintf(note + at, size - at, " ...");
    }
}

q_status table_columns_judge(const struct table_columns *columns, const char *text_field, char *note, size_t note_size,
                             const char **reason, size_t *text)
{
    q_string twice;
    *reason = "table-header";
    *text = SIZE_MAX;
    for (size_t i = 0; i < columns->count; i++) {
        q_string name = table_column_name(columns, i);
        if (!q_utf8_valid(name))
            return snprintf(note, note_size, "the name of column %zu is not UTF-8", i + 1), Q_OK;
        if (name.size > TABLE_NAME_BYTES_MAX)
            return snprintf(note, note_size, "the name of column %zu is longer than %d bytes; is there a header?",
                            i + 1, TABLE_NAME_BYTES_MAX),
                   Q_OK;
        if (q_string_is(name, text_field))
            *text = i;
    }
    Q_TRY(find_twice(columns, &twice));
    if (twice.size)
        return snprintf(note, note_size, "two columns are named '%.*s'", Q_STRING_ARGS(twice)), Q_OK;
    *reason = NULL;
    if (*text != SIZE_MAX)
        return Q_OK;
    *reason = "no-text-column";
    snprintf(note, note_size, "no column is named '%s'; say which one is the text with text_field: ", text_field);
    show_names(columns, note, note_size);
    return Q_OK;
}
