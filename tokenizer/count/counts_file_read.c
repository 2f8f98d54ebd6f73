/* Reading count files, version 1 and 2. */
#include "base/bytes.h"
#include "base/check.h"
#include "base/seekable.h"
#include "tokenizer/count/counts_file.h"
#include "tokenizer/count/counts_format.h"
#include "tokenizer/unicode/unicode_classes.h"

#include <string.h>

enum { CONTEXT_BYTES = 1 << 18 /* zstd's, and small change */ };

struct counts_reader {
    struct q_seekable_reader *file;
    char *path;
    struct count_info info;
    uint32_t frames_begin, frames_end; /* those with entries */
    uint64_t memory;

    uint32_t at_frame; /* the next to be read */
    bool starts_frame;
    struct q_buffer frame;
    q_string rest;         /* of the frame */
    struct q_buffer piece; /* the last one, in full */
    uint64_t entries_seen, pieces_seen;
};

static q_status bad(const struct counts_reader *reader, const char *what)
{
    return q_fail(Q_ERR_INPUT, "'%s' is no whole file of counts: %s", reader->path, what);
}

static void take_totals(const uint8_t *bytes, struct count_info *info)
{
    info->entries = q_load_u64(bytes);
    info->total = (struct counts_total){
        .pieces = q_load_u64(bytes + 8), .documents = q_load_u64(bytes + 16), .bytes = q_load_u64(bytes + 24)};
}

static q_status read_header(struct counts_reader *reader, q_string header, uint32_t *version)
{
    const uint8_t *bytes = (const uint8_t *)header.data;
    if (header.size < strlen(COUNTS_MAGIC) || memcmp(bytes, COUNTS_MAGIC, strlen(COUNTS_MAGIC)) != 0)
        return bad(reader, "it does not begin as one");
    if (header.size != COUNTS_HEADER_BYTES)
        return bad(reader, "another version");
    *version = q_load_u32(bytes + COUNTS_AT_VERSION);
    if (*version < COUNTS_VERSION_OLDEST || *version > COUNTS_VERSION)
        return bad(reader, "another version");
    if (bytes[COUNTS_AT_PRETOKENIZER + COUNTS_PRETOKENIZER_BYTES - 1] ||
        bytes[COUNTS_AT_UNICODE + COUNTS_UNICODE_BYTES - 1])
        return bad(reader, "a name in its header has no end");
    const char *unicode = (const char *)bytes + COUNTS_AT_UNICODE;
    if (strcmp(unicode, UNICODE_VERSION) != 0)
        return q_fail(Q_ERR_INPUT, "'%s' counts pieces by Unicode %s, not " UNICODE_VERSION "; count again",
                      reader->path, unicode);
    memcpy(reader->info.pretokenizer, bytes + COUNTS_AT_PRETOKENIZER, COUNTS_PRETOKENIZER_BYTES);
    uint32_t scale = q_load_u32(bytes + COUNTS_AT_SCALE);
    reader->info.scale = scale ? scale : 1;
    if (reader->info.scale != 1 && reader->info.scale != COUNT_SCALE)
        return bad(reader, "a scale that is neither 1 nor 1024");
    if (*version == 1)
        take_totals(bytes + COUNTS_AT_TOTALS_1, &reader->info);
    return Q_OK;
}

static q_status read_skippable(struct counts_reader *reader, uint32_t number, unsigned kind, const char *what)
{
    struct q_frame_info frame;
    if (number >= q_seekable_frame_count(reader->file))
        return bad(reader, what);
    Q_TRY(q_seekable_frame(reader->file, number, &frame));
    if (frame.kind != Q_FRAME_SKIPPABLE || frame.skippable_kind != kind)
        return bad(reader, what);
    return q_seekable_read_frame(reader->file, number, &reader->frame);
}

/* The frames between: how large they get. */
static q_status look_at_frames(struct counts_reader *reader)
{
    uint64_t plain_max = 0, stored_max = 0;
    for (uint32_t i = reader->frames_begin; i < reader->frames_end; i++) {
        struct q_frame_info frame;
        Q_TRY(q_seekable_frame(reader->file, i, &frame));
        if (frame.kind != Q_FRAME_DATA)
            return bad(reader, "its frames are not a header and entries");
        plain_max = Q_MAX(plain_max, frame.plain_bytes);
        stored_max = Q_MAX(stored_max, frame.stored_bytes);
    }
    /* A piece is as long as a frame at most, and the buffer it grows in half as long again. The table has 12 bytes a frame, its offsets 8. */
    uint64_t long_piece = plain_max > COUNTS_FRAME_BYTES ? plain_max + plain_max / 2 : COUNTS_FRAME_BYTES / 8;
    reader->memory = plain_max + stored_max + long_piece + 20 * (uint64_t)reader->frames_end + CONTEXT_BYTES;
    return Q_OK;
}

