/* quern: the verbs that drive a whole run, and the way to every other program: `quern X ...` becomes `quern-X ...`, as
 * git does it. */
#include "orchestrate/cmd_quern.h"

#include "base/check.h"
#include "base/status.h"

#include "base/recipe.h"
#include "orchestrate/launch.h"
#include "orchestrate/stages.h"

#include <stdio.h>
#include <unistd.h>

/* Filled by main: verbs live in files of their own, and a table of structs by value has no constant initialiser from
 * them. */
static struct q_verb verbs[5];

static const struct q_program program = {
    .name = "quern",
    .summary = "drive a run: from a recipe to a trained model",
    .verbs = verbs,
    .section = "recipe",
    .settings = &q_recipe_table,
};

static bool is_built_in(const char *name)
{
    for (const struct q_verb *verb = verbs; verb->name; verb++)
        if (!strcmp(verb->name, name))
            return true;
    return false;
}

/* The programs beside us that `quern X` leads to; those that are not installed are not listed. */
static q_status print_programs(struct q_arena *arena)
{
    const char *path;
    printf("\nPrograms (quern X is quern-X; quern X --help says more):\n");
    for (size_t i = 0; i < STAGE_COUNT; i++)
        if (launch_find(arena, stages[i].program, &path) == Q_OK)
            printf("  %-10s %s\n", stages[i].name, stages[i].summary);
    if (launch_find(arena, "quern-submit", &path) == Q_OK)
        printf("  %-10s %s\n", "submit", "print the job scripts of a recipe for Slurm");
    return Q_OK;
}

static q_status print_help(void)
{
    struct q_arena arena = {0};
    struct q_buffer text = {0};
    q_status status = q_program_help(&program, NULL, &text);
    if (status == Q_OK) {
        fwrite(text.data, 1, text.size, stdout);
        status = print_programs(&arena);
    }
    q_buffer_release(&text);
    q_arena_release(&arena);
    if (status == Q_OK && (fflush(stdout) || ferror(stdout)))
        status = q_fail(Q_ERR_SYSTEM, "standard output could not be written");
    return status;
}

/* Becomes quern-NAME, its arguments untouched behind its own name; returns only where there is no such program. */
static void become_program(const char *name, char **argv)
{
    struct q_arena arena = {0};
    const char *full, *path;
    if (q_arena_printf(&arena, &full, "quern-%s", name) == Q_OK && launch_find(&arena, full, &path) == Q_OK)
        execv(path, (argv[0] = (char *)(uintptr_t)path, argv));
    q_arena_release(&arena);
}

int main(int argc, char **argv)
{
    verbs[0] = quern_run_verb;
    verbs[1] = quern_status_verb;
    verbs[2] = quern_verify_verb;
    verbs[3] = quern_plan_verb;
    if (argc == 2 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
        q_status status = print_help();
        if (status != Q_OK)
            fprintf(stderr, "quern: %s\n", q_error_text());
        return q_exit_code(status);
    }
    /* A name with a slash would leave the folder of our programs. */
    if (argc >= 2 && argv[1][0] != '-' && !strchr(argv[1], '/') && !is_built_in(argv[1]))
        become_program(argv[1], argv + 1);
    return q_program_main(&program, argc, argv);
}
