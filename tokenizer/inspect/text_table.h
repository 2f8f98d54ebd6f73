/* A table for people, on a terminal: columns as wide as their widest cell, numbers to the right.
 *
 *     struct text_table table = {.columns = 3};
 *     Q_TRY(text_table_put(&table, "language"));       the first row is the header; then cell by cell
 *     Q_TRY(text_table_print(&table, &buffer));
 */
#ifndef QUERN_TOKENIZER_TEXT_TABLE_H
#define QUERN_TOKENIZER_TEXT_TABLE_H

#include "base/memory.h"
#include "base/status.h"

#include <stddef.h>

/* Ready when zeroed but for `columns`. cells and q_report's struct q_table have the same form: cells[columns] is the first cell below the header. */
struct text_table {
    size_t columns;
    const char **cells; /* [count], row by row */
    size_t count, capacity;
    struct q_arena arena;
};

void text_table_release(struct text_table *table);
/* The next cell, in reading order. */
q_status text_table_put(struct text_table *table, const char *format, ...) Q_PRINTF(2, 3) Q_MUST_USE;
/* Whole rows only. A column whose cells below the header all begin with a digit, "-" or nothing is written to the right; the width of a cell is its number of
 * code points. */
q_status text_table_print(const struct text_table *table, struct q_buffer *out) Q_MUST_USE;

/* A whole number with commas, into an array of at least 32 bytes; returns it. */
char *text_grouped(char *out, uint64_t number);

#endif
