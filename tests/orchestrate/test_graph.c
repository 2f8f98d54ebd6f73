/* The graph: plans of programs that follow the protocol, and of those that break it. */
#include "base/fs.h"
#include "orchestrate/graph.h"
#include "tests/base/cmocka_all.h"
#include "tests/base/scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RECIPE "name: mill\ndir: run\ninputs:\n  - name: grain\n    path: grain.txt\n"

static void write_recipe(const char *text)
{
    scratch_write("mill.yaml", text, strlen(text));
}

/* A program of one stage as a script. */
static void write_program(const char *name, const char *script)
{
    char path[128];
    snprintf(path, sizeof path, "bin/%s", name);
    assert_ok(q_fs_make_directories("bin"));
    scratch_write(path, script, strlen(script));
    assert_int_equal(chmod(path, 0755), 0);
}

/* All six, each accepting its recipe when asked without inputs. */
static void write_programs(void)
{
    for (size_t i = 0; i < STAGE_COUNT; i++) {
        char script[256];
        snprintf(script, sizeof script, "#!/bin/sh\necho '{\"stage\": \"%s\"}'\n", stages[i].name);
        write_program(stages[i].program, script);
    }
    write_program(
        "quern-corpus",
        "#!/bin/sh\necho '{\"stage\": \"corpus\", \"output\": \"0123456789ab\", \"steps\": [{\"name\": \"build\", "
        "\"kind\": \"map\", \"key\": \"0123456789ab\", \"parts\": 12, \"needs\": []}]}'\n");
}

static int set_up(void **state)
{
    int code = scratch_enter(state);
    setenv("QUERN_LIBEXEC", "bin", 1);
    write_recipe(RECIPE);
    write_programs();
    return code;
}

static void test_resolves_what_can_be_known(void **state)
{
    (void)state;
    struct graph graph;
    assert_ok(graph_load("mill.yaml", NULL, &graph));
    assert_ok(graph_resolve(&graph));
    const struct graph_stage *corpus = &graph.stages[STAGE_CORPUS];
    assert_true(corpus->resolved);
    assert_string_equal(corpus->key, "0123456789ab");
    assert_string_equal(corpus->folder, "run/corpus/0123456789ab");
    assert_int_equal(corpus->steps[0].parts, 12);
    assert_int_equal(corpus->state, GRAPH_MISSING);
    for (size_t i = 1; i < STAGE_COUNT; i++) {
        assert_true(graph.stages[i].checked && !graph.stages[i].resolved);
        assert_int_equal(graph.stages[i].state, GRAPH_MISSING);
        assert_int_equal(graph.stages[i].step_count, stages[i].step_count);
    }
    assert_ptr_equal(graph_missing_input(&graph, STAGE_SHARDS), &stages[STAGE_DEDUP]);
    graph_release(&graph);
}

static void test_counts_the_parts_of_what_was_begun(void **state)
{
    (void)state;
    struct graph graph;
    assert_ok(q_fs_make_directories("run/corpus/0123456789ab"));
    static const char *const names[] = {"step.json",      "part-00000.json", "part-00003.json",
                                        "part-00004.txt", "part-x0004.json", "part-1.json"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[128];
        snprintf(path, sizeof path, "run/corpus/0123456789ab/%s", names[i]);
        scratch_write(path, "{}", 2);
    }
    assert_ok(graph_load("mill.yaml", NULL, &graph));
    assert_ok(graph_resolve(&graph));
    assert_int_equal(graph.stages[STAGE_CORPUS].state, GRAPH_PARTIAL);
    assert_int_equal(graph.stages[STAGE_CORPUS].steps[0].parts_done, 2);
    graph_release(&graph);
    assert_ok(q_fs_remove_tree("run"));
}

static void test_commands(void **state)
{
    (void)state;
    struct graph graph;
    struct graph_command command;
    const char *items[] = {"corpus.x=1"};
    struct q_texts set = {.items = items, .count = 1};
    assert_ok(graph_load("mill.yaml", NULL, &graph));
    graph.set = &set;
    graph.executor.local.threads = 3;
    assert_ok(graph_resolve_stage(&graph, STAGE_CORPUS));
    assert_ok(graph_build_command(&graph, STAGE_CORPUS, &command));
    static const char *const wanted[] = {
        "bin/quern-corpus",        "build", "--recipe", "mill.yaml", "--set", "corpus.x=1", "-o",
        "run/corpus/0123456789ab", "-j",    "3"};
    assert_int_equal(command.count, sizeof wanted / sizeof wanted[0]);
    for (size_t i = 0; i < command.count; i++)
        assert_string_equal(command.arguments[i], wanted[i]);
    assert_null(command.arguments[command.count]);
    graph.stages[STAGE_SHARDS].folder = "S";
    graph.stages[STAGE_TOKENIZER].folder = "T";
    assert_ok(graph_command(&graph, STAGE_TRAIN, "plan", true, &command));
    assert_string_equal(command.arguments[2], "--shards");
    assert_string_equal(command.arguments[3], "S");
    assert_string_equal(command.arguments[4], "-t");
    assert_string_equal(command.arguments[5], "T");
    graph_release(&graph);
}

