/* Reading seekable zstd (seekable.h, docs/formats/seekable.md).
 *
 * The end is read first: footer, then table, then the guard in front of it, whose hash covers the table; from there on
 * the table's figures are those that were written, or made by somebody who recomputed the hash. Against him stand the
 * bounds: sizes are summed with checks and must meet the table exactly, and no frame may claim to expand by more than
 * zstd can.
 */
#include "base/bytes.h"
#include "base/check.h"
#include "base/hash.h"
#include "base/seekable.h"
#include "base/seekable_format.h"

#include <errno.h>
#include <string.h>
#include <zstd.h>

struct q_seekable_reader {
    int fd;
    char *path;
    uint32_t frames;   /* without the guard */
    char *table;       /* the table frame's entries, the guard's last */
    uint64_t *offsets; /* frames + 1: of each frame, and of the guard */
    uint64_t plain_bytes;
    struct q_buffer stored;
    ZSTD_DCtx *context;
};

/* One line for all that is wrong with a file: what was found. */
static q_status damaged(const struct q_seekable_reader *reader, const char *what)
{
    return q_fail(Q_ERR_INPUT, "'%s' is cut short, damaged or not a seekable zstd file: %s", reader->path, what);
}

static q_status damaged_frame(const struct q_seekable_reader *reader, uint32_t frame, const char *what)
{
    return q_fail(Q_ERR_INPUT, "'%s' is damaged in frame %u: %s", reader->path, (unsigned)frame, what);
}

static const char *entry_of(const struct q_seekable_reader *reader, uint32_t frame)
{
    return reader->table + (size_t)frame * SEEKABLE_ENTRY_BYTES;
}

/* Checks a whole skippable frame of ours: magic, kind, size, hash of what it carries. */
static bool skippable_is_whole(const char *stored, size_t count, unsigned kind)
{
    if (count < SEEKABLE_HEADER_BYTES + SEEKABLE_HASH_BYTES || q_load_u32(stored) != SEEKABLE_MAGIC_SKIPPABLE + kind ||
        q_load_u32(stored + 4) != count - SEEKABLE_HEADER_BYTES)
        return false;
    size_t payload = count - SEEKABLE_HEADER_BYTES - SEEKABLE_HASH_BYTES;
    return q_load_u64(stored + count - SEEKABLE_HASH_BYTES) == q_hash64(stored + SEEKABLE_HEADER_BYTES, payload, kind);
}

/* Reads the guard and the table, whose frame has `table_bytes`, in one piece and compares the hash. */
static q_status read_table(struct q_seekable_reader *reader, uint64_t file_bytes, uint64_t table_bytes)
{
    const uint64_t both = table_bytes + SEEKABLE_GUARD_BYTES; /* <= file_bytes: the caller looked */
    q_buffer_clear(&reader->stored);
    Q_TRY(q_buffer_reserve(&reader->stored, (size_t)both));
    char *guard = reader->stored.data, *table = guard + SEEKABLE_GUARD_BYTES;
    Q_TRY(q_fs_read_at(reader->fd, reader->path, file_bytes - both, guard, (size_t)both));
    if (!skippable_is_whole(guard, SEEKABLE_GUARD_BYTES, SEEKABLE_KIND_GUARD))
        return damaged(reader, "no guard in front of its table");
    if (q_load_u64(guard + SEEKABLE_HEADER_BYTES) != q_hash64(table, (size_t)table_bytes, 0))
        return damaged(reader, "its table has another hash than the one stored");
    if (q_load_u32(table) != SEEKABLE_MAGIC_SKIPPABLE + SEEKABLE_KIND_TABLE ||
        q_load_u32(table + 4) != table_bytes - SEEKABLE_HEADER_BYTES)
        return damaged(reader, "no table where the footer says");
    size_t entries = (size_t)table_bytes - SEEKABLE_HEADER_BYTES - SEEKABLE_FOOTER_BYTES;
    Q_TRY(q_alloc(entries, 1, &reader->table));
    memcpy(reader->table, table + SEEKABLE_HEADER_BYTES, entries);
    return Q_OK;
}

/* Whether an entry's figures are possible. Of the frame itself nothing is known yet. */
static bool entry_is_possible(const char *entry)
{
    uint64_t stored = q_load_u32(entry), plain = q_load_u32(entry + 4);
    return stored >= SEEKABLE_FRAME_BYTES_MIN && plain <= Q_SEEKABLE_FRAME_BYTES_MAX &&
           plain <= stored * SEEKABLE_EXPANSION_MAX && (plain > 0 || q_load_u32(entry + 8) == SEEKABLE_EMPTY_CHECKSUM);
}

