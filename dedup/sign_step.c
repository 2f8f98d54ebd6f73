/* sign (map): for each document the hash of its normalised text and the digests of its bands, into one signature
 * file per part.
 *
 * Streams: memory is two frames a thread (1 MiB each as the corpus writes them) and, per thread, about four times
 * the longest document.
 */
#include "base/clock.h"
#include "base/document.h"
#include "base/progress.h"
#include "dedup/dedup_build.h"
#include "dedup/frame_stream.h"
#include "dedup/minhash.h"
#include "dedup/normal_words.h"
#include "dedup/signature_file.h"

#include "base/bytes.h"
#include "base/check.h"

struct sign_worker {
    struct q_jsonl_parser *parser;
    struct q_compressor *compressor;
    struct normal_words words;
    struct q_buffer heads, digests; /* of the frame at hand, plain */
};

/* Two compressed frames: a block of the signature file. */
struct sign_job {
    struct frame_job frame;
    struct q_buffer heads, digests;
    size_t heads_plain, digests_plain;
    uint32_t heads_checksum, digests_checksum;
    uint64_t documents, text_bytes;
};

struct sign_run {
    struct dedup_build *build;
    struct q_step *step;
    struct signature_shape shape;
    struct minhash minhash;
    struct sign_worker *workers;
    /* The part being written. */
    struct q_seekable_writer *writer;
    uint64_t documents;
};

/* The number YYYYMMDD of a date that begins "YYYY-MM-DD" (or YYYYMMDD), else 0. */
static uint32_t date_number(q_string date)
{
    uint32_t number = 0, digits = 0;
    for (size_t i = 0; i < date.size && digits < 8; i++) {
        char c = date.data[i];
        if (c >= '0' && c <= '9')
            number = number * 10 + (uint32_t)(c - '0'), digits++;
        else if (c != '-' || (digits != 4 && digits != 6))
            break;
    }
    return digits == 8 ? number : 0;
}

static q_status sign_document(struct sign_run *run, struct sign_worker *worker, const struct q_document *document,
                              size_t offset, size_t line_bytes)
{
    Q_TRY(normal_words_split(&worker->words, document->text));
    struct signature_head head = {
        .key = q_document_key(document->id),
        .text = normal_text_hash(&worker->words, document->text),
        .offset = (uint32_t)offset, /* a frame has at most 2^30 bytes */
        .line_bytes = (uint32_t)line_bytes,
        .text_bytes = (uint32_t)document->text.size,
        .words = (uint32_t)Q_MIN(worker->words.count, (size_t)UINT32_MAX),
        .quality = document->quality < 0 ? -1.0f : (float)document->quality,
        .date = date_number(document->date),
    };
    unsigned char bytes[SIGNATURE_HEAD_BYTES];
    signature_head_write(&head, bytes);
    Q_TRY(q_buffer_append(&worker->heads, bytes, sizeof(bytes)));
    uint64_t digests[MINHASH_BANDS_MAX];
    unsigned bands = run->shape.bands;
    if (bands)
        minhash_digests(&run->minhash, worker->words.hashes, worker->words.count, run->shape.words, digests);
    for (unsigned band = 0; band < bands; band++)
        q_store_u64(&digests[band], digests[band]);
    return q_buffer_append(&worker->digests, digests, bands * sizeof(*digests));
}

static q_status sign_lines(struct sign_run *run, struct sign_worker *worker, struct sign_job *job, q_string lines)
{
    q_string rest = lines, line;
    while (q_string_next_line(&rest, &line)) {
        struct q_document document;
        Q_TRY(q_document_parse(worker->parser, line, &document));
        Q_TRY(sign_document(run, worker, &document, (size_t)(line.data - lines.data), line.size + 1));
        job->documents++;
        job->text_bytes += document.text.size;
    }
    return Q_OK;
}

static q_status work(void *context, unsigned worker_index, struct frame_job *frame, const struct document_part *part)
{
    struct sign_run *run = context;
    struct sign_worker *worker = &run->workers[worker_index];
    struct sign_job *job = (struct sign_job *)frame;
    job->documents = job->text_bytes = 0;
    if (frame->empty)
        return Q_OK;
    q_buffer_clear(&worker->heads);
    q_buffer_clear(&worker->digests);
    q_status status = sign_lines(run, worker, job, q_buffer_string(&part->plain));
    if (status != Q_OK)
        return q_context(status, "'%s': document %llu of frame %u", run->build->documents[frame->part],
                         (unsigned long long)job->documents, frame->frame);
    job->heads_plain = worker->heads.size;
    job->digests_plain = worker->digests.size;
    Q_TRY(q_seekable_compress(worker->compressor, worker->heads.data, worker->heads.size, &job->heads,
                              &job->heads_checksum));
    return q_seekable_compress(worker->compressor, worker->digests.data, worker->digests.size, &job->digests,
                               &job->digests_checksum);
}