/* Every way in which an answer can break the protocol is refused in words. */
static void test_plans_refused(void **state)
{
    (void)state;
    static const struct {
        const char *plan, *part;
    } cases[] = {
        {"", "plan of 'quern-dedup'"},
        {"[]", "plan of 'quern-dedup'"},
        {"{\"stage\": \"dedup\"}", "output"},
        {"{\"stage\": \"corpus\", \"output\": \"0123456789ab\", \"steps\": []}", "is of the stage 'corpus'"},
        {"{\"stage\": \"dedup\", \"output\": \"0123456789AB\", \"steps\": []}", "is no key"},
        {"{\"stage\": \"dedup\", \"output\": \"../../etc/xx\", \"steps\": []}", "is no key"},
        {"{\"stage\": \"dedup\", \"output\": \"0123456789ab\", \"steps\": []}", "0 steps"},
        {"{\"stage\": \"dedup\", \"output\": \"0123456789ab\", \"steps\": [{}]}", "name"},
        {"{\"stage\": \"dedup\", \"output\": \"0123456789ab\", \"steps\": [{\"name\": \"a\", \"kind\": \"mob\", "
         "\"key\": \"0123456789ab\", "
         "\"parts\": 1, \"needs\": []}]}",
         "'mob'"},
        {"{\"stage\": \"dedup\", \"output\": \"0123456789ab\", \"steps\": [{\"name\": \"a\", \"kind\": \"one\", "
         "\"key\": \"0123456789ab\", "
         "\"parts\": 99999999, \"needs\": []}]}",
         "more than 1000000 parts"},
        {"{\"stage\": \"dedup\", \"output\": \"0123456789ab\", \"steps\": [{\"name\": \"a\", \"kind\": \"one\", "
         "\"key\": \"0123456789ab\", "
         "\"parts\": 1, \"needs\": [\"a\"]}]}",
         "needs 'a', which is no step before it"},
        {"{\"stage\": \"dedup\", \"output\": \"0123456789ab\", \"steps\": [{\"name\": \"a\", \"kind\": \"one\", "
         "\"key\": null, "
         "\"parts\": 1, \"needs\": []}]}",
         "is not the key of the last step"},
    };
    struct graph graph;
    assert_ok(graph_load("mill.yaml", NULL, &graph));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_fails(graph_plan_parse(&graph, STAGE_DEDUP, q_string_of(cases[i].plan)), Q_ERR_INPUT, cases[i].part);
        assert_false(graph.stages[STAGE_DEDUP].resolved);
    }
    assert_ok(graph_plan_parse(
        &graph, STAGE_DEDUP,
        Q_STRING(
            "{\"stage\": \"dedup\", \"output\": \"0123456789ab\", \"steps\": [{\"name\": \"a\", \"kind\": \"map\", "
            "\"parts\": 4, \"needs\": []}, {\"name\": \"b\", \"kind\": \"gang\", \"key\": \"0123456789ab\", "
            "\"parts\": 1, \"needs\": [\"a\"], \"schedule\": {\"tokens\": 5}}]}")));
    const struct graph_stage *dedup = &graph.stages[STAGE_DEDUP];
    assert_string_equal(dedup->steps[0].key, ""); /* an inner step may not be known yet */
    assert_string_equal(dedup->steps[1].needs[0], "a");
    assert_true(q_string_is(dedup->steps[1].schedule, "{\"tokens\":5}"));
    graph_release(&graph);
}

/* A program's refusal comes through with its exit code's meaning and its own line. */
static void test_refusals_come_through(void **state)
{
    (void)state;
    static const struct {
        const char *script, *part;
        q_status status;
    } cases[] = {
        {"#!/bin/sh\necho 'noise' >&2\necho 'quern-eval plan: mill.yaml: line 9: unknown key' >&2\nexit 2\n",
         "quern-eval plan: mill.yaml: line 9: unknown key", Q_ERR_USAGE},
        {"#!/bin/sh\nexit 3\n", "'quern-eval plan' failed with exit code 3", Q_ERR_INPUT},
        {"#!/bin/sh\nkill -9 $$\n", "was ended by signal 9", Q_ERR_SYSTEM},
        {"#!/bin/sh\nexit 99\n", "exit code 99", Q_ERR_SYSTEM},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct graph graph;
        write_program("quern-eval", cases[i].script);
        assert_ok(graph_load("mill.yaml", NULL, &graph));
        assert_fails(graph_resolve(&graph), cases[i].status, cases[i].part);
        graph_release(&graph);
    }
    unlink("bin/quern-eval");
    struct graph graph;
    assert_ok(graph_load("mill.yaml", NULL, &graph));
    assert_fails(graph_resolve(&graph), Q_ERR_SYSTEM, "program 'quern-eval'");
    graph_release(&graph);
    write_programs();
}

static void test_executor_settings(void **state)
{
    (void)state;
    struct graph graph;
    write_recipe(RECIPE "executor:\n  local:\n    threads: 2\n    memory: 1GiB\n  slurm:\n    tasks: 64\n    gang:\n   "
                        "   gpus_per_node: 8\n");
    assert_ok(graph_load("mill.yaml", NULL, &graph));
    assert_int_equal(graph.executor.local.threads, 2);
    assert_int_equal(graph.executor.local.memory_bytes, 1 << 30);
    assert_int_equal(graph.executor.slurm.tasks, 64);
    assert_int_equal(graph.executor.slurm.max_array, 1001);
    assert_int_equal(graph.executor.slurm.gang.gpus_per_node, 8);
    assert_string_equal(graph.executor.slurm.time, "04:00:00");
    graph_release(&graph);
    write_recipe(RECIPE "executor:\n  slurm:\n    partitoin: gpu\n");
    assert_fails(graph_load("mill.yaml", NULL, &graph), Q_ERR_USAGE, "partition");
    graph_release(&graph);
    write_recipe(RECIPE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resolves_what_can_be_known),
        cmocka_unit_test(test_counts_the_parts_of_what_was_begun),
        cmocka_unit_test(test_commands),
        cmocka_unit_test(test_plans_refused),
        cmocka_unit_test(test_refusals_come_through),
        cmocka_unit_test(test_executor_settings),
    };
    return cmocka_run_group_tests(tests, set_up, scratch_leave);
}
