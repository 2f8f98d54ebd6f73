/* quern run: the steps of a recipe that are missing, here. */
#include "orchestrate/cmd_quern.h"
#include "orchestrate/graph.h"
#include "orchestrate/run_local.h"

struct run_options {
    struct q_common common;
    const char *stages;
    const char *executor;
    uint64_t threads;
    struct q_texts set;
    bool dry_run;
};

static const struct q_option run_table[] = {
    {"stages", 0, Q_OPTION_TEXT, offsetof(struct run_options, stages), "A..B",
     "only these stages, by number or name: 3, dedup..shards"},
    {"executor", 0, Q_OPTION_TEXT, offsetof(struct run_options, executor), "NAME", "where to run: local"},
    {"threads", 'j', Q_OPTION_U64, offsetof(struct run_options, threads), "N",
     "threads of each program (standard: executor.local.threads)"},
    {"set", 0, Q_OPTION_TEXTS, offsetof(struct run_options, set), "A.B=VALUE", "override a setting of the recipe"},
    {"dry-run", 0, Q_OPTION_FLAG, offsetof(struct run_options, dry_run), NULL, "print what would be run and stop"},
    {0}};

static q_status make_request(const struct run_options *options, struct run_request *request)
{
    *request = (struct run_request){.last = STAGE_COUNT - 1,
                                    .step = options->common.step,
                                    .task = options->common.task,
                                    .dry_run = options->dry_run,
                                    .quiet = options->common.quiet,
                                    .verbose = options->common.verbose};
    if (options->executor && strcmp(options->executor, "local") != 0)
        return q_fail(Q_ERR_USAGE,
                      "executor '%s' cannot run a recipe yet; 'quern submit RECIPE --dry-run' prints its job scripts",
                      options->executor);
    if (options->stages)
        Q_TRY(stages_parse_range(options->stages, &request->first, &request->last));
    if (request->step && request->first != request->last)
        return q_fail(Q_ERR_USAGE, "--step is of one stage; name it with --stages");
    if (request->task.count > 1 && !request->step)
        return q_fail(Q_ERR_USAGE, "--task is of one step; name it with --step");
    return Q_OK;
}

static q_status run(void *all, const char *const *arguments, size_t count)
{
    const struct run_options *options = all;
    struct run_request request;
    struct graph graph;
    (void)count;
    Q_TRY(make_request(options, &request));
    q_status status = graph_load(arguments[0], &options->set, &graph);
    if (options->threads)
        graph.executor.local.threads = options->threads;
    if (status == Q_OK)
        status = run_local(&graph, &request);
    graph_release(&graph);
    return status;
}

const struct q_verb quern_run_verb = {
    .name = "run",
    .synopsis = "RECIPE",
    .summary = "build what is missing of a recipe's stages, in order",
    .details = "The stages are corpus, dedup, tokenizer, shards, train, eval (1 to 6). Each is built by its own "
               "program into a "
               "folder named by its identity, so what is done stays and is not built again; a changed setting builds "
               "anew what "
               "depends on it, and says so. Interrupted at any moment, the same command goes on where it stood.\n"
               "\n"
               "Exit: 0 done, 2 the recipe is wrong (before any work), 3 bad input, 4 the system failed, 75 stopped "
               "with the work "
               "saved.\n"
               "\n"
               "Examples:\n"
               "  quern run recipes/demo.yaml\n"
               "  quern run recipes/demo.yaml --stages 1..3\n"
               "  quern run recipes/demo.yaml --set corpus.part_bytes=8MiB --dry-run\n"
               "  quern run recipes/demo.yaml --stages dedup --step sign --task 3/16\n",
    .takes = Q_TAKES_TASK,
    .options = run_table,
    .options_size = sizeof(struct run_options),
    .arguments_min = 1,
    .arguments_max = 1,
    .run = run,
};