/* --- the parts' files --------------------------------------------------------------------------------------------- */

static q_status begin_part(struct sign_run *run, uint64_t part)
{
    const char *path;
    run->documents = 0;
    Q_TRY(q_step_part_path(run->step, part, ".sig.zst", &path));
    return signature_file_create(path, &run->shape, &run->writer);
}

static q_status end_part(struct sign_run *run, uint64_t part)
{
    const char *path;
    struct q_part_file file;
    struct q_seekable_writer *writer = run->writer;
    run->writer = NULL;
    Q_TRY(q_seekable_commit(writer, &file.identity));
    Q_TRY(q_step_part_path(run->step, part, ".sig.zst", &path));
    file.name = q_fs_base_name(path);
    json_t *statistics = json_object();
    q_status status = q_json_set(statistics, "documents", json_integer((json_int_t)run->documents));
    if (status != Q_OK) {
        json_decref(statistics);
        return status;
    }
    return q_step_part_publish(run->step, part, &file, 1, NULL, statistics);
}

static q_status merge(void *context, struct frame_job *frame)
{
    struct sign_run *run = context;
    struct sign_job *job = (struct sign_job *)frame;
    if (frame->first)
        Q_TRY(begin_part(run, frame->part));
    if (!frame->empty) {
        Q_TRY(q_seekable_add_compressed(run->writer, job->heads.data, job->heads.size, job->heads_plain,
                                        job->heads_checksum));
        Q_TRY(q_seekable_add_compressed(run->writer, job->digests.data, job->digests.size, job->digests_plain,
                                        job->digests_checksum));
    }
    run->documents += job->documents;
    q_progress_add(job->text_bytes);
    return frame->last ? end_part(run, frame->part) : Q_OK;
}

static q_status wants_part(void *context, uint64_t part, bool *wanted)
{
    struct sign_run *run = context;
    bool done;
    Q_TRY(q_step_part_done(run->step, part, &done));
    *wanted = !done && q_task_has(run->build->task, part);
    return Q_OK;
}

static void release_job(struct frame_job *frame)
{
    struct sign_job *job = (struct sign_job *)frame;
    q_buffer_release(&job->heads);
    q_buffer_release(&job->digests);
}

/* --- the step ----------------------------------------------------------------------------------------------------- */

static q_status init_run(struct sign_run *run, unsigned threads)
{
    const struct dedup_settings *settings = &run->build->settings;
    run->shape = (struct signature_shape){.bands = settings->near ? (uint32_t)settings->bands : 0,
                                          .rows = (uint32_t)settings->rows,
                                          .words = (uint32_t)settings->words};
    Q_TRY(minhash_create(&run->minhash, (unsigned)settings->bands, (unsigned)settings->rows));
    Q_TRY(q_alloc_zero(threads, sizeof(*run->workers), &run->workers));
    for (unsigned i = 0; i < threads; i++) {
        Q_TRY(q_jsonl_create(&run->workers[i].parser));
        Q_TRY(q_compressor_create(SIGNATURE_LEVEL, &run->workers[i].compressor));
    }
    return Q_OK;
}

static void release_run(struct sign_run *run, unsigned threads)
{
    for (unsigned i = 0; run->workers && i < threads; i++) {
        struct sign_worker *worker = &run->workers[i];
        if (worker->parser)
            q_jsonl_release(worker->parser);
        q_compressor_release(worker->compressor);
        normal_words_release(&worker->words);
        q_buffer_release(&worker->heads);
        q_buffer_release(&worker->digests);
    }
    q_release(run->workers);
    if (run->writer)
        q_seekable_abandon(run->writer);
    minhash_release(&run->minhash);
}

q_status dedup_sign(struct dedup_build *build)
{
    unsigned threads = q_pool_threads(build->pool);
    struct sign_run run = {.build = build, .step = &build->steps[DEDUP_STEP_SIGN]};
    const struct frame_stream stream = {
        .context = &run,
        .job_size = sizeof(struct sign_job),
        .wants_part = wants_part,
        .work = work,
        .merge = merge,
        .release_job = release_job,
    };
    q_status status = init_run(&run, threads);
    if (status == Q_OK) {
        q_progress_start("dedup sign", "bytes", build->text_bytes);
        status = frame_stream_run(&stream, build);
        q_progress_finish();
    }
    release_run(&run, threads);
    return status;
}
