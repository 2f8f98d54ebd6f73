/* What the tables hold, as files: runs where the memory is used up, and the end of counting.
 *
 * Sorted parts are merged by ranges: from one piece with which a frame begins to the next, in each part from a binary search on. So all threads merge, and none
 * waits for another. */
#include "base/check.h"
#include "base/fs.h"
#include "base/seekable.h"
#include "tokenizer/counter_private.h"
#include "tokenizer/merge_tree.h"

#include <stdlib.h>

enum { RUN_LEVEL = 1 /* zstd's: a run is read once */ };

/* The pieces with which ranges begin. */
struct borders {
    const struct piece_slot **slots;
    size_t count, capacity;
};

struct part_ranges {
    const struct counter *counter;
    struct borders borders;
    struct borders found[COUNTER_PARTS]; /* of each part */
    q_status status[COUNTER_PARTS];
};

/* A range of all parts, merged. */
struct range_source {
    const struct counter *counter;
    size_t at[COUNTER_PARTS], end[COUNTER_PARTS];
    struct merge_tree tree;
};

static void find_borders(void *context, unsigned worker, size_t number)
{
    struct part_ranges *ranges = context;
    const struct counter_part *part = &ranges->counter->parts[number];
    struct borders *found = &ranges->found[number];
    (void)worker;
    for (size_t i = 0; i < part->used; i++) {
        if (!counts_piece_begins_frame(piece_of(&part->slots[i])))
            continue;
        ranges->status[number] = q_grow(&found->slots, &found->capacity, found->count + 1, sizeof(*found->slots));
        if (ranges->status[number])
            return;
        found->slots[found->count++] = &part->slots[i];
    }
}

static int by_piece(const void *left, const void *right)
{
    return piece_compare(*(const struct piece_slot *const *)left, *(const struct piece_slot *const *)right);
}

static q_status gather_borders(struct part_ranges *ranges)
{
    struct borders *all = &ranges->borders;
    for (unsigned i = 0; i < COUNTER_PARTS; i++) {
        const struct borders *found = &ranges->found[i];
        if (ranges->status[i]) /* its text stayed with the thread that failed */
            return q_fail(ranges->status[i], "out of memory for the borders of a part of the counts");
        Q_TRY(q_grow(&all->slots, &all->capacity, all->count + found->count, sizeof(*all->slots)));
        if (found->count)
            memcpy(all->slots + all->count, found->slots, found->count * sizeof(*found->slots));
        all->count += found->count;
    }
    if (all->count)
        qsort(all->slots, all->count, sizeof(*all->slots), by_piece);
    return Q_OK;
}

