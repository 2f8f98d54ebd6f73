/* quern status: how far a recipe's run is. */
#include "orchestrate/cmd_quern.h"
#include "orchestrate/graph.h"
#include "orchestrate/run_report.h"
#include "orchestrate/run_state.h"

#include "base/check.h"
#include "base/fs.h"

#include <stdio.h>
#include <time.h>

struct status_options {
    struct q_common common;
    struct q_texts set;
    const char *html;
};

static const struct q_option status_table[] = {
    {"set", 0, Q_OPTION_TEXTS, offsetof(struct status_options, set), "A.B=VALUE", "override a setting of the recipe"},
    {"html", 0, Q_OPTION_TEXT, offsetof(struct status_options, html), "FILE", "write the run's report there as well"},
    {0}};

/* How long ago a finished step's manifest was written: "3 m 05 s"; "" where it cannot be told. */
static q_status age_text(struct graph *graph, const struct graph_step *step, char out[32])
{
    const char *path;
    bool there = false;
    struct stat info;
    out[0] = 0;
    if (step->state != GRAPH_DONE)
        return Q_OK;
    Q_TRY(q_fs_join(&graph->arena, step->folder, "manifest.json", &path));
    Q_TRY(q_fs_look(path, &there, &info));
    if (there)
        q_format_duration(out, (double)Q_MAX((time_t)0, time(NULL) - info.st_mtim.tv_sec));
    return Q_OK;
}

/* One line of the table; `note` stands where the age would. */
static q_status print_row(struct graph *graph, const char *indent, const char *name, enum graph_state state,
                          const struct graph_step *step, const char *note)
{
    char parts[48] = "", bytes[32] = "", age[32], line[256];
    if (step->parts)
        snprintf(parts, sizeof parts, "%llu/%llu", (unsigned long long)step->parts_done,
                 (unsigned long long)step->parts);
    if (step->state == GRAPH_DONE)
        q_format_bytes(bytes, (double)step->bytes);
    Q_TRY(age_text(graph, step, age));
    snprintf(line, sizeof line, "%s%-*s %-8s %10s %11s  %-13s%s", indent, 12 - (int)strlen(indent), name,
             graph_state_name(state), parts, bytes, step->key, age[0] ? age : note);
    /* Empty columns at the end leave no spaces behind. */
    size_t size = strlen(line);
    while (size && line[size - 1] == ' ')
        size--;
    printf("%.*s\n", (int)size, line);
    return Q_OK;
}

static q_status print_stage(struct graph *graph, size_t i)
{
    const struct graph_stage *stage = &graph->stages[i];
    const struct stage *missing = graph_missing_input(graph, i);
    char note[64] = "";
    if (missing)
        snprintf(note, sizeof note, "waits for %s", missing->name);
    Q_TRY(print_row(graph, "", stages[i].name, stage->state, &stage->steps[stage->step_count - 1], note));
    /* The steps of a stage on its way say more than the stage. */
    for (size_t s = 0; stage->state == GRAPH_PARTIAL && stage->step_count > 1 && s < stage->step_count; s++)
        Q_TRY(print_row(graph, "  ", stage->steps[s].name, stage->steps[s].state, &stage->steps[s], ""));
    return Q_OK;
}

static q_status print_table(struct graph *graph, bool at_work, long process)
{
    printf("%s in %s", graph->recipe.name, graph->run);
    if (at_work)
        printf(": at work (process %ld)", process);
    printf("\n%-12s %-8s %10s %11s  %-13s%s\n", "stage", "state", "parts", "bytes", "key", "age");
    for (size_t i = 0; i < STAGE_COUNT; i++)
        Q_TRY(print_stage(graph, i));
    return Q_OK;
}

static q_status print_json(struct graph *graph, bool at_work, long process)
{
    struct q_buffer text = {0};
    struct q_json json = q_json_begin(&text);
    q_json_open(&json, NULL, '{');
    q_json_put_string(&json, "name", q_string_of(graph->recipe.name));
    q_json_put_string(&json, "run", q_string_of(graph->run));
    q_json_put_bool(&json, "at_work", at_work);
    if (at_work)
        q_json_put_i64(&json, "process", process);
    run_state_put_stages(graph, &json, "stages");
    q_json_close(&json, '}');
    q_json_newline(&json);
    q_status status = q_json_end(&json);
    if (status == Q_OK)
        fwrite(text.data, 1, text.size, stdout);
    q_buffer_release(&text);
    return status;
}

static q_status show(struct graph *graph, const struct status_options *options)
{
    bool at_work;
    long process;
    Q_TRY(graph_resolve(graph));
    Q_TRY(run_state_at_work(graph->run, &at_work, &process));
    Q_TRY(options->common.json ? print_json(graph, at_work, process) : print_table(graph, at_work, process));
    return options->html ? run_report_publish(graph, options->html, STAGE_COUNT) : Q_OK;
}

static q_status run(void *all, const char *const *arguments, size_t count)
{
    const struct status_options *options = all;
    struct graph graph;
    (void)count;
    q_status status = graph_load(arguments[0], &options->set, &graph);
    if (status == Q_OK)
        status = show(&graph, options);
    graph_release(&graph);
    return status;
}

const struct q_verb quern_status_verb = {
    .name = "status",
    .synopsis = "RECIPE",
    .summary = "say which stages of a recipe are done, begun or missing",
    .details = "Done means that the manifest is whole and its files have their sizes; quern verify reads every byte.\n"
               "\n"
               "Examples:\n"
               "  quern status recipes/demo.yaml\n"
               "  quern status recipes/demo.yaml --json | jq '.stages[].state'\n"
               "  quern status recipes/demo.yaml --html now.html\n",
    .takes = Q_TAKES_JSON,
    .options = status_table,
    .options_size = sizeof(struct status_options),
    .arguments_min = 1,
    .arguments_max = 1,
    .run = run,
};
