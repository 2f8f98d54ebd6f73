#include "tokenizer/count/count_texts.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/progress.h"
#include "base/random.h"

#include <pthread.h>

enum {
    BATCH_BYTES_MIN = 1 << 17,
    BATCH_BYTES_MAX = 1 << 20,
    SHORT_BATCHES = 4, /* a batch of more than so many times the bound is one long text, and is counted alone */
};

/* Of the memory: what the input's decoder takes (zstd's window at its highest levels), what frames on their way into a file take for each thread, and
 * what malloc may lose. */
#define DECODER_BYTES (9ull << 20)
#define WRITER_THREAD_BYTES (8ull << 20)
#define SLACK_BYTES (3ull << 20)
/* A long text is in memory as read, as taken over from the reader, as padded for the JSON parser and as unescaped, with some growth. */
enum { COPIES_OF_A_TEXT = 6 };

/* How the promised memory is shared out. */
struct memory_plan {
    uint64_t memory, table, merge, writers;
    size_t batch, text;
};

struct count_job {
    struct text_batch batch;
    struct q_accounting accounting;
    uint64_t documents; /* of the batch that are done */
    size_t at;          /* in the one after them */
    bool stopped;       /* the counter became full */
};

struct count_worker {
    struct q_jsonl_parser *parser;
};

struct counting {
    struct text_source *source;
    const struct count_texts_options *options;
    struct memory_plan plan;
    struct counter *counter;
    struct count_worker *workers;
    struct q_accounting *accounting;
    /* Jobs that wait for the next round: batches that were under way when the counter became full, and a long text that is to be alone. */
    pthread_mutex_t lock; /* of these: `next` and `merge` may run at the same time */
    struct count_job **waiting;
    size_t waiting_count, waiting_capacity;
    size_t in_flight; /* jobs taken and not merged */
    bool alone;       /* a long text is under way */
    bool ended;       /* the source has no more */
};

uint64_t count_memory_standard(void)
{
    const uint64_t machine = q_memory_machine_bytes();
    return machine ? machine / 2 : 1ull << 30;
}

bool count_sample_has(double share, uint64_t seed, q_string id)
{
    const q_hash key = q_hash_string(id);
    return share >= 1 || q_random_unit(q_random_key_of(seed, "tokenizer-sample", key.high, key.low), 0) < share;
}

/* The least is what is taken besides, and the least of tables. */
static bool make_plan(uint64_t memory, unsigned threads, struct memory_plan *plan, uint64_t *least)
{
    const uint64_t batch = Q_MIN(Q_MAX(memory / threads / 64, (uint64_t)BATCH_BYTES_MIN), (uint64_t)BATCH_BYTES_MAX);
    /* Two batches, grown by half, and the parser's copies of a line; of each thread. */
    const uint64_t writers = threads * WRITER_THREAD_BYTES;
    const uint64_t reading = DECODER_BYTES + threads * (COUNTER_THREAD_BYTES + 5 * batch);
    const uint64_t besides = q_memory_resident_bytes() + SLACK_BYTES + memory / 64;
    const uint64_t table_min = COUNTER_TABLE_BYTES_MIN + (threads - 1) * COUNTER_THREAD_BYTES;
    *least = besides + reading + writers + Q_MAX(table_min, COUNT_STREAM_MEMORY_MIN);
    if (memory < *least)
        return false;
    *plan = (struct memory_plan){.memory = memory,
                                 .table = memory - besides - reading - writers,
                                 .merge = memory - besides - writers,
                                 .writers = writers,
                                 .batch = (size_t)batch};
    plan->text = (size_t)Q_MAX((memory - besides - reading) / COPIES_OF_A_TEXT, SHORT_BATCHES * batch);
    return true;
}

static q_status plan_memory(uint64_t memory, unsigned threads, struct memory_plan *plan)
{
    uint64_t least;
    if (make_plan(memory, threads, plan, &least))
        return Q_OK;
    return q_fail(Q_ERR_USAGE, "counting with %u threads cannot keep to %llu MiB of memory; give %llu MiB or more",
                  threads, (unsigned long long)(memory >> 20), (unsigned long long)((least >> 20) + 2));
}

q_status count_memory_check(uint64_t memory, unsigned threads)
{
    struct memory_plan plan;
    return plan_memory(memory ? memory : count_memory_standard(), threads, &plan);
}

q_status count_memory_of_merge(uint64_t memory, unsigned threads, uint64_t *out)
{
    const uint64_t bound = memory ? memory : count_memory_standard();
    const uint64_t besides = q_memory_resident_bytes() + SLACK_BYTES + bound / 64 + threads * WRITER_THREAD_BYTES;
    if (bound < besides + COUNT_STREAM_MEMORY_MIN)
        return q_fail(Q_ERR_USAGE, "merging with %u threads cannot keep to %llu MiB of memory; give %llu MiB or more",
                      threads, (unsigned long long)(bound >> 20),
                      (unsigned long long)(((besides + COUNT_STREAM_MEMORY_MIN) >> 20) + 2));
    *out = bound - besides;
    return Q_OK;
}

