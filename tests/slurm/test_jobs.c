/* Jobs from graphs of every shape: each waits only for jobs before it, a finishing job for all arrays of its step, a
 * stage for all it takes from. */
#include "slurm/jobs.h"
#include "tests/base/cmocka_all.h"
#include "tests/base/scratch.h"

#include <string.h>

#define RECIPE "name: mill\ndir: run\ninputs:\n  - name: grain\n    path: grain.txt\n"

static int set_up(void **state)
{
    int code = scratch_enter(state);
    scratch_write("mill.yaml", RECIPE, strlen(RECIPE));
    return code;
}

static const struct graph_step *step_of(const struct graph *graph, const struct job *job)
{
    const struct graph_stage *stage = &graph->stages[job->stage];
    for (size_t i = 0; i < stage->step_count; i++)
        if (!strcmp(stage->steps[i].name, job->step))
            return &stage->steps[i];
    return NULL;
}

/* Whether the job waits for the other, through others too. */
static bool waits_for(const struct job_list *list, size_t job, size_t other)
{
    for (size_t i = 0; i < list->jobs[job].after_count; i++)
        if (list->jobs[job].after[i] == other || waits_for(list, list->jobs[job].after[i], other))
            return true;
    return false;
}

static bool takes_from(size_t stage, size_t other)
{
    for (size_t i = 0; i < stages[stage].input_count; i++)
        if (stages[stage].inputs[i].from == other || takes_from(stages[stage].inputs[i].from, other))
            return true;
    return false;
}

/* Every law of the list at once. */
static void assert_lawful(const struct graph *graph, const struct job_list *list)
{
    for (size_t j = 0; j < list->count; j++) {
        const struct job *job = &list->jobs[j];
        for (size_t i = 0; i < job->after_count; i++)
            assert_true(job->after[i] < j);
        if (job->kind == JOB_REPORT)
            continue;
        assert_int_not_equal(step_of(graph, job)->state, GRAPH_DONE);
        if (job->kind == JOB_ARRAY)
            assert_in_range(job->task_count, 1, graph->executor.slurm.max_array);
        for (size_t k = 0; k < j; k++) {
            const struct job *before = &list->jobs[k];
            bool same_step = before->stage == job->stage && !strcmp(before->step, job->step);
            if (same_step) /* arrays side by side, the finishing job behind all of them */
                assert_int_equal(waits_for(list, j, k), job->kind == JOB_STEP);
            else
                assert_int_equal(waits_for(list, j, k),
                                 before->stage == job->stage || takes_from(job->stage, before->stage));
        }
    }
}

/* Arrays of a step cover its tasks once, in order. */
static void assert_covered(const struct job_list *list, size_t stage, const char *step, uint64_t tasks)
{
    uint64_t next = 0;
    for (size_t j = 0; j < list->count; j++) {
        const struct job *job = &list->jobs[j];
        if (job->kind != JOB_ARRAY || job->stage != stage || strcmp(job->step, step) != 0)
            continue;
        assert_int_equal(job->task_first, next);
        assert_int_equal(job->tasks, tasks);
        next += job->task_count;
    }
    assert_int_equal(next, tasks > 1 ? tasks : 0);
}

static void test_whole_run(void **state)
{
    (void)state;
    static const uint64_t tasks[] = {1, 2, 16, 1000, 1001, 1002, 2002, 5000};
    for (size_t i = 0; i < sizeof tasks / sizeof tasks[0]; i++) {
        struct graph graph;
        struct job_list list;
        assert_ok(graph_load("mill.yaml", NULL, &graph));
        graph.executor.slurm.tasks = tasks[i];
        assert_ok(jobs_plan(&graph, 0, STAGE_COUNT - 1, &list));
        assert_lawful(&graph, &list);
        assert_covered(&list, STAGE_CORPUS, "build", tasks[i]);
        assert_covered(&list, STAGE_DEDUP, "filter", tasks[i]);
        assert_int_equal(list.jobs[list.count - 1].kind, JOB_REPORT);
        for (size_t j = 0; j + 1 < list.count; j++) /* the report is behind everything */
            assert_true(waits_for(&list, list.count - 1, j));
        graph_release(&graph);
    }
}

