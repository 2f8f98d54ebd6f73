#include "dedup/signature_file.h"

#include "base/bytes.h"
#include "base/check.h"
#include "dedup/minhash.h"

#include <string.h>

/* Offsets of the header (a skippable frame of kind 0) and of a head: docs/formats/signatures.md. */
enum { HEADER_BYTES = 24, HEADER_KIND = 0 };
static const char magic[8] = {'q', 'u', 'e', 'r', 'n', 's', 'i', 'g'};

void signature_head_write(const struct signature_head *head, unsigned char bytes[SIGNATURE_HEAD_BYTES])
{
    uint32_t quality;
    memcpy(&quality, &head->quality, sizeof(quality));
    q_store_u64(bytes, head->key.high);
    q_store_u64(bytes + 8, head->key.low);
    q_store_u64(bytes + 16, head->text.high);
    q_store_u64(bytes + 24, head->text.low);
    q_store_u32(bytes + 32, head->offset);
    q_store_u32(bytes + 36, head->line_bytes);
    q_store_u32(bytes + 40, head->text_bytes);
    q_store_u32(bytes + 44, head->words);
    q_store_u32(bytes + 48, quality);
    q_store_u32(bytes + 52, head->date);
}

void signature_head_read(const unsigned char bytes[SIGNATURE_HEAD_BYTES], struct signature_head *head)
{
    uint32_t quality = q_load_u32(bytes + 48);
    *head = (struct signature_head){
        .key = {q_load_u64(bytes), q_load_u64(bytes + 8)},
        .text = {q_load_u64(bytes + 16), q_load_u64(bytes + 24)},
        .offset = q_load_u32(bytes + 32),
        .line_bytes = q_load_u32(bytes + 36),
        .text_bytes = q_load_u32(bytes + 40),
        .words = q_load_u32(bytes + 44),
        .date = q_load_u32(bytes + 52),
    };
    memcpy(&head->quality, &quality, sizeof(quality));
}

q_status signature_file_create(const char *path, const struct signature_shape *shape, struct q_seekable_writer **out)
{
    unsigned char header[HEADER_BYTES];
    memcpy(header, magic, sizeof(magic));
    q_store_u32(header + 8, SIGNATURE_VERSION);
    q_store_u32(header + 12, shape->bands);
    q_store_u32(header + 16, shape->rows);
    q_store_u32(header + 20, shape->words);
    struct q_seekable_writer *writer;
    Q_TRY(q_seekable_create(path, SIGNATURE_LEVEL, &writer));
    q_status status = q_seekable_add_skippable(writer, HEADER_KIND, header, sizeof(header));
    if (status != Q_OK) {
        q_seekable_abandon(writer);
        return status;
    }
    *out = writer;
    return Q_OK;
}

static q_status read_header(struct signature_file *file)
{
    struct q_frame_info info;
    if (q_seekable_frame_count(file->reader) == 0)
        return q_fail(Q_ERR_INPUT, "'%s' has no header", file->path);
    Q_TRY(q_seekable_frame(file->reader, 0, &info));
    if (info.kind != Q_FRAME_SKIPPABLE || info.skippable_kind != HEADER_KIND)
        return q_fail(Q_ERR_INPUT, "'%s' does not begin with the header of a signature file", file->path);
    Q_TRY(q_seekable_read_frame(file->reader, 0, &file->plain));
    const char *header = file->plain.data;
    if (file->plain.size != HEADER_BYTES || memcmp(header, magic, sizeof(magic)) != 0)
        return q_fail(Q_ERR_INPUT, "'%s' is no signature file", file->path);
    if (q_load_u32(header + 8) != SIGNATURE_VERSION)
        return q_fail(Q_ERR_INPUT, "'%s' is of version %u; this program reads %d", file->path, q_load_u32(header + 8),
                      SIGNATURE_VERSION);
    file->shape = (struct signature_shape){q_load_u32(header + 12), q_load_u32(header + 16), q_load_u32(header + 20)};
    if (file->shape.bands > MINHASH_BANDS_MAX || file->shape.rows > MINHASH_ROWS_MAX)
        return q_fail(Q_ERR_INPUT, "'%s' has %u bands of %u rows", file->path, file->shape.bands, file->shape.rows);
    return Q_OK;
}

/* Counts documents and sees that every block has as many digests as heads. */
static q_status check_blocks(struct signature_file *file)
{
    uint32_t frames = q_seekable_frame_count(file->reader) - 1;
    if (frames % 2)
        return q_fail(Q_ERR_INPUT, "'%s' has heads without digests", file->path);
    file->blocks = frames / 2;
    for (uint32_t block = 0; block < file->blocks; block++) {
        struct q_frame_info heads, digests;
        Q_TRY(q_seekable_frame(file->reader, 1 + 2 * block, &heads));
        Q_TRY(q_seekable_frame(file->reader, 2 + 2 * block, &digests));
        uint64_t count = heads.plain_bytes / SIGNATURE_HEAD_BYTES;
        if (heads.kind != Q_FRAME_DATA || digests.kind != Q_FRAME_DATA || heads.plain_bytes % SIGNATURE_HEAD_BYTES ||
            digests.plain_bytes != count * file->shape.bands * sizeof(uint64_t))
            return q_fail(Q_ERR_INPUT, "'%s': block %u has heads and digests of different numbers", file->path, block);
        file->documents += count;
    }
    return Q_OK;
}

q_status signature_file_open(struct signature_file *file, const char *path)
{
    signature_file_close(file);
    file->path = path;
    Q_TRY(q_seekable_open(path, &file->reader));
    Q_TRY(read_header(file));
    return check_blocks(file);
}

void signature_file_close(struct signature_file *file)
{
    if (file->reader)
        q_seekable_close(file->reader);
    q_buffer_release(&file->plain);
    *file = (struct signature_file){0};
}

q_status signature_file_block_count(const struct signature_file *file, uint32_t block, uint32_t *documents)
{
    struct q_frame_info info;
    q_check(block < file->blocks);
    Q_TRY(q_seekable_frame(file->reader, 1 + 2 * block, &info));
    *documents = info.plain_bytes / SIGNATURE_HEAD_BYTES;
    return Q_OK;
}

q_status signature_file_heads(struct signature_file *file, uint32_t block, struct signature_head **heads,
                              size_t *capacity, uint32_t *count)
{
    q_check(block < file->blocks);
    Q_TRY(q_seekable_read_frame(file->reader, 1 + 2 * block, &file->plain));
    *count = (uint32_t)(file->plain.size / SIGNATURE_HEAD_BYTES);
    Q_TRY(q_grow(heads, capacity, *count, sizeof(**heads)));
    for (uint32_t i = 0; i < *count; i++)
        signature_head_read((const unsigned char *)file->plain.data + (size_t)i * SIGNATURE_HEAD_BYTES, &(*heads)[i]);
    return Q_OK;
}

q_status signature_file_digests(struct signature_file *file, uint32_t block, const uint64_t **digests)
{
    q_check(block < file->blocks);
    Q_TRY(q_seekable_read_frame(file->reader, 2 + 2 * block, &file->plain));
    /* Little-endian in the file; the buffer is aligned, being from the allocator. */
    uint64_t *numbers = (uint64_t *)(void *)file->plain.data;
    for (size_t i = 0; i < file->plain.size / sizeof(*numbers); i++)
        numbers[i] = q_load_u64((const char *)(numbers + i));
    *digests = numbers;
    return Q_OK;
}
