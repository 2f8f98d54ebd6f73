/* Grouping, pass leaders: batches of whole components, decided by many threads. */
#include "base/check.h"
#include "base/clock.h"
#include "dedup/group.h"
#include "dedup/leaders.h"

enum { WIDTH = 3, BATCH = 4096 }; /* records: a batch ends with the component that reaches this */

struct leader_job {
    uint64_t *records;
    size_t count, capacity;
    struct leader_counts counts;
};

struct leader_run {
    struct group *group;
    struct leader_field field;
    struct leader_scratch *scratches; /* one a thread */
    uint64_t ahead[WIDTH];            /* the record behind the last batch */
    bool has_ahead, begun;
};

static q_status next_batch(void *context, void **job_pointer, bool *more)
{
    struct leader_run *run = context;
    if (q_stop_requested())
        return q_fail(Q_STOPPED, "stopped; run the same command again");
    if (!*job_pointer)
        Q_TRY(q_alloc_zero(1, sizeof(struct leader_job), job_pointer));
    struct leader_job *job = *job_pointer;
    job->count = 0;
    job->counts = (struct leader_counts){0};
    if (!run->begun)
        Q_TRY(record_sorter_next(&run->group->members, run->ahead, &run->has_ahead));
    run->begun = true;
    while (run->has_ahead) {
        bool begins = job->count == 0 || run->ahead[0] != job->records[(job->count - 1) * WIDTH];
        if (begins && job->count >= BATCH)
            break;
        Q_TRY(q_grow(&job->records, &job->capacity, job->count + 1, sizeof(run->ahead)));
        memcpy(job->records + job->count++ * WIDTH, run->ahead, sizeof(run->ahead));
        Q_TRY(record_sorter_next(&run->group->members, run->ahead, &run->has_ahead));
    }
    *more = job->count > 0;
    return Q_OK;
}

static q_status work_batch(void *context, unsigned worker, void *job_pointer)
{
    struct leader_run *run = context;
    struct leader_job *job = job_pointer;
    return leaders_decide(&run->field, &run->scratches[worker], job->records, job->count, &job->counts);
}

static q_status merge_batch(void *context, void *job_pointer)
{
    struct leader_run *run = context;
    const struct leader_counts *counts = &((struct leader_job *)job_pointer)->counts;
    run->group->components += counts->components;
    run->group->component_max = Q_MAX(run->group->component_max, counts->largest);
    run->group->compared += counts->compared;
    run->group->verified += counts->verified;
    return Q_OK;
}

static void release_batch(void *context, void *job_pointer)
{
    (void)context;
    struct leader_job *job = job_pointer;
    if (job)
        q_release(job->records);
    q_release(job);
}

q_status group_leaders(struct group *group)
{
    struct dedup_build *build = group->build;
    unsigned threads = q_pool_threads(build->pool);
    struct leader_run run = {
        .group = group,
        .field = {.store = &group->store,
                  .place = group->place,
                  .jaccard = build->settings.jaccard,
                  .compare_max = build->settings.compare_max,
                  .leader = group->leader,
                  .common = group->common},
    };
    Q_TRY(q_alloc_zero(threads, sizeof(*run.scratches), &run.scratches));
    const struct q_stream stream = {&run, next_batch, work_batch, merge_batch, release_batch};
    q_status status = q_pool_stream(build->pool, 2 * (size_t)threads, &stream);
    for (unsigned i = 0; i < threads; i++)
        leader_scratch_release(&run.scratches[i]);
    q_release(run.scratches);
    return status;
}
