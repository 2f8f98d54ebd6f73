#include "shards/shard_file.h"

#include "base/check.h"

static q_status check_skippable(const struct shard_file *file, uint32_t frame, enum shard_kind kind)
{
    struct q_frame_info info;
    Q_TRY(q_seekable_frame(file->reader, frame, &info));
    if (info.kind != Q_FRAME_SKIPPABLE || info.skippable_kind != (unsigned)kind)
        return q_fail(Q_ERR_INPUT, "shard '%s': frame %u is not the table that should stand there", file->path, frame);
    return Q_OK;
}

/* The layout of shard_format.h, by the seek table alone. */
static q_status check_layout(const struct shard_file *file)
{
    const struct shard_header *header = &file->header;
    const uint64_t frame_bytes = (uint64_t)header->frame_ids * header->id_bytes;
    if (q_seekable_frame_count(file->reader) != (uint64_t)file->frames + SHARD_FRAMES_AROUND)
        return q_fail(Q_ERR_INPUT, "shard '%s': the file has %u frames, its header says %llu", file->path,
                      q_seekable_frame_count(file->reader), (unsigned long long)file->frames + SHARD_FRAMES_AROUND);
    for (uint32_t f = 0; f < file->frames; f++) {
        struct q_frame_info info;
        Q_TRY(q_seekable_frame(file->reader, f + 1, &info));
        const uint64_t left = header->tokens * header->id_bytes - f * frame_bytes;
        if (info.kind != Q_FRAME_DATA || info.plain_bytes != Q_MIN(frame_bytes, left))
            return q_fail(Q_ERR_INPUT, "shard '%s': data frame %u does not have the size that the header says",
                          file->path, f);
    }
    for (int kind = SHARD_BOUNDARIES; kind <= SHARD_PROVENANCE; kind++)
        Q_TRY(check_skippable(file, file->frames + (uint32_t)kind, (enum shard_kind)kind));
    return Q_OK;
}

static q_status read_table(struct shard_file *file, enum shard_kind kind, struct q_buffer *out)
{
    return q_seekable_read_frame(file->reader, file->frames + (uint32_t)kind, out);
}

static q_status read_boundaries(struct shard_file *file)
{
    struct q_buffer bytes = {0};
    q_status status;
    const size_t count = file->frames - 1;
    Q_TRY_GOTO(out, read_table(file, SHARD_BOUNDARIES, &bytes));
    if (bytes.size != count * sizeof(uint32_t)) {
        status = q_fail(Q_ERR_INPUT, "shard '%s': the boundary table has %zu bytes for %u frames", file->path,
                        bytes.size, file->frames);
        goto out;
    }
    Q_TRY_GOTO(out, q_arena_alloc(&file->arena, count, sizeof(uint32_t), &file->boundaries));
    if (count > 0 && shard_ids_widen(bytes.data, count, sizeof(uint32_t), file->boundaries) >= file->header.vocabulary)
        status =
            q_fail(Q_ERR_INPUT, "shard '%s': the boundary table holds an id that is not in the vocabulary", file->path);
out:
    q_buffer_release(&bytes);
    return status;
}

static q_status read_header(struct shard_file *file)
{
    struct q_buffer bytes = {0};
    q_status status;
    Q_TRY_GOTO(out, check_skippable(file, 0, SHARD_HEADER));
    Q_TRY_GOTO(out, q_seekable_read_frame(file->reader, 0, &bytes));
    Q_TRY_GOTO(out, q_context(shard_header_parse(q_buffer_string(&bytes), &file->header), "shard '%s'", file->path));
    Q_TRY_GOTO(out, q_arena_string(&file->arena, file->header.source, &file->header.source));
    file->frames = (uint32_t)shard_data_frames(&file->header);
out:
    q_buffer_release(&bytes);
    return status;
}

static q_status open_checked(struct shard_file *file, const char *path)
{
    Q_TRY(q_arena_cstring(&file->arena, q_string_of(path), &file->path));
    Q_TRY(q_seekable_open(path, &file->reader));
    if (q_seekable_frame_count(file->reader) < SHARD_FRAMES_AROUND + 1)
        return q_fail(Q_ERR_INPUT, "'%s' is not a shard file", path);
    Q_TRY(read_header(file));
    Q_TRY(check_layout(file));
    return read_boundaries(file);
}

