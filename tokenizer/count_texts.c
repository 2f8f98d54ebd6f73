#include "tokenizer/count_texts.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/progress.h"

struct count_job {
    struct text_batch batch;
    struct q_accounting accounting;
};

struct count_worker {
    struct counts counts;
    struct q_jsonl_parser *parser;
};

struct counting {
    struct text_source *source;
    struct count_worker *workers;
    struct q_accounting *accounting;
};

static q_status count_next(void *context, void **slot, bool *more)
{
    struct counting *counting = context;
    struct count_job *job = *slot;
    if (q_stop_requested())
        return q_fail(Q_STOPPED, "stopped while counting");
    if (!job) {
        Q_TRY(q_alloc_zero(1, sizeof(*job), &job));
        *slot = job;
    }
    return text_source_next(counting->source, &job->batch, more);
}

struct count_one {
    struct counts *counts;
    struct q_accounting *accounting;
};

static q_status count_document(void *context, const struct text_document *document)
{
    struct count_one *one = context;
    if (document->held_out)
        return q_account_dropped(one->accounting, "held-out", document->text.size);
    Q_TRY(counts_add_text(one->counts, document->text));
    return q_account_kept(one->accounting, document->text.size, document->text.size);
}

static q_status count_work(void *context, unsigned worker, void *slot)
{
    struct counting *counting = context;
    struct count_job *job = slot;
    struct count_worker *mine = &counting->workers[worker];
    if (!mine->parser)
        Q_TRY(q_jsonl_create(&mine->parser));
    struct count_one one = {&mine->counts, &job->accounting};
    return text_batch_each(&job->batch, mine->parser, count_document, &one);
}

static q_status count_merge(void *context, void *slot)
{
    struct counting *counting = context;
    struct count_job *job = slot;
    q_progress_add(job->batch.stored);
    if (counting->accounting)
        Q_TRY(q_accounting_add(counting->accounting, &job->accounting));
    q_accounting_release(&job->accounting);
    job->accounting = (struct q_accounting){0};
    return Q_OK;
}

static void count_release(void *context, void *slot)
{
    struct count_job *job = slot;
    (void)context;
    text_batch_release(&job->batch);
    q_accounting_release(&job->accounting);
    q_release(job);
}

q_status count_texts(struct text_source *source, struct q_pool *pool, struct counts *counts,
                     struct q_accounting *accounting)
{
    unsigned threads = q_pool_threads(pool);
    struct counting counting = {.source = source, .accounting = accounting};
    struct q_stream stream = {&counting, count_next, count_work, count_merge, count_release};
    Q_TRY(q_alloc_zero(threads, sizeof(*counting.workers), &counting.workers));
    for (unsigned i = 0; i < threads; i++)
        counting.workers[i].counts.pretokenizer = counts->pretokenizer;
    q_status status = q_pool_stream(pool, 2 * (size_t)threads, &stream);
    for (unsigned i = 0; i < threads; i++) {
        struct count_worker *worker = &counting.workers[i];
        if (!status && worker->counts.total.documents)
            status = counts_add_all(counts, &worker->counts);
        counts_release(&worker->counts);
        q_jsonl_release(worker->parser);
    }
    q_release(counting.workers);
    return status;
}