static void release_job(void *context, void *slot)
{
    struct count_job *job = slot;
    (void)context;
    if (!job)
        return;
    text_batch_release(&job->batch);
    q_accounting_release(&job->accounting);
    q_release(job);
}

/* Puts a job aside for the next round; its slot gets an empty one. */
static q_status wait_for_round(struct counting *counting, struct count_job *job)
{
    struct count_job *copy;
    Q_TRY(q_alloc_zero(1, sizeof(*copy), &copy));
    copy->batch = job->batch;
    copy->documents = job->documents;
    copy->at = job->at;
    job->batch.bytes = (struct q_buffer){0};
    (void)pthread_mutex_lock(&counting->lock);
    q_status status =
        q_grow(&counting->waiting, &counting->waiting_capacity, counting->waiting_count + 1, sizeof(copy));
    if (!status)
        counting->waiting[counting->waiting_count++] = copy;
    (void)pthread_mutex_unlock(&counting->lock);
    if (status)
        release_job(NULL, copy);
    return status;
}

static struct count_job *take_waiting(struct counting *counting)
{
    (void)pthread_mutex_lock(&counting->lock);
    struct count_job *job = counting->waiting_count ? counting->waiting[--counting->waiting_count] : NULL;
    (void)pthread_mutex_unlock(&counting->lock);
    return job;
}

static size_t change_in_flight(struct counting *counting, size_t by)
{
    (void)pthread_mutex_lock(&counting->lock);
    const size_t before = counting->in_flight;
    counting->in_flight += by;
    (void)pthread_mutex_unlock(&counting->lock);
    return before;
}

static bool is_long(const struct counting *counting, const struct count_job *job)
{
    return job->batch.bytes.size > SHORT_BATCHES * counting->plan.batch;
}

/* The next batch for the slot: one that waits, or a new one. */
static q_status take_batch(struct counting *counting, struct count_job *job, bool *more)
{
    struct count_job *waiting = take_waiting(counting);
    job->documents = 0;
    job->at = 0;
    if (waiting) {
        text_batch_release(&job->batch);
        job->batch = waiting->batch;
        job->documents = waiting->documents;
        job->at = waiting->at;
        q_release(waiting);
        *more = true;
        return Q_OK;
    }
    Q_TRY(text_source_next(counting->source, &job->batch, more));
    counting->ended = !*more;
    return Q_OK;
}

/* Whether the process has grown so that the tables must go: by what is not planned, or by a long text that comes. */
static bool is_too_large(const struct counting *counting, const struct count_job *job)
{
    const uint64_t copies = is_long(counting, job) ? (COPIES_OF_A_TEXT - 2) * job->batch.bytes.size : 0;
    const uint64_t keep = counting->plan.writers + copies + SLACK_BYTES;
    return q_memory_resident_bytes() + keep > counting->plan.memory;
}

static q_status count_next(void *context, void **slot, bool *more)
{
    struct counting *counting = context;
    struct count_job *job = *slot;
    *more = false;
    if (q_stop_requested())
        return q_fail(Q_STOPPED, "stopped while counting");
    if (counter_is_full(counting->counter) || counting->alone)
        return Q_OK;
    if (!job) {
        Q_TRY(q_alloc_zero(1, sizeof(*job), &job));
        *slot = job;
    }
    Q_TRY(take_batch(counting, job, more));
    if (!*more)
        return Q_OK;
    if (is_too_large(counting, job) && counter_table_bytes(counting->counter) > COUNTER_TABLE_BYTES_MIN / 2) {
        counter_set_full(counting->counter);
        *more = false;
    }
    if (is_long(counting, job)) {
        counting->alone = *more && change_in_flight(counting, 0) == 0;
        *more = counting->alone;
    }
    if (!*more)
        return wait_for_round(counting, job);
    (void)change_in_flight(counting, 1);
    return Q_OK;
}

struct count_one {
    struct counting *counting;
    struct count_job *job;
    unsigned worker;
    uint64_t number; /* of the document in its batch */
};

/* Why a document is left out; NULL: it is not. */
static const char *reason_to_drop(const struct count_one *one, const struct text_document *document, uint64_t *weight)
{
    static const struct count_weights none;
    const struct count_texts_options *options = one->counting->options;
    const struct text_batch *batch = &one->job->batch;
    if (document->held_out)
        return "held-out";
    /* A plain text has no id: its file's name stands for it, since its text may come in parts. */
    const q_string id = !batch->lines       ? q_string_of(q_fs_base_name(batch->name))
                        : document->id.size ? document->id
                                            : document->text;
    if (!count_sample_has(options->sample, options->sample_seed, id))
        return "not-sampled";
    *weight = count_weights_units(options->weights ? options->weights : &none, document->lang, document->source);
    return *weight ? NULL : "weight-0";
}

/* A part of a text belongs to the document that its first part was counted as. */
static q_status account(struct count_one *one, const struct text_document *document, const char *reason)
{
    struct q_accounting *accounting = &one->job->accounting;
    const uint64_t bytes = document->text.size;
    if (!document->continued)
        return reason ? q_account_dropped(accounting, reason, bytes) : q_account_kept(accounting, bytes, bytes);
    return q_account_more(accounting, reason, bytes, bytes);
}

