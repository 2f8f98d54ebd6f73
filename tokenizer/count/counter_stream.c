/* What was counted, as a stream.
 *
 * From memory its pieces come sorted: through a list of all slots in order, which all threads make, or one by one out of the merge where there is no memory for
 * the list. */
#include "tokenizer/count/counter_ranges.h"

enum {
    AHEAD =
        12 /* slots are asked for before they are needed: the parts are too many for the processor to see by itself */
};

struct counter_reading {
    struct counter_ranges ranges;
    const struct piece_slot **order; /* NULL: out of the merge */
    size_t count, at;
    struct count_source merge;
    bool merging;
};

struct listing {
    struct counter_reading *reading;
    _Atomic(q_status) status;
};

static void list_range(void *context, unsigned worker, size_t range)
{
    struct listing *listing = context;
    struct counter_reading *reading = listing->reading;
    const struct piece_slot **out = reading->order + counter_range_begin(&reading->ranges, range), *slot;
    struct count_source source;
    (void)worker;
    q_status status = counter_range_open(&reading->ranges, range, &source);
    if (status) {
        atomic_store(&listing->status, status);
        return;
    }
    while ((slot = counter_range_next(&source)))
        *out++ = slot;
    counter_range_close(NULL, &source);
}

static q_status list_all(struct counter *counter, struct counter_reading *reading)
{
    struct listing listing = {.reading = reading};
    const uint64_t bytes = reading->count * sizeof(*reading->order);
    if (bytes == 0 || counter_table_bytes(counter) + bytes > counter->options.table_bytes)
        return Q_OK;
    Q_TRY(q_alloc_pages(bytes, &reading->order));
    q_pool_for(counter->options.pool, reading->ranges.count + 1, list_range, &listing);
    const q_status status = atomic_load(&listing.status);
    return status ? q_fail(status, "out of memory for a range of the counts") : Q_OK;
}

static void rewind_reading(void *context)
{
    struct counter *counter = context;
    struct counter_reading *reading = counter->reading;
    if (reading->merging)
        counter_range_close(NULL, &reading->merge);
    reading->merging = false;
    reading->at = 0;
}

static q_status next_in_merge(struct counter_reading *reading, struct count_entry *out)
{
    struct counter_ranges whole = {.counter = reading->ranges.counter};
    if (!reading->merging)
        Q_TRY(counter_range_open(&whole, 0, &reading->merge));
    reading->merging = true;
    return reading->merge.next(reading->merge.context, out);
}

static q_status next_in_reading(void *context, struct count_entry *out)
{
    struct counter *counter = context;
    struct counter_reading *reading = counter->reading;
    if (!reading->order)
        return next_in_merge(reading, out);
    *out = (struct count_entry){0};
    if (reading->at == reading->count)
        return Q_OK;
    if (reading->at + AHEAD < reading->count)
        __builtin_prefetch(reading->order[reading->at + AHEAD]);
    const struct piece_slot *slot = reading->order[reading->at++];
    *out = (struct count_entry){piece_of(slot), slot->count};
    return Q_OK;
}

void counter_release_reading(struct counter *counter)
{
    struct counter_reading *reading = counter->reading;
    if (!reading)
        return;
    rewind_reading(counter);
    counter_ranges_release(&reading->ranges);
    q_release_pages(reading->order, reading->count * sizeof(*reading->order));
    q_release(reading);
    counter->reading = NULL;
}

static q_status read_tables(struct counter *counter, struct count_stream **out)
{
    const struct count_source source = {counter, next_in_reading};
    struct counter_reading *reading;
    struct count_info info;
    Q_TRY(counter_flush(counter));
    counter_sort(counter);
    Q_TRY(q_alloc_zero(1, sizeof(*reading), &reading));
    counter->reading = reading;
    for (unsigned i = 0; i < COUNTER_PARTS; i++)
        reading->count += counter->parts[i].used;
    Q_TRY(counter_ranges_create(&reading->ranges, counter));
    Q_TRY(list_all(counter, reading));
    counter_info(counter, &info);
    info.entries = reading->count;
    return count_stream_of_source(&source, rewind_reading, &info, out);
}

q_status counter_stream(struct counter *counter, const char *const *paths, size_t count, struct count_stream **out)
{
    struct count_info info;
    if (!counter->runs && !count)
        return read_tables(counter, out);
    Q_TRY(counter_spill(counter));
    Q_TRY(counter_stream_runs(counter, paths, count, out));
    counter_info(counter, &info);
    count_stream_add_total(*out, &info.total);
    return Q_OK;
}
