/* The local runner: builds what is missing of a range of stages, in order, on this machine. */
#ifndef QUERN_ORCHESTRATE_RUN_LOCAL_H
#define QUERN_ORCHESTRATE_RUN_LOCAL_H

#include "orchestrate/graph.h"

struct run_request {
    size_t first, last;  /* stages */
    const char *step;    /* one step of the one stage; NULL: all of the stage */
    struct q_task task;  /* of that step; count <= 1: all parts */
    bool dry_run;        /* only says what would be done, on standard output */
    bool quiet, verbose; /* handed on to the programs */
};

/* Resolves the graph (all sections checked before any work) and builds. What it does is said on standard error, a line
 * a stage. Statuses: those of the programs (2, 3 and 75 as they are, everything else Q_ERR_SYSTEM naming stage and
 * log), Q_ERR_INPUT where the first stage's inputs are not built, Q_ERR_SYSTEM where another run is at work. */
q_status run_local(struct graph *graph, const struct run_request *request) Q_MUST_USE;

#endif
