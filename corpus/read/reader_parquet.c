/* A level of rows of Parquet. Each row is an item, as a line of JSON, and the row's number in the file is the item's, whatever is damaged before it: pieces
 * by row groups would know theirs. Behind the last row there is one item for each column that was left out (dropped as "column", by its name).
 *
 * Reasons (failed): parquet-damaged: a file or a row group that Arrow cannot read; too-large: a row, or a row group that would take more memory than there is
 * for it; no-arrow: this program was built without it; those of table_columns.h. Reasons (dropped): column.
 */
#include "corpus/read/parquet.h"

#include "base/check.h"
#include "base/fs.h"
#include "base/json.h"
#include "corpus/read/reader_level.h"

#include <stdio.h>

#ifdef QUERN_ARROW

bool corpus_reads_parquet(void)
{
    return true;
}

enum { MEMORY_BYTES_MIN = 512 << 20, MEMORY_ITEMS = 8 };

struct corpus_parquet {
    struct parquet_source source;
    struct parquet_file *file;
    struct parquet_result result; /* of the last call; its note is what items point to */
    uint64_t first;               /* index of the first row */
};

static bool read_bytes(void *context, uint64_t offset, void *bytes, size_t size, q_status *status)
{
    struct corpus_level *level = context;
    struct corpus_reader *reader = level->reader;
    if (level->whole) {
        q_check(offset <= level->head.size && size <= level->head.size - offset);
        memcpy(bytes, level->head.data + offset, size);
        return true;
    }
    if (reader->status == Q_OK)
        reader->status = q_fs_read_at(reader->fd, reader->path, offset, bytes, size);
    *status = reader->status;
    return reader->status == Q_OK;
}

q_status corpus_parquet_open(struct corpus_level *level, const char **reason)
{
    struct corpus_reader *reader = level->reader;
    struct corpus_parquet *p;
    Q_TRY(q_alloc_zero(1, sizeof *p, &level->parquet));
    p = level->parquet;
    p->first = reader->index;
    p->source = (struct parquet_source){level, level->whole ? level->head.size : reader->size, read_bytes};
    const struct parquet_options options = {
        .text_field = reader->options.text_field ? reader->options.text_field : "text",
        .memory_max = Q_MAX((uint64_t)MEMORY_BYTES_MIN, MEMORY_ITEMS * reader->options.item_bytes_max),
        .line_max = reader->options.item_bytes_max};
    Q_TRY(parquet_open(&p->source, &options, &p->file, &p->result));
    *reason = p->result.reason;
    if (*reason)
        snprintf(reader->note, sizeof reader->note, "%s", p->result.note);
    return Q_OK;
}

void corpus_parquet_release(struct corpus_parquet *p)
{
    if (!p)
        return;
    parquet_close(p->file);
    q_release(p);
}

/* How far the file is read, by its rows: they are not read in the order of its bytes. */
static void note_position(struct corpus_level *level)
{
    struct corpus_parquet *p = level->parquet;
    struct corpus_reader *reader = level->reader;
    uint64_t rows = parquet_rows(p->file);
    if (!level->outer && rows)
        reader->offset = (uint64_t)((double)reader->size * ((double)p->result.row / (double)rows));
}

static void refuse(struct corpus_level *level, const char *reason, const char *wrong, struct corpus_item *item)
{
    struct corpus_reader *reader = level->reader;
    snprintf(reader->note, sizeof reader->note, "row %llu: %s", (unsigned long long)level->parquet->result.row, wrong);
    corpus_item_refuse(reader, item, reason, true, reader->bytes.size);
}

/* A column's name behind the file's. */
static q_status leave_out(struct corpus_level *level, struct corpus_item *item)
{
    struct corpus_reader *reader = level->reader;
    uint64_t replaced;
    if (reader->name.size)
        Q_TRY(q_buffer_append_byte(&reader->name, '/'));
    Q_TRY(q_utf8_repair(q_string_of(level->parquet->result.note), &reader->name, &replaced));
    corpus_item_refuse(reader, item, "column", false, 0);
    return Q_OK;
}

q_status corpus_parquet_next(struct corpus_level *level, struct corpus_item *item, bool *ended)
{
    struct corpus_parquet *p = level->parquet;
    struct corpus_reader *reader = level->reader;
    struct q_buffer *line = &reader->bytes;
    q_buffer_clear(line);
    Q_TRY(parquet_next(p->file, line, &p->result));
    note_position(level);
    *ended = p->result.step == PARQUET_END;
    reader->index = Q_MAX(reader->index, p->first + p->result.row);
    if (*ended && reader->index == p->first) { /* nothing at all: said, so that no file goes unmentioned */
        *ended = false;
        corpus_item_refuse(reader, item, "empty", false, 0);
    } else if (p->result.step == PARQUET_LEFT_OUT) {
        return leave_out(level, item);
    } else if (!*ended && !corpus_count_unpacked(reader, level, line->size + p->result.unpacked)) {
        *ended = true; /* few bytes can say that a value comes a billion times; what is of no use counts as well */
    } else if (p->result.step == PARQUET_BAD) {
        refuse(level, p->result.reason, p->result.note, item);
    } else if (p->result.step == PARQUET_ROW && line->size > reader->options.item_bytes_max) {
        refuse(level, "too-large", "it is larger than corpus.item_bytes_max", item);
    } else if (p->result.step == PARQUET_ROW) {
        corpus_item_begin(reader, item);
        item->format = CORPUS_PARQUET;
        item->bytes = q_buffer_string(line);
        item->in_bytes = line->size;
    }
    return Q_OK;
}

#else

bool corpus_reads_parquet(void)
{
    return false;
}

struct corpus_parquet {
    char unused;
};

q_status corpus_parquet_open(struct corpus_level *level, const char **reason)
{
    *reason = "no-arrow";
    snprintf(level->reader->note, sizeof level->reader->note,
             "this program was built without Arrow C++, which reads Parquet; 'make' says what it looks for");
    return Q_OK;
}

void corpus_parquet_release(struct corpus_parquet *p)
{
    q_check(!p);
}

q_status corpus_parquet_next(struct corpus_level *level, struct corpus_item *item, bool *ended)
{
    (void)level, (void)item;
    *ended = true;
    return Q_OK;
}

#endif
