/* quern verify: every byte of every finished result of a recipe against its manifest. */
#include "orchestrate/cmd_quern.h"
#include "orchestrate/graph.h"

#include "base/clock.h"
#include "base/fs.h"

#include <stdio.h>

struct verify_options {
    struct q_common common;
    struct q_texts set;
};

static const struct q_option verify_table[] = {
    {"set", 0, Q_OPTION_TEXTS, offsetof(struct verify_options, set), "A.B=VALUE", "override a setting of the recipe"},
    {0}};

struct tally {
    size_t whole, damaged, missing; /* steps */
};

static q_status verify_step(const char *folder)
{
    struct q_manifest manifest = {0};
    q_status status = q_manifest_read(folder, &manifest);
    if (status == Q_OK)
        status = q_manifest_verify(&manifest);
    q_manifest_release(&manifest);
    return status;
}

/* Whether there is a manifest to hold the step to. A step with one that is not done is damaged, not missing. */
static q_status has_manifest(struct graph *graph, const struct graph_step *step, bool *has)
{
    const char *path;
    *has = false;
    if (!step->folder)
        return Q_OK;
    Q_TRY(q_fs_join(&graph->arena, step->folder, "manifest.json", &path));
    return q_fs_look(path, has, NULL);
}

/* One step: damage is told and counted, so that one run finds all of it; other failures end the run. */
static q_status check_step(struct graph *graph, const char *stage, const struct graph_step *step, struct tally *tally)
{
    char bytes[32];
    bool built;
    Q_TRY(has_manifest(graph, step, &built));
    if (!built) {
        tally->missing++;
        return Q_OK;
    }
    if (q_stop_requested())
        return q_fail(Q_STOPPED, "stopped before '%s %s'", stage, step->name);
    q_status status = verify_step(step->folder);
    if (status == Q_ERR_INPUT) {
        printf("%s %s %s: damaged: %s\n", stage, step->name, step->key, q_error_text());
        tally->damaged++;
        return Q_OK;
    }
    if (status == Q_OK) {
        printf("%s %s %s: whole, %s\n", stage, step->name, step->key, q_format_bytes(bytes, (double)step->bytes));
        tally->whole++;
    }
    return status;
}

/* A program that reads a damaged result may find no key for its own (a tokenizer.json, say): what is known up to there is still looked at, and the damage
 * found; without any, the program's words are the failure. */
static q_status verify(struct graph *graph)
{
    struct tally tally = {0};
    struct q_error unresolved;
    q_status resolved = graph_resolve(graph);
    if (resolved != Q_OK && resolved != Q_ERR_INPUT)
        return resolved;
    if (resolved != Q_OK)
        q_error_take(&unresolved, resolved);
    for (size_t i = 0; i < STAGE_COUNT; i++)
        for (size_t s = 0; s < graph->stages[i].step_count; s++)
            Q_TRY(check_step(graph, stages[i].name, &graph->stages[i].steps[s], &tally));
    if (resolved != Q_OK && !tally.damaged)
        return q_error_put(&unresolved);
    printf("%zu whole, %zu damaged, %zu not built\n", tally.whole, tally.damaged, tally.missing);
    if (tally.damaged)
        return q_fail(Q_ERR_INPUT,
                      "%zu of %zu results are damaged; remove their folders (of a training manifest.json alone) and "
                      "run again",
                      tally.damaged, tally.damaged + tally.whole);
    return Q_OK;
}

static q_status run(void *all, const char *const *arguments, size_t count)
{
    const struct verify_options *options = all;
    struct graph graph;
    (void)count;
    q_status status = graph_load(arguments[0], &options->set, &graph);
    if (status == Q_OK)
        status = verify(&graph);
    graph_release(&graph);
    return status;
}

const struct q_verb quern_verify_verb = {
    .name = "verify",
    .synopsis = "RECIPE",
    .summary = "read every byte of every finished result and compare it with its manifest",
    .details =
        "Exit 3 where anything is damaged; all of it is listed. Results that are not built are counted, not blamed.\n"
        "\n"
        "Example:\n"
        "  quern verify recipes/demo.yaml\n",
    .options = verify_table,
    .options_size = sizeof(struct verify_options),
    .arguments_min = 1,
    .arguments_max = 1,
    .run = run,
};
