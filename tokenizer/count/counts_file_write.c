/* Writing count files: one thread puts entries into frames, all compress, frames go out in order.
 *
 * Where frames end is a function of the entries (counts_piece_begins_frame, COUNTS_FRAME_BYTES), never of who made them. */
#include "base/bytes.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/seekable.h"
#include "tokenizer/count/counts_file.h"
#include "tokenizer/count/counts_format.h"
#include "tokenizer/unicode/unicode_classes.h"

#include <string.h>

/* One piece in 2^15 begins a frame, so a frame holds half a megabyte where pieces are as in text. */
enum { FRAME_BITS = 15 };

bool counts_piece_begins_frame(q_string piece)
{
    return (q_hash64(piece.data, piece.size, 0) & ((1u << FRAME_BITS) - 1)) == 0;
}

/* Entries on their way from a source into frames. */
struct framing {
    struct count_source source;
    struct q_buffer previous;   /* the piece before, in this frame */
    struct count_entry pending; /* was taken and begins the next frame */
    uint64_t entries, pieces;
    bool at_end;
};

struct stored_frame {
    size_t stored_bytes, plain_bytes;
    uint32_t checksum;
};

/* A job is a frame of the one source, or all frames of a range. */
struct frame_job {
    size_t range;
    struct q_buffer plain, stored;
    struct q_buffer bytes; /* of all frames, stored */
    struct stored_frame *frames;
    size_t frame_count, frame_capacity;
    uint64_t entries, pieces;
};

struct counts_writing {
    struct framing framing;            /* of the one source; or: */
    const struct count_ranges *ranges; /* and */
    size_t range;                      /* the next */
    struct q_seekable_writer *writer;
    struct q_compressor **compressors; /* one for each thread */
    uint64_t entries, pieces;
    int level;
};

/* Seven bits a byte, the lowest first; the high bit says that more follow. */
static char *put_varint(char *at, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        *at++ = (char)(0x80 | (value & 0x7F));
    *at++ = (char)value;
    return at;
}

static size_t common_bytes(q_string a, q_string b)
{
    size_t shared = 0, shorter = Q_MIN(a.size, b.size);
    while (shared + 8 <= shorter) {
        uint64_t difference = q_load_u64(a.data + shared) ^ q_load_u64(b.data + shared);
        if (difference)
            return shared + (size_t)__builtin_ctzll(difference) / 8;
        shared += 8;
    }
    while (shared < shorter && a.data[shared] == b.data[shared])
        shared++;
    return shared;
}

static q_status put_entry(struct framing *framing, struct q_buffer *frame, const struct count_entry *entry)
{
    const q_string piece = entry->piece;
    const size_t shared = common_bytes(q_buffer_string(&framing->previous), piece), rest = piece.size - shared;
    Q_TRY(q_buffer_reserve(frame, rest + 3 * COUNTS_VARINT_BYTES));
    char *at = put_varint(frame->data + frame->size, shared);
    at = put_varint(at, rest);
    memcpy(at, piece.data + shared, rest);
    at = put_varint(at + rest, entry->count);
    frame->size = (size_t)(at - frame->data);
    framing->previous.size = shared;
    framing->entries++;
    if (!q_add_u64(framing->pieces, entry->count, &framing->pieces))
        return q_fail(Q_ERR_INPUT, "the counts of all pieces do not fit 64 bits");
    return q_buffer_append(&framing->previous, piece.data + shared, rest);
}

/* Entries up to the frame's end; an empty frame is the end. */
static q_status fill_frame(struct framing *framing, struct q_buffer *frame)
{
    q_buffer_clear(frame);
    q_buffer_clear(&framing->previous); /* each frame stands alone */
    if (framing->pending.piece.data)
        Q_TRY(put_entry(framing, frame, &framing->pending));
    framing->pending = (struct count_entry){0};
    while (frame->size < COUNTS_FRAME_BYTES && !framing->at_end) {
        struct count_entry entry;
        Q_TRY(framing->source.next(framing->source.context, &entry));
        framing->at_end = !entry.piece.data;
        if (framing->at_end)
            return Q_OK;
        if (frame->size && counts_piece_begins_frame(entry.piece)) {
            framing->pending = entry; /* stays where it is until the next call */
            return Q_OK;
        }
        Q_TRY(put_entry(framing, frame, &entry));
    }
    return Q_OK;
}

