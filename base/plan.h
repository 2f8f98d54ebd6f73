/* The answer of the stages' `plan` verbs (docs/steps.md, "Plan"): one writer for what the orchestrator reads. */
#ifndef QUERN_BASE_PLAN_H
#define QUERN_BASE_PLAN_H

#include "base/manifest.h"

struct q_plan_step {
    const struct q_step *step; /* sealed */
    const char *kind;          /* "map", "one", "gang" */
    uint64_t parts;
    const json_t *schedule; /* settings tagged schedule of a step that can be gone on with; NULL: none */
};

/* Puts the members `stage`, `output` and `steps` into the open object. The steps stand in their order, each needs the one before, and the last one's key
 * is the output. count 0: the inputs are not there yet, and `stage` is all. */
q_status q_plan_put(struct q_json *json, const char *stage, const struct q_plan_step *steps, size_t count) Q_MUST_USE;

/* The same as an object of its own, on standard output. */
q_status q_plan_print(const char *stage, const struct q_plan_step *steps, size_t count) Q_MUST_USE;

#endif
