/* The plain twin of reader_table.c: CSV and TSV with all bytes in sight, one character after the other. */
#ifndef QUERN_TESTS_PLAIN_TABLE_H
#define QUERN_TESTS_PLAIN_TABLE_H

#include "base/memory.h"
#include "corpus/read/reader.h"

/* Appends the items as lines, as table_item_line writes them. tabs: the delimiter is the tab, else the header row decides. max: item_bytes_max. */
void plain_table(q_string bytes, bool tabs, const char *text_field, uint64_t max, struct q_buffer *out);

/* "INDEX BYTES: {...}", or "INDEX BYTES !reason: note"; of what holds for a whole table, and of the bytes of that, only the reason. */
void table_item_line(const struct corpus_item *item, struct q_buffer *out);

#endif