static void test_never_more_tasks_than_parts(void **state)
{
    (void)state;
    struct graph graph;
    struct job_list list;
    assert_ok(graph_load("mill.yaml", NULL, &graph));
    graph.stages[STAGE_CORPUS].steps[0].parts = 3;
    assert_ok(jobs_plan(&graph, STAGE_CORPUS, STAGE_CORPUS, &list));
    assert_covered(&list, STAGE_CORPUS, "build", 3);
    graph.stages[STAGE_CORPUS].steps[0].parts = 1; /* no array for one part */
    assert_ok(jobs_plan(&graph, STAGE_CORPUS, STAGE_CORPUS, &list));
    assert_int_equal(list.count, 2);
    graph_release(&graph);
}

/* What is done is left out, step by step, and nobody waits for it. */
static void test_done_steps_are_left_out(void **state)
{
    (void)state;
    struct graph graph;
    struct job_list list;
    assert_ok(graph_load("mill.yaml", NULL, &graph));
    graph.stages[STAGE_CORPUS].state = graph.stages[STAGE_CORPUS].steps[0].state = GRAPH_DONE;
    graph.stages[STAGE_DEDUP].state = GRAPH_PARTIAL;
    graph.stages[STAGE_DEDUP].steps[0].state = GRAPH_DONE;
    assert_ok(jobs_plan(&graph, 0, STAGE_COUNT - 1, &list));
    assert_lawful(&graph, &list);
    assert_string_equal(list.jobs[0].step, "group");
    assert_int_equal(list.jobs[0].after_count, 0);
    for (size_t i = 0; i < STAGE_COUNT; i++) {
        graph.stages[i].state = GRAPH_DONE;
        for (size_t s = 0; s < graph.stages[i].step_count; s++)
            graph.stages[i].steps[s].state = GRAPH_DONE;
    }
    assert_ok(jobs_plan(&graph, 0, STAGE_COUNT - 1, &list));
    assert_int_equal(list.count, 0);
    graph_release(&graph);
}

static void test_refused(void **state)
{
    (void)state;
    struct graph graph;
    struct job_list list;
    assert_ok(graph_load("mill.yaml", NULL, &graph));
    assert_fails(jobs_plan(&graph, STAGE_TRAIN, STAGE_TRAIN, &list), Q_ERR_INPUT, "its input 'shards' is not built");
    graph.executor.slurm.gang.nodes = 2;
    assert_fails(jobs_plan(&graph, 0, 0, &list), Q_ERR_USAGE, "not built yet");
    graph_release(&graph);
}

/* Texts of the recipe cannot break out of a script's lines. */
static void test_scripts_hold_no_foreign_lines(void **state)
{
    (void)state;
    static const char *const bad[] = {"a b", "a\nb", "a;b\"", "$(x)", "`x`", "a#b", "a\\b", "\xc3\xa4"};
    struct graph graph;
    struct job_list list;
    struct q_buffer script = {0};
    struct job_place place = {.quern = "/q", .recipe = "/r\n'x'", .run = "/run", .folder = "/f"};
    assert_ok(graph_load("mill.yaml", NULL, &graph));
    graph.recipe.name = "mill\nrm -rf /";
    assert_ok(jobs_plan(&graph, 0, 0, &list));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        graph.executor.slurm.account = bad[i];
        assert_fails(jobs_write_script(&graph, &list.jobs[0], &place, &script), Q_ERR_USAGE, "executor.slurm.account");
    }
    graph.executor.slurm.account = "stones-1.a_b,c[1-3]";
    q_buffer_clear(&script);
    assert_ok(jobs_write_script(&graph, &list.jobs[0], &place, &script));
    assert_true(q_string_find(q_buffer_string(&script), Q_STRING("--job-name=mill-rm--rf---corpus-build\n"), 0) !=
                SIZE_MAX);
    assert_true(q_string_find(q_buffer_string(&script), Q_STRING("'/r\n'\\''x'\\'''"), 0) !=
                SIZE_MAX); /* quoted, line end and all */
    place.run = "/run\"x";
    assert_fails(jobs_write_script(&graph, &list.jobs[0], &place, &script), Q_ERR_USAGE, "the run's folder");
    q_buffer_release(&script);
    graph_release(&graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_run),
        cmocka_unit_test(test_never_more_tasks_than_parts),
        cmocka_unit_test(test_done_steps_are_left_out),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_scripts_hold_no_foreign_lines),
    };
    return cmocka_run_group_tests(tests, set_up, scratch_leave);
}
