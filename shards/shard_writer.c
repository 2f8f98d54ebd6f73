#include "shards/shard_writer.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/seekable.h"

/* A frame on its way through the pool: gathered by one thread, compressed by another, written in order. */
struct frame_job {
    struct q_buffer plain, stored;
    uint32_t checksum;
};

struct shard_writer {
    struct shard_stream *stream;
    struct q_seekable_writer *file;
    struct q_compressor **compressors; /* one per worker */
    unsigned workers;
    struct q_arena arena;
    struct shard_statistics statistics;
    uint32_t *boundaries; /* first ids of data frames 2.. */
    uint64_t frame;       /* next to gather */
    size_t document;      /* where gathering stands: `taken` ids of this document are in frames already */
    uint64_t taken;
};

/* Places, sums and statistics by document: everything but the counts of ids, which gathering makes. */
static q_status count_stream(struct shard_writer *writer)
{
    struct shard_stream *stream = writer->stream;
    struct shard_header *header = &stream->header;
    struct shard_statistics *statistics = &writer->statistics;
    Q_TRY(q_arena_alloc(&writer->arena, stream->language_count, sizeof(struct shard_language), &statistics->languages));
    Q_TRY(q_arena_alloc(&writer->arena, header->vocabulary, sizeof(uint64_t), &statistics->counts));
    statistics->language_count = stream->language_count;
    statistics->vocabulary = header->vocabulary;
    for (size_t i = 0; i < stream->language_count; i++)
        statistics->languages[i].name = stream->languages[i];
    header->tokens = header->text_bytes = header->fim_documents = 0;
    header->documents = stream->count;
    for (size_t i = 0; i < stream->count; i++) {
        struct shard_document *document = &stream->documents[i];
        struct shard_language *language = &statistics->languages[document->language];
        document->first = header->tokens;
        header->tokens += document->tokens;
        header->text_bytes += document->text_bytes;
        header->fim_documents += document->fim;
        language->documents++;
        language->tokens += document->tokens;
        language->text_bytes += document->text_bytes;
        statistics->lengths[shard_length_bin(document->tokens)]++;
    }
    header->sequences = (header->tokens - 1) / header->sequence_tokens;
    return q_arena_alloc(&writer->arena, shard_data_frames(header), sizeof(uint32_t), &writer->boundaries);
}

static void count_ids(struct shard_writer *writer, const char *stored, size_t count)
{
    uint64_t *counts = writer->statistics.counts;
    uint32_t ids[256];
    const unsigned id_bytes = writer->stream->header.id_bytes;
    for (size_t done = 0; done < count; done += Q_COUNT_OF(ids)) {
        const size_t some = Q_MIN(count - done, Q_COUNT_OF(ids));
        const uint32_t largest = shard_ids_widen(stored + done * id_bytes, some, id_bytes, ids);
        q_check(largest < writer->stream->header.vocabulary);
        for (size_t i = 0; i < some; i++)
            counts[ids[i]]++;
    }
}

/* The next frame's ids, copied out of as many documents as it takes. */
static q_status gather_frame(struct shard_writer *writer, struct q_buffer *out)
{
    const struct shard_stream *stream = writer->stream;
    const size_t width = stream->header.id_bytes;
    q_buffer_clear(out);
    uint64_t missing =
        Q_MIN(stream->header.frame_ids, stream->header.tokens - writer->frame * stream->header.frame_ids);
    while (missing > 0) {
        const struct shard_document *document = &stream->documents[writer->document];
        const uint64_t some = Q_MIN(missing, document->tokens - writer->taken);
        const char *from = (const char *)stream->ids + (stream->places[writer->document] + writer->taken) * width;
        Q_TRY(q_buffer_append(out, from, (size_t)some * width));
        missing -= some;
        writer->taken += some;
        if (writer->taken == document->tokens) {
            writer->document++;
            writer->taken = 0;
        }
    }
    count_ids(writer, out->data, out->size / width);
    if (writer->frame > 0)
        shard_ids_widen(out->data, 1, stream->header.id_bytes, &writer->boundaries[writer->frame - 1]);
    writer->frame++;
    return Q_OK;
}

static q_status next_frame(void *context, void **job, bool *more)
{
    struct shard_writer *writer = context;
    *more = writer->frame < shard_data_frames(&writer->stream->header);
    if (!*more)
        return Q_OK;
    if (q_stop_requested())
        return q_fail(Q_STOPPED, "stopped");
    if (!*job)
        Q_TRY(q_alloc_zero(1, sizeof(struct frame_job), job));
    return gather_frame(writer, &((struct frame_job *)*job)->plain);
}

