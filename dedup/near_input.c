#include "dedup/near_input.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/document.h"
#include "dedup/minhash.h"
#include "dedup/normal_words.h"
#include "dedup/shingle_store.h"
#include "dedup/user_id.h"

enum { BATCH_BYTES = 1 << 20, DOCUMENTS_MAX = UINT32_MAX - 1 };

struct near_worker {
    struct q_jsonl_parser *parser;
    struct normal_words words;
    struct shingle_set set;
    struct q_buffer id;
};

struct near_document {
    q_hash text;
    uint64_t place; /* in the job's entries */
};

struct near_job {
    const char *file;
    bool whole; /* the batch is one text, not lines */
    uint64_t first_line;
    struct q_buffer batch;
    struct near_document *documents;
    size_t count, capacity;
    uint64_t *digests; /* count x bands */
    size_t digests_capacity;
    struct q_buffer entries;
};

struct near_run {
    struct near_input *input;
    const struct dedup_settings *settings;
    const char *const *files;
    size_t file_count;
    struct minhash minhash;
    struct near_worker *workers;
    /* Where reading stands. */
    size_t file;
    struct q_lines_reader *reader; /* NULL between files */
    bool whole;
    uint64_t line;
};

/* --- reading ------------------------------------------------------------------------------------------------------ */

static q_status read_rest(struct near_run *run, struct q_buffer *text)
{
    struct q_buffer more = {0};
    q_status status = Q_OK;
    do {
        status = q_lines_next(run->reader, BATCH_BYTES, &more);
        if (status == Q_OK)
            status = q_buffer_append_string(text, q_buffer_string(&more));
        if (status == Q_OK && text->size > Q_DOCUMENT_BYTES_MAX)
            status = q_fail(Q_ERR_INPUT, "'%s' is larger than %d bytes", run->files[run->file], Q_DOCUMENT_BYTES_MAX);
    } while (status == Q_OK && more.size);
    q_buffer_release(&more);
    return status;
}

static uint64_t count_lines(q_string text)
{
    uint64_t lines = 0;
    q_string line;
    while (q_string_next_line(&text, &line))
        lines++;
    return lines;
}

static q_status next_batch(void *context, void **job_pointer, bool *more)
{
    struct near_run *run = context;
    if (q_stop_requested())
        return q_fail(Q_STOPPED, "stopped");
    if (!*job_pointer)
        Q_TRY(q_alloc_zero(1, sizeof(struct near_job), job_pointer));
    struct near_job *job = *job_pointer;
    for (; run->file < run->file_count; run->file++) {
        job->file = run->files[run->file];
        bool first = !run->reader;
        if (first) {
            Q_TRY(q_lines_open(job->file, &run->reader));
            run->line = 0;
        }
        Q_TRY(q_lines_next(run->reader, BATCH_BYTES, &job->batch));
        job->whole = first && job->batch.size && q_string_trim(q_buffer_string(&job->batch)).data[0] != '{';
        if (job->whole)
            Q_TRY(read_rest(run, &job->batch));
        if (job->batch.size) {
            job->first_line = run->line;
            run->line += count_lines(q_buffer_string(&job->batch));
            *more = true;
            return Q_OK;
        }
        q_lines_close(run->reader);
        run->reader = NULL;
    }
    *more = false;
    return Q_OK;
}

/* --- one document ------------------------------------------------------------------------------------------------- */

/* What names the document and what it says, of one JSON line. *text borrows from the parser. */
static q_status read_line(struct near_worker *worker, const struct near_job *job, uint64_t number, q_string line,
                          q_string *text)
{
    const struct q_jsonl_member *members;
    size_t count;
    bool own_id = false;
    text->data = NULL;
    Q_TRY(q_jsonl_parse(worker->parser, line, &members, &count));
    q_buffer_clear(&worker->id);
    Q_TRY(q_buffer_printf(&worker->id, "%s#%llu", job->file, (unsigned long long)number));
    for (size_t i = 0; i < count; i++) {
        const struct q_jsonl_member *member = &members[i];
        if (q_string_is(member->key, "text") && member->type == Q_JSONL_TEXT) {
            *text = member->text;
        } else if (q_string_is(member->key, "id") && !own_id && member->type != Q_JSONL_NULL) {
            q_buffer_clear(&worker->id);
            Q_TRY(q_buffer_append_string(&worker->id, member->text));
        } else if (q_string_is(member->key, "meta") && member->type == Q_JSONL_TREE) {
            Q_TRY(user_id_read(member->text, &worker->id, &own_id));
        }
    }
    return text->data ? Q_OK : q_fail(Q_ERR_INPUT, "no member 'text' that is a string");
}

