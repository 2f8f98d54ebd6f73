/* filter (map): the documents that stay, in the parts they came in, and the evidence about those that do not.
 *
 * Frames stay what they were, less the documents that go; one in which nothing changes is copied as it is stored. The
 * survivor of a cluster gets `cluster` (its own id) and `cluster_size`. For each dropped document a line of evidence
 * says who stayed in its place and how alike the two are.
 */
#include "base/check.h"
#include "base/document.h"
#include "base/json.h"
#include "base/progress.h"
#include "dedup/dedup_build.h"
#include "dedup/dedup_statistics.h"
#include "dedup/frame_stream.h"
#include "dedup/user_id.h"
#include "dedup/verdicts.h"

struct filter_worker {
    struct q_jsonl_parser *parser;
    struct q_compressor *compressor;
    struct q_buffer kept; /* lines of the frame at hand */
    struct q_buffer user_id;
    struct q_seekable_reader *verdicts;
    struct verdict_list list;
    uint64_t list_part; /* + 1; 0: none */
};

struct filter_job {
    struct frame_job frame;
    struct q_buffer kept; /* the frame of what stays, compressed; empty: nothing does */
    size_t kept_plain;
    uint32_t kept_checksum;
    struct q_buffer evidence; /* lines */
    struct q_accounting accounting;
    struct dedup_statistics statistics;
};

struct filter_run {
    struct dedup_build *build;
    struct q_step *step;
    const char *verdict_path;
    struct filter_worker *workers;
    /* The part being written. */
    struct q_seekable_writer *documents;
    struct q_documents_writer *evidence;
    struct q_accounting accounting;
    struct dedup_statistics statistics;
};

/* --- a frame ------------------------------------------------------------------------------------------------------ */

static q_status write_evidence(const struct q_document *document, const struct verdict *verdict,
                               struct q_buffer *user_id, struct q_buffer *out)
{
    bool found;
    Q_TRY(user_id_read(document->meta, user_id, &found));
    struct q_json json = q_json_begin(out);
    q_json_open(&json, NULL, '{');
    q_json_put_string(&json, "id", document->id);
    if (found)
        q_json_put_string(&json, "user_id", q_buffer_string(user_id));
    q_json_put_string(&json, "survivor", verdict->survivor);
    q_json_put_string(&json, "kind", q_string_of(verdict_kind_name(verdict->kind)));
    q_json_put_fixed(&json, "jaccard", verdict->jaccard, 6);
    q_json_put_fixed(&json, "containment", verdict->containment, 6);
    q_json_put_u64(&json, "bytes", document->text.size);
    q_json_close(&json, '}');
    q_json_newline(&json);
    return q_json_end(&json);
}

static q_status filter_document(struct filter_worker *worker, struct filter_job *job, struct q_document *document,
                                q_string line, const struct verdict *verdict)
{
    if (verdict && !q_string_equal(document->id, verdict->id))
        return q_fail(Q_ERR_INPUT, "the verdict is about '%.*s', not '%.*s'", Q_STRING_ARGS(verdict->id),
                      Q_STRING_ARGS(document->id));
    Q_TRY(dedup_statistics_count(&job->statistics, document, verdict));
    uint64_t bytes = document->text.size;
    if (verdict && verdict->kind != VERDICT_KEPT) {
        Q_TRY(q_account_dropped(&job->accounting, verdict_kind_name(verdict->kind), bytes));
        return write_evidence(document, verdict, &worker->user_id, &job->evidence);
    }
    Q_TRY(q_account_kept(&job->accounting, bytes, bytes));
    if (!verdict) {
        Q_TRY(q_buffer_append_string(&worker->kept, line));
        return q_buffer_append_byte(&worker->kept, '\n');
    }
    document->cluster = document->id;
    document->cluster_size = verdict->cluster_size;
    return q_document_write(document, &worker->kept);
}

static q_status filter_lines(struct filter_worker *worker, struct filter_job *job, q_string lines)
{
    size_t count;
    const struct verdict *verdicts = verdict_list_frame(&worker->list, job->frame.frame, &count);
    q_string rest = lines, line;
    uint32_t number = 0;
    for (; q_string_next_line(&rest, &line); number++) {
        struct q_document document;
        Q_TRY(q_document_parse(worker->parser, line, &document));
        bool judged = count > 0 && verdicts->line == number;
        Q_TRY(filter_document(worker, job, &document, line, judged ? verdicts : NULL));
        if (judged)
            verdicts++, count--;
    }
    if (count)
        return q_fail(Q_ERR_INPUT, "there is a verdict about line %u and no such line", verdicts->line);
    return Q_OK;
}

