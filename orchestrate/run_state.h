/* What a run leaves about itself in its folder (docs/formats/run.md): the lock, the journal, the status.
 *
 *     RUN/lock         flock: one run at a time (tasks of a step share it); holds the process's number
 *     RUN/journal      what happened, line by line (base/journal.h)
 *     RUN/status       how things stand, published anew at every change
 *     RUN/logs/        what each program said
 *     RUN/report.html  the run's page
 */
#ifndef QUERN_ORCHESTRATE_RUN_STATE_H
#define QUERN_ORCHESTRATE_RUN_STATE_H

#include "base/journal.h"

#include "orchestrate/graph.h"

struct run_state {
    const struct graph *graph;
    int lock_fd; /* -1: none */
    struct q_journal *journal;
};

enum run_mode {
    RUN_ALONE, /* a run: nobody else works in the folder */
    RUN_TASK,  /* a task of a step: shares the folder with other tasks, keeps no journal and no status */
};

/* Makes the run's folder, takes the lock and opens the journal. Waits some seconds for the lock, for the program of a
 * run that was killed may take a moment to die; then Q_ERR_SYSTEM that names the process. */
q_status run_state_open(struct run_state *state, const struct graph *graph, enum run_mode mode) Q_MUST_USE;
void run_state_close(struct run_state *state);

/* A line of the journal; `fields` is taken. */
q_status run_state_event(struct run_state *state, const char *event, json_t *fields) Q_MUST_USE;
/* RUN/status: `what` is "running", "stopped", "failed" or "done"; `stage` the one at work, or STAGE_COUNT. */
q_status run_state_publish(struct run_state *state, const char *what, size_t stage) Q_MUST_USE;

/* Whether a run is at work in the folder, and its process; a look without a lock of one's own. */
q_status run_state_at_work(const char *run, bool *at_work, long *out_process) Q_MUST_USE;

/* The stages as a JSON array under `key`: for RUN/status and `quern status --json`. */
void run_state_put_stages(const struct graph *graph, struct q_json *json, const char *key);

/* RUN/logs/STAGE-KEY.log, or with a task RUN/logs/STAGE-KEY.STEP.I-of-N.log. */
q_status run_state_log_path(struct graph *graph, size_t stage, const char *step, struct q_task task,
                            const char **out) Q_MUST_USE;

#endif
