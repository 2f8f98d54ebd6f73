#include "corpus/corpus_build.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/document.h"
#include "base/log.h"
#include "base/progress.h"
#include "corpus/corpus_document.h"
#include "corpus/corpus_statistics.h"

/* An item in a batch: its strings lie one behind the other in the batch's bytes, from `at` on. */
struct packed {
    struct corpus_item item;
    size_t at;
    size_t file; /* in the source */
};

struct batch {
    struct q_buffer bytes;
    struct packed *items;
    size_t count, capacity;
    /* what came of it */
    struct q_buffer lines;
    struct q_accounting accounting;
    struct corpus_statistics statistics;
};

struct build {
    const struct corpus_plan *plan;
    const struct corpus_source *source;
    const struct corpus_part *part;
    struct corpus_worker **workers; /* one per thread */
    /* reading: `next` only */
    struct corpus_reader_options reader_options;
    struct corpus_reader *reader;
    size_t file;       /* in the part: the one being read */
    uint64_t reported; /* of it, to the progress */
    uint64_t failed;   /* of it: items */
    /* merging: `merge` only */
    struct q_documents_writer *writer;
    struct q_accounting accounting;
    struct corpus_statistics statistics;
};

/* --- reading ----------------------------------------------------------------------------------------------------------------------- */

static const struct corpus_file *file_at(const struct build *b, size_t i)
{
    return &b->source->files[b->part->first + i];
}

/* An archive can hold millions of items that fail: all of them are counted, and the first of a file have a line each. */
enum { WARNINGS_PER_FILE = 32 };

static void warn_of(struct build *b, const struct corpus_item *item)
{
    if (item->failed && b->failed++ < WARNINGS_PER_FILE)
        q_log_warning("%s/%s%s%.*s: %s%s%s", b->source->input->name, file_at(b, b->file)->name,
                      item->name.size ? "/" : "", Q_STRING_ARGS(item->name), item->reason, item->note ? ": " : "",
                      item->note ? item->note : "");
}

static void warn_of_more(struct build *b)
{
    if (b->failed > WARNINGS_PER_FILE)
        q_log_warning("%s/%s: %llu more items that failed", b->source->input->name, file_at(b, b->file)->name,
                      (unsigned long long)(b->failed - WARNINGS_PER_FILE));
    b->failed = 0;
}

static q_status open_reader(struct build *b, const struct corpus_file *file)
{
    const size_t piece = b->part->piece;
    uint64_t from, to;
    corpus_piece_range(file, piece, &from, &to);
    b->reader_options.piece =
        (struct corpus_piece){.from = from, .to = to, .index = file->cuts[piece].index, .lines = file->pieces > 1};
    return corpus_reader_open(file->path, &b->reader_options, &b->reader);
}

/* At its end: what was read must be what was planned, else the part would not be that of its identity. */
static q_status close_reader(struct build *b, const struct corpus_file *file)
{
    const struct corpus_piece *piece = &b->reader_options.piece;
    uint64_t bytes = piece->to - piece->from;
    q_progress_add(bytes > b->reported ? bytes - b->reported : 0);
    b->reported = 0;
    Q_TRY(corpus_file_unchanged(file));
    corpus_reader_close(b->reader);
    b->reader = NULL;
    warn_of_more(b);
    b->file++;
    return Q_OK;
}

/* The next item of the part's files; *more = false behind the last. */
static q_status next_item(struct build *b, struct corpus_item *item, bool *more)
{
    *more = false;
    while (b->file < b->part->count) {
        const struct corpus_file *file = file_at(b, b->file);
        if (!b->reader)
            Q_TRY(open_reader(b, file));
        Q_TRY(corpus_reader_next(b->reader, item, more));
        if (!*more) {
            Q_TRY(close_reader(b, file));
            continue;
        }
        uint64_t position = corpus_reader_position(b->reader);
        q_progress_add(position > b->reported ? position - b->reported : 0);
        b->reported = Q_MAX(position, b->reported);
        return Q_OK;
    }
    return Q_OK;
}

enum { PACKED_STRINGS = 5 };