static q_status compress_frame(void *context, unsigned worker, void *job)
{
    struct shard_writer *writer = context;
    struct frame_job *frame = job;
    return q_seekable_compress(writer->compressors[worker], frame->plain.data, frame->plain.size, &frame->stored,
                               &frame->checksum);
}

static q_status write_frame(void *context, void *job)
{
    struct shard_writer *writer = context;
    const struct frame_job *frame = job;
    return q_seekable_add_compressed(writer->file, frame->stored.data, frame->stored.size, frame->plain.size,
                                     frame->checksum);
}

static void release_frame(void *context, void *job)
{
    (void)context;
    struct frame_job *frame = job;
    q_buffer_release(&frame->plain);
    q_buffer_release(&frame->stored);
    q_release(frame);
}

/* The document table is mostly ids, which are mostly the same paths: it shrinks to a fifth. */
static q_status write_documents(struct shard_writer *writer)
{
    struct q_buffer table = {0}, stored = {0};
    uint32_t checksum;
    q_status status;
    Q_TRY_GOTO(out, shard_documents_write(writer->stream->documents, writer->stream->count, &table));
    Q_TRY_GOTO(out, q_seekable_compress(writer->compressors[0], table.data, table.size, &stored, &checksum));
    Q_TRY_GOTO(out, q_seekable_add_skippable(writer->file, SHARD_DOCUMENTS, stored.data, stored.size));
out:
    q_buffer_release(&table);
    q_buffer_release(&stored);
    return status;
}

static q_status write_tables(struct shard_writer *writer)
{
    const struct shard_stream *stream = writer->stream;
    struct q_buffer table = {0};
    q_status status;
    Q_TRY_GOTO(out, q_seekable_add_skippable(writer->file, SHARD_BOUNDARIES, writer->boundaries,
                                             (writer->frame - 1) * sizeof(uint32_t)));
    Q_TRY_GOTO(out, shard_statistics_write(&writer->statistics, &table));
    Q_TRY_GOTO(out, q_seekable_add_skippable(writer->file, SHARD_STATISTICS, table.data, table.size));
    Q_TRY_GOTO(out, write_documents(writer));
    Q_TRY_GOTO(out, q_seekable_add_skippable(writer->file, SHARD_PROVENANCE, stream->provenance.data,
                                             stream->provenance.size));
out:
    q_buffer_release(&table);
    return status;
}

static q_status write_file(struct shard_writer *writer, const char *path, int level, struct q_pool *pool)
{
    enum {
        FRAMES_IN_FLIGHT = 8
    }; /* per thread: a frame is small, and a thread that is late must not starve the others */
    struct q_buffer header = {0};
    q_status status;
    Q_TRY(count_stream(writer));
    Q_TRY(q_arena_alloc(&writer->arena, q_pool_threads(pool), sizeof(struct q_compressor *), &writer->compressors));
    for (; writer->workers < q_pool_threads(pool); writer->workers++)
        Q_TRY(q_compressor_create(level, &writer->compressors[writer->workers]));
    Q_TRY(q_seekable_create(path, level, &writer->file));
    Q_TRY_GOTO(out, shard_header_write(&writer->stream->header, &header));
    Q_TRY_GOTO(out, q_seekable_add_skippable(writer->file, SHARD_HEADER, header.data, header.size));
    const struct q_stream frames = {writer, next_frame, compress_frame, write_frame, release_frame};
    Q_TRY_GOTO(out, q_pool_stream(pool, (size_t)writer->workers * FRAMES_IN_FLIGHT, &frames));
    Q_TRY_GOTO(out, write_tables(writer));
out:
    q_buffer_release(&header);
    return status;
}

q_status shard_write(const char *path, int level, struct q_pool *pool, struct shard_stream *stream,
                     struct q_file_identity *identity)
{
    q_check(stream->count > 0);
    struct shard_writer writer = {.stream = stream};
    q_status status = write_file(&writer, path, level, pool);
    if (status)
        q_seekable_abandon(writer.file);
    else
        status = q_seekable_commit(writer.file, identity);
    for (unsigned i = 0; i < writer.workers; i++)
        q_compressor_release(writer.compressors[i]);
    q_arena_release(&writer.arena);
    return status;
}
