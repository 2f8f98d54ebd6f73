#include "shards/shards_export.h"

#include "base/bytes.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/publish.h"

/* What the index will hold, gathered while the ids are copied. */
struct megatron {
    struct q_publish bin;
    struct q_buffer lengths; /* i32 each */
    struct q_buffer starts;  /* i64 each */
    uint64_t documents;
    uint64_t bytes; /* of .bin so far */
    unsigned id_bytes;
};

static q_status add_documents(struct megatron *out, struct shard_file *file)
{
    struct q_arena arena = {0};
    struct shard_statistics statistics;
    struct shard_document *documents;
    char length[4], start[8];
    q_status status;
    Q_TRY_GOTO(out, shard_file_statistics(file, &arena, &statistics));
    Q_TRY_GOTO(out, shard_file_documents(file, statistics.language_count, &arena, &documents));
    for (uint64_t i = 0; i < file->header.documents; i++) {
        if (documents[i].tokens > INT32_MAX)
            Q_TRY_GOTO(out, q_fail(Q_ERR_INPUT, "document '%.*s' has %llu tokens, more than Megatron's format can say",
                                   Q_STRING_ARGS(documents[i].id), (unsigned long long)documents[i].tokens));
        q_store_u32(length, (uint32_t)documents[i].tokens);
        q_store_u64(start, out->bytes + documents[i].first * out->id_bytes);
        Q_TRY_GOTO(out, q_buffer_append(&out->lengths, length, sizeof length));
        Q_TRY_GOTO(out, q_buffer_append(&out->starts, start, sizeof start));
    }
    out->documents += file->header.documents;
out:
    q_arena_release(&arena);
    return status;
}

static q_status copy_ids(struct megatron *out, struct shard_file *file)
{
    const struct shard_header *header = &file->header;
    uint32_t *ids;
    char *stored = NULL;
    q_status status;
    Q_TRY(q_alloc(header->frame_ids, sizeof *ids, &ids));
    Q_TRY_GOTO(out, q_alloc(header->frame_ids, out->id_bytes, &stored));
    for (uint64_t first = 0; first < header->tokens; first += header->frame_ids) {
        const uint64_t count = Q_MIN(header->frame_ids, header->tokens - first);
        if (q_stop_requested())
            Q_TRY_GOTO(out, q_fail(Q_STOPPED, "stopped"));
        Q_TRY_GOTO(out, shard_file_ids(file, first, count, ids));
        shard_ids_narrow(ids, count, out->id_bytes, stored);
        Q_TRY_GOTO(out, q_publish_write(&out->bin, stored, count * out->id_bytes));
    }
    out->bytes += header->tokens * out->id_bytes;
out:
    q_release(ids);
    q_release(stored);
    return status;
}

static q_status add_file(struct megatron *out, const struct shards *shards, const struct shards_file *said)
{
    struct shard_file *file;
    Q_TRY(shard_file_open(said->path, &file));
    q_status status = shards_file_check(shards, said, file);
    if (!status)
        status = add_documents(out, file);
    if (!status)
        status = copy_ids(out, file);
    shard_file_close(file);
    return status;
}

static q_status write_index(const struct megatron *from, const char *path)
{
    char header[34] = "MMIDIDX"; /* and two zeros */
    struct q_publish idx = {0};
    q_status status;
    q_store_u64(header + 9, 1);
    header[17] = from->id_bytes == 2 ? 8 : 4;
    q_store_u64(header + 18, from->documents);
    q_store_u64(header + 26, from->documents + 1);
    Q_TRY_GOTO(out, q_publish_open(&idx, path));
    Q_TRY_GOTO(out, q_publish_write(&idx, header, sizeof header));
    Q_TRY_GOTO(out, q_publish_write(&idx, from->lengths.data, from->lengths.size));
    Q_TRY_GOTO(out, q_publish_write(&idx, from->starts.data, from->starts.size));
    for (uint64_t i = 0; i <= from->documents; i++) {
        char number[8];
        q_store_u64(number, i);
        Q_TRY_GOTO(out, q_publish_write(&idx, number, sizeof number));
    }
    return q_publish_commit(&idx, NULL);
out:
    q_publish_abandon(&idx);
    return status;
}

static q_status export_all(const struct shards *shards, struct megatron *out, const char *bin, const char *idx)
{
    Q_TRY(q_fs_unlink(idx)); /* an old index must not stand beside new ids */
    Q_TRY(q_publish_open(&out->bin, bin));
    for (size_t f = 0; f < shards->file_count; f++)
        Q_TRY(add_file(out, shards, &shards->files[f]));
    Q_TRY(q_publish_commit(&out->bin, NULL));
    return write_index(out, idx);
}

q_status shards_export_megatron(const struct shards *shards, const char *prefix)
{
    struct megatron out = {.id_bytes = shards->vocabulary <= 65536 ? 2 : 4};
    struct q_arena arena = {0};
    const char *bin, *idx;
    q_status status = q_arena_printf(&arena, &bin, "%s.bin", prefix);
    if (!status)
        status = q_arena_printf(&arena, &idx, "%s.idx", prefix);
    if (!status)
        status = export_all(shards, &out, bin, idx);
    q_publish_abandon(&out.bin);
    q_buffer_release(&out.lengths);
    q_buffer_release(&out.starts);
    q_arena_release(&arena);
    return status;
}
