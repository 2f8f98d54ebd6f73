/* Count files (docs/formats/counts.md): a seekable zstd file of sorted pieces, each written as what it does not share with the one before. */
#include "base/bytes.h"
#include "base/check.h"
#include "base/seekable.h"
#include "tokenizer/counts.h"
#include "tokenizer/unicode/unicode_classes.h"

#include <stdlib.h>

enum {
    VERSION = 1,
    HEADER_KIND = 0,
    HEADER_BYTES = 96,
    AT_VERSION = 8,
    AT_ENTRIES = 16,
    AT_PIECES = 24,
    AT_DOCUMENTS = 32,
    AT_BYTES = 40,
    AT_PRETOKENIZER = 48,
    PRETOKENIZER_BYTES = 32,
    AT_UNICODE = 80,
    UNICODE_BYTES = 16,
    FRAME_BYTES = 1 << 20, /* a frame is closed by the first entry that reaches it */
    VARINT_BYTES = 10,
};

static const char magic[8] = "QRNCOUNT";

static void write_header(const struct counts *counts, uint8_t header[HEADER_BYTES])
{
    memset(header, 0, HEADER_BYTES);
    memcpy(header, magic, sizeof(magic));
    q_store_u32(header + AT_VERSION, VERSION);
    q_store_u64(header + AT_ENTRIES, counts->used);
    q_store_u64(header + AT_PIECES, counts->total.pieces);
    q_store_u64(header + AT_DOCUMENTS, counts->total.documents);
    q_store_u64(header + AT_BYTES, counts->total.bytes);
    q_check(strlen(counts->pretokenizer->name) < PRETOKENIZER_BYTES);
    memcpy(header + AT_PRETOKENIZER, counts->pretokenizer->name, strlen(counts->pretokenizer->name));
    memcpy(header + AT_UNICODE, UNICODE_VERSION, strlen(UNICODE_VERSION));
}

/* A piece while it is sorted: its first eight bytes as a number decide nearly always. */
struct sorted_piece {
    uint64_t prefix;
    q_string bytes;
    uint64_t count;
};

static int by_bytes(const void *left, const void *right)
{
    const struct sorted_piece *a = left, *b = right;
    if (a->prefix != b->prefix)
        return a->prefix < b->prefix ? -1 : 1;
    return q_string_compare(a->bytes, b->bytes);
}

static q_status sort_pieces(const struct counts *counts, struct sorted_piece **out)
{
    size_t count = 0;
    Q_TRY(q_alloc(counts->used, sizeof(**out), out));
    for (size_t i = 0; i < counts->capacity; i++) {
        const struct counts_slot *slot = &counts->slots[i];
        if (!slot->count)
            continue;
        struct sorted_piece *piece = &(*out)[count++];
        *piece = (struct sorted_piece){0, counts_piece(counts, slot), slot->count};
        for (unsigned k = 0; k < 8; k++)
            piece->prefix = piece->prefix << 8 | (k < slot->size ? (uint8_t)piece->bytes.data[k] : 0);
    }
    qsort(*out, count, sizeof(**out), by_bytes);
    return Q_OK;
}

/* Seven bits a byte, the lowest first; the high bit says that more follow. */
static void put_varint(struct q_buffer *out, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        out->data[out->size++] = (char)(0x80 | (value & 0x7F));
    out->data[out->size++] = (char)value;
}

static q_status put_entry(struct q_buffer *frame, q_string previous, const struct sorted_piece *piece)
{
    size_t shared = 0, shorter = Q_MIN(previous.size, piece->bytes.size);
    while (shared < shorter && previous.data[shared] == piece->bytes.data[shared])
        shared++;
    Q_TRY(q_buffer_reserve(frame, piece->bytes.size - shared + 3 * VARINT_BYTES));
    put_varint(frame, shared);
    put_varint(frame, piece->bytes.size - shared);
    memcpy(frame->data + frame->size, piece->bytes.data + shared, piece->bytes.size - shared);
    frame->size += piece->bytes.size - shared;
    put_varint(frame, piece->count);
    return Q_OK;
}

static q_status write_entries(struct q_seekable_writer *writer, const struct sorted_piece *pieces, size_t count)
{
    struct q_buffer frame = {0};
    q_string previous = {NULL, 0};
    q_status status = Q_OK;
    for (size_t i = 0; i < count && !status; i++) {
        status = put_entry(&frame, previous, &pieces[i]);
        previous = pieces[i].bytes;
        if (!status && (frame.size >= FRAME_BYTES || i + 1 == count)) {
            status = q_seekable_add_frame(writer, frame.data, frame.size);
            q_buffer_clear(&frame);
            previous = (q_string){NULL, 0}; /* each frame stands alone */
        }
    }
    q_buffer_release(&frame);
    return status;
}

q_status counts_write(const struct counts *counts, const char *path, struct q_file_identity *identity)
{
    struct sorted_piece *pieces = NULL;
    struct q_seekable_writer *writer = NULL;
    uint8_t header[HEADER_BYTES];
    q_status status;
    Q_TRY_GOTO(done, sort_pieces(counts, &pieces));
    Q_TRY_GOTO(done, q_seekable_create(path, Q_SEEKABLE_LEVEL, &writer));
    write_header(counts, header);
    Q_TRY_GOTO(done, q_seekable_add_skippable(writer, HEADER_KIND, header, sizeof(header)));
    Q_TRY_GOTO(done, write_entries(writer, pieces, counts->used));
    status = q_seekable_commit(writer, identity);
    writer = NULL;
done:
    q_seekable_abandon(writer);
    q_release(pieces);
    return status;
}

