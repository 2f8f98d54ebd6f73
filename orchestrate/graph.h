/* The graph: a recipe as stages and steps with their keys and states. The local runner, `quern status`, `quern verify`
 * and the job generator of slurm/ all work on this one structure.
 *
 *     recipe --graph_load--> stages from the table, keys unknown
 *            --graph_resolve--> stage by stage: its program checks the recipe; where its inputs are done, it plans:
 *
 *       corpus        dedup                         tokenizer            shards        train       eval
 *       [build]  ->   [sign] -> [group] -> [filter]  [count] -> [train]   [build]       [run]       [run]
 *       done          done      done       partial   planned, missing    unknown: its inputs are not done yet
 *                                  4 of 12 parts
 *
 * A stage's key is a function of its inputs' manifests, so it is known only once they are done: a run resolves one
 * stage, builds it, resolves the next. Invariant: a resolved stage has a key and a folder, and every stage before it
 * that it takes from is done.
 */
#ifndef QUERN_ORCHESTRATE_GRAPH_H
#define QUERN_ORCHESTRATE_GRAPH_H

#include "base/manifest.h"
#include "base/recipe.h"

#include "orchestrate/executor_settings.h"
#include "orchestrate/stages.h"

enum graph_state {
    GRAPH_MISSING, /* nothing is there, or its key is not known yet */
    GRAPH_PARTIAL, /* begun */
    GRAPH_DONE,    /* its manifest is whole and the files have its sizes */
};

struct graph_step {
    const char *name;
    enum step_kind kind;
    char key[Q_KEY_SIZE]; /* "" while unknown */
    const char *folder;   /* RUN/STAGE/KEY; NULL while unknown */
    uint64_t parts;       /* 0 while unknown */
    uint64_t parts_done;
    uint64_t bytes;    /* of the files of a done step */
    q_string schedule; /* settings it is to be built under, as JSON; empty: none. Done under others is not done */
    const char **needs;
    size_t need_count;
    enum graph_state state;
};

struct graph_stage {
    const struct stage *stage;
    bool checked;         /* the program has accepted the recipe */
    bool resolved;        /* keys are known */
    char key[Q_KEY_SIZE]; /* of the result: the last step's */
    const char *folder;   /* of the result: RUN/STAGE/KEY */
    const char *work;     /* RUN/STAGE */
    struct graph_step *steps;
    size_t step_count;
    enum graph_state state; /* of the result; partial as well where only an earlier step was begun */
};

struct graph {
    struct q_arena arena;
    struct q_recipe recipe;
    const char *recipe_path; /* as given, for the programs */
    const struct q_texts *set;
    struct executor_settings executor;
    const char *run; /* the run's folder */
    struct graph_stage stages[STAGE_COUNT];
};

/* Reads the recipe and its section `executor`; `set` (may be NULL) are overrides, borrowed. graph_release also after a
 * failure. */
q_status graph_load(const char *recipe_path, const struct q_texts *set, struct graph *graph) Q_MUST_USE;
void graph_release(struct graph *graph);

/* Has every program check its section (Q_ERR_USAGE with the program's own line), and resolves as far as results are
 * done. */
q_status graph_resolve(struct graph *graph) Q_MUST_USE;
/* One stage, whose inputs must be done; a stage that is resolved already only has its state looked at again. */
q_status graph_resolve_stage(struct graph *graph, size_t stage) Q_MUST_USE;
/* Looks at the folders of a resolved stage again. */
q_status graph_refresh(struct graph *graph, size_t stage) Q_MUST_USE;

/* The first input of the stage that is not done; NULL where all are. */
const struct stage *graph_missing_input(const struct graph *graph, size_t stage);

/* The command of a stage as arguments: PROGRAM VERB INPUTS --recipe R [--set ...], room for more behind them; ended by
 * NULL. Inputs are given only where `with_inputs`. In the graph's arena. */
struct graph_command {
    const char **arguments;
    size_t count, capacity;
};
q_status graph_command(struct graph *graph, size_t stage, const char *verb, bool with_inputs,
                       struct graph_command *out) Q_MUST_USE;
q_status graph_command_add(struct graph *graph, struct graph_command *command, const char *argument) Q_MUST_USE;
/* What a `plan` prints is appended to `out`; a plan that fails is our own failure, with the program's words. */
q_status graph_ask(size_t stage, const struct graph_command *command, struct q_buffer *out) Q_MUST_USE;
/* The build of a resolved stage: the command with -o, --work (where it has several steps), -j. */
q_status graph_build_command(struct graph *graph, size_t stage, struct graph_command *out) Q_MUST_USE;

const char *graph_state_name(enum graph_state state); /* "missing", "partial", "done" */

/* For graph_plan.c and its test: what `plan --json` printed, into the stage. Q_ERR_INPUT where it breaks the protocol
 * of docs/steps.md. */
q_status graph_plan_parse(struct graph *graph, size_t stage, q_string text) Q_MUST_USE;

/* The value on one line with sorted keys, so that equal values are equal bytes. In the arena. */
q_status graph_json_text(struct q_arena *arena, const json_t *value, q_string *out) Q_MUST_USE;

#endif
