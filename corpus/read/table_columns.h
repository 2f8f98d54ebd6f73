/* The columns of a table as members of a JSON object: a row of CSV or Parquet becomes the line of JSON that would say the same, and from there on it is one.
 *
 * Reasons (failed, for the table as a whole): no-text-column: there is no column of the name that the recipe gives; table-header: names that cannot be
 * members of one object (two columns of one name, not UTF-8, longer than TABLE_NAME_BYTES_MAX). A column without a name is left out: it has no member to go
 * to.
 */
#ifndef QUERN_CORPUS_TABLE_COLUMNS_H
#define QUERN_CORPUS_TABLE_COLUMNS_H

#include "base/memory.h"

enum { TABLE_NAME_BYTES_MAX = 127 }; /* a member with a longer name is not kept in meta either */

struct table_column {
    size_t name_at, name_size;     /* in `bytes` */
    size_t member_at, member_size; /* ,"NAME": in `bytes`; nothing where the column has no name */
};

struct table_columns {
    struct q_buffer bytes;
    struct table_column *items;
    size_t count, capacity;
};

void table_columns_release(struct table_columns *columns);
q_status table_columns_add(struct table_columns *columns, q_string name) Q_MUST_USE;

/* *reason is NULL where rows can be read; else why not, and `note` says what is wrong. *text: which column is the text. */
q_status table_columns_judge(const struct table_columns *columns, const char *text_field, char *note, size_t note_size,
                             const char **reason, size_t *text) Q_MUST_USE;

static inline q_string table_column_name(const struct table_columns *columns, size_t i)
{
    return (q_string){columns->bytes.data + columns->items[i].name_at, columns->items[i].name_size};
}

/* The beginning of the column's member, with a comma that the object's first member has to change into its brace. */
static inline q_string table_column_member(const struct table_columns *columns, size_t i)
{
    return (q_string){columns->bytes.data + columns->items[i].member_at, columns->items[i].member_size};
}

#endif
