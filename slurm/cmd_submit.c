/* quern-submit: the job scripts of a recipe for Slurm. One verb, so the program is the verb: `quern submit RECIPE` and
 * `quern-submit RECIPE` are the same. */
#include "base/check.h"
#include "base/fs.h"
#include "base/options.h"
#include "base/publish.h"

#include "orchestrate/graph.h"
#include "orchestrate/launch.h"

#include "slurm/jobs.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

struct submit_options {
    struct q_common common;
    const char *stages;
    struct q_texts set;
    bool dry_run;
};

static const struct q_option submit_table[] = {
    {"dry-run", 0, Q_OPTION_FLAG, offsetof(struct submit_options, dry_run), NULL,
     "print the scripts; needed, for nothing else is built yet"},
    {"stages", 0, Q_OPTION_TEXT, offsetof(struct submit_options, stages), "A..B",
     "only these stages, by number or name"},
    {"set", 0, Q_OPTION_TEXTS, offsetof(struct submit_options, set), "A.B=VALUE", "override a setting of the recipe"},
    {0}};

static q_status working_folder(struct q_arena *arena, const char **out)
{
    char here[4096];
    if (!getcwd(here, sizeof here))
        return q_fail_errno(errno, "the working folder");
    return q_arena_cstring(arena, q_string_of(here), out);
}

/* Paths of the recipe may be relative and name what does not exist yet; a job starts elsewhere. */
static q_status find_place(struct graph *graph, struct job_place *place)
{
    const char *quern;
    Q_TRY(launch_find(&graph->arena, "quern", &quern));
    Q_TRY(working_folder(&graph->arena, &place->folder));
    Q_TRY(q_fs_join(&graph->arena, place->folder, quern, &place->quern));
    Q_TRY(q_fs_join(&graph->arena, place->folder, graph->recipe_path, &place->recipe));
    return q_fs_join(&graph->arena, place->folder, graph->run, &place->run);
}

/* One script: into the folder of -o, or onto standard output under a line with its name. */
static q_status deliver(struct graph *graph, const char *folder, const char *file, const struct q_buffer *script)
{
    if (!folder) {
        printf("#### %s\n", file);
        fwrite(script->data, 1, script->size, stdout);
        putchar('\n');
        return Q_OK;
    }
    const char *path;
    Q_TRY(q_fs_join(&graph->arena, folder, file, &path));
    return q_publish_bytes(path, script->data, script->size, NULL);
}

static q_status print_scripts(struct graph *graph, const struct submit_options *options, const struct job_list *list)
{
    const char *folder = options->common.out;
    struct job_place place;
    struct q_buffer script = {0};
    q_status status = find_place(graph, &place);
    if (status == Q_OK && folder)
        status = q_fs_make_directories(folder);
    for (size_t i = 0; status == Q_OK && i < list->count; i++) {
        q_buffer_clear(&script);
        status = jobs_write_script(graph, &list->jobs[i], &place, &script);
        if (status == Q_OK)
            status = deliver(graph, folder, list->jobs[i].file, &script);
    }
    q_buffer_clear(&script);
    if (status == Q_OK)
        status = jobs_write_submit(graph, list, &place, &script);
    if (status == Q_OK)
        status = deliver(graph, folder, "submit.sh", &script);
    q_buffer_release(&script);
    if (status == Q_OK && folder && !options->common.quiet)
        fprintf(stderr, "%zu jobs; to submit them: bash %s/submit.sh\n", list->count, folder);
    return status;
}

static q_status submit(struct graph *graph, const struct submit_options *options)
{
    size_t first = 0, last = STAGE_COUNT - 1;
    struct job_list list;
    if (options->stages)
        Q_TRY(stages_parse_range(options->stages, &first, &last));
    Q_TRY(graph_resolve(graph));
    Q_TRY(jobs_plan(graph, first, last, &list));
    if (!list.count) {
        fprintf(stderr, "nothing to submit: all of it is built in %s\n", graph->run);
        return Q_OK;
    }
    return print_scripts(graph, options, &list);
}

static q_status run(void *all, const char *const *arguments, size_t count)
{
    const struct submit_options *options = all;
    struct graph graph;
    (void)count;
    if (!options->dry_run)
        return q_fail(Q_ERR_USAGE,
                      "submitting is not built yet; give --dry-run, and submit what it prints with -o DIR by hand");
    q_status status = graph_load(arguments[0], &options->set, &graph);
    if (status == Q_OK)
        status = submit(&graph, options);
    graph_release(&graph);
    return status;
}

static const struct q_verb verbs[] = {
    {.name = "submit",
     .synopsis = "RECIPE --dry-run [-o DIR]",
     .summary = "print the job scripts of what is missing of a recipe, for Slurm",
     .details = "Map steps become arrays, each stage waits for those it takes from; the limits are the recipe's "
                "executor.slurm "
                "(docs/settings/executor.md). With -o the scripts are written into a folder, beside submit.sh which "
                "submits them in "
                "order.\n"
                "\n"
                "Examples:\n"
                "  quern submit recipes/demo.yaml --dry-run\n"
                "  quern submit recipes/demo.yaml --dry-run -o jobs && bash jobs/submit.sh\n",
     .takes = Q_TAKES_OUT,
     .options = submit_table,
     .options_size = sizeof(struct submit_options),
     .arguments_min = 1,
     .arguments_max = 1,
     .run = run},
    {0}};

static const struct q_program program = {
    .name = "quern",
    .summary = "print the job scripts of a recipe for Slurm",
    .verbs = verbs,
    .section = "executor",
    .settings = &executor_settings_table,
};

int main(int argc, char **argv)
{
    /* The verb is put where q_program_main looks for one. */
    char verb[] = "submit";
    char **with_verb;
    if (q_alloc_zero((size_t)argc + 2, sizeof *with_verb, &with_verb) != Q_OK)
        return q_exit_code(Q_ERR_MEMORY);
    with_verb[0] = argv[0];
    with_verb[1] = verb;
    for (int i = 1; i < argc; i++)
        with_verb[i + 1] = argv[i];
    bool bare = argc == 2 && (!strcmp(argv[1], "--version") || !strcmp(argv[1], "--settings"));
    struct q_program own = program;
    own.name = "quern-submit";
    int code = bare ? q_program_main(&own, argc, argv) : q_program_main(&program, argc + 1, with_verb);
    q_release(with_verb);
    return code;
}
