/* Writing seekable zstd (seekable.h, docs/formats/seekable.md): frames go out as they come, the table grows in memory.
 * */
#include "base/bytes.h"
#include "base/check.h"
#include "base/hash.h"
#include "base/seekable.h"
#include "base/seekable_format.h"

#include <string.h>
#include <zstd.h>
#include <zstd_errors.h>

struct q_compressor {
    ZSTD_CCtx *context;
};

struct q_seekable_writer {
    struct q_publish publish;
    struct q_compressor *compressor;
    struct q_buffer stored; /* the frame at hand, as it will be written */
    struct q_buffer table;  /* entries, SEEKABLE_ENTRY_BYTES each */
    uint32_t frames;
    bool failed; /* a write did not go through: nothing may be committed */
};

static q_status zstd_failed(size_t result, const char *what)
{
    return q_fail(ZSTD_getErrorCode(result) == ZSTD_error_memory_allocation ? Q_ERR_MEMORY : Q_ERR_SYSTEM,
                  "zstd cannot %s: %s", what, ZSTD_getErrorName(result));
}

q_status q_compressor_create(int level, struct q_compressor **out)
{
    if (level < ZSTD_minCLevel() || level > ZSTD_maxCLevel())
        return q_fail(Q_ERR_USAGE, "zstd has no level '%d'; use 1 to %d", level, ZSTD_maxCLevel());
    struct q_compressor *compressor;
    Q_TRY(q_alloc_zero(1, sizeof(*compressor), &compressor));
    q_status status = Q_OK;
    size_t result = 0;
    compressor->context = ZSTD_createCCtx();
    if (!compressor->context)
        status = q_fail(Q_ERR_MEMORY, "out of memory: a zstd context");
    else if (ZSTD_isError(result = ZSTD_CCtx_setParameter(compressor->context, ZSTD_c_compressionLevel, level)) ||
             ZSTD_isError(result = ZSTD_CCtx_setParameter(compressor->context, ZSTD_c_checksumFlag, 1)))
        status = zstd_failed(result, "be set up");
    if (status != Q_OK) {
        q_compressor_release(compressor);
        return status;
    }
    *out = compressor;
    return Q_OK;
}

void q_compressor_release(struct q_compressor *compressor)
{
    if (!compressor)
        return;
    (void)ZSTD_freeCCtx(compressor->context);
    q_release(compressor);
}

static q_status check_frame_bytes(size_t count)
{
    if (count > Q_SEEKABLE_FRAME_BYTES_MAX)
        return q_fail(Q_ERR_INPUT, "%zu bytes are too many for one frame; at most %d fit", count,
                      Q_SEEKABLE_FRAME_BYTES_MAX);
    return Q_OK;
}

q_status q_seekable_compress(struct q_compressor *compressor, const void *bytes, size_t count, struct q_buffer *out,
                             uint32_t *out_checksum)
{
    q_buffer_clear(out);
    Q_TRY(check_frame_bytes(count));
    Q_TRY(q_buffer_reserve(out, ZSTD_compressBound(count)));
    /* In one call: zstd knows the size, writes it into the frame, and keeps nothing of the frame before. */
    size_t result = ZSTD_compress2(compressor->context, out->data, out->capacity, bytes, count);
    if (ZSTD_isError(result))
        return zstd_failed(result, "compress a frame");
    out->size = result;
    *out_checksum =
        q_load_u32(out->data + result - 4); /* the frame's own checksum is the low half of the content's XXH64 */
    return Q_OK;
}

q_status q_seekable_create(const char *path, int level, struct q_seekable_writer **out)
{
    struct q_seekable_writer *writer;
    q_status status;
    Q_TRY(q_alloc_zero(1, sizeof(*writer), &writer));
    Q_TRY_GOTO(failed, q_compressor_create(level, &writer->compressor));
    Q_TRY_GOTO(failed, q_publish_open(&writer->publish, path));
    *out = writer;
    return Q_OK;
failed:
    q_seekable_abandon(writer);
    return status;
}

/* Writes one whole frame and notes it in the table. */
static q_status put_frame(struct q_seekable_writer *writer, const void *frame, size_t frame_bytes, size_t plain_bytes,
                          uint32_t checksum)
{
    q_check(!writer->failed);
    writer->failed = true; /* until all is well */
    if (writer->frames >= SEEKABLE_FRAMES_MAX)
        return q_fail(Q_ERR_INPUT, "'%s' has too many frames; at most %d fit", writer->publish.path,
                      SEEKABLE_FRAMES_MAX);
    char entry[SEEKABLE_ENTRY_BYTES];
    q_check(frame_bytes <= UINT32_MAX && plain_bytes <= Q_SEEKABLE_FRAME_BYTES_MAX);
    q_store_u32(entry, (uint32_t)frame_bytes);
    q_store_u32(entry + 4, (uint32_t)plain_bytes);
    q_store_u32(entry + 8, checksum);
    Q_TRY(q_buffer_append(&writer->table, entry, sizeof(entry)));
    Q_TRY(q_publish_write(&writer->publish, frame, frame_bytes));
    writer->frames++;
    writer->failed = false;
    return Q_OK;
}