/* Offsets from sizes. The frames and the guard must end where the table begins. */
static q_status sum_entries(struct q_seekable_reader *reader, uint64_t table_offset)
{
    Q_TRY(q_alloc((size_t)reader->frames + 1, sizeof(*reader->offsets), &reader->offsets));
    uint64_t offset = 0; /* no wrap: 2^27 entries of 32 bits */
    for (uint32_t i = 0; i <= reader->frames; i++) {
        const char *entry = entry_of(reader, i);
        if (!entry_is_possible(entry))
            return damaged(reader, "its table has an impossible entry");
        reader->offsets[i] = offset;
        offset += q_load_u32(entry);
        reader->plain_bytes += q_load_u32(entry + 4);
    }
    const char *guard = entry_of(reader, reader->frames);
    if (offset != table_offset || q_load_u32(guard) != SEEKABLE_GUARD_BYTES || q_load_u32(guard + 4) != 0)
        return damaged(reader, "its table does not add up to its size");
    return Q_OK;
}

static q_status open_table(struct q_seekable_reader *reader)
{
    struct stat info;
    if (q_fs()->fstat(reader->fd, &info) != 0)
        return q_fail_errno(errno, "cannot look at '%s'", reader->path);
    if (!S_ISREG(info.st_mode))
        return q_fail(Q_ERR_INPUT, "'%s' is not a regular file", reader->path);
    const uint64_t file_bytes = (uint64_t)info.st_size;
    const uint64_t least = SEEKABLE_GUARD_BYTES + SEEKABLE_HEADER_BYTES + SEEKABLE_ENTRY_BYTES + SEEKABLE_FOOTER_BYTES;
    if (file_bytes < least)
        return damaged(reader, "it is too short");
    char footer[SEEKABLE_FOOTER_BYTES];
    Q_TRY(q_fs_read_at(reader->fd, reader->path, file_bytes - sizeof(footer), footer, sizeof(footer)));
    const uint32_t entries = q_load_u32(footer);
    if (q_load_u32(footer + 5) != SEEKABLE_MAGIC_END || (unsigned char)footer[4] != SEEKABLE_DESCRIPTOR)
        return damaged(reader, "it does not end with a table of frames");
    const uint64_t table_bytes =
        SEEKABLE_HEADER_BYTES + (uint64_t)entries * SEEKABLE_ENTRY_BYTES + SEEKABLE_FOOTER_BYTES;
    if (entries < 1 || entries > SEEKABLE_FRAMES_MAX + 1 || table_bytes > file_bytes - SEEKABLE_GUARD_BYTES)
        return damaged(reader, "its table has an impossible length");
    reader->frames = entries - 1;
    Q_TRY(read_table(reader, file_bytes, table_bytes));
    return sum_entries(reader, file_bytes - table_bytes);
}

q_status q_seekable_open(const char *path, struct q_seekable_reader **out)
{
    struct q_seekable_reader *reader;
    q_status status;
    Q_TRY(q_alloc_zero(1, sizeof(*reader), &reader));
    reader->fd = -1;
    Q_TRY_GOTO(failed, q_alloc(strlen(path) + 1, 1, &reader->path));
    memcpy(reader->path, path, strlen(path) + 1);
    reader->context = ZSTD_createDCtx();
    if (!reader->context)
        Q_TRY_GOTO(failed, q_fail(Q_ERR_MEMORY, "out of memory: a zstd context"));
    Q_TRY_GOTO(failed, q_fs_open_read(path, &reader->fd));
    Q_TRY_GOTO(failed, open_table(reader));
    *out = reader;
    return Q_OK;
failed:
    q_seekable_close(reader);
    return status;
}

void q_seekable_close(struct q_seekable_reader *reader)
{
    if (!reader)
        return;
    q_fs_close(reader->fd);
    (void)ZSTD_freeDCtx(reader->context);
    q_buffer_release(&reader->stored);
    q_release(reader->offsets);
    q_release(reader->table);
    q_release(reader->path);
    q_release(reader);
}

uint32_t q_seekable_frame_count(const struct q_seekable_reader *reader)
{
    return reader->frames;
}

uint64_t q_seekable_plain_bytes(const struct q_seekable_reader *reader)
{
    return reader->plain_bytes;
}

/* Fills in what the frame's first four bytes say. */
static q_status set_kind(const struct q_seekable_reader *reader, uint32_t frame, uint32_t magic,
                         struct q_frame_info *info)
{
    info->kind = Q_FRAME_DATA;
    info->skippable_kind = 0;
    if (magic == SEEKABLE_MAGIC_FRAME)
        return Q_OK;
    if (magic - SEEKABLE_MAGIC_SKIPPABLE >= SEEKABLE_KIND_TABLE || info->plain_bytes != 0) /* below it wraps: large */
        return damaged_frame(reader, frame, "it begins like no frame of this format");
    info->kind = Q_FRAME_SKIPPABLE;
    info->skippable_kind = magic - SEEKABLE_MAGIC_SKIPPABLE;
    return Q_OK;
}

static q_status info_of(const struct q_seekable_reader *reader, uint32_t frame, struct q_frame_info *out)
{
    if (frame >= reader->frames)
        return q_fail(Q_ERR_INPUT, "'%s' has no frame %u; it has %u", reader->path, (unsigned)frame,
                      (unsigned)reader->frames);
    const char *entry = entry_of(reader, frame);
    *out = (struct q_frame_info){
        .offset = reader->offsets[frame], .stored_bytes = q_load_u32(entry), .plain_bytes = q_load_u32(entry + 4)};
    return Q_OK;
}

