/* The run's page: the pipeline, the accounting of every stage, what happened, and each stage's own report as a
 * chapter. */
#ifndef QUERN_ORCHESTRATE_RUN_REPORT_H
#define QUERN_ORCHESTRATE_RUN_REPORT_H

#include "orchestrate/graph.h"

/* Publishes the page under `path`; `failed` is the stage that failed just now, STAGE_COUNT where none did. A stage
 * whose program cannot make its chapter gets a remark instead, never a failure. */
q_status run_report_publish(struct graph *graph, const char *path, size_t failed) Q_MUST_USE;

#endif