static q_status count_document(void *context, const struct text_document *document)
{
    struct count_one *one = context;
    struct count_job *job = one->job;
    struct counter *counter = one->counting->counter;
    uint64_t weight = 0;
    if (job->stopped || one->number++ < job->documents)
        return Q_OK;
    const char *reason = reason_to_drop(one, document, &weight);
    if (!reason) {
        if (counter_is_full(counter)) {
            job->stopped = true;
            return Q_OK;
        }
        Q_TRY(counter_add_text(counter, one->worker, document->text, weight, &job->at));
        if (job->at < document->text.size) {
            job->stopped = true;
            return Q_OK;
        }
        counter_add_documents(counter, one->worker, !document->continued, document->text.size);
    }
    job->documents++;
    job->at = 0;
    return account(one, document, reason);
}

static q_status count_work(void *context, unsigned worker, void *slot)
{
    struct counting *counting = context;
    struct count_job *job = slot;
    struct count_worker *mine = &counting->workers[worker];
    if (!mine->parser)
        Q_TRY(q_jsonl_create(&mine->parser));
    struct count_one one = {counting, job, worker, 0};
    job->stopped = false;
    q_status status = text_batch_each(&job->batch, mine->parser, count_document, &one);
    if (is_long(counting, job)) { /* the parser keeps room for the longest line it saw */
        q_jsonl_release(mine->parser);
        mine->parser = NULL;
    }
    return status;
}

static q_status count_merge(void *context, void *slot)
{
    struct counting *counting = context;
    struct count_job *job = slot;
    (void)change_in_flight(counting, (size_t)-1);
    if (counting->accounting)
        Q_TRY(q_accounting_add(counting->accounting, &job->accounting));
    q_accounting_release(&job->accounting);
    job->accounting = (struct q_accounting){0};
    if (job->stopped)
        return wait_for_round(counting, job);
    q_progress_add(job->batch.stored);
    if (is_long(counting, job))
        text_batch_release(&job->batch);
    return Q_OK;
}

static q_status run_rounds(struct counting *counting, struct q_pool *pool)
{
    const size_t threads = q_pool_threads(pool);
    const struct q_stream stream = {counting, count_next, count_work, count_merge, release_job};
    do {
        Q_TRY(q_pool_stream(pool, 2 * threads, &stream));
        counting->alone = false;
        if (counter_is_full(counting->counter))
            Q_TRY(counter_spill(counting->counter));
    } while (!counting->ended || counting->waiting_count);
    return Q_OK;
}

static q_status create_counter(const struct count_texts_options *options, const struct memory_plan *plan,
                               uint32_t scale, struct q_pool *pool, struct counter **out)
{
    const struct counter_options counter = {.pretokenizer = options->pretokenizer,
                                            .scale = scale,
                                            .table_bytes = plan->table,
                                            .merge_bytes = plan->merge,
                                            .folder = options->folder,
                                            .pool = pool};
    return counter_create(&counter, out);
}

q_status count_create_counter(const struct count_texts_options *options, uint32_t scale, struct q_pool *pool,
                              struct counter **out)
{
    struct memory_plan plan;
    q_memory_return_blocks();
    Q_TRY(plan_memory(options->memory ? options->memory : count_memory_standard(), q_pool_threads(pool), &plan));
    return create_counter(options, &plan, scale, pool, out);
}

static q_status count_all(struct counting *counting, struct q_pool *pool)
{
    const struct text_bounds bounds = {counting->plan.batch, counting->plan.text, counting->options->pretokenizer};
    text_source_bound(counting->source, &bounds);
    const struct count_weights *weights = counting->options->weights;
    Q_TRY(create_counter(counting->options, &counting->plan, weights ? count_weights_scale(weights) : 1, pool,
                         &counting->counter));
    return run_rounds(counting, pool);
}

q_status count_texts(struct text_source *source, struct q_pool *pool, const struct count_texts_options *options,
                     struct q_accounting *accounting, struct counter **out)
{
    const unsigned threads = q_pool_threads(pool);
    struct counting counting = {.source = source, .options = options, .accounting = accounting};
    (void)pthread_mutex_init(&counting.lock, NULL);
    q_memory_return_blocks();
    Q_TRY(plan_memory(options->memory ? options->memory : count_memory_standard(), threads, &counting.plan));
    Q_TRY(q_alloc_zero(threads, sizeof(*counting.workers), &counting.workers));
    q_status status = count_all(&counting, pool);
    for (size_t i = 0; i < counting.waiting_count; i++)
        release_job(NULL, counting.waiting[i]);
    for (unsigned i = 0; i < threads; i++)
        q_jsonl_release(counting.workers[i].parser);
    q_release(counting.workers);
    q_release(counting.waiting);
    (void)pthread_mutex_destroy(&counting.lock);
    if (status)
        counter_release(counting.counter);
    else
        *out = counting.counter;
    return status;
}