q_status q_seekable_frame(const struct q_seekable_reader *reader, uint32_t frame, struct q_frame_info *out)
{
    struct q_frame_info info;
    Q_TRY(info_of(reader, frame, &info));
    if (info.plain_bytes == 0) { /* skippable, or an empty data frame: only its magic tells */
        char magic[4];
        Q_TRY(q_fs_read_at(reader->fd, reader->path, info.offset, magic, sizeof(magic)));
        Q_TRY(set_kind(reader, frame, q_load_u32(magic), &info));
    }
    *out = info;
    return Q_OK;
}

/* The table's checksum and the frame's are the same number, so that one comparison and zstd's own check of the content
 * verify both. */
static q_status decompress(struct q_seekable_reader *reader, uint32_t frame, const struct q_frame_info *info,
                           struct q_buffer *out)
{
    const char *stored = reader->stored.data;
    if (ZSTD_findFrameCompressedSize(stored, info->stored_bytes) != info->stored_bytes)
        return damaged_frame(reader, frame, "it does not have the stored size that the table states");
    if (ZSTD_getFrameContentSize(stored, info->stored_bytes) != info->plain_bytes)
        return damaged_frame(reader, frame, "it does not have the plain size that the table states");
    if (!(stored[4] & SEEKABLE_CHECKSUM_FLAG) ||
        q_load_u32(stored + info->stored_bytes - 4) != q_load_u32(entry_of(reader, frame) + 8))
        return damaged_frame(reader, frame, "its checksum is not the one that the table states");
    Q_TRY(q_buffer_reserve(out, info->plain_bytes));
    size_t result = ZSTD_decompressDCtx(reader->context, out->data, info->plain_bytes, stored, info->stored_bytes);
    if (ZSTD_isError(result))
        return damaged_frame(reader, frame, ZSTD_getErrorName(result));
    if (result != info->plain_bytes)
        return damaged_frame(reader, frame, "it gives less than the table states");
    out->size = result;
    return Q_OK;
}

q_status q_seekable_read_frame(struct q_seekable_reader *reader, uint32_t frame, struct q_buffer *out)
{
    struct q_frame_info info;
    q_buffer_clear(out);
    Q_TRY(info_of(reader, frame, &info));
    q_buffer_clear(&reader->stored);
    Q_TRY(q_buffer_reserve(&reader->stored, info.stored_bytes));
    char *stored = reader->stored.data;
    Q_TRY(q_fs_read_at(reader->fd, reader->path, info.offset, stored, info.stored_bytes));
    reader->stored.size = info.stored_bytes;
    Q_TRY(set_kind(reader, frame, q_load_u32(stored), &info));
    if (info.kind == Q_FRAME_DATA)
        return decompress(reader, frame, &info, out);
    if (!skippable_is_whole(stored, info.stored_bytes, info.skippable_kind))
        return damaged_frame(reader, frame, "its hash is not that of its content");
    return q_buffer_append(out, stored + SEEKABLE_HEADER_BYTES,
                           info.stored_bytes - SEEKABLE_HEADER_BYTES - SEEKABLE_HASH_BYTES);
}

q_string q_seekable_stored_frame(const struct q_seekable_reader *reader, uint32_t *out_checksum)
{
    const struct q_buffer *stored = &reader->stored;
    q_check(stored->size >= SEEKABLE_FRAME_BYTES_MIN && q_load_u32(stored->data) == SEEKABLE_MAGIC_FRAME);
    *out_checksum = q_load_u32(stored->data + stored->size - 4);
    if (ZSTD_getFrameContentSize(stored->data, stored->size) == ZSTD_CONTENTSIZE_UNKNOWN)
        return (q_string){0};
    return q_buffer_string(stored);
}

q_status q_seekable_decompress(const void *frame, size_t frame_bytes, size_t plain_max, struct q_buffer *out)
{
    q_buffer_clear(out);
    const unsigned long long plain =
        ZSTD_getFrameContentSize(frame, frame_bytes); /* the two error values are the largest numbers */
    if (frame_bytes < SEEKABLE_FRAME_BYTES_MIN || q_load_u32(frame) != SEEKABLE_MAGIC_FRAME ||
        !(((const char *)frame)[4] & SEEKABLE_CHECKSUM_FLAG) ||
        ZSTD_findFrameCompressedSize(frame, frame_bytes) != frame_bytes)
        return q_fail(Q_ERR_INPUT, "a compressed table is damaged");
    if (plain > plain_max || plain > (uint64_t)frame_bytes * SEEKABLE_EXPANSION_MAX)
        return q_fail(Q_ERR_INPUT, "a compressed table is larger than it may be");
    Q_TRY(q_buffer_reserve(out, (size_t)plain));
    size_t result = ZSTD_decompress(out->data, (size_t)plain, frame, frame_bytes);
    if (ZSTD_isError(result) || result != plain)
        return q_fail(Q_ERR_INPUT, "a compressed table is damaged: %s",
                      ZSTD_isError(result) ? ZSTD_getErrorName(result) : "it gives less than it states");
    out->size = result;
    return Q_OK;
}