static q_status next_frame(void *context, void **slot, bool *more)
{
    struct counts_writing *writing = context;
    struct frame_job *job = *slot;
    *more = false;
    if (q_stop_requested())
        return q_fail(Q_STOPPED, "stopped while counts were written");
    if (!job) {
        Q_TRY(q_alloc_zero(1, sizeof(*job), &job));
        *slot = job;
    }
    if (writing->ranges) {
        job->range = writing->range++;
        *more = job->range < writing->ranges->count;
        return Q_OK;
    }
    Q_TRY(fill_frame(&writing->framing, &job->plain));
    *more = job->plain.size > 0;
    return Q_OK;
}

static q_status compress_frame(struct q_compressor *compressor, struct frame_job *job)
{
    struct stored_frame frame = {.plain_bytes = job->plain.size};
    Q_TRY(q_seekable_compress(compressor, job->plain.data, job->plain.size, &job->stored, &frame.checksum));
    frame.stored_bytes = job->stored.size;
    Q_TRY(q_grow(&job->frames, &job->frame_capacity, job->frame_count + 1, sizeof(frame)));
    job->frames[job->frame_count++] = frame;
    return q_buffer_append_string(&job->bytes, q_buffer_string(&job->stored));
}

static q_status compress_range(const struct count_ranges *ranges, struct q_compressor *compressor,
                               struct frame_job *job)
{
    struct framing framing = {0};
    Q_TRY(ranges->open(ranges->context, job->range, &framing.source));
    q_status status;
    while (!(status = fill_frame(&framing, &job->plain)) && job->plain.size > 0)
        Q_TRY_GOTO(done, compress_frame(compressor, job));
    job->entries = framing.entries;
    job->pieces = framing.pieces;
done:
    ranges->close(ranges->context, &framing.source);
    q_buffer_release(&framing.previous);
    return status;
}

static q_status work_frames(void *context, unsigned worker, void *slot)
{
    struct counts_writing *writing = context;
    struct frame_job *job = slot;
    struct q_compressor **mine = &writing->compressors[worker];
    if (!*mine)
        Q_TRY(q_compressor_create(writing->level, mine));
    job->frame_count = 0;
    job->entries = job->pieces = 0;
    q_buffer_clear(&job->bytes);
    return writing->ranges ? compress_range(writing->ranges, *mine, job) : compress_frame(*mine, job);
}

static q_status put_frames(void *context, void *slot)
{
    struct counts_writing *writing = context;
    const struct frame_job *job = slot;
    const char *at = job->bytes.data;
    for (size_t i = 0; i < job->frame_count; at += job->frames[i++].stored_bytes)
        Q_TRY(q_seekable_add_compressed(writing->writer, at, job->frames[i].stored_bytes, job->frames[i].plain_bytes,
                                        job->frames[i].checksum));
    writing->entries += job->entries;
    if (!q_add_u64(writing->pieces, job->pieces, &writing->pieces))
        return q_fail(Q_ERR_INPUT, "the counts of all pieces do not fit 64 bits");
    return Q_OK;
}

static void release_frame(void *context, void *slot)
{
    struct frame_job *job = slot;
    (void)context;
    q_buffer_release(&job->plain);
    q_buffer_release(&job->stored);
    q_buffer_release(&job->bytes);
    q_release(job->frames);
    q_release(job);
}

