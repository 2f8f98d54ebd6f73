/* Writing count files: one thread puts entries into frames, all compress, frames go out in order.
 *
 * Where frames end is a function of the entries (counts_piece_begins_frame, COUNTS_FRAME_BYTES), never of who made them. */
#include "base/bytes.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/seekable.h"
#include "tokenizer/counts_file.h"
#include "tokenizer/counts_format.h"
#include "tokenizer/unicode/unicode_classes.h"

#include <string.h>

/* One piece in 2^15 begins a frame, so a frame holds half a megabyte where pieces are as in text. */
enum { FRAME_BITS = 15 };

bool counts_piece_begins_frame(q_string piece)
{
    return (q_hash64(piece.data, piece.size, 0) & ((1u << FRAME_BITS) - 1)) == 0;
}

struct frame_job {
    struct q_buffer plain, stored;
    uint32_t checksum;
};

struct counts_writing {
    const struct count_source *source;
    struct q_seekable_writer *writer;
    struct q_compressor **compressors; /* one for each thread */
    struct q_buffer previous;          /* the piece before, in this frame */
    struct count_entry pending;        /* was taken and begins the next frame */
    uint64_t entries, pieces;
    int level;
    bool at_end;
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

static q_status put_entry(struct counts_writing *writing, struct q_buffer *frame, const struct count_entry *entry)
{
    q_string piece = entry->piece;
    size_t shared = common_bytes(q_buffer_string(&writing->previous), piece), rest = piece.size - shared;
    Q_TRY(q_buffer_reserve(frame, rest + 3 * COUNTS_VARINT_BYTES));
    char *at = put_varint(frame->data + frame->size, shared);
    at = put_varint(at, rest);
    memcpy(at, piece.data + shared, rest);
    at = put_varint(at + rest, entry->count);
    frame->size = (size_t)(at - frame->data);
    writing->previous.size = shared;
    writing->entries++;
    if (!q_add_u64(writing->pieces, entry->count, &writing->pieces))
        return q_fail(Q_ERR_INPUT, "the counts of all pieces do not fit 64 bits");
    return q_buffer_append(&writing->previous, piece.data + shared, rest);
}

/* Entries up to the frame's end. */
static q_status fill_frame(struct counts_writing *writing, struct q_buffer *frame)
{
    q_buffer_clear(frame);
    q_buffer_clear(&writing->previous); /* each frame stands alone */
    if (writing->pending.piece.data)
        Q_TRY(put_entry(writing, frame, &writing->pending));
    writing->pending = (struct count_entry){0};
    while (frame->size < COUNTS_FRAME_BYTES) {
        struct count_entry entry;
        Q_TRY(writing->source->next(writing->source->context, &entry));
        if (!entry.piece.data) {
            writing->at_end = true;
            return Q_OK;
        }
        if (frame->size && counts_piece_begins_frame(entry.piece)) {
            writing->pending = entry; /* stays where it is until the next call */
            return Q_OK;
        }
        Q_TRY(put_entry(writing, frame, &entry));
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
    if (writing->at_end)
        return Q_OK;
    if (!job) {
        Q_TRY(q_alloc_zero(1, sizeof(*job), &job));
        *slot = job;
    }
    Q_TRY(fill_frame(writing, &job->plain));
    *more = job->plain.size > 0;
    return Q_OK;
}

static q_status compress_frame(void *context, unsigned worker, void *slot)
{
    struct counts_writing *writing = context;
    struct frame_job *job = slot;
    struct q_compressor **mine = &writing->compressors[worker];
    if (!*mine)
        Q_TRY(q_compressor_create(writing->level, mine));
    return q_seekable_compress(*mine, job->plain.data, job->plain.size, &job->stored, &job->checksum);
}

static q_status put_frame(void *context, void *slot)
{
    struct counts_writing *writing = context;
    const struct frame_job *job = slot;
    return q_seekable_add_compressed(writing->writer, job->stored.data, job->stored.size, job->plain.size,
                                     job->checksum);
}

static void release_frame(void *context, void *slot)
{
    struct frame_job *job = slot;
    (void)context;
    q_buffer_release(&job->plain);
    q_buffer_release(&job->stored);
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
    const struct q_stream stream = {writing, next_frame, compress_frame, put_frame, release_frame};
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

q_status counts_file_write(const char *path, int level, const struct count_source *source, struct q_pool *pool,
                           struct count_info *info, struct q_file_identity *identity)
{
    struct counts_writing writing = {.source = source, .level = level};
    q_status status;
    Q_TRY(q_seekable_create(path, level, &writing.writer));
    Q_TRY_GOTO(done, write_header(writing.writer, info));
    Q_TRY_GOTO(done, write_frames(&writing, pool));
    if (info->total.pieces && info->total.pieces != writing.pieces)
        Q_TRY_GOTO(done, q_fail(Q_ERR_INPUT, "the counts for '%s' add up to %llu, not to the %llu that were counted",
                                path, (unsigned long long)writing.pieces, (unsigned long long)info->total.pieces));
    info->entries = writing.entries;
    info->total.pieces = writing.pieces;
    Q_TRY_GOTO(done, write_totals(writing.writer, info));
    status = q_seekable_commit(writing.writer, identity);
    writing.writer = NULL;
done:
    q_seekable_abandon(writing.writer);
    q_buffer_release(&writing.previous);
    return status;
}