static q_status open_verdicts(struct filter_run *run, struct filter_worker *worker, uint64_t part)
{
    if (worker->list_part == part + 1)
        return Q_OK;
    worker->list_part = 0;
    Q_TRY(verdict_list_read(&worker->list, worker->verdicts, (uint32_t)part, run->verdict_path, worker->parser));
    worker->list_part = part + 1;
    return Q_OK;
}

/* The frame to be written: compressing is most of what this step costs, and most frames do not change. */
static q_status make_frame(struct filter_worker *worker, struct filter_job *job, const struct document_part *part)
{
    q_string kept = q_buffer_string(&worker->kept), stored;
    job->kept_plain = kept.size;
    if (kept.size == 0)
        return Q_OK;
    if (q_string_equal(kept, q_buffer_string(&part->plain))) {
        stored = q_seekable_stored_frame(part->reader, &job->kept_checksum);
        if (stored.size)
            return q_buffer_append_string(&job->kept, stored);
    }
    return q_seekable_compress(worker->compressor, kept.data, kept.size, &job->kept, &job->kept_checksum);
}

static q_status work(void *context, unsigned worker_index, struct frame_job *frame, const struct document_part *part)
{
    struct filter_run *run = context;
    struct filter_worker *worker = &run->workers[worker_index];
    struct filter_job *job = (struct filter_job *)frame;
    q_buffer_clear(&job->kept);
    q_buffer_clear(&job->evidence);
    q_accounting_release(&job->accounting);
    dedup_statistics_release(&job->statistics);
    if (frame->empty)
        return Q_OK;
    q_buffer_clear(&worker->kept);
    Q_TRY(open_verdicts(run, worker, frame->part));
    q_status status = filter_lines(worker, job, q_buffer_string(&part->plain));
    if (status != Q_OK)
        return q_context(status, "'%s': frame %u", run->build->documents[frame->part], frame->frame);
    return make_frame(worker, job, part);
}

static void release_job(struct frame_job *frame)
{
    struct filter_job *job = (struct filter_job *)frame;
    q_buffer_release(&job->kept);
    q_buffer_release(&job->evidence);
    q_accounting_release(&job->accounting);
    dedup_statistics_release(&job->statistics);
}

/* --- the parts' files --------------------------------------------------------------------------------------------- */

enum { FILES = 2 };
static const char *const suffixes[FILES] = {".jsonl.zst", ".evidence.jsonl.zst"};

static q_status begin_part(struct filter_run *run, uint64_t part)
{
    const char *path;
    q_accounting_release(&run->accounting);
    dedup_statistics_release(&run->statistics);
    Q_TRY(q_step_part_path(run->step, part, suffixes[0], &path));
    Q_TRY(q_seekable_create(path, Q_SEEKABLE_LEVEL, &run->documents));
    Q_TRY(q_step_part_path(run->step, part, suffixes[1], &path));
    return q_documents_create(path, &run->evidence);
}

static void abandon_files(struct filter_run *run)
{
    q_seekable_abandon(run->documents);
    q_documents_abandon(run->evidence);
    run->documents = NULL;
    run->evidence = NULL;
}

/* Commits release their writers, also when they fail. */
static q_status commit_files(struct filter_run *run, uint64_t part, struct q_part_file files[FILES])
{
    struct q_seekable_writer *documents = run->documents;
    run->documents = NULL;
    Q_TRY(q_seekable_commit(documents, &files[0].identity));
    struct q_documents_writer *evidence = run->evidence;
    run->evidence = NULL;
    Q_TRY(q_documents_commit(evidence, &files[1].identity));
    for (int i = 0; i < FILES; i++) {
        Q_TRY(q_step_part_path(run->step, part, suffixes[i], &files[i].name));
        files[i].name = q_fs_base_name(files[i].name);
    }
    return Q_OK;
}

static q_status end_part(struct filter_run *run, uint64_t part)
{
    struct q_part_file files[FILES];
    json_t *statistics;
    Q_TRY(commit_files(run, part, files));
    q_accounting_check(&run->accounting);
    Q_TRY(dedup_statistics_json(&run->statistics, &statistics));
    return q_step_part_publish(run->step, part, files, FILES, &run->accounting, statistics);
}

static q_status append_lines(struct q_documents_writer *writer, q_string lines)
{
    while (lines.size) {
        size_t end = q_string_find(lines, Q_STRING("\n"), 0) + 1;
        Q_TRY(q_documents_append_line(writer, q_string_slice(lines, 0, end)));
        lines = q_string_slice(lines, end, lines.size);
    }
    return Q_OK;
}

static q_status merge(void *context, struct frame_job *frame)
{
    struct filter_run *run = context;
    struct filter_job *job = (struct filter_job *)frame;
    if (frame->first)
        Q_TRY(begin_part(run, frame->part));
    if (job->kept.size)
        Q_TRY(q_seekable_add_compressed(run->documents, job->kept.data, job->kept.size, job->kept_plain,
                                        job->kept_checksum));
    Q_TRY(append_lines(run->evidence, q_buffer_string(&job->evidence)));
    Q_TRY(q_accounting_add(&run->accounting, &job->accounting));
    Q_TRY(dedup_statistics_add(&run->statistics, &job->statistics));
    q_progress_add(job->accounting.in.bytes);
    return frame->last ? end_part(run, frame->part) : Q_OK;
}