static q_status add_document(struct near_run *run, struct near_worker *worker, struct near_job *job, q_string text)
{
    unsigned bands = run->minhash.bands, words = (unsigned)run->settings->words;
    Q_TRY(q_grow(&job->documents, &job->capacity, job->count + 1, sizeof(*job->documents)));
    Q_TRY(q_grow(&job->digests, &job->digests_capacity, (job->count + 1) * bands, sizeof(*job->digests)));
    Q_TRY(normal_words_split(&worker->words, text));
    Q_TRY(shingle_set_fill(&worker->set, worker->words.hashes, worker->words.count, words));
    minhash_digests(&run->minhash, worker->words.hashes, worker->words.count, words, job->digests + job->count * bands);
    job->documents[job->count++] = (struct near_document){normal_text_hash(&worker->words, text), job->entries.size};
    return shingle_entry_write(q_buffer_string(&worker->id), 1, &worker->set, &job->entries);
}

static q_status work_batch(void *context, unsigned worker_index, void *job_pointer)
{
    struct near_run *run = context;
    struct near_job *job = job_pointer;
    struct near_worker *worker = &run->workers[worker_index];
    job->count = 0;
    q_buffer_clear(&job->entries);
    if (job->whole) {
        q_buffer_clear(&worker->id);
        Q_TRY(q_buffer_append_string(&worker->id, q_string_of(job->file)));
        return add_document(run, worker, job, q_buffer_string(&job->batch));
    }
    q_string rest = q_buffer_string(&job->batch), line, text;
    for (uint64_t number = job->first_line; q_string_next_line(&rest, &line); number++) {
        if (q_string_trim(line).size == 0)
            continue;
        q_status status = read_line(worker, job, number, line, &text);
        if (status == Q_OK)
            status = add_document(run, worker, job, text);
        if (status != Q_OK)
            return q_context(status, "'%s': line %llu", job->file, (unsigned long long)number + 1);
    }
    return Q_OK;
}

static q_status merge_batch(void *context, void *job_pointer)
{
    struct near_run *run = context;
    struct near_input *input = run->input;
    struct near_job *job = job_pointer;
    unsigned bands = run->minhash.bands;
    uint64_t base;
    if (input->count + job->count > DOCUMENTS_MAX)
        return q_fail(Q_ERR_INPUT, "more than %u documents", (unsigned)DOCUMENTS_MAX);
    Q_TRY(spool_append(&input->store, job->entries.data, job->entries.size, &base));
    Q_TRY(q_grow(&input->places, &input->capacity, input->count + job->count, sizeof(*input->places)));
    for (size_t i = 0; i < job->count; i++) {
        const struct near_document *document = &job->documents[i];
        uint64_t number = input->count++;
        input->places[number] = base + document->place;
        const uint64_t text[3] = {document->text.high, document->text.low, number};
        Q_TRY(record_sorter_add(&input->texts, text));
        for (unsigned band = 0; band < bands; band++) {
            const uint64_t record[2] = {job->digests[i * bands + band], number};
            /* A document without words has no shingles and digests of 0: nothing can be like it. */
            if (record[0])
                Q_TRY(record_sorter_add(&input->bands, record));
        }
    }
    return Q_OK;
}

static void release_batch(void *context, void *job_pointer)
{
    (void)context;
    struct near_job *job = job_pointer;
    if (!job)
        return;
    q_buffer_release(&job->batch);
    q_buffer_release(&job->entries);
    q_release(job->documents);
    q_release(job->digests);
    q_release(job);
}

q_status near_input_read(struct near_input *input, const struct dedup_settings *settings, const char *const *files,
                         size_t count, struct q_pool *pool, const char *folder)
{
    struct near_run run = {.input = input, .settings = settings, .files = files, .file_count = count};
    unsigned threads = q_pool_threads(pool);
    q_status status;
    *input = (struct near_input){0};
    spool_init(&input->store, folder, settings->memory / 4);
    record_sorter_init(&input->texts, 3, settings->memory / 4, folder);
    record_sorter_init(&input->bands, 2, settings->memory / 4, folder);
    Q_TRY_GOTO(out, minhash_create(&run.minhash, (unsigned)settings->bands, (unsigned)settings->rows));
    Q_TRY_GOTO(out, q_alloc_zero(threads, sizeof(*run.workers), &run.workers));
    for (unsigned i = 0; i < threads; i++)
        Q_TRY_GOTO(out, q_jsonl_create(&run.workers[i].parser));
    const struct q_stream stream = {&run, next_batch, work_batch, merge_batch, release_batch};
    status = q_pool_stream(pool, 2 * (size_t)threads, &stream);
out:
    for (unsigned i = 0; run.workers && i < threads; i++) {
        if (run.workers[i].parser)
            q_jsonl_release(run.workers[i].parser);
        normal_words_release(&run.workers[i].words);
        shingle_set_release(&run.workers[i].set);
        q_buffer_release(&run.workers[i].id);
    }
    q_release(run.workers);
    if (run.reader)
        q_lines_close(run.reader);
    minhash_release(&run.minhash);
    return status;
}

void near_input_release(struct near_input *input)
{
    spool_release(&input->store);
    q_release(input->places);
    record_sorter_release(&input->texts);
    record_sorter_release(&input->bands);
    *input = (struct near_input){0};
}
