#include "tokenizer/count/count_stream.h"

#include "base/check.h"
#include "base/fs.h"
#include "base/seekable.h"
#include "tokenizer/count/merge_tree.h"

#include <stdlib.h>
#include <sys/resource.h>

enum {
    FILES_OPEN_MAX = 512,
    FILES_SPARE = 32, /* of the process's open files, for everything else */
    PASS_LEVEL = 1,   /* zstd's, for files that are read once */
};

/* What counts_file_write holds for each thread: two frames plain and stored, and zstd's tables. */
#define WRITER_THREAD_BYTES (10ull << 20)

/* A table's slots in order. */
struct sorted_slot {
    uint64_t prefix;
    const struct counts_slot *slot;
};

/* Something that gives entries in order, and the one it gave last. */
struct stream_source {
    struct counts_reader *reader; /* or: */
    const struct counts *table;
    struct sorted_slot *sorted;
    size_t at;
    struct count_source other; /* or; its own rewind */
    void (*rewind)(void *context);

    uint64_t factor; /* to the stream's scale */
    struct count_entry head;
};

/* A file on its way into the stream. */
struct stream_file {
    const char *path;
    bool ours; /* of an earlier pass: ours to remove */
};

struct count_stream {
    struct q_arena arena;
    struct count_stream_options options;
    struct count_info info;
    struct stream_file *files;
    size_t file_begin, file_end, file_capacity; /* those not merged yet */
    uint32_t passes;                            /* files made by earlier passes, for their names */

    struct stream_source *sources;
    size_t source_count, source_capacity;
    uint64_t memory; /* of the open readers */
    struct merge_tree tree;
    bool started;
    struct q_buffer piece; /* the one given last, where several sources have it */
};

static q_status fill_head(struct count_stream *stream, size_t number)
{
    struct stream_source *source = &stream->sources[number];
    if (source->reader) {
        Q_TRY(counts_reader_next(source->reader, &source->head));
    } else if (source->other.next) {
        Q_TRY(source->other.next(source->other.context, &source->head));
    } else if (source->at < source->table->used) {
        const struct sorted_slot *sorted = &source->sorted[source->at++];
        source->head = (struct count_entry){counts_piece(source->table, sorted->slot), sorted->slot->count};
    } else {
        source->head = (struct count_entry){0};
    }
    if (!q_mul_u64(source->head.count, source->factor, &source->head.count))
        return q_fail(Q_ERR_INPUT, "the counts of all pieces do not fit 64 bits in units of 1/%u", stream->info.scale);
    return Q_OK;
}

/* The same in a merge. */
static q_status fill_leaf(struct count_stream *stream, size_t number)
{
    Q_TRY(fill_head(stream, number));
    const q_string piece = stream->sources[number].head.piece;
    stream->tree.ended[number] = !piece.data;
    stream->tree.prefix[number] = merge_tree_prefix(piece);
    return Q_OK;
}

static bool head_before(const void *context, size_t a, size_t b)
{
    const struct count_stream *stream = context;
    return q_string_compare(stream->sources[a].head.piece, stream->sources[b].head.piece) < 0;
}

static q_status start(struct count_stream *stream)
{
    merge_tree_release(&stream->tree);
    Q_TRY(merge_tree_create(&stream->tree, stream->source_count));
    stream->tree.context = stream;
    stream->tree.before = head_before;
    for (size_t i = 0; i < stream->source_count; i++)
        Q_TRY(fill_leaf(stream, i));
    merge_tree_build(&stream->tree);
    stream->started = true;
    return Q_OK;
}

/* The winner's source gives its next entry. */
static q_status replace_winner(struct count_stream *stream)
{
    const size_t winner = merge_tree_first(&stream->tree);
    Q_TRY(fill_leaf(stream, winner));
    merge_tree_play(&stream->tree, winner);
    return Q_OK;
}

q_status count_stream_next(struct count_stream *stream, struct count_entry *out)
{
    *out = (struct count_entry){0};
    if (stream->source_count == 1) {
        Q_TRY(fill_head(stream, 0));
        *out = stream->sources[0].head;
        return Q_OK;
    }
    if (stream->source_count == 0)
        return Q_OK;
    if (!stream->started)
        Q_TRY(start(stream));
    const struct stream_source *winner = &stream->sources[merge_tree_first(&stream->tree)];
    if (!winner->head.piece.data)
        return Q_OK;
    uint64_t count = winner->head.count;
    q_buffer_clear(&stream->piece);
    Q_TRY(q_buffer_append_string(&stream->piece, winner->head.piece));
    for (;;) {
        Q_TRY(replace_winner(stream));
        winner = &stream->sources[merge_tree_first(&stream->tree)];
        if (!q_string_equal(winner->head.piece, q_buffer_string(&stream->piece)))
            break;
        if (!q_add_u64(count, winner->head.count, &count))
            return q_fail(Q_ERR_INPUT, "the counts of all pieces do not fit 64 bits");
    }
    *out = (struct count_entry){q_buffer_string(&stream->piece), count};
    return Q_OK;
}