/* What is expected of a file, and what has been seen of it. */
struct counts_reading {
    const char *path;
    uint64_t entries, pieces;
    uint64_t entries_seen, pieces_seen;
    struct q_buffer piece; /* the last one, in full */
};

static q_status bad(const struct counts_reading *reading, const char *what)
{
    return q_fail(Q_ERR_INPUT, "'%s' is no whole file of counts: %s", reading->path, what);
}

static q_status read_header(struct counts *counts, struct counts_reading *reading, q_string header)
{
    const uint8_t *bytes = (const uint8_t *)header.data;
    if (header.size < sizeof(magic) || memcmp(bytes, magic, sizeof(magic)) != 0)
        return bad(reading, "it does not begin as one");
    if (header.size != HEADER_BYTES || q_load_u32(bytes + AT_VERSION) != VERSION)
        return bad(reading, "another version");
    if (bytes[AT_PRETOKENIZER + PRETOKENIZER_BYTES - 1] || bytes[AT_UNICODE + UNICODE_BYTES - 1])
        return bad(reading, "a name in its header has no end");
    const char *name = (const char *)bytes + AT_PRETOKENIZER;
    const struct pretokenizer *pretokenizer = pretokenizer_named(q_string_of(name));
    if (!pretokenizer)
        return q_fail(Q_ERR_INPUT, "'%s' counts pieces of pretokenizer '%s', which quern does not know", reading->path,
                      name);
    if (!counts->pretokenizer)
        counts->pretokenizer = pretokenizer;
    if (counts->pretokenizer != pretokenizer)
        return q_fail(Q_ERR_INPUT, "'%s' counts pieces of pretokenizer '%s', not of '%s'", reading->path, name,
                      counts->pretokenizer->name);
    if (strcmp((const char *)bytes + AT_UNICODE, UNICODE_VERSION) != 0)
        return q_fail(Q_ERR_INPUT, "'%s' counts pieces by Unicode %s, not " UNICODE_VERSION "; count again",
                      reading->path, (const char *)bytes + AT_UNICODE);
    reading->entries = q_load_u64(bytes + AT_ENTRIES);
    reading->pieces = q_load_u64(bytes + AT_PIECES);
    if (!q_add_u64(counts->total.documents, q_load_u64(bytes + AT_DOCUMENTS), &counts->total.documents) ||
        !q_add_u64(counts->total.bytes, q_load_u64(bytes + AT_BYTES), &counts->total.bytes))
        return bad(reading, "its totals do not fit 64 bits");
    return Q_OK;
}

static bool get_varint(q_string *rest, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 64 && rest->size; shift += 7) {
        uint8_t byte = (uint8_t)*rest->data;
        *rest = q_string_slice(*rest, 1, rest->size);
        if (shift == 63 && byte > 1)
            return false;
        *value |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80)
            return true;
    }
    return false;
}

/* One entry: sorted strictly behind the one before, so that no piece can come twice. */
static q_status read_entry(struct counts *counts, struct counts_reading *reading, q_string *rest, bool starts_frame)
{
    uint64_t shared, size, count;
    if (!get_varint(rest, &shared) || !get_varint(rest, &size) || size > rest->size || shared > reading->piece.size ||
        (starts_frame && shared))
        return bad(reading, "an entry's lengths");
    q_string tail = q_string_slice(*rest, 0, (size_t)size), old = q_buffer_string(&reading->piece);
    *rest = q_string_slice(*rest, (size_t)size, rest->size);
    if (!get_varint(rest, &count) || count == 0 || shared + size == 0 || shared + size > UINT32_MAX)
        return bad(reading, "an entry's count");
    if (reading->entries_seen && q_string_compare(q_string_slice(old, (size_t)shared, old.size), tail) >= 0)
        return bad(reading, "its pieces are not in order");
    reading->piece.size = (size_t)shared;
    Q_TRY(q_buffer_append_string(&reading->piece, tail));
    reading->entries_seen++;
    if (!q_add_u64(reading->pieces_seen, count, &reading->pieces_seen))
        return bad(reading, "its counts do not fit 64 bits");
    return counts_add(counts, q_buffer_string(&reading->piece), count);
}

static q_status read_frames(struct counts *counts, struct counts_reading *reading, struct q_seekable_reader *reader,
                            struct q_buffer *frame)
{
    for (uint32_t i = 0; i < q_seekable_frame_count(reader); i++) {
        struct q_frame_info info;
        Q_TRY(q_seekable_frame(reader, i, &info));
        if ((i == 0) != (info.kind == Q_FRAME_SKIPPABLE))
            return bad(reading, "its frames are not a header and entries");
        Q_TRY(q_seekable_read_frame(reader, i, frame));
        q_string rest = q_buffer_string(frame);
        if (i == 0) {
            Q_TRY(read_header(counts, reading, rest));
            continue;
        }
        /* The order holds across frames; only the sharing begins anew. */
        for (bool starts_frame = true; rest.size; starts_frame = false)
            Q_TRY(read_entry(counts, reading, &rest, starts_frame));
    }
    if (q_seekable_frame_count(reader) == 0 || reading->entries_seen != reading->entries ||
        reading->pieces_seen != reading->pieces)
        return bad(reading, "it holds other numbers of pieces than its header says");
    return Q_OK;
}

q_status counts_read(struct counts *counts, const char *path)
{
    struct counts_reading reading = {.path = path};
    struct q_seekable_reader *reader;
    struct q_buffer frame = {0};
    Q_TRY(q_seekable_open(path, &reader));
    q_status status = read_frames(counts, &reading, reader, &frame);
    q_seekable_close(reader);
    q_buffer_release(&frame);
    q_buffer_release(&reading.piece);
    return status;
}
