/* The six stages: what the orchestrator knows of them before any program was asked (docs/steps.md, "Stages"). The one
 * place where a stage's program, verb, inputs and steps are written down for `quern` and `quern submit`.
 */
#ifndef QUERN_ORCHESTRATE_STAGES_H
#define QUERN_ORCHESTRATE_STAGES_H

#include "base/status.h"
#include "base/string.h"

#include <stdbool.h>
#include <stdint.h>

enum stage_number {
    STAGE_CORPUS,
    STAGE_DEDUP,
    STAGE_TOKENIZER,
    STAGE_SHARDS,
    STAGE_TRAIN,
    STAGE_EVAL,
    STAGE_COUNT,
};

/* How a step is worked: a map has parts that any number of tasks share; one is a single process; a gang is ranks that
 * run together. */
enum step_kind { STEP_MAP, STEP_ONE, STEP_GANG };

enum { STAGE_INPUTS_MAX = 3, STAGE_STEPS_MAX = 8 };

/* An input: the result of an earlier stage, given to the program as a plain argument (option NULL) or behind one. */
struct stage_input {
    enum stage_number from;
    const char *option; /* "-t", "--shards" */
};

struct stage_step {
    const char *name;
    enum step_kind kind;
};

struct stage {
    const char *name; /* "corpus": also its folder in the run */
    const char *program;
    const char *verb;
    const char *summary; /* for quern --help */
    struct stage_input inputs[STAGE_INPUTS_MAX];
    size_t input_count;
    struct stage_step steps[STAGE_STEPS_MAX]; /* what to expect while the plan is not known; the plan decides */
    size_t step_count;
    bool report_decodes;      /* its report shows texts out of ids: it is given -t TOKENIZER */
    bool report_reads_recipe; /* its report has settings: it is given --recipe R and the overrides */
};

extern const struct stage stages[STAGE_COUNT];

/* Stages first..last of `text`: "3", "dedup", "1..3", "dedup..shards", "..3", "3..". Q_ERR_USAGE names the nearest
 * stage. */
q_status stages_parse_range(const char *text, size_t *first, size_t *last) Q_MUST_USE;

const char *step_kind_name(enum step_kind kind); /* "map", "one", "gang" */
/* Q_ERR_INPUT for another name. */
q_status step_kind_parse(q_string name, enum step_kind *out) Q_MUST_USE;

#endif
