/* What the tables hold, as files: runs where the memory is used up, and the end of counting. */
#include "base/check.h"
#include "base/fs.h"
#include "base/seekable.h"
#include "tokenizer/count/counter_private.h"
#include "tokenizer/count/counter_ranges.h"

enum { RUN_LEVEL = 1 /* zstd's: a run is read once */ };

/* All that the tables hold, as one file; they are sorted by it. */
static q_status write_tables(struct counter *counter, const char *path, int level, struct count_info *info,
                             struct q_file_identity *identity)
{
    struct counter_ranges ranges;
    counter_sort(counter);
    q_status status = counter_ranges_create(&ranges, counter);
    if (!status) {
        const struct count_ranges given = {&ranges, ranges.count + 1, counter_range_open, counter_range_close};
        status = counts_file_write_ranges(path, level, &given, counter->options.pool, info, identity);
    }
    counter_ranges_release(&ranges);
    return status;
}

static void release_parts(struct counter *counter)
{
    for (unsigned i = 0; i < COUNTER_PARTS; i++)
        counter_release_part(counter, &counter->parts[i]);
    counter->sorted = false;
    atomic_store(&counter->full, false);
}

/* The path of the next run, whose folder is made with the first one. */
static q_status next_run(struct counter *counter, const char **out)
{
    if (!counter->options.folder)
        return q_fail(Q_ERR_MEMORY, "the counts do not fit the %llu MiB of memory they were given",
                      (unsigned long long)(counter->options.table_bytes >> 20));
    Q_TRY(work_folder_make(counter->options.folder));
    return q_arena_printf(&counter->arena, out, "%s/run-%06u.counts", counter->options.folder->path, counter->runs++);
}

static size_t pieces_in_tables(const struct counter *counter)
{
    size_t pieces = 0;
    for (unsigned i = 0; i < COUNTER_PARTS; i++)
        pieces += counter->parts[i].used;
    return pieces;
}

q_status counter_spill(struct counter *counter)
{
    struct count_info info;
    const char *path;
    Q_TRY(counter_flush(counter));
    if (pieces_in_tables(counter)) {
        Q_TRY(next_run(counter, &path));
        counter_info(counter, &info);
        info.total = (struct counts_total){0};
        Q_TRY(write_tables(counter, path, RUN_LEVEL, &info, NULL));
    }
    release_parts(counter);
    return Q_OK;
}

static q_status give_piece(void *context, struct count_entry *out)
{
    struct count_entry *entry = context;
    *out = *entry;
    *entry = (struct count_entry){0};
    return Q_OK;
}

q_status counter_write_piece(struct counter *counter, q_string piece, uint64_t count)
{
    struct count_entry entry = {piece, count};
    const struct count_source source = {&entry, give_piece};
    struct count_info info;
    const char *path;
    counter_info(counter, &info);
    info.total = (struct counts_total){0};
    (void)pthread_mutex_lock(&counter->runs_lock);
    q_status status = next_run(counter, &path);
    if (!status)
        status = counts_file_write(path, RUN_LEVEL, &source, NULL, &info, NULL);
    (void)pthread_mutex_unlock(&counter->runs_lock);
    return status;
}

q_status counter_stream_runs(struct counter *counter, const char *const *files, size_t count, struct count_stream **out)
{
    const struct count_stream_options options = {counter->options.merge_bytes, counter->options.folder,
                                                 counter->options.pool};
    const char **paths;
    q_status status = Q_OK;
    Q_TRY(q_alloc(counter->runs + count, sizeof(*paths), &paths));
    for (uint32_t i = 0; i < counter->runs && !status; i++)
        status = q_arena_printf(&counter->arena, &paths[i], "%s/run-%06u.counts", counter->options.folder->path, i);
    if (count)
        memcpy(paths + counter->runs, files, count * sizeof(*paths));
    if (!status)
        status = count_stream_open(paths, counter->runs + count, &options, out);
    q_release(paths);
    return status;
}

static q_status next_of_stream(void *context, struct count_entry *out)
{
    return count_stream_next(context, out);
}

q_status counter_write(struct counter *counter, const char *path, struct count_info *info,
                       struct q_file_identity *identity)
{
    struct count_stream *stream;
    struct count_info own;
    if (!counter->runs) {
        Q_TRY(counter_flush(counter));
        counter_info(counter, &own);
        Q_TRY(write_tables(counter, path, Q_SEEKABLE_LEVEL, &own, identity));
        release_parts(counter);
    } else {
        Q_TRY(counter_spill(counter));
        counter_info(counter, &own);
        Q_TRY(counter_stream_runs(counter, NULL, 0, &stream));
        const struct count_source source = {stream, next_of_stream};
        q_status status = counts_file_write(path, Q_SEEKABLE_LEVEL, &source, counter->options.pool, &own, identity);
        count_stream_close(stream);
        Q_TRY(status);
    }
    if (info)
        *info = own;
    return Q_OK;
}
