/* Why a step is built anew: its identity (step.json) beside the newest other one of the same step in the run. */
#ifndef QUERN_ORCHESTRATE_EXPLAIN_H
#define QUERN_ORCHESTRATE_EXPLAIN_H

#include "orchestrate/graph.h"

/* Appends what differs, in words: "setting 'part_bytes' 64 -> 128, input 'corpus' changed". At most four differences,
 * then "and 3 more". Nothing where the two are equal. `before`, `now`: contents of step.json. */
q_status explain_difference(const json_t *before, const json_t *now, struct q_buffer *out) Q_MUST_USE;

/* The same for a step whose folder has its step.json: "setting 'part_bytes' 64 -> 128; before: 77c0a41d0f3a". Nothing
 * is appended where the folder has none yet, or the run has no other result of this step. */
q_status explain_step(const struct graph_stage *stage, const struct graph_step *step, struct q_buffer *out) Q_MUST_USE;

#endif
