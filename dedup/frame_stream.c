#include "dedup/frame_stream.h"

#include "base/check.h"
#include "base/clock.h"

/* A worker's own reader of the part it works on. */
struct frame_worker {
    struct document_part part;
    uint64_t open_part; /* + 1; 0: none */
};

struct frame_run {
    const struct frame_stream *stream;
    const struct dedup_build *build;
    struct frame_worker *workers;
    /* Where `next` stands: the part to look at, and its frames once it is open. */
    uint64_t part;
    uint32_t frame, frame_count;
    bool open;
};

/* Finds the next part that is wanted and counts its frames; part_count where there is none. */
static q_status open_next_part(struct frame_run *run)
{
    for (; run->part < run->build->part_count; run->part++) {
        bool wanted = true;
        if (run->stream->wants_part)
            Q_TRY(run->stream->wants_part(run->stream->context, run->part, &wanted));
        if (!wanted)
            continue;
        struct document_part part = {0};
        q_status status = document_part_open(&part, run->build->documents[run->part]);
        run->frame_count = part.frame_count;
        document_part_close(&part);
        Q_TRY(status);
        run->frame = 0;
        run->open = true;
        return Q_OK;
    }
    return Q_OK;
}

/* The next frame of all, whether wanted or not, into the job. */
static q_status take_frame(struct frame_run *run, struct frame_job *job, bool *more)
{
    if (!run->open)
        Q_TRY(open_next_part(run));
    *more = run->open;
    if (!run->open)
        return Q_OK;
    *job = (struct frame_job){
        .part = run->part,
        .frame = run->frame,
        .empty = run->frame_count == 0,
        .first = run->frame == 0,
        .last = run->frame + 1 >= run->frame_count,
    };
    run->frame++;
    if (job->last) {
        run->open = false;
        run->part++;
    }
    return Q_OK;
}

static q_status next_job(void *context, void **job_pointer, bool *more)
{
    struct frame_run *run = context;
    if (q_stop_requested())
        return q_fail(Q_STOPPED, "stopped; what is done is kept, run the same command again");
    if (!*job_pointer)
        Q_TRY(q_alloc_zero(1, run->stream->job_size, job_pointer));
    struct frame_job *job = *job_pointer;
    for (;;) {
        Q_TRY(take_frame(run, job, more));
        bool wanted = *more;
        if (*more && run->stream->wants_frame) {
            wanted = !job->empty;
            if (wanted)
                Q_TRY(run->stream->wants_frame(run->stream->context, job, &wanted));
        }
        if (wanted || !*more)
            return Q_OK;
    }
}

static q_status work_job(void *context, unsigned worker_index, void *job_pointer)
{
    struct frame_run *run = context;
    struct frame_job *job = job_pointer;
    struct frame_worker *worker = &run->workers[worker_index];
    if (job->empty)
        return run->stream->work(run->stream->context, worker_index, job, NULL);
    if (worker->open_part != job->part + 1) {
        worker->open_part = 0;
        Q_TRY(document_part_open(&worker->part, run->build->documents[job->part]));
        worker->open_part = job->part + 1;
    }
    Q_TRY(document_part_read(&worker->part, job->frame));
    return run->stream->work(run->stream->context, worker_index, job, &worker->part);
}

static q_status merge_job(void *context, void *job)
{
    struct frame_run *run = context;
    return run->stream->merge(run->stream->context, job);
}

static void release_job(void *context, void *job)
{
    struct frame_run *run = context;
    if (job && run->stream->release_job)
        run->stream->release_job(job);
    q_release(job);
}

q_status frame_stream_run(const struct frame_stream *stream, const struct dedup_build *build)
{
    unsigned threads = q_pool_threads(build->pool);
    struct frame_run run = {.stream = stream, .build = build};
    q_check(stream->job_size >= sizeof(struct frame_job));
    Q_TRY(q_alloc_zero(threads, sizeof(*run.workers), &run.workers));
    const struct q_stream jobs = {&run, next_job, work_job, merge_job, release_job};
    q_status status = q_pool_stream(build->pool, 2 * (size_t)threads, &jobs);
    for (unsigned i = 0; i < threads; i++)
        document_part_close(&run.workers[i].part);
    q_release(run.workers);
    return status;
}
