#include "tokenizer/train/bpe_checkpoint.h"

#include "base/bytes.h"
#include "base/fs.h"
#include "base/publish.h"

static const char magic[8] = "QRNMERGE";

enum {
    VERSION = 1,
    AT_VERSION = 8,
    AT_COUNT = 16,
    AT_IDENTITY = 24,
    HEADER_BYTES = 40,
    MERGE_BYTES = 16,
    HASH_BYTES = 16,
};

q_status bpe_checkpoint_write(const char *path, q_hash identity, const struct vocabulary_merge *merges,
                              const uint64_t *merge_counts, size_t count)
{
    const size_t bytes = HEADER_BYTES + count * MERGE_BYTES;
    uint8_t *file;
    Q_TRY(q_alloc_zero(bytes + HASH_BYTES, 1, &file));
    memcpy(file, magic, sizeof(magic));
    q_store_u32(file + AT_VERSION, VERSION);
    q_store_u64(file + AT_COUNT, count);
    q_store_u64(file + AT_IDENTITY, identity.low);
    q_store_u64(file + AT_IDENTITY + 8, identity.high);
    for (size_t i = 0; i < count; i++) {
        uint8_t *merge = file + HEADER_BYTES + i * MERGE_BYTES;
        q_store_u32(merge, merges[i].left);
        q_store_u32(merge + 4, merges[i].right);
        q_store_u64(merge + 8, merge_counts[i]);
    }
    q_hash hash = q_hash_bytes(file, bytes);
    q_store_u64(file + bytes, hash.low);
    q_store_u64(file + bytes + 8, hash.high);
    q_status status = q_publish_bytes(path, file, bytes + HASH_BYTES, NULL);
    q_release(file);
    return status;
}

static q_hash hash_at(const uint8_t *bytes)
{
    return (q_hash){.low = q_load_u64(bytes), .high = q_load_u64(bytes + 8)};
}

static q_status check(q_string file, const char *path, q_hash identity)
{
    const uint8_t *bytes = (const uint8_t *)file.data;
    if (file.size < HEADER_BYTES + HASH_BYTES || memcmp(bytes, magic, sizeof(magic)) != 0)
        return q_fail(Q_ERR_INPUT, "'%s' does not begin as a checkpoint of merges", path);
    if (q_load_u32(bytes + AT_VERSION) != VERSION)
        return q_fail(Q_ERR_INPUT, "'%s' is a checkpoint of another version; take it away to begin anew", path);
    const size_t body = file.size - HASH_BYTES;
    if (!q_hash_equal(q_hash_bytes(bytes, body), hash_at(bytes + body)) || (body - HEADER_BYTES) % MERGE_BYTES != 0 ||
        q_load_u64(bytes + AT_COUNT) != (body - HEADER_BYTES) / MERGE_BYTES)
        return q_fail(Q_ERR_INPUT, "'%s' is damaged or cut short; take it away to begin anew", path);
    if (!q_hash_equal(hash_at(bytes + AT_IDENTITY), identity))
        return q_fail(Q_ERR_INPUT,
                      "'%s' belongs to a training from other counts or with other options; take it away to begin anew",
                      path);
    return Q_OK;
}

q_status bpe_checkpoint_read(const char *path, q_hash identity, struct bpe_checkpoint *out)
{
    const uint64_t bytes_max = HEADER_BYTES + (uint64_t)VOCABULARY_SIZE_MAX * 2 * MERGE_BYTES + HASH_BYTES;
    q_status status = q_fs_read_file(path, bytes_max, &out->file);
    if (!status)
        status = check(q_buffer_string(&out->file), path, identity);
    if (!status)
        out->count = (out->file.size - HEADER_BYTES - HASH_BYTES) / MERGE_BYTES;
    return status;
}

void bpe_checkpoint_get(const struct bpe_checkpoint *checkpoint, size_t i, uint32_t *left, uint32_t *right,
                        uint64_t *count)
{
    const char *merge = checkpoint->file.data + HEADER_BYTES + i * MERGE_BYTES;
    *left = q_load_u32(merge);
    *right = q_load_u32(merge + 4);
    *count = q_load_u64(merge + 8);
}