void count_stream_rewind(struct count_stream *stream)
{
    for (size_t i = 0; i < stream->source_count; i++) {
        stream->sources[i].at = 0;
        if (stream->sources[i].reader)
            counts_reader_rewind(stream->sources[i].reader);
        if (stream->sources[i].rewind)
            stream->sources[i].rewind(stream->sources[i].other.context);
    }
    stream->started = false;
}

static void close_sources(struct count_stream *stream)
{
    for (size_t i = 0; i < stream->source_count; i++) {
        counts_reader_close(stream->sources[i].reader);
        q_release(stream->sources[i].sorted);
    }
    stream->source_count = 0;
    stream->memory = 0;
    stream->started = false;
}

/* Files of earlier passes that are not needed any more; what cannot be removed goes with its folder. */
static void remove_files(struct count_stream *stream, size_t begin, size_t end)
{
    for (size_t i = begin; i < end; i++)
        if (stream->files[i].ours)
            (void)q_fs()->unlink(stream->files[i].path);
}

void count_stream_close(struct count_stream *stream)
{
    if (!stream)
        return;
    close_sources(stream);
    remove_files(stream, stream->file_begin, stream->file_end);
    q_release(stream->sources);
    q_release(stream->files);
    merge_tree_release(&stream->tree);
    q_buffer_release(&stream->piece);
    q_arena_release(&stream->arena);
    q_release(stream);
}

const struct count_info *count_stream_info(const struct count_stream *stream)
{
    return &stream->info;
}

void count_stream_add_total(struct count_stream *stream, const struct counts_total *total)
{
    stream->info.total.documents += total->documents; /* of texts that were counted here: no wrap in any lifetime */
    stream->info.total.bytes += total->bytes;
}

static size_t files_open_max(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return FILES_OPEN_MAX;
    return Q_MIN((size_t)FILES_OPEN_MAX, limit.rlim_cur > FILES_SPARE + 2 ? (size_t)limit.rlim_cur - FILES_SPARE : 2);
}

/* Adds a source's figures to those of the stream. The scale is the finest; sums are brought to it when all are known. */
static q_status add_info(struct count_stream *stream, const struct count_info *more, const char *path)
{
    struct count_info *info = &stream->info;
    struct counts_total *total = &info->total;
    if (stream->source_count == 1)
        memcpy(info->pretokenizer, more->pretokenizer, sizeof(info->pretokenizer));
    if (strcmp(info->pretokenizer, more->pretokenizer) != 0)
        return q_fail(Q_ERR_INPUT, "'%s' counts pieces of pretokenizer '%s', not of '%s'", path, more->pretokenizer,
                      info->pretokenizer);
    info->scale = Q_MAX(info->scale, more->scale);
    if (!q_add_u64(info->entries, more->entries, &info->entries) ||
        !q_add_u64(total->documents, more->total.documents, &total->documents) ||
        !q_add_u64(total->bytes, more->total.bytes, &total->bytes))
        return q_fail(Q_ERR_INPUT, "'%s' and the files before it have totals that do not fit 64 bits", path);
    return Q_OK;
}

/* The sum of the counts, each brought to the stream's scale. */
static q_status set_scale(struct count_stream *stream)
{
    stream->info.total.pieces = 0;
    for (size_t i = 0; i < stream->source_count; i++) {
        struct stream_source *source = &stream->sources[i];
        const struct count_info *info = counts_reader_info(source->reader);
        uint64_t pieces;
        source->factor = stream->info.scale / info->scale;
        if (!q_mul_u64(info->total.pieces, source->factor, &pieces) ||
            !q_add_u64(stream->info.total.pieces, pieces, &stream->info.total.pieces))
            return q_fail(Q_ERR_INPUT, "the counts of all pieces do not fit 64 bits");
    }
    return Q_OK;
}

static q_status too_little(const struct count_stream *stream, uint64_t needed)
{
    return q_fail(Q_ERR_USAGE,
                  "%llu MiB of memory are too little to merge '%s' and others, whose frames are large; %llu MiB do",
                  (unsigned long long)(stream->options.memory >> 20), stream->files[stream->file_begin].path,
                  (unsigned long long)((needed >> 20) + 1));
}

/* Opens files as far as memory and open files go; at least two, if there are as many. `reserve`: memory that the caller needs besides where not all of them
 * can be opened. */