/* The first slot of a sorted part that is not before the piece. */
static size_t lower_bound(const struct counter_part *part, const struct piece_slot *piece)
{
    size_t low = 0, high = part->used;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (piece_compare(&part->slots[middle], piece) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool slot_before(const void *context, size_t a, size_t b)
{
    const struct range_source *source = context;
    const struct counter_part *parts = source->counter->parts;
    return piece_compare(&parts[a].slots[source->at[a]], &parts[b].slots[source->at[b]]) < 0;
}

static void set_leaf(struct range_source *source, size_t i)
{
    source->tree.ended[i] = source->at[i] == source->end[i];
    if (!source->tree.ended[i])
        source->tree.prefix[i] = __builtin_bswap64(source->counter->parts[i].slots[source->at[i]].word[0]);
}

static q_status next_in_range(void *context, struct count_entry *out)
{
    struct range_source *source = context;
    const size_t part = merge_tree_first(&source->tree);
    *out = (struct count_entry){0};
    if (source->tree.ended[part])
        return Q_OK;
    const struct piece_slot *slot = &source->counter->parts[part].slots[source->at[part]++];
    *out = (struct count_entry){piece_of(slot), slot->count};
    set_leaf(source, part);
    merge_tree_play(&source->tree, part);
    return Q_OK;
}

static void close_range(void *context, struct count_source *given)
{
    struct range_source *source = given->context;
    (void)context;
    merge_tree_release(&source->tree);
    q_release(source);
}

static q_status open_range(void *context, size_t range, struct count_source *out)
{
    const struct part_ranges *ranges = context;
    const struct borders *borders = &ranges->borders;
    struct range_source *source;
    Q_TRY(q_alloc_zero(1, sizeof(*source), &source));
    *out = (struct count_source){source, next_in_range};
    q_status status = merge_tree_create(&source->tree, COUNTER_PARTS);
    if (status) {
        close_range(NULL, out);
        return status;
    }
    source->counter = ranges->counter;
    source->tree.context = source;
    source->tree.before = slot_before;
    for (size_t i = 0; i < COUNTER_PARTS; i++) {
        const struct counter_part *part = &ranges->counter->parts[i];
        source->at[i] = range ? lower_bound(part, borders->slots[range - 1]) : 0;
        source->end[i] = range < borders->count ? lower_bound(part, borders->slots[range]) : part->used;
        set_leaf(source, i);
    }
    merge_tree_build(&source->tree);
    return Q_OK;
}

/* All that the tables hold, as one file; they are sorted by it. */
static q_status write_tables(struct counter *counter, const char *path, int level, struct count_info *info,
                             struct q_file_identity *identity)
{
    struct part_ranges ranges = {.counter = counter};
    counter_sort(counter);
    q_pool_for(counter->options.pool, COUNTER_PARTS, find_borders, &ranges);
    q_status status = gather_borders(&ranges);
    if (!status) {
        const struct count_ranges given = {&ranges, ranges.borders.count + 1, open_range, close_range};
        status = counts_file_write_ranges(path, level, &given, counter->options.pool, info, identity);
    }
    for (unsigned i = 0; i < COUNTER_PARTS; i++)
        q_release(ranges.found[i].slots);
    q_release(ranges.borders.slots);
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

/* All runs as one stream. */
static q_status stream_runs(struct counter *counter, struct count_stream **out)
{
    const struct count_stream_options options = {counter->options.merge_bytes, counter->options.folder,
                                                 counter->options.pool};
    const char **paths;
    q_status status = Q_OK;
    Q_TRY(q_alloc(counter->runs, sizeof(*paths), &paths));
    for (uint32_t i = 0; i < counter->runs && !status; i++)
        status = q_arena_printf(&counter->arena, &paths[i], "%s/run-%06u.counts", counter->options.folder->path, i);
    if (!status)
        status = count_stream_open(paths, counter->runs, &options, out);
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
        Q_TRY(stream_runs(counter, &stream));
        const struct count_source source = {stream, next_of_stream};
        q_status status = counts_file_write(path, Q_SEEKABLE_LEVEL, &source, counter->options.pool, &own, identity);
        count_stream_close(stream);
        Q_TRY(status);
    }
    if (info)
        *info = own;
    return Q_OK;
}

static void rewind_tables(void *context)
{
    struct counter *counter = context;
    counter->at_part = 0;
    counter->at_slot = 0;
}

static q_status next_in_tables(void *context, struct count_entry *out)
{
    struct counter *counter = context;
    for (; counter->at_part < COUNTER_PARTS; counter->at_part++, counter->at_slot = 0) {
        const struct counter_part *part = &counter->parts[counter->at_part];
        while (counter->at_slot < part->capacity) {
            const struct piece_slot *slot = &part->slots[counter->at_slot++];
            if (!slot->count)
                continue;
            *out = (struct count_entry){piece_of(slot), slot->count};
            return Q_OK;
        }
    }
    *out = (struct count_entry){0};
    return Q_OK;
}

q_status counter_stream(struct counter *counter, struct count_stream **out)
{
    const struct count_source tables = {counter, next_in_tables};
    struct count_info info;
    counter_info(counter, &info);
    if (counter->runs) {
        Q_TRY(counter_spill(counter));
        Q_TRY(stream_runs(counter, out));
        count_stream_add_total(*out, &info.total);
        return Q_OK;
    }
    Q_TRY(counter_flush(counter));
    info.entries = pieces_in_tables(counter);
    rewind_tables(counter);
    return count_stream_of_source(&tables, rewind_tables, &info, out);
}
