/* Grouping, pass store: the ids and shingle sets of the documents that are in a bucket or an exact class, frame by
 * frame. */
#include "base/check.h"
#include "base/document.h"
#include "base/progress.h"
#include "dedup/frame_stream.h"
#include "dedup/group.h"
#include "dedup/normal_words.h"
#include "dedup/shingle_store.h"

struct store_worker {
    struct q_jsonl_parser *parser;
    struct normal_words words;
    struct shingle_set set;
};

/* A document wanted from a frame. */
struct store_wish {
    q_hash key;
    uint32_t offset, line_bytes, rank;
    bool with_set;
    uint64_t place; /* of its entry, in the job's bytes */
};

struct store_job {
    struct frame_job frame;
    struct store_wish *wishes;
    size_t count, capacity;
    struct q_buffer entries;
};

struct store_run {
    struct group *group;
    struct group_cursor cursor; /* where wants_frame stands: one block for each frame */
    struct store_worker *workers;
};

/* Which documents of the frame have a flag: called for every frame in order, as the cursor goes. */
static q_status wants_frame(void *context, struct frame_job *frame, bool *wanted)
{
    struct store_run *run = context;
    struct group *group = run->group;
    struct group_cursor *cursor = &run->cursor;
    struct store_job *job = (struct store_job *)frame;
    bool more;
    Q_TRY(group_cursor_next(group, cursor, &more));
    if (!more || cursor->part != frame->part || cursor->block != frame->frame)
        return q_fail(Q_ERR_INPUT, "'%s' has other frames than when it was signed",
                      group->build->documents[frame->part]);
    job->count = 0;
    for (uint32_t i = 0; i < cursor->count; i++) {
        uint32_t rank = group->rank_of[cursor->first + i];
        if (!group->flags[rank])
            continue;
        Q_TRY(q_grow(&job->wishes, &job->capacity, job->count + 1, sizeof(*job->wishes)));
        const struct signature_head *head = &cursor->heads[i];
        job->wishes[job->count++] = (struct store_wish){
            head->key, head->offset, head->line_bytes, rank, (group->flags[rank] & GROUP_IN_BUCKET) != 0, 0};
    }
    *wanted = job->count > 0;
    return Q_OK;
}

static q_status fulfil(struct store_run *run, struct store_worker *worker, struct store_job *job,
                       struct store_wish *wish, q_string lines)
{
    q_string line = q_string_slice(lines, wish->offset, (size_t)wish->offset + wish->line_bytes);
    struct q_document document;
    Q_TRY(q_document_parse(worker->parser, line, &document));
    if (!q_hash_equal(q_document_key(document.id), wish->key))
        return q_fail(Q_ERR_INPUT, "another document stands where '%.*s' was signed", Q_STRING_ARGS(document.id));
    if (wish->with_set) {
        Q_TRY(normal_words_split(&worker->words, document.text));
        Q_TRY(shingle_set_fill(&worker->set, worker->words.hashes, worker->words.count, run->group->shape.words));
    }
    uint64_t weight = document.cluster_size ? document.cluster_size : 1;
    wish->place = job->entries.size;
    return shingle_entry_write(document.id, (uint32_t)Q_MIN(weight, (uint64_t)UINT32_MAX),
                               wish->with_set ? &worker->set : NULL, &job->entries);
}

static q_status work(void *context, unsigned worker, struct frame_job *frame, const struct document_part *part)
{
    struct store_run *run = context;
    struct store_job *job = (struct store_job *)frame;
    q_buffer_clear(&job->entries);
    for (size_t i = 0; i < job->count; i++) {
        q_status status = fulfil(run, &run->workers[worker], job, &job->wishes[i], q_buffer_string(&part->plain));
        if (status != Q_OK)
            return q_context(status, "'%s': frame %u", run->group->build->documents[frame->part], frame->frame);
    }
    return Q_OK;
}

static q_status merge(void *context, struct frame_job *frame)
{
    struct store_run *run = context;
    struct store_job *job = (struct store_job *)frame;
    uint64_t base;
    Q_TRY(spool_append(&run->group->store, job->entries.data, job->entries.size, &base));
    for (size_t i = 0; i < job->count; i++)
        run->group->place[job->wishes[i].rank] = base + job->wishes[i].place;
    q_progress_add(job->count);
    return Q_OK;
}

static void release_job(struct frame_job *frame)
{
    struct store_job *job = (struct store_job *)frame;
    q_release(job->wishes);
    q_buffer_release(&job->entries);
}

q_status group_store(struct group *group)
{
    unsigned threads = q_pool_threads(group->build->pool);
    struct store_run run = {.group = group};
    const struct frame_stream stream = {
        .context = &run,
        .job_size = sizeof(struct store_job),
        .wants_frame = wants_frame,
        .work = work,
        .merge = merge,
        .release_job = release_job,
    };
    q_status status;
    spool_init(&group->store, group->folder, group->build->settings.memory / 2);
    Q_TRY_GOTO(out, q_alloc_zero(threads, sizeof(*run.workers), &run.workers));
    for (unsigned i = 0; i < threads; i++)
        Q_TRY_GOTO(out, q_jsonl_create(&run.workers[i].parser));
    status = frame_stream_run(&stream, group->build);
out:
    for (unsigned i = 0; run.workers && i < threads; i++) {
        if (run.workers[i].parser)
            q_jsonl_release(run.workers[i].parser);
        normal_words_release(&run.workers[i].words);
        shingle_set_release(&run.workers[i].set);
    }
    q_release(run.workers);
    group_cursor_close(&run.cursor);
    return status;
}
