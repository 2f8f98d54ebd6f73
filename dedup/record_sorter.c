#include "dedup/record_sorter.h"

#include "base/check.h"

struct sorter_run {
    uint64_t start, size; /* bytes in the spool */
    uint64_t read;        /* of them, so far */
    uint64_t *buffer;     /* buffer_records x width */
    size_t at, filled;    /* records in the buffer */
};

enum { RUN_BUFFER_MIN = 1 << 14, RUN_BUFFER_MAX = 1 << 20 }; /* bytes */

void record_sorter_init(struct record_sorter *sorter, unsigned width, uint64_t memory_max, const char *folder)
{
    q_check(width >= 1 && width <= RECORD_WIDTH_MAX);
    uint64_t records = Q_MAX(memory_max, (uint64_t)SORTER_MEMORY_MIN) / (width * sizeof(uint64_t));
    *sorter = (struct record_sorter){.width = width, .memory_records = (size_t)Q_MIN(records, SIZE_MAX / 64)};
    spool_init(&sorter->spool, folder, 0);
}

static void release_buffers(struct record_sorter *sorter)
{
    for (size_t i = 0; i < sorter->run_count; i++) {
        q_release(sorter->runs[i].buffer);
        sorter->runs[i].buffer = NULL;
    }
}

void record_sorter_release(struct record_sorter *sorter)
{
    release_buffers(sorter);
    q_release(sorter->runs);
    q_release(sorter->heap);
    q_release(sorter->records);
    spool_release(&sorter->spool);
    *sorter = (struct record_sorter){0};
}

/* The full array becomes a run. */
static q_status write_run(struct record_sorter *sorter)
{
    record_sort(sorter->records, sorter->count, sorter->width);
    Q_TRY(q_grow(&sorter->runs, &sorter->run_capacity, sorter->run_count + 1, sizeof(*sorter->runs)));
    size_t left = sorter->count * sorter->width * sizeof(uint64_t);
    struct sorter_run run = {.start = spool_size(&sorter->spool), .size = left};
    for (const char *bytes = (const char *)sorter->records; left;) {
        size_t piece = Q_MIN(left, (size_t)1 << 20);
        Q_TRY(spool_append(&sorter->spool, bytes, piece, NULL));
        bytes += piece, left -= piece;
    }
    sorter->runs[sorter->run_count++] = run;
    sorter->count = 0;
    return Q_OK;
}

q_status record_sorter_add(struct record_sorter *sorter, const uint64_t *record)
{
    q_check_slow(!sorter->finished);
    if (sorter->count == sorter->memory_records)
        Q_TRY(write_run(sorter));
    if (sorter->count == sorter->capacity) {
        size_t wanted = Q_MIN(sorter->memory_records, Q_MAX(sorter->capacity * 2, (size_t)1024));
        Q_TRY(q_resize(&sorter->records, wanted, sorter->width * sizeof(uint64_t)));
        sorter->capacity = wanted;
    }
    memcpy(sorter->records + sorter->count * sorter->width, record, sorter->width * sizeof(uint64_t));
    sorter->count++;
    sorter->total++;
    return Q_OK;
}

/* --- merging runs ------------------------------------------------------------------------------------------------- */

static const uint64_t *head(const struct record_sorter *sorter, const struct sorter_run *run)
{
    return run->buffer + run->at * sorter->width;
}

static size_t buffer_records(const struct record_sorter *sorter)
{
    size_t record_bytes = sorter->width * sizeof(uint64_t);
    size_t share = sorter->memory_records * record_bytes / sorter->run_count;
    return Q_MIN(Q_MAX(share, (size_t)RUN_BUFFER_MIN), (size_t)RUN_BUFFER_MAX) / record_bytes;
}

/* The run's next records into its buffer; filled = 0 at its end. */
static q_status refill(struct record_sorter *sorter, struct sorter_run *run)
{
    size_t record_bytes = sorter->width * sizeof(uint64_t);
    size_t bytes = (size_t)Q_MIN(run->size - run->read, (uint64_t)(buffer_records(sorter) * record_bytes));
    run->at = 0;
    run->filled = bytes / record_bytes;
    Q_TRY(spool_read(&sorter->spool, run->start + run->read, run->buffer, bytes));
    run->read += bytes;
    return Q_OK;
}

/* Restores the heap below `i`. */
static void sink(struct record_sorter *sorter, size_t i)
{
    struct sorter_run **heap = sorter->heap;
    for (;;) {
        size_t least = i;
        for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < sorter->heap_count; child++) {
            if (record_compare(head(sorter, heap[child]), head(sorter, heap[least]), sorter->width) < 0)
                least = child;
        }
        if (least == i)
            return;
        struct sorter_run *run = heap[i];
        heap[i] = heap[least];
        heap[least] = run;
        i = least;
    }
}

static q_status begin_merge(struct record_sorter *sorter)
{
    sorter->heap_count = 0;
    for (size_t i = 0; i < sorter->run_count; i++) {
        struct sorter_run *run = &sorter->runs[i];
        run->read = 0;
        if (!run->buffer)
            Q_TRY(q_alloc(buffer_records(sorter), sorter->width * sizeof(uint64_t), &run->buffer));
        Q_TRY(refill(sorter, run));
        sorter->heap[sorter->heap_count++] = run;
    }
    for (size_t i = sorter->heap_count / 2; i-- > 0;)
        sink(sorter, i);
    return Q_OK;
}

static q_status next_merged(struct record_sorter *sorter, uint64_t *record, bool *more)
{
    *more = sorter->heap_count > 0;
    if (!*more)
        return Q_OK;
    struct sorter_run *run = sorter->heap[0];
    memcpy(record, head(sorter, run), sorter->width * sizeof(uint64_t));
    if (++run->at == run->filled)
        Q_TRY(refill(sorter, run));
    if (run->filled == 0)
        sorter->heap[0] = sorter->heap[--sorter->heap_count];
    sink(sorter, 0);
    return Q_OK;
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

q_status record_sorter_finish(struct record_sorter *sorter)
{
    q_check(!sorter->finished);
    if (sorter->run_count == 0) {
        record_sort(sorter->records, sorter->count, sorter->width);
    } else {
        if (sorter->count)
            Q_TRY(write_run(sorter));
        q_release(sorter->records);
        sorter->records = NULL;
        sorter->capacity = 0;
        Q_TRY(q_alloc(sorter->run_count, sizeof(*sorter->heap), &sorter->heap));
    }
    sorter->finished = true;
    return record_sorter_rewind(sorter);
}

q_status record_sorter_rewind(struct record_sorter *sorter)
{
    q_check(sorter->finished);
    sorter->next = 0;
    return sorter->run_count ? begin_merge(sorter) : Q_OK;
}

q_status record_sorter_next(struct record_sorter *sorter, uint64_t *record, bool *more)
{
    q_check_slow(sorter->finished);
    if (sorter->run_count)
        return next_merged(sorter, record, more);
    *more = sorter->next < sorter->count;
    if (*more)
        memcpy(record, sorter->records + sorter->next++ * sorter->width, sorter->width * sizeof(uint64_t));
    return Q_OK;
}