static q_status write_header(struct q_seekable_writer *writer, const struct count_info *info)
{
    uint8_t header[COUNTS_HEADER_BYTES] = {0};
    q_check(strlen(info->pretokenizer) < COUNTS_PRETOKENIZER_BYTES && strlen(UNICODE_VERSION) < COUNTS_UNICODE_BYTES);
    q_check(info->scale == 1 || info->scale == COUNT_SCALE);
    memcpy(header, COUNTS_MAGIC, strlen(COUNTS_MAGIC));
    q_store_u32(header + COUNTS_AT_VERSION, COUNTS_VERSION);
    q_store_u32(header + COUNTS_AT_SCALE, info->scale);
    memcpy(header + COUNTS_AT_PRETOKENIZER, info->pretokenizer, strlen(info->pretokenizer));
    memcpy(header + COUNTS_AT_UNICODE, UNICODE_VERSION, strlen(UNICODE_VERSION));
    return q_seekable_add_skippable(writer, COUNTS_HEADER_KIND, header, sizeof(header));
}

static q_status write_totals(struct q_seekable_writer *writer, const struct count_info *info)
{
    uint8_t totals[COUNTS_TOTALS_BYTES];
    q_store_u64(totals, info->entries);
    q_store_u64(totals + 8, info->total.pieces);
    q_store_u64(totals + 16, info->total.documents);
    q_store_u64(totals + 24, info->total.bytes);
    return q_seekable_add_skippable(writer, COUNTS_TOTALS_KIND, totals, sizeof(totals));
}

static q_status write_frames(struct counts_writing *writing, struct q_pool *pool)
{
    const unsigned threads = pool ? q_pool_threads(pool) : 1;
    const struct q_stream stream = {writing, next_frame, work_frames, put_frames, release_frame};
    q_status status;
    Q_TRY(q_alloc_zero(threads, sizeof(*writing->compressors), &writing->compressors));
    if (pool) {
        status = q_pool_stream(pool, 2 * (size_t)threads, &stream);
    } else {
        struct q_pool *alone;
        status = q_pool_create(1, &alone);
        if (!status) {
            status = q_pool_stream(alone, 1, &stream);
            q_pool_release(alone);
        }
    }
    for (unsigned i = 0; i < threads; i++)
        q_compressor_release(writing->compressors[i]);
    q_release(writing->compressors);
    return status;
}

static q_status write_file(struct counts_writing *writing, const char *path, struct q_pool *pool,
                           struct count_info *info, struct q_file_identity *identity)
{
    q_status status;
    Q_TRY(q_seekable_create(path, writing->level, &writing->writer));
    Q_TRY_GOTO(done, write_header(writing->writer, info));
    Q_TRY_GOTO(done, write_frames(writing, pool));
    writing->entries += writing->framing.entries;
    Q_TRY_GOTO(done, q_add_u64(writing->pieces, writing->framing.pieces, &writing->pieces)
                         ? Q_OK
                         : q_fail(Q_ERR_INPUT, "the counts of all pieces do not fit 64 bits"));
    if (info->total.pieces && info->total.pieces != writing->pieces)
        Q_TRY_GOTO(done, q_fail(Q_ERR_INPUT, "the counts for '%s' add up to %llu, not to the %llu that were counted",
                                path, (unsigned long long)writing->pieces, (unsigned long long)info->total.pieces));
    info->entries = writing->entries;
    info->total.pieces = writing->pieces;
    Q_TRY_GOTO(done, write_totals(writing->writer, info));
    status = q_seekable_commit(writing->writer, identity);
    writing->writer = NULL;
done:
    q_seekable_abandon(writing->writer);
    q_buffer_release(&writing->framing.previous);
    return status;
}

q_status counts_file_write(const char *path, int level, const struct count_source *source, struct q_pool *pool,
                           struct count_info *info, struct q_file_identity *identity)
{
    struct counts_writing writing = {.framing = {.source = *source}, .level = level};
    return write_file(&writing, path, pool, info, identity);
}

q_status counts_file_write_ranges(const char *path, int level, const struct count_ranges *ranges, struct q_pool *pool,
                                  struct count_info *info, struct q_file_identity *identity)
{
    struct counts_writing writing = {.ranges = ranges, .level = level};
    return write_file(&writing, path, pool, info, identity);
}