q_status q_seekable_add_compressed(struct q_seekable_writer *writer, const void *frame, size_t frame_bytes,
                                   size_t plain_bytes, uint32_t checksum)
{
    /* What q_seekable_compress made: a frame that states its size and ends with this checksum. */
    q_check(frame_bytes >= SEEKABLE_FRAME_BYTES_MIN);
    q_check(ZSTD_getFrameContentSize(frame, frame_bytes) == plain_bytes);
    q_check(q_load_u32((const char *)frame + frame_bytes - 4) == checksum);
    return put_frame(writer, frame, frame_bytes, plain_bytes, checksum);
}

q_status q_seekable_add_frame(struct q_seekable_writer *writer, const void *bytes, size_t count)
{
    uint32_t checksum;
    Q_TRY(q_seekable_compress(writer->compressor, bytes, count, &writer->stored, &checksum));
    return put_frame(writer, writer->stored.data, writer->stored.size, count, checksum);
}

/* Magic, size, payload and the payload's hash into `stored`. The kind is the hash's seed, so that a kind that changed
 * is seen as well. */
static q_status make_skippable(struct q_buffer *stored, unsigned kind, const void *bytes, size_t count)
{
    char header[SEEKABLE_HEADER_BYTES], hash[SEEKABLE_HASH_BYTES];
    Q_TRY(check_frame_bytes(count));
    q_store_u32(header, SEEKABLE_MAGIC_SKIPPABLE + kind);
    q_store_u32(header + 4, (uint32_t)(count + sizeof(hash)));
    q_store_u64(hash, q_hash64(bytes, count, kind));
    q_buffer_clear(stored);
    Q_TRY(q_buffer_append(stored, header, sizeof(header)));
    Q_TRY(q_buffer_append(stored, bytes, count));
    return q_buffer_append(stored, hash, sizeof(hash));
}

q_status q_seekable_add_skippable(struct q_seekable_writer *writer, unsigned kind, const void *bytes, size_t count)
{
    if (kind >= SEEKABLE_KIND_TABLE)
        return q_fail(Q_ERR_USAGE, "'%u' is no kind of skippable frame; use 0 to %d", kind, SEEKABLE_KIND_TABLE - 1);
    Q_TRY(make_skippable(&writer->stored, kind, bytes, count));
    return put_frame(writer, writer->stored.data, writer->stored.size, 0, SEEKABLE_EMPTY_CHECKSUM);
}

uint32_t q_seekable_frames(const struct q_seekable_writer *writer)
{
    return writer->frames;
}

/* The table frame as it will stand in the file, the guard's entry included, into `out`. */
static q_status make_table(const struct q_seekable_writer *writer, struct q_buffer *out)
{
    char header[SEEKABLE_HEADER_BYTES], guard[SEEKABLE_ENTRY_BYTES], footer[SEEKABLE_FOOTER_BYTES];
    q_store_u32(header, SEEKABLE_MAGIC_SKIPPABLE + SEEKABLE_KIND_TABLE);
    q_store_u32(header + 4, (uint32_t)(writer->table.size + sizeof(guard) + sizeof(footer)));
    q_store_u32(guard, SEEKABLE_GUARD_BYTES);
    q_store_u32(guard + 4, 0);
    q_store_u32(guard + 8, SEEKABLE_EMPTY_CHECKSUM);
    q_store_u32(footer, writer->frames + 1);
    footer[4] = (char)SEEKABLE_DESCRIPTOR;
    q_store_u32(footer + 5, SEEKABLE_MAGIC_END);
    Q_TRY(q_buffer_append(out, header, sizeof(header)));
    Q_TRY(q_buffer_append(out, writer->table.data, writer->table.size));
    Q_TRY(q_buffer_append(out, guard, sizeof(guard)));
    return q_buffer_append(out, footer, sizeof(footer));
}

static q_status write_end(struct q_seekable_writer *writer)
{
    struct q_buffer table = {0};
    char hash[8];
    q_status status;
    Q_TRY_GOTO(out, make_table(writer, &table));
    q_store_u64(hash, q_hash64(table.data, table.size, 0));
    Q_TRY_GOTO(out, make_skippable(&writer->stored, SEEKABLE_KIND_GUARD, hash, sizeof(hash)));
    Q_TRY_GOTO(out, q_publish_write(&writer->publish, writer->stored.data, writer->stored.size));
    Q_TRY_GOTO(out, q_publish_write(&writer->publish, table.data, table.size));
out:
    q_buffer_release(&table);
    return status;
}

q_status q_seekable_commit(struct q_seekable_writer *writer, struct q_file_identity *identity)
{
    q_check(!writer->failed);
    q_status status = write_end(writer);
    if (status == Q_OK)
        status = q_publish_commit(&writer->publish, identity); /* closed either way */
    q_seekable_abandon(writer);
    return status;
}

void q_seekable_abandon(struct q_seekable_writer *writer)
{
    if (!writer)
        return;
    q_publish_abandon(&writer->publish);
    q_compressor_release(writer->compressor);
    q_buffer_release(&writer->stored);
    q_buffer_release(&writer->table);
    q_release(writer);
}