static q_status wants_part(void *context, uint64_t part, bool *wanted)
{
    struct filter_run *run = context;
    bool done;
    Q_TRY(q_step_part_done(run->step, part, &done));
    *wanted = !done && q_task_has(run->build->task, part);
    return Q_OK;
}

/* --- the step ----------------------------------------------------------------------------------------------------- */

static q_status init_run(struct filter_run *run, unsigned threads)
{
    Q_TRY(q_step_part_path(&run->build->steps[DEDUP_STEP_GROUP], 0, ".verdicts.jsonl.zst", &run->verdict_path));
    Q_TRY(q_alloc_zero(threads, sizeof(*run->workers), &run->workers));
    for (unsigned i = 0; i < threads; i++) {
        Q_TRY(q_jsonl_create(&run->workers[i].parser));
        Q_TRY(q_compressor_create(Q_SEEKABLE_LEVEL, &run->workers[i].compressor));
        Q_TRY(q_seekable_open(run->verdict_path, &run->workers[i].verdicts));
        if (q_seekable_frame_count(run->workers[i].verdicts) != run->build->part_count)
            return q_fail(Q_ERR_INPUT, "'%s' is about another number of parts", run->verdict_path);
    }
    return Q_OK;
}

static void release_run(struct filter_run *run, unsigned threads)
{
    for (unsigned i = 0; run->workers && i < threads; i++) {
        if (run->workers[i].parser)
            q_jsonl_release(run->workers[i].parser);
        if (run->workers[i].verdicts)
            q_seekable_close(run->workers[i].verdicts);
        verdict_list_release(&run->workers[i].list);
        q_compressor_release(run->workers[i].compressor);
        q_buffer_release(&run->workers[i].kept);
        q_buffer_release(&run->workers[i].user_id);
    }
    q_release(run->workers);
    abandon_files(run);
    q_accounting_release(&run->accounting);
    dedup_statistics_release(&run->statistics);
}

q_status dedup_filter(struct dedup_build *build)
{
    unsigned threads = q_pool_threads(build->pool);
    struct filter_run run = {.build = build, .step = &build->steps[DEDUP_STEP_FILTER]};
    const struct frame_stream stream = {
        .context = &run,
        .job_size = sizeof(struct filter_job),
        .wants_part = wants_part,
        .work = work,
        .merge = merge,
        .release_job = release_job,
    };
    q_status status = init_run(&run, threads);
    if (status == Q_OK) {
        q_progress_start("dedup filter", "bytes", build->text_bytes);
        status = frame_stream_run(&stream, build);
        q_progress_finish();
    }
    release_run(&run, threads);
    return status;
}

static q_status sum_parts(struct dedup_build *build, struct dedup_statistics *sum)
{
    struct q_step *step = &build->steps[DEDUP_STEP_FILTER];
    for (uint64_t part = 0; part < build->part_count; part++) {
        json_t *record, *statistics;
        Q_TRY(q_step_part_record(step, part, &record));
        q_status status = q_json_get_object(record, "a part's record", "statistics", &statistics);
        if (status == Q_OK)
            status = dedup_statistics_parse(statistics, "a part's record", sum);
        json_decref(record);
        Q_TRY(status);
    }
    return Q_OK;
}

/* What the report needs besides and only the earlier steps know: their settings, and what grouping counted. */
static q_status put_context(struct dedup_build *build, json_t *object)
{
    json_t *settings, *record;
    Q_TRY(q_settings_json(&dedup_settings_table, &build->settings, Q_TAG_IDENTITY, 0, &settings));
    Q_TRY(q_json_set(object, "settings", settings));
    Q_TRY(q_step_part_record(&build->steps[DEDUP_STEP_GROUP], 0, &record));
    json_t *counts = json_incref(json_object_get(record, "statistics"));
    json_decref(record);
    if (!counts)
        return q_fail(Q_ERR_INPUT, "the group step left no counts");
    return q_json_set(object, "group", counts);
}

q_status dedup_filter_statistics(struct dedup_build *build, json_t **out)
{
    struct dedup_statistics sum = {0};
    json_t *object = NULL;
    q_status status = sum_parts(build, &sum);
    if (status == Q_OK)
        status = dedup_statistics_json(&sum, &object);
    if (status == Q_OK)
        status = put_context(build, object);
    dedup_statistics_release(&sum);
    if (status == Q_OK)
        *out = object;
    else
        json_decref(object);
    return status;
}
