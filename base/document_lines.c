/* Lines out of a file, plain or zstd, in batches of whole ones. */
#include "base/check.h"
#include "base/document.h"
#include "base/fs.h"

#include <zstd.h>

enum { PIECE_BYTES = 1 << 17 };

struct q_lines_reader {
    int fd;
    char *path;
    bool started;       /* the first bytes were looked at */
    ZSTD_DStream *zstd; /* NULL: plain */
    bool in_frame;      /* zstd: a frame has begun and not ended */
    bool ended;         /* of the stored file */
    char *stored;       /* PIECE_BYTES of the file, of which [stored_at, stored_size) are not used yet */
    size_t stored_at, stored_size;
    uint64_t position; /* bytes of the stored file used */
    size_t line_bytes_max;
    struct q_buffer rest; /* the beginning of a line whose end was not in the last batch */
};

q_status q_lines_open(const char *path, struct q_lines_reader **out)
{
    struct q_lines_reader *reader;
    q_status status;
    size_t size = strlen(path) + 1;
    Q_TRY(q_alloc_zero(1, sizeof(*reader), &reader));
    reader->fd = -1;
    reader->line_bytes_max = Q_DOCUMENT_LINE_BYTES_MAX;
    Q_TRY_GOTO(failed, q_alloc(size, 1, &reader->path));
    memcpy(reader->path, path, size);
    Q_TRY_GOTO(failed, q_alloc(PIECE_BYTES, 1, &reader->stored));
    if (!strcmp(path, "-"))
        reader->fd = 0;
    else
        Q_TRY_GOTO(failed, q_fs_open_read(path, &reader->fd));
    *out = reader;
    return Q_OK;
failed:
    q_lines_close(reader);
    return status;
}

void q_lines_close(struct q_lines_reader *reader)
{
    if (!reader)
        return;
    if (reader->fd > 0)
        q_fs_close(reader->fd);
    ZSTD_freeDStream(reader->zstd);
    q_buffer_release(&reader->rest);
    q_release(reader->stored);
    q_release(reader->path);
    q_release(reader);
}

void q_lines_bound(struct q_lines_reader *reader, size_t line_bytes_max)
{
    reader->line_bytes_max = Q_MIN(line_bytes_max, (size_t)Q_DOCUMENT_LINE_BYTES_MAX);
}

uint64_t q_lines_position(const struct q_lines_reader *reader)
{
    return reader->position;
}

/* More of the stored file, where all before is used. */
static q_status read_stored(struct q_lines_reader *reader)
{
    if (reader->stored_at < reader->stored_size || reader->ended)
        return Q_OK;
    reader->stored_at = reader->stored_size = 0;
    Q_TRY(q_fs_read_some(reader->fd, reader->path, reader->stored, PIECE_BYTES, &reader->stored_size));
    reader->ended = reader->stored_size == 0;
    return Q_OK;
}

static bool begins_with(const struct q_lines_reader *reader, const char *magic, size_t count)
{
    return reader->stored_size >= count && memcmp(reader->stored, magic, count) == 0;
}

/* What the file is, by its first bytes. A skippable frame (0x184D2A50 to 5F) may come first in a zstd file. */
static q_status start(struct q_lines_reader *reader)
{
    size_t got = 1;
    reader->started = true;
    while (reader->stored_size < 4 && got > 0) { /* a pipe may give one byte */
        Q_TRY(q_fs_read_some(reader->fd, reader->path, reader->stored + reader->stored_size,
                             PIECE_BYTES - reader->stored_size, &got));
        reader->stored_size += got;
    }
    reader->ended = reader->stored_size == 0;
    if (begins_with(reader, "\x1f\x8b", 2) ||
        begins_with(reader,
                    "\xfd"
                    "7zX",
                    4) ||
        begins_with(reader, "BZh", 3))
        return q_fail(Q_ERR_INPUT, "'%s' is compressed in a way that is not read here; unpack it or use zstd",
                      reader->path);
    bool skippable = reader->stored_size >= 4 && ((unsigned char)reader->stored[0] & 0xf0) == 0x50 &&
                     memcmp(reader->stored + 1, "\x2a\x4d\x18", 3) == 0;
    if (!skippable && !begins_with(reader, "\x28\xb5\x2f\xfd", 4))
        return Q_OK;
    reader->zstd = ZSTD_createDStream();
    if (!reader->zstd)
        return q_fail(Q_ERR_MEMORY, "out of memory for zstd");
    return Q_OK;
}

