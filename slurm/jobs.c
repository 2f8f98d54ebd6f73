#include "slurm/jobs.h"

#include "base/check.h"

/* The ends of each stage's chain in the list: what a later stage waits for. SIZE_MAX: the stage has no jobs. */
struct planner {
    struct graph *graph;
    struct job_list *list;
    size_t ends[STAGE_COUNT];
};

static q_status add_job(struct planner *planner, const struct job *job)
{
    struct job_list *list = planner->list;
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? list->capacity * 2 : 32;
        struct job *grown;
        Q_TRY(q_arena_alloc(&planner->graph->arena, capacity, sizeof *grown, &grown));
        if (list->count)
            memcpy(grown, list->jobs, list->count * sizeof *grown);
        list->jobs = grown;
        list->capacity = capacity;
    }
    list->jobs[list->count] = *job;
    if (job->kind == JOB_REPORT)
        Q_TRY(q_arena_printf(&planner->graph->arena, &list->jobs[list->count].file, "%02zu-report.sbatch",
                             list->count + 1));
    else
        Q_TRY(q_arena_printf(&planner->graph->arena, &list->jobs[list->count].file, "%02zu-%s-%s%s.sbatch",
                             list->count + 1, stages[job->stage].name, job->step,
                             job->kind == JOB_STEP && job->step_kind == STEP_MAP ? "-end" : ""));
    list->count++;
    return Q_OK;
}

/* What the first job of a stage waits for: the ends of the stages it takes from. */
static q_status stage_after(struct planner *planner, size_t stage, struct job *job)
{
    const struct stage *table = &stages[stage];
    Q_TRY(q_arena_alloc(&planner->graph->arena, table->input_count, sizeof *job->after, &job->after));
    job->after_count = 0;
    for (size_t i = 0; i < table->input_count; i++)
        if (planner->ends[table->inputs[i].from] != SIZE_MAX)
            job->after[job->after_count++] = planner->ends[table->inputs[i].from];
    return Q_OK;
}

/* The arrays of a map step and its finishing job. *after: what the arrays wait for; afterwards the finishing job
 * alone. */
static q_status plan_map(struct planner *planner, size_t stage, const struct graph_step *step, struct job *job)
{
    const struct executor_slurm *slurm = &planner->graph->executor.slurm;
    uint64_t tasks = step->parts ? Q_MIN(step->parts, slurm->tasks) : slurm->tasks;
    size_t first = planner->list->count;
    *job = (struct job){.kind = JOB_ARRAY,
                        .stage = stage,
                        .step = step->name,
                        .step_kind = step->kind,
                        .tasks = tasks,
                        .after = job->after,
                        .after_count = job->after_count};
    if (tasks > 1)
        for (job->task_first = 0; job->task_first < tasks; job->task_first += job->task_count) {
            job->task_count = Q_MIN(slurm->max_array, tasks - job->task_first);
            Q_TRY(add_job(planner, job));
        }
    size_t arrays = planner->list->count - first;
    job->kind = JOB_STEP;
    job->task_first = job->task_count = 0;
    if (arrays) {
        Q_TRY(q_arena_alloc(&planner->graph->arena, arrays, sizeof *job->after, &job->after));
        for (size_t i = 0; i < arrays; i++)
            job->after[i] = first + i;
        job->after_count = arrays;
    }
    return add_job(planner, job);
}

/* The steps of a stage that are not done, one behind the other. */
static q_status plan_stage(struct planner *planner, size_t stage)
{
    const struct graph_stage *resolved = &planner->graph->stages[stage];
    struct job job = {0};
    if (resolved->state == GRAPH_DONE)
        return Q_OK;
    Q_TRY(stage_after(planner, stage, &job));
    for (size_t i = 0; i < resolved->step_count; i++) {
        const struct graph_step *step = &resolved->steps[i];
        if (step->state == GRAPH_DONE)
            continue;
        if (step->kind == STEP_MAP) {
            Q_TRY(plan_map(planner, stage, step, &job));
        } else {
            job = (struct job){.kind = JOB_STEP,
                               .stage = stage,
                               .step = step->name,
                               .step_kind = step->kind,
                               .after = job.after,
                               .after_count = job.after_count};
            Q_TRY(add_job(planner, &job));
        }
        Q_TRY(q_arena_alloc(&planner->graph->arena, 1, sizeof *job.after, &job.after));
        job.after[0] = planner->list->count - 1;
        job.after_count = 1;
    }
    planner->ends[stage] = planner->list->count - 1;
    return Q_OK;
}

/* The report waits for every stage's end. */
static q_status plan_report(struct planner *planner)
{
    struct job job = {.kind = JOB_REPORT, .stage = STAGE_COUNT, .step_kind = STEP_ONE};
    Q_TRY(q_arena_alloc(&planner->graph->arena, STAGE_COUNT, sizeof *job.after, &job.after));
    for (size_t i = 0; i < STAGE_COUNT; i++)
        if (planner->ends[i] != SIZE_MAX)
            job.after[job.after_count++] = planner->ends[i];
    return job.after_count ? add_job(planner, &job) : Q_OK;
}

q_status jobs_plan(struct graph *graph, size_t first, size_t last, struct job_list *out)
{
    struct planner planner = {.graph = graph, .list = out};
    *out = (struct job_list){0};
    if (graph->executor.slurm.gang.nodes > 1)
        return q_fail(Q_ERR_USAGE, "executor.slurm.gang.nodes is %llu; training over several nodes is not built yet",
                      (unsigned long long)graph->executor.slurm.gang.nodes);
    for (size_t i = 0; i < STAGE_COUNT; i++)
        planner.ends[i] = SIZE_MAX;
    for (size_t i = first; i <= last; i++) {
        const struct stage *missing = graph_missing_input(graph, i);
        for (size_t k = 0; missing && k < stages[i].input_count; k++) {
            size_t from = stages[i].inputs[k].from;
            if (from < first && graph->stages[from].state != GRAPH_DONE)
                return q_fail(Q_ERR_INPUT, "%s: its input '%s' is not built; submit --stages %s..%s", stages[i].name,
                              stages[from].name, stages[from].name, stages[last].name);
        }
        Q_TRY(plan_stage(&planner, i));
    }
    return plan_report(&planner);
}
