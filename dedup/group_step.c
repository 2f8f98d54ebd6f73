/* group (one): from all signatures to one verdict for each document that is not alone. The passes are described in
 * group.h. */
#include "dedup/group.h"

#include "base/check.h"
#include "base/log.h"
#include "base/progress.h"

/* Counts the documents and checks that every part was signed as the settings say. */
static q_status count_documents(struct group *group)
{
    for (uint64_t part = 0; part < group->build->part_count; part++) {
        const char *path;
        struct signature_file file = {0};
        Q_TRY(q_step_part_path(group->sign, part, ".sig.zst", &path));
        q_status status = signature_file_open(&file, path);
        group->documents += file.documents;
        signature_file_close(&file);
        Q_TRY(status);
    }
    if (group->documents > GROUP_DOCUMENTS_MAX)
        return q_fail(Q_ERR_INPUT, "%llu documents are too many for one deduplication; at most %llu",
                      (unsigned long long)group->documents, (unsigned long long)GROUP_DOCUMENTS_MAX);
    return Q_OK;
}

static q_status allocate(struct group *group)
{
    size_t count = (size_t)group->documents;
    Q_TRY(q_alloc(count, sizeof(*group->rank_of), &group->rank_of));
    Q_TRY(q_alloc(count, sizeof(*group->leader), &group->leader));
    Q_TRY(q_alloc(count, sizeof(*group->parents), &group->parents));
    Q_TRY(q_alloc_zero(count, sizeof(*group->flags), &group->flags));
    Q_TRY(q_alloc_zero(count, sizeof(*group->common), &group->common));
    return q_alloc(count, sizeof(*group->place), &group->place);
}

static void release(struct group *group)
{
    q_release(group->rank_of);
    q_release(group->leader);
    q_release(group->parents);
    q_release(group->flags);
    q_release(group->common);
    q_release(group->place);
    record_sorter_release(&group->members);
    spool_release(&group->store);
}

static void count_flags(struct group *group, uint64_t *flagged)
{
    for (uint64_t rank = 0; rank < group->documents; rank++) {
        *flagged += group->flags[rank] != 0;
        group->in_buckets += (group->flags[rank] & GROUP_IN_BUCKET) != 0;
    }
}

/* Boilerplate that bands cannot tell apart, or a source of copies: worth a look before the result is trusted. */
static void warn_of_giants(const struct group *group)
{
    if (group->component_max >= 1000 && group->component_max > group->documents / 10)
        q_log_warning(
            "dedup: %llu of %llu documents hang together by their bands; see the largest clusters in the report",
            (unsigned long long)group->component_max, (unsigned long long)group->documents);
}

static q_status run_passes(struct group *group)
{
    const struct dedup_settings *settings = &group->build->settings;
    uint64_t flagged = 0;
    Q_TRY(count_documents(group));
    Q_TRY(allocate(group));
    Q_TRY(group_rank(group));
    if (settings->exact)
        Q_TRY(group_exact(group));
    if (settings->near)
        Q_TRY(group_bands(group));
    count_flags(group, &flagged);
    q_progress_start("dedup group", "documents", flagged);
    q_status status = group_store(group);
    q_progress_finish();
    Q_TRY(status);
    if (settings->near)
        Q_TRY(group_leaders(group));
    warn_of_giants(group);
    return group_verdicts(group);
}

q_status dedup_group(struct dedup_build *build)
{
    bool done;
    struct q_step *step = &build->steps[DEDUP_STEP_GROUP];
    Q_TRY(q_step_part_done(step, 0, &done));
    if (done || !q_task_has(build->task, 0))
        return Q_OK;
    const struct dedup_settings *settings = &build->settings;
    struct group group = {
        .build = build,
        .sign = &build->steps[DEDUP_STEP_SIGN],
        .step = step,
        .folder = step->folder,
        .shape = {.bands = settings->near ? (uint32_t)settings->bands : 0,
                  .rows = (uint32_t)settings->rows,
                  .words = (uint32_t)settings->words},
    };
    q_status status = run_passes(&group);
    release(&group);
    return status;
}