static q_status add_plain(struct q_lines_reader *reader, struct q_buffer *batch)
{
    size_t count = reader->stored_size - reader->stored_at;
    Q_TRY(q_buffer_append(batch, reader->stored + reader->stored_at, count));
    reader->stored_at += count;
    reader->position += count;
    return Q_OK;
}

static q_status add_zstd(struct q_lines_reader *reader, struct q_buffer *batch)
{
    Q_TRY(q_buffer_reserve(batch, PIECE_BYTES));
    ZSTD_inBuffer in = {reader->stored, reader->stored_size, reader->stored_at};
    ZSTD_outBuffer out = {batch->data + batch->size, PIECE_BYTES, 0};
    size_t result = ZSTD_decompressStream(reader->zstd, &out, &in);
    if (ZSTD_isError(result))
        return q_fail(Q_ERR_INPUT, "'%s' is damaged: zstd says '%s'", reader->path, ZSTD_getErrorName(result));
    /* At the file's end the decoder may still have bytes to give out; where it has none, it waits for what was cut off. */
    if (reader->ended && result != 0 && out.pos == 0)
        return q_fail(Q_ERR_INPUT, "'%s' is cut short", reader->path);
    reader->in_frame = result != 0;
    reader->position += in.pos - reader->stored_at;
    reader->stored_at = in.pos;
    batch->size += out.pos;
    return Q_OK;
}

/* Adds some bytes behind the batch; *more = false at the end. */
static q_status add_bytes(struct q_lines_reader *reader, struct q_buffer *batch, bool *more)
{
    if (!reader->started)
        Q_TRY(start(reader));
    Q_TRY(read_stored(reader));
    *more = !reader->ended || reader->in_frame;
    if (!*more)
        return Q_OK;
    return reader->zstd ? add_zstd(reader, batch) : add_plain(reader, batch);
}

/* The last line end in bytes [from, size); SIZE_MAX: none. */
static size_t last_line_end(const struct q_buffer *batch, size_t from)
{
    const char *found = batch->size > from ? memrchr(batch->data + from, '\n', batch->size - from) : NULL;
    return found ? (size_t)(found - batch->data) : SIZE_MAX;
}

q_status q_lines_next(struct q_lines_reader *reader, size_t bytes, struct q_buffer *batch)
{
    size_t looked = 0, end = SIZE_MAX;
    bool more = true;
    q_buffer_clear(batch);
    Q_TRY(q_buffer_append_string(batch, q_buffer_string(&reader->rest)));
    q_buffer_clear(&reader->rest);
    while (more && (batch->size < bytes || end == SIZE_MAX)) {
        Q_TRY(add_bytes(reader, batch, &more));
        /* The rest has no line end; only what is new can have one, and the latest one counts. */
        size_t later = last_line_end(batch, looked);
        end = later != SIZE_MAX ? later : end;
        looked = batch->size;
        size_t line = batch->size - (end != SIZE_MAX ? end + 1 : 0);
        if (line > Q_DOCUMENT_LINE_BYTES_MAX)
            return q_fail(Q_ERR_INPUT, "'%s' has a line longer than 1 GiB", reader->path);
        if (line > reader->line_bytes_max)
            return q_fail(Q_ERR_INPUT, "'%s' has a line longer than %zu bytes, which is what memory was given for",
                          reader->path, reader->line_bytes_max);
    }
    if (more) {
        Q_TRY(q_buffer_append(&reader->rest, batch->data + end + 1, batch->size - end - 1));
        batch->size = end + 1;
    }
    return Q_OK;
}
