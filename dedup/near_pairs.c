#include "dedup/near_pairs.h"

#include "base/check.h"
#include "base/clock.h"
#include "dedup/near_input.h"
#include "dedup/shingle_store.h"

enum { PAIR = 2, RESULT = 3, BATCH = 2048 };

struct pairs_run {
    const struct dedup_settings *settings;
    struct near_input input;
    struct q_pool *pool;
    /* Documents of equal text: first[i] is the earliest one, copies[i] the next copy behind i (or itself: the last). */
    uint32_t *first, *copies;
    struct record_sorter
        candidates; /* (number, number) of firsts, the smaller in front; a pair may come once for each band */
    struct record_sorter results; /* (number, number, bits of the Jaccard index) */
};

/* --- equal texts -------------------------------------------------------------------------------------------------- */

static q_status find_copies(struct pairs_run *run)
{
    struct near_input *input = &run->input;
    Q_TRY(q_alloc(input->count, sizeof(*run->first), &run->first));
    Q_TRY(q_alloc(input->count, sizeof(*run->copies), &run->copies));
    Q_TRY(record_sorter_finish(&input->texts));
    uint64_t last[3] = {0};
    bool more = true, any = false;
    for (;;) {
        uint64_t record[3];
        Q_TRY(record_sorter_next(&input->texts, record, &more));
        if (!more)
            return Q_OK;
        uint64_t number = record[2];
        bool copy = any && record_compare(record, last, 2) == 0;
        run->copies[number] = (uint32_t)number;
        run->first[number] = copy ? run->first[last[2]] : (uint32_t)number;
        if (copy)
            run->copies[last[2]] = (uint32_t)number;
        memcpy(last, record, sizeof(last));
        any = true;
    }
}

/* --- candidates --------------------------------------------------------------------------------------------------- */

static q_status add_bucket(struct pairs_run *run, const uint32_t *numbers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t j = i + 1; j < count; j++) {
            const uint64_t pair[PAIR] = {numbers[i], numbers[j]};
            Q_TRY(record_sorter_add(&run->candidates, pair));
        }
    }
    return Q_OK;
}

/* Every pair of firsts in every bucket; the numbers in a bucket ascend. */
static q_status find_candidates(struct pairs_run *run)
{
    uint32_t *bucket = NULL;
    size_t count = 0, capacity = 0;
    uint64_t digest = 0;
    bool more = true;
    q_status status;
    Q_TRY(record_sorter_finish(&run->input.bands));
    while (more) {
        uint64_t record[PAIR] = {0};
        Q_TRY_GOTO(out, record_sorter_next(&run->input.bands, record, &more));
        if (!more || record[0] != digest) {
            Q_TRY_GOTO(out, add_bucket(run, bucket, count));
            count = 0;
            digest = record[0];
        }
        if (more && run->first[record[1]] == record[1]) {
            Q_TRY_GOTO(out, q_grow(&bucket, &capacity, count + 1, sizeof(*bucket)));
            bucket[count++] = (uint32_t)record[1];
        }
    }
    status = record_sorter_finish(&run->candidates);
out:
    q_release(bucket);
    return status;
}

/* --- verification ------------------------------------------------------------------------------------------------- */

struct pairs_worker {
    struct shingle_set a, b;
    uint64_t a_number; /* + 1: whose set `a` is */
};

struct pairs_job {
    uint64_t pairs[BATCH][PAIR];
    double jaccard[BATCH];
    size_t count;
};

struct verify_run {
    struct pairs_run *run;
    struct pairs_worker *workers;
    uint64_t last[PAIR];
    bool any;
};

static q_status next_pairs(void *context, void **job_pointer, bool *more)
{
    struct verify_run *verify = context;
    if (q_stop_requested())
        return q_fail(Q_STOPPED, "stopped");
    if (!*job_pointer)
        Q_TRY(q_alloc(1, sizeof(struct pairs_job), job_pointer));
    struct pairs_job *job = *job_pointer;
    job->count = 0;
    while (job->count < BATCH) {
        uint64_t pair[PAIR];
        bool got;
        Q_TRY(record_sorter_next(&verify->run->candidates, pair, &got));
        if (!got)
            break;
        if (verify->any && record_compare(pair, verify->last, PAIR) == 0)
            continue;
        memcpy(verify->last, pair, sizeof(pair));
        memcpy(job->pairs[job->count++], pair, sizeof(pair));
        verify->any = true;
    }
    *more = job->count > 0;
    return Q_OK;
}

static q_status verify_pairs(void *context, unsigned worker_index, void *job_pointer)
{
    struct verify_run *verify = context;
    struct near_input *input = &verify->run->input;
    struct pairs_worker *worker = &verify->workers[worker_index];
    struct pairs_job *job = job_pointer;
    for (size_t i = 0; i < job->count; i++) {
        uint64_t a = job->pairs[i][0], b = job->pairs[i][1];
        if (worker->a_number != a + 1) {
            worker->a_number = 0;
            Q_TRY(shingle_entry_set(&input->store, input->places[a], &worker->a));
            worker->a_number = a + 1;
        }
        Q_TRY(shingle_entry_set(&input->store, input->places[b], &worker->b));
        size_t common = shingle_sets_common(worker->a.hashes, worker->a.count, worker->b.hashes, worker->b.count);
        job->jaccard[i] = shingles_jaccard(worker->a.count, worker->b.count, common);
    }
    return Q_OK;
}