static void list_strings(struct corpus_item *item, q_string *strings[PACKED_STRINGS])
{
    q_string *const all[PACKED_STRINGS] = {&item->name, &item->url, &item->date, &item->record, &item->bytes};
    memcpy(strings, all, sizeof all);
}

static q_status pack(struct batch *batch, const struct corpus_item *item, size_t file)
{
    q_string *strings[PACKED_STRINGS];
    Q_TRY(q_grow(&batch->items, &batch->capacity, batch->count + 1, sizeof *batch->items));
    struct packed *packed = &batch->items[batch->count];
    *packed = (struct packed){.item = *item, .at = batch->bytes.size, .file = file};
    list_strings(&packed->item, strings);
    for (size_t i = 0; i < PACKED_STRINGS; i++)
        Q_TRY(q_buffer_append_string(&batch->bytes, *strings[i]));
    batch->count++;
    return Q_OK;
}

static void unpack(const struct batch *batch, const struct packed *packed, struct corpus_item *item)
{
    q_string *strings[PACKED_STRINGS];
    size_t at = packed->at;
    *item = packed->item;
    list_strings(item, strings);
    for (size_t i = 0; i < PACKED_STRINGS; i++) {
        *strings[i] = q_string_slice(q_buffer_string(&batch->bytes), at, at + strings[i]->size);
        at += strings[i]->size;
    }
}

/* Empties it, and gives back what only a very large item needs. */
static void clear_buffer(struct q_buffer *buffer)
{
    q_buffer_clear(buffer);
    if (buffer->capacity > CORPUS_LARGE_BYTES)
        q_buffer_release(buffer);
}

static void clear_batch(struct batch *batch)
{
    clear_buffer(&batch->bytes);
    clear_buffer(&batch->lines);
    batch->count = 0;
    q_accounting_release(&batch->accounting);
    corpus_statistics_clear(&batch->statistics);
}

static q_status next(void *context, void **job, bool *more)
{
    struct build *b = context;
    struct batch *batch = *job;
    if (q_stop_requested())
        return q_fail(Q_STOPPED, "stopped; run it again to go on");
    if (!batch)
        Q_TRY(q_alloc_zero(1, sizeof *batch, &batch));
    *job = batch;
    clear_batch(batch);
    *more = true;
    while (*more && batch->count < CORPUS_BATCH_ITEMS && batch->bytes.size < CORPUS_BATCH_BYTES) {
        struct corpus_item item;
        Q_TRY(next_item(b, &item, more));
        if (!*more)
            break;
        warn_of(b, &item);
        Q_TRY(pack(batch, &item, b->part->first + b->file));
    }
    *more = batch->count > 0;
    return Q_OK;
}

/* --- working ----------------------------------------------------------------------------------------------------------------------- */

static q_status account(const struct build *b, struct batch *batch, const struct corpus_item *item,
                        const struct corpus_outcome *outcome)
{
    const struct q_document *document = &outcome->document;
    struct corpus_statistics *statistics = &batch->statistics;
    Q_TRY(corpus_count_add(&statistics->formats, item->reason ? item->reason : corpus_format_name(outcome->format),
                           (struct q_tally){1, item->in_bytes}));
    if (outcome->failed)
        return q_account_failed(&batch->accounting, outcome->reason, item->in_bytes);
    if (outcome->reason && outcome->readable) {
        Q_TRY(corpus_statistics_lost(statistics, document->lang, outcome->reason, document->text.size));
        Q_TRY(corpus_statistics_sample(statistics, outcome->reason, document->id, document->text,
                                       b->plan->settings.samples));
    }
    if (outcome->reason)
        return q_account_dropped(&batch->accounting, outcome->reason, item->in_bytes);
    bool held_out = q_document_held_out(document->id, b->plan->settings.held_out_seed, b->plan->settings.held_out);
    Q_TRY(corpus_statistics_kept(statistics, document->lang, document->text.size, held_out));
    for (size_t i = 0; outcome->lines[i].reason; i++)
        Q_TRY(corpus_count_add(&statistics->lines, outcome->lines[i].reason,
                               (struct q_tally){outcome->lines[i].lines, outcome->lines[i].bytes}));
    statistics->mixed.documents += outcome->mixed;
    statistics->mixed.bytes += outcome->mixed ? document->text.size : 0;
    Q_TRY(q_document_write(document, &batch->lines));
    return q_account_kept(&batch->accounting, item->in_bytes, document->text.size);
}