q_status shard_file_open(const char *path, struct shard_file **out)
{
    struct shard_file *file;
    Q_TRY(q_alloc_zero(1, sizeof *file, &file));
    file->stored_frame = UINT32_MAX;
    const q_status status = open_checked(file, path);
    if (status) {
        shard_file_close(file);
        return status;
    }
    *out = file;
    return Q_OK;
}

void shard_file_close(struct shard_file *file)
{
    if (!file)
        return;
    if (file->reader)
        q_seekable_close(file->reader);
    q_buffer_release(&file->stored);
    q_arena_release(&file->arena);
    q_release(file);
}

/* Makes `frame` the frame in file->stored. */
static q_status load_frame(struct shard_file *file, uint32_t frame)
{
    if (file->stored_frame == frame)
        return Q_OK;
    file->stored_frame = UINT32_MAX;
    Q_TRY(q_seekable_read_frame(file->reader, frame + 1, &file->stored));
    file->stored_frame = frame;
    return Q_OK;
}

/* ids[0..count) from place `first` of the frame on. */
static q_status widen_checked(struct shard_file *file, uint64_t first, uint64_t count, uint32_t *ids)
{
    const unsigned width = file->header.id_bytes;
    q_check((first + count) * width <= file->stored.size);
    if (shard_ids_widen(file->stored.data + first * width, count, width, ids) < file->header.vocabulary)
        return Q_OK;
    return q_fail(Q_ERR_INPUT, "shard '%s': data frame %u holds an id that is not in the vocabulary of %u", file->path,
                  file->stored_frame, file->header.vocabulary);
}

q_status shard_file_sequence(struct shard_file *file, uint64_t sequence, uint32_t *ids)
{
    const struct shard_header *header = &file->header;
    const uint32_t T = header->sequence_tokens;
    q_check(sequence < header->sequences);
    const uint32_t frame = (uint32_t)(sequence * T / header->frame_ids);
    const uint64_t first = sequence * T % header->frame_ids;
    Q_TRY(load_frame(file, frame));
    /* The last target is the next sequence's first input: for a frame's last sequence it lies in the next frame, and in the boundary table. */
    if (first + T < header->frame_ids)
        return widen_checked(file, first, (uint64_t)T + 1, ids);
    ids[T] = file->boundaries[frame];
    return widen_checked(file, first, T, ids);
}

q_status shard_file_ids(struct shard_file *file, uint64_t first, uint64_t count, uint32_t *ids)
{
    q_check(first <= file->header.tokens && count <= file->header.tokens - first);
    while (count > 0) {
        const uint64_t within = first % file->header.frame_ids;
        const uint64_t some = Q_MIN(count, file->header.frame_ids - within);
        Q_TRY(load_frame(file, (uint32_t)(first / file->header.frame_ids)));
        Q_TRY(widen_checked(file, within, some, ids));
        ids += some;
        first += some;
        count -= some;
    }
    return Q_OK;
}

q_status shard_file_statistics(struct shard_file *file, struct q_arena *arena, struct shard_statistics *out)
{
    struct q_buffer bytes = {0};
    q_status status = read_table(file, SHARD_STATISTICS, &bytes);
    if (!status)
        status = q_context(shard_statistics_parse(q_buffer_string(&bytes), &file->header, arena, out), "shard '%s'",
                           file->path);
    q_buffer_release(&bytes);
    return status;
}

q_status shard_file_documents(struct shard_file *file, size_t language_count, struct q_arena *arena,
                              struct shard_document **out)
{
    struct q_buffer stored = {0}, table = {0};
    q_status status;
    Q_TRY_GOTO(out, read_table(file, SHARD_DOCUMENTS, &stored));
    Q_TRY_GOTO(in_file, q_seekable_decompress(stored.data, stored.size, Q_SEEKABLE_FRAME_BYTES_MAX, &table));
    Q_TRY_GOTO(in_file, shard_documents_parse(q_buffer_string(&table), &file->header, language_count, arena, out));
in_file:
    status = q_context(status, "shard '%s'", file->path);
out:
    q_buffer_release(&stored);
    q_buffer_release(&table);
    return status;
}

q_status shard_file_provenance(struct shard_file *file, struct q_buffer *out)
{
    return read_table(file, SHARD_PROVENANCE, out);
}
