/* Rows of a Parquet file as lines of JSON: Arrow C++ behind a C face (parquet_arrow.cc), in builds that have it (QUERN_ARROW).
 *
 * Read are the text's column and those that become members: texts, numbers (decimals too), booleans, dates and timestamps (texts as in ISO 8601, "Z" behind
 * them where the column has a time zone), lists and structs of these; nulls are null. Columns of other types (bytes, maps, times) are left out, each said
 * once. Bytes are taken as the text, for old writers mark nothing as UTF-8; what is not UTF-8 is left for who reads the line.
 *
 * Memory: pages and batches of one row group, held to memory_max, and a line. Reading starts no threads (an allocator in Arrow may have one), and nothing
 * of C++ comes out: exceptions are failures.
 */
#ifndef QUERN_CORPUS_PARQUET_H
#define QUERN_CORPUS_PARQUET_H

#include "base/memory.h"

enum { PARQUET_NOTE_MAX = 160, PARQUET_FOOTER_BYTES_MAX = 16 << 20 };

/* Where the file's bytes come from. read gives all of `size` bytes, or false: the machine failed, and `status` says why. Both outlive the file. */
struct parquet_source {
    void *context;
    uint64_t size;
    bool (*read)(void *context, uint64_t offset, void *bytes, size_t size, q_status *status);
};

struct parquet_options {
    const char *text_field;
    uint64_t memory_max; /* bytes */
    uint64_t
        line_max; /* bytes of a line: what of a row would make a longer one is left out, so that it is longer, but not by much */
};

struct parquet_file;

enum parquet_step {
    PARQUET_ROW,
    PARQUET_BAD,      /* a row group, from this row on; the next call goes on with the next one */
    PARQUET_LEFT_OUT, /* a column, behind the last row */
    PARQUET_END
};

/* What came of a call. */
struct parquet_result {
    enum parquet_step step;
    uint64_t unpacked;  /* of BAD: bytes that were unpacked in vain */
    uint64_t row;       /* of ROW and BAD: its number in the file, from 0. Of LEFT_OUT and END: behind the last one */
    const char *reason; /* of BAD, and of opening: parquet-damaged, too-large, those of table_columns.h */
    char note[PARQUET_NOTE_MAX]; /* what is wrong; the name of a column left out */
};

/* result->reason is NULL where the file can be read; else *out is NULL. Fails for the machine's reasons only. */
q_status parquet_open(const struct parquet_source *source, const struct parquet_options *options,
                      struct parquet_file **out, struct parquet_result *result) Q_MUST_USE;
/* A row's line is appended to `line`, without an end. */
q_status parquet_next(struct parquet_file *file, struct q_buffer *line, struct parquet_result *result) Q_MUST_USE;
uint64_t parquet_rows(const struct parquet_file *file); /* as the file says */
void parquet_close(struct parquet_file *file);          /* NULL is allowed */

#endif