static q_status work(void *context, unsigned worker, void *job)
{
    struct build *b = context;
    struct batch *batch = job;
    for (size_t i = 0; i < batch->count; i++) {
        const struct packed *packed = &batch->items[i];
        struct corpus_item item;
        struct corpus_outcome outcome;
        unpack(batch, packed, &item);
        const struct corpus_origin origin = {b->source->input, b->source->files[packed->file].name};
        Q_TRY(corpus_work(b->workers[worker], &origin, &item, NULL, &outcome));
        corpus_changes_add(&batch->statistics.changes, &outcome.changes);
        Q_TRY(account(b, batch, &item, &outcome));
    }
    clear_buffer(&batch->bytes); /* while it waits to be merged only its lines are wanted */
    return Q_OK;
}

/* --- merging ----------------------------------------------------------------------------------------------------------------------- */

static q_status merge(void *context, void *job)
{
    struct build *b = context;
    struct batch *batch = job;
    q_string rest = q_buffer_string(&batch->lines);
    while (rest.size) {
        const char *end = memchr(rest.data, '\n', rest.size);
        size_t size = end ? (size_t)(end - rest.data) + 1 : rest.size;
        Q_TRY(q_documents_append_line(b->writer, q_string_slice(rest, 0, size)));
        rest = q_string_slice(rest, size, rest.size);
    }
    clear_buffer(&batch->lines);
    Q_TRY(q_accounting_add(&b->accounting, &batch->accounting));
    return corpus_statistics_add(&b->statistics, &batch->statistics, b->plan->settings.samples);
}

static void release_batch(void *context, void *job)
{
    struct batch *batch = job;
    (void)context;
    if (!batch)
        return;
    q_buffer_release(&batch->bytes);
    q_buffer_release(&batch->lines);
    q_release(batch->items);
    q_accounting_release(&batch->accounting);
    corpus_statistics_release(&batch->statistics);
    q_release(batch);
}

/* --- a part ------------------------------------------------------------------------------------------------------------------------ */

static q_status publish(struct build *b, struct q_step *step, uint64_t part, const char *path)
{
    struct q_part_file file = {.name = q_fs_base_name(path)};
    json_t *statistics;
    struct q_documents_writer *writer = b->writer;
    b->writer = NULL;
    q_accounting_check(&b->accounting);
    Q_TRY(q_documents_commit(writer, &file.identity));
    Q_TRY(corpus_statistics_json(&b->statistics, &statistics));
    q_status status = q_json_set(statistics, "source", json_string(b->source->input->name));
    if (status != Q_OK) {
        json_decref(statistics);
        return status;
    }
    return q_step_part_publish(step, part, &file, 1, &b->accounting, statistics);
}

static q_status run_part(struct build *b, struct q_step *step, uint64_t part, struct q_pool *pool)
{
    const struct q_stream stream = {.context = b, .next = next, .work = work, .merge = merge, .release = release_batch};
    unsigned threads = q_pool_threads(pool);
    const char *path;
    Q_TRY(q_step_part_path(step, part, CORPUS_DOCUMENTS_SUFFIX, &path));
    Q_TRY(q_documents_create(path, &b->writer));
    Q_TRY(q_alloc_zero(threads, sizeof(struct corpus_worker *), &b->workers));
    for (unsigned i = 0; i < threads; i++)
        Q_TRY(corpus_worker_create(&b->plan->settings, &b->plan->models, &b->workers[i]));
    Q_TRY(q_pool_stream(pool, (size_t)threads * 2 + 2, &stream));
    return publish(b, step, part, path);
}

