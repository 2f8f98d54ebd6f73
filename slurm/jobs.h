/* Jobs: the graph's missing steps as Slurm sees them. Pure: from a graph to a list and to text; nothing is submitted
 * here.
 *
 *     map step of N tasks    arrays of at most max_array tasks each, then one finishing job that waits for all of them
 *     one, gang              one job
 *
 *     corpus build  [0..1000] [1001..1999]           dedup sign
 *                        \       /                      [..]
 *                       finishing job  ---afterok--->   ...
 *
 * Invariant: a job waits only for jobs before it in the list, so that submitting in order knows every id it needs.
 */
#ifndef QUERN_SLURM_JOBS_H
#define QUERN_SLURM_JOBS_H

#include "base/memory.h"
#include "base/status.h"

#include "orchestrate/graph.h"

#include <stdint.h>

enum job_kind {
    JOB_ARRAY,  /* tasks task_first .. task_first + task_count - 1 of a map step */
    JOB_STEP,   /* a whole step: one, gang, or the finishing of a map step */
    JOB_REPORT, /* the run's page, at the very end */
};

struct job {
    enum job_kind kind;
    size_t stage;     /* STAGE_COUNT for JOB_REPORT */
    const char *step; /* NULL for JOB_REPORT */
    enum step_kind step_kind;
    uint64_t task_first, task_count, tasks; /* JOB_ARRAY; tasks: of the whole step */
    size_t *after;                          /* jobs that must have ended well, by their place in the list */
    size_t after_count;
    const char *file; /* "02-corpus-build.sbatch" */
};

struct job_list {
    struct job *jobs; /* in the graph's arena, like all of it */
    size_t count, capacity;
};

/* The jobs of what is missing in stages first..last. A resolved graph is expected (graph_resolve); steps whose parts
 * are not known yet get executor.slurm.tasks tasks. Q_ERR_USAGE where the settings ask for what is not built. */
q_status jobs_plan(struct graph *graph, size_t first, size_t last, struct job_list *out) Q_MUST_USE;

/* Where the scripts find things: absolute paths. */
struct job_place {
    const char *quern, *recipe, *run, *folder; /* folder: to work in */
};

/* One job's script for sbatch, appended. Q_ERR_USAGE where a setting or path cannot stand in a script. */
q_status jobs_write_script(const struct graph *graph, const struct job *job, const struct job_place *place,
                           struct q_buffer *out) Q_MUST_USE;

/* The script that submits them all, in order, each with its dependencies; appended. It expects the jobs' files beside
 * it. */
q_status jobs_write_submit(const struct graph *graph, const struct job_list *list, const struct job_place *place,
                           struct q_buffer *out) Q_MUST_USE;

#endif