static q_status open_sources(struct count_stream *stream, uint64_t reserve)
{
    const uint64_t bound = stream->options.memory ? stream->options.memory : UINT64_MAX;
    const size_t open_max = files_open_max();
    stream->info = (struct count_info){.scale = 1};
    for (size_t i = stream->file_begin; i < stream->file_end && stream->source_count < open_max; i++) {
        struct stream_source source = {.factor = 1};
        Q_TRY(q_grow(&stream->sources, &stream->source_capacity, stream->source_count + 1, sizeof(source)));
        Q_TRY(counts_reader_open(stream->files[i].path, &source.reader));
        const uint64_t memory = counts_reader_memory(source.reader);
        const uint64_t left = bound - Q_MIN(bound, stream->memory + (i + 1 < stream->file_end ? reserve : 0));
        if (memory > left) {
            counts_reader_close(source.reader);
            return stream->source_count < 2 ? too_little(stream, stream->memory + 2 * memory + reserve) : Q_OK;
        }
        stream->memory += memory;
        stream->sources[stream->source_count++] = source;
        Q_TRY(add_info(stream, counts_reader_info(source.reader), stream->files[i].path));
    }
    return set_scale(stream);
}

static q_status next_entry(void *context, struct count_entry *out)
{
    return count_stream_next(context, out);
}

static q_status add_file(struct count_stream *stream, const char *path, bool ours)
{
    Q_TRY(q_grow(&stream->files, &stream->file_capacity, stream->file_end + 1, sizeof(*stream->files)));
    stream->files[stream->file_end++] = (struct stream_file){path, ours};
    return Q_OK;
}

/* One file in place of those that are open. */
static q_status merge_open(struct count_stream *stream)
{
    const struct count_source source = {stream, next_entry};
    const size_t merged = stream->source_count;
    const char *path;
    Q_TRY(work_folder_make(stream->options.work));
    Q_TRY(q_arena_printf(&stream->arena, &path, "%s/pass-%05u.counts", stream->options.work->path, stream->passes++));
    struct count_info info = stream->info;
    Q_TRY(counts_file_write(path, PASS_LEVEL, &source, stream->options.pool, &info, NULL));
    close_sources(stream);
    remove_files(stream, stream->file_begin, stream->file_begin + merged);
    stream->file_begin += merged;
    return add_file(stream, path, true);
}

static q_status open_files(struct count_stream *stream, const char *const *paths, size_t count)
{
    const unsigned threads = stream->options.pool ? q_pool_threads(stream->options.pool) : 1;
    for (size_t i = 0; i < count; i++)
        Q_TRY(add_file(stream, paths[i], false));
    for (;;) {
        Q_TRY(open_sources(stream, threads * WRITER_THREAD_BYTES));
        if (stream->source_count == stream->file_end - stream->file_begin)
            return Q_OK;
        if (!stream->options.work)
            return q_fail(Q_ERR_MEMORY, "%zu files of counts are more than can be read at once", count);
        Q_TRY(merge_open(stream));
    }
}

q_status count_stream_open(const char *const *paths, size_t count, const struct count_stream_options *options,
                           struct count_stream **out)
{
    struct count_stream *stream;
    Q_TRY(q_alloc_zero(1, sizeof(*stream), &stream));
    stream->options = *options;
    stream->info.scale = 1;
    q_status status = open_files(stream, paths, count);
    if (status)
        count_stream_close(stream);
    else
        *out = stream;
    return status;
}

static int by_bytes(const void *left, const void *right, void *context)
{
    const struct sorted_slot *a = left, *b = right;
    const struct counts *counts = context;
    if (a->prefix != b->prefix)
        return a->prefix < b->prefix ? -1 : 1;
    return q_string_compare(counts_piece(counts, a->slot), counts_piece(counts, b->slot));
}

static q_status sort_table(const struct counts *counts, struct sorted_slot **out)
{
    size_t count = 0;
    Q_TRY(q_alloc(counts->used, sizeof(**out), out));
    for (size_t i = 0; i < counts->capacity; i++) {
        const struct counts_slot *slot = &counts->slots[i];
        if (slot->count)
            (*out)[count++] = (struct sorted_slot){merge_tree_prefix(counts_piece(counts, slot)), slot};
    }
    qsort_r(*out, count, sizeof(**out), by_bytes, (void *)counts);
    return Q_OK;
}

/* A stream of one source that is no file. */
static q_status create_single(const struct stream_source *source, struct count_stream **out)
{
    struct count_stream *stream;
    Q_TRY(q_alloc_zero(1, sizeof(*stream), &stream));
    q_status status = q_grow(&stream->sources, &stream->source_capacity, 1, sizeof(*stream->sources));
    if (status) {
        count_stream_close(stream);
        return status;
    }
    stream->sources[stream->source_count++] = *source;
    *out = stream;
    return Q_OK;
}

q_status count_stream_of(const struct counts *counts, struct count_stream **out)
{
    struct stream_source source = {.table = counts, .factor = 1};
    Q_TRY(sort_table(counts, &source.sorted));
    q_status status = create_single(&source, out);
    if (status)
        q_release(source.sorted);
    else
        counts_info(counts, &(*out)->info);
    return status;
}

q_status count_stream_of_source(const struct count_source *given, void (*rewind)(void *context),
                                const struct count_info *info, struct count_stream **out)
{
    const struct stream_source source = {.other = *given, .rewind = rewind, .factor = 1};
    Q_TRY(create_single(&source, out));
    (*out)->info = *info;
    return Q_OK;
}
