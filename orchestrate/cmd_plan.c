/* quern plan: what the recipe's training would take of memory and disk, before anything is built. */
#include "orchestrate/cmd_quern.h"
#include "orchestrate/graph.h"

#include "base/check.h"

#include <stdio.h>

struct plan_options {
    struct q_common common;
    struct q_texts set;
    const char *gpu_memory;
};

static const struct q_option plan_table[] = {
    {"set", 0, Q_OPTION_TEXTS, offsetof(struct plan_options, set), "A.B=VALUE", "override a setting of the recipe"},
    {"gpu-memory", 0, Q_OPTION_TEXT, offsetof(struct plan_options, gpu_memory), "BYTES",
     "of the GPU that is planned for, say 80GB (standard: this machine's)"},
    {0}};

/* The training's program knows it. What the other stages take at most is set in the recipe. */
static q_status plan(struct graph *graph, const struct plan_options *options)
{
    struct graph_command command;
    struct q_buffer out = {0};
    Q_TRY(graph_command(graph, STAGE_TRAIN, "plan", false, &command));
    if (options->gpu_memory) {
        Q_TRY(graph_command_add(graph, &command, "--gpu-memory"));
        Q_TRY(graph_command_add(graph, &command, options->gpu_memory));
    }
    if (options->common.json)
        Q_TRY(graph_command_add(graph, &command, "--json"));
    const q_status status = graph_ask(STAGE_TRAIN, &command, &out);
    if (status == Q_OK)
        fwrite(out.data, 1, out.size, stdout);
    q_buffer_release(&out);
    return status;
}

static q_status run(void *all, const char *const *arguments, size_t count)
{
    const struct plan_options *options = all;
    struct graph graph;
    (void)count;
    q_status status = graph_load(arguments[0], &options->set, &graph);
    if (status == Q_OK)
        status = plan(&graph, options);
    graph_release(&graph);
    return status;
}

const struct q_verb quern_plan_verb = {
    .name = "plan",
    .synopsis = "RECIPE [--gpu-memory BYTES] [--json]",
    .summary = "what the training would take of memory and disk, and what would take less",
    .details = "Nothing is built, and a GPU is not needed to plan for one.\n"
               "\n"
               "Examples:\n"
               "  quern plan recipes/demo.yaml\n"
               "  quern plan recipes/deepseek-v3.yaml --set model=1b --set train.backend=cuda --gpu-memory 80GB\n",
    .takes = Q_TAKES_JSON,
    .options = plan_table,
    .options_size = sizeof(struct plan_options),
    .arguments_min = 1,
    .arguments_max = 1,
    .run = run,
};