static q_status add_result(struct pairs_run *run, uint64_t a, uint64_t b, double jaccard)
{
    uint64_t result[RESULT] = {Q_MIN(a, b), Q_MAX(a, b), 0};
    memcpy(&result[2], &jaccard, sizeof(jaccard));
    return record_sorter_add(&run->results, result);
}

/* The next copy behind `number`; false at the last. */
static bool next_copy(const struct pairs_run *run, uint32_t *number)
{
    uint32_t next = run->copies[*number];
    bool more = next != *number;
    *number = next;
    return more;
}

/* What two texts have in common, every copy of the one has with every copy of the other. */
static q_status add_products(void *context, void *job_pointer)
{
    struct verify_run *verify = context;
    struct pairs_run *run = verify->run;
    const struct pairs_job *job = job_pointer;
    for (size_t i = 0; i < job->count; i++) {
        if (!(job->jaccard[i] >= run->settings->jaccard))
            continue;
        uint32_t a = (uint32_t)job->pairs[i][0];
        do {
            uint32_t b = (uint32_t)job->pairs[i][1];
            do {
                Q_TRY(add_result(run, a, b, job->jaccard[i]));
            } while (next_copy(run, &b));
        } while (next_copy(run, &a));
    }
    return Q_OK;
}

static void release_pairs(void *context, void *job)
{
    (void)context;
    q_release(job);
}

static q_status verify_candidates(struct pairs_run *run)
{
    unsigned threads = q_pool_threads(run->pool);
    struct verify_run verify = {.run = run};
    Q_TRY(q_alloc_zero(threads, sizeof(*verify.workers), &verify.workers));
    const struct q_stream stream = {&verify, next_pairs, verify_pairs, add_products, release_pairs};
    q_status status = q_pool_stream(run->pool, 2 * (size_t)threads, &stream);
    for (unsigned i = 0; i < threads; i++) {
        shingle_set_release(&verify.workers[i].a);
        shingle_set_release(&verify.workers[i].b);
    }
    q_release(verify.workers);
    return status;
}

/* Copies of one text are like each other, provided that it has words. */
static q_status add_copies(struct pairs_run *run)
{
    for (size_t i = 0; i < run->input.count; i++) {
        struct shingle_head head;
        uint32_t other = (uint32_t)i;
        if (run->copies[i] == i)
            continue;
        Q_TRY(shingle_entry_head(&run->input.store, run->input.places[i], &head));
        while (head.count && next_copy(run, &other))
            Q_TRY(add_result(run, i, other, 1.0));
    }
    return Q_OK;
}

/* --- the result --------------------------------------------------------------------------------------------------- */

static q_status give_results(struct pairs_run *run, near_pair_found *found, void *context)
{
    struct q_buffer ids[2] = {{0}, {0}};
    q_status status;
    bool more = true;
    Q_TRY(record_sorter_finish(&run->results));
    for (;;) {
        uint64_t result[RESULT];
        double jaccard;
        Q_TRY_GOTO(out, record_sorter_next(&run->results, result, &more));
        if (!more)
            break;
        for (int i = 0; i < 2; i++)
            Q_TRY_GOTO(out, shingle_entry_id(&run->input.store, run->input.places[result[i]], &ids[i]));
        memcpy(&jaccard, &result[2], sizeof(jaccard));
        Q_TRY_GOTO(out, found(context, q_buffer_string(&ids[0]), q_buffer_string(&ids[1]), jaccard));
    }
out:
    q_buffer_release(&ids[0]);
    q_buffer_release(&ids[1]);
    return status;
}

q_status near_pairs_find(const struct dedup_settings *settings, const char *const *files, size_t count,
                         struct q_pool *pool, const char *folder, near_pair_found *found, void *context)
{
    struct pairs_run run = {.settings = settings, .pool = pool};
    q_status status;
    Q_TRY_GOTO(out, near_input_read(&run.input, settings, files, count, pool, folder));
    record_sorter_init(&run.candidates, PAIR, settings->memory / 4, folder);
    record_sorter_init(&run.results, RESULT, settings->memory / 4, folder);
    Q_TRY_GOTO(out, find_copies(&run));
    Q_TRY_GOTO(out, find_candidates(&run));
    Q_TRY_GOTO(out, verify_candidates(&run));
    Q_TRY_GOTO(out, add_copies(&run));
    status = give_results(&run, found, context);
out:
    near_input_release(&run.input);
    record_sorter_release(&run.candidates);
    record_sorter_release(&run.results);
    q_release(run.first);
    q_release(run.copies);
    return status;
}
