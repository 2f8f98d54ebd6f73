#include "tokenizer/inspect/text_table.h"

#include "base/check.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

enum { GAP = 2, CELL_BYTES = 512 };

void text_table_release(struct text_table *table)
{
    q_release(table->cells);
    q_arena_release(&table->arena);
    *table = (struct text_table){.columns = table->columns};
}

q_status text_table_put(struct text_table *table, const char *format, ...)
{
    char text[CELL_BYTES];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments); /* longer ones are cut */
    va_end(arguments);
    Q_TRY(q_grow(&table->cells, &table->capacity, table->count + 1, sizeof(*table->cells)));
    Q_TRY(q_arena_cstring(&table->arena, q_string_of(text), &table->cells[table->count]));
    table->count++;
    return Q_OK;
}

static size_t width_of(const char *cell)
{
    size_t width = 0;
    for (; *cell; cell++)
        width += ((uint8_t)*cell & 0xC0) != 0x80;
    return width;
}

static bool is_number(const char *cell)
{
    return !*cell || *cell == '-' || (*cell >= '0' && *cell <= '9');
}

static q_status put_blanks(struct q_buffer *out, size_t count)
{
    while (count-- > 0)
        Q_TRY(q_buffer_append_byte(out, ' '));
    return Q_OK;
}

static q_status print_row(const struct text_table *table, const char *const *cells, const size_t *widths,
                          const bool *numbers, struct q_buffer *out)
{
    for (size_t column = 0; column < table->columns; column++) {
        size_t blanks = widths[column] - width_of(cells[column]);
        if (numbers[column])
            Q_TRY(put_blanks(out, blanks));
        Q_TRY(q_buffer_append_string(out, q_string_of(cells[column])));
        if (column + 1 < table->columns)
            Q_TRY(put_blanks(out, (numbers[column] ? 0 : blanks) + GAP));
    }
    return q_buffer_append_byte(out, '\n');
}

q_status text_table_print(const struct text_table *table, struct q_buffer *out)
{
    size_t columns = table->columns, *widths;
    bool *numbers;
    q_status status = Q_OK;
    q_check(columns > 0 && table->count % columns == 0);
    Q_TRY(q_alloc_zero(columns, sizeof(*widths) + sizeof(*numbers), &widths));
    numbers = (bool *)(widths + columns);
    for (size_t i = 0; i < columns; i++)
        numbers[i] = true;
    for (size_t i = 0; i < table->count; i++) {
        widths[i % columns] = Q_MAX(widths[i % columns], width_of(table->cells[i]));
        numbers[i % columns] = numbers[i % columns] && (i < columns || is_number(table->cells[i]));
    }
    for (size_t i = 0; i < table->count && !status; i += columns)
        status = print_row(table, table->cells + i, widths, numbers, out);
    q_release(widths);
    return status;
}

char *text_grouped(char *out, uint64_t number)
{
    char digits[24];
    int count = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)number), at = 0;
    for (int i = 0; i < count; i++) {
        if (i > 0 && (count - i) % 3 == 0)
            out[at++] = ',';
        out[at++] = digits[i];
    }
    out[at] = 0;
    return out;
}