q_status corpus_build_part(const struct corpus_plan *plan, struct q_step *step, uint64_t part, struct q_pool *pool)
{
    const struct corpus_settings *settings = &plan->settings;
    struct build b = {.plan = plan, .part = &plan->parts[part], .source = &plan->sources[plan->parts[part].source]};
    b.reader_options = (struct corpus_reader_options){.item_bytes_max = settings->item_bytes_max,
                                                      .unpack_ratio_max = settings->unpack_ratio_max,
                                                      .depth_max = (unsigned)settings->depth_max,
                                                      .format = (enum q_input_format)b.source->input->format};
    q_status status = run_part(&b, step, part, pool);
    struct q_error error; /* the clean-up must not lose the text */
    if (status != Q_OK)
        q_error_take(&error, status);
    q_documents_abandon(b.writer);
    corpus_reader_close(b.reader);
    for (unsigned i = 0; b.workers && i < q_pool_threads(pool); i++)
        corpus_worker_release(b.workers[i]);
    q_release(b.workers);
    q_accounting_release(&b.accounting);
    corpus_statistics_release(&b.statistics);
    return status == Q_OK ? Q_OK : q_error_put(&error);
}

/* --- the step ---------------------------------------------------------------------------------------------------------------------- */

static q_status add_record(struct q_step *step, uint64_t part, size_t samples_max, struct corpus_statistics *sum,
                           struct q_accounting *accounting)
{
    json_t *record, *statistics, *object;
    Q_TRY(q_step_part_record(step, part, &record));
    struct q_accounting own = {0};
    q_status status = q_json_get_object(record, "part", "statistics", &statistics);
    if (status == Q_OK)
        status = corpus_statistics_parse(statistics, "part", samples_max, sum);
    if (status == Q_OK)
        status = q_json_get_object(record, "part", "accounting", &object);
    if (status == Q_OK)
        status = q_accounting_parse(object, "part", &own);
    if (status == Q_OK)
        status = q_accounting_add(accounting, &own);
    q_accounting_release(&own);
    json_decref(record);
    return q_context(status, "part %llu", (unsigned long long)part);
}

/* An input of which not one document could be read is no input. */
static q_status check_source(const struct corpus_source *source, const struct q_accounting *accounting)
{
    uint64_t failed = 0;
    const char *reason = "";
    for (size_t i = 0; i < accounting->reason_count; i++)
        if (accounting->reasons[i].failed) {
            failed += accounting->reasons[i].tally.documents;
            reason = accounting->reasons[i].name;
        }
    if (!failed || failed != accounting->in.documents)
        return Q_OK;
    return q_fail(Q_ERR_INPUT, "input '%s': nothing of it can be read (%s)", source->input->name, reason);
}

static q_status add_source(const struct corpus_plan *plan, struct q_step *step, size_t source,
                           struct corpus_statistics *sum, json_t *sources)
{
    struct q_accounting accounting = {0};
    json_t *object = NULL;
    q_status status = Q_OK;
    for (uint64_t p = 0; p < plan->part_count && status == Q_OK; p++)
        if (plan->parts[p].source == source)
            status = add_record(step, p, plan->settings.samples, sum, &accounting);
    if (status == Q_OK)
        status = check_source(&plan->sources[source], &accounting);
    if (status == Q_OK)
        status = q_accounting_json(&accounting, &object);
    if (status == Q_OK)
        status = q_json_set(sources, plan->sources[source].input->name, object);
    q_accounting_release(&accounting);
    return status;
}

q_status corpus_build_statistics(const struct corpus_plan *plan, struct q_step *step, json_t **out)
{
    struct corpus_statistics sum = {0};
    json_t *sources = json_object(), *statistics = NULL;
    q_status status = sources ? Q_OK : q_fail(Q_ERR_MEMORY, "no memory for statistics");
    for (size_t s = 0; s < plan->source_count && status == Q_OK; s++)
        status = add_source(plan, step, s, &sum, sources);
    if (status == Q_OK)
        status = corpus_statistics_json(&sum, &statistics);
    corpus_statistics_release(&sum);
    if (status != Q_OK) {
        json_decref(sources);
        return status;
    }
    status = q_json_set(statistics, "sources", sources);
    if (status != Q_OK) {
        json_decref(statistics);
        return status;
    }
    *out = statistics;
    return Q_OK;
}