static q_status read_ends(struct counts_reader *reader)
{
    uint32_t version;
    Q_TRY(read_skippable(reader, 0, COUNTS_HEADER_KIND, "its frames are not a header and entries"));
    Q_TRY(read_header(reader, q_buffer_string(&reader->frame), &version));
    reader->frames_begin = 1;
    reader->frames_end = q_seekable_frame_count(reader->file);
    if (version > 1) {
        Q_TRY(read_skippable(reader, reader->frames_end - 1, COUNTS_TOTALS_KIND, "it does not end with its totals"));
        if (reader->frame.size != COUNTS_TOTALS_BYTES)
            return bad(reader, "it does not end with its totals");
        take_totals((const uint8_t *)reader->frame.data, &reader->info);
        reader->frames_end--;
    }
    return look_at_frames(reader);
}

q_status counts_reader_open(const char *path, struct counts_reader **out)
{
    struct counts_reader *reader;
    q_status status;
    size_t size = strlen(path) + 1;
    Q_TRY(q_alloc_zero(1, sizeof(*reader), &reader));
    Q_TRY_GOTO(failed, q_alloc(size, 1, &reader->path));
    memcpy(reader->path, path, size);
    Q_TRY_GOTO(failed, q_seekable_open(path, &reader->file));
    Q_TRY_GOTO(failed, read_ends(reader));
    counts_reader_rewind(reader);
    *out = reader;
    return Q_OK;
failed:
    counts_reader_close(reader);
    return status;
}

void counts_reader_close(struct counts_reader *reader)
{
    if (!reader)
        return;
    q_seekable_close(reader->file);
    q_buffer_release(&reader->frame);
    q_buffer_release(&reader->piece);
    q_release(reader->path);
    q_release(reader);
}

const struct count_info *counts_reader_info(const struct counts_reader *reader)
{
    return &reader->info;
}

uint64_t counts_reader_memory(const struct counts_reader *reader)
{
    return reader->memory;
}

const char *counts_reader_path(const struct counts_reader *reader)
{
    return reader->path;
}

void counts_reader_rewind(struct counts_reader *reader)
{
    reader->at_frame = reader->frames_begin;
    reader->rest = (q_string){0};
    reader->piece.size = 0;
    reader->entries_seen = reader->pieces_seen = 0;
}

/* Most are of one byte. */
static inline bool get_varint(q_string *rest, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 64 && rest->size; shift += 7) {
        uint8_t byte = (uint8_t)*rest->data++;
        rest->size--;
        if (shift == 63 && byte > 1)
            return false;
        *value |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80)
            return true;
    }
    return false;
}

/* One entry: sorted strictly behind the one before, so that no piece can come twice. */
static q_status read_entry(struct counts_reader *reader, uint64_t *count)
{
    uint64_t shared, size;
    q_string *rest = &reader->rest;
    if (!get_varint(rest, &shared) || !get_varint(rest, &size) || size > rest->size || shared > reader->piece.size ||
        (reader->starts_frame && shared))
        return bad(reader, "an entry's lengths");
    q_string tail = q_string_slice(*rest, 0, (size_t)size), old = q_buffer_string(&reader->piece);
    *rest = q_string_slice(*rest, (size_t)size, rest->size);
    if (!get_varint(rest, count) || *count == 0 || shared + size == 0 || shared + size > UINT32_MAX)
        return bad(reader, "an entry's count");
    if (reader->entries_seen && q_string_compare(q_string_slice(old, (size_t)shared, old.size), tail) >= 0)
        return bad(reader, "its pieces are not in order");
    reader->piece.size = (size_t)shared;
    Q_TRY(q_buffer_append_string(&reader->piece, tail));
    reader->starts_frame = false;
    reader->entries_seen++;
    if (!q_add_u64(reader->pieces_seen, *count, &reader->pieces_seen))
        return bad(reader, "its counts do not fit 64 bits");
    return Q_OK;
}

q_status counts_reader_next(struct counts_reader *reader, struct count_entry *out)
{
    while (!reader->rest.size) {
        if (reader->at_frame == reader->frames_end) {
            *out = (struct count_entry){0};
            if (reader->entries_seen != reader->info.entries || reader->pieces_seen != reader->info.total.pieces)
                return bad(reader, "it holds other numbers of pieces than it says");
            return Q_OK;
        }
        Q_TRY(q_seekable_read_frame(reader->file, reader->at_frame++, &reader->frame));
        reader->rest = q_buffer_string(&reader->frame);
        reader->starts_frame = true; /* the order holds across frames; only the sharing begins anew */
    }
    Q_TRY(read_entry(reader, &out->count));
    out->piece = q_buffer_string(&reader->piece);
    return Q_OK;
}
