/* What a run keeps about itself, under fire: whatever call fails, wherever the process dies, the next run opens the
 * folder, the journal's chain holds and the status is an old or a new one. */
#include "base/fs.h"
#include "orchestrate/run_state.h"
#include "tests/base/cmocka_all.h"
#include "tests/base/fault_fs.h"
#include "tests/base/scratch.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define RECIPE "name: mill\ndir: run\ninputs:\n  - name: grain\n    path: grain.txt\n"

static struct graph graph;

static int set_up(void **state)
{
    int code = scratch_enter(state);
    scratch_write("mill.yaml", RECIPE, strlen(RECIPE));
    return code || graph_load("mill.yaml", NULL, &graph) != Q_OK;
}

static int tear_down(void **state)
{
    graph_release(&graph);
    return scratch_leave(state);
}

/* A run that does nothing but note itself. */
static q_status note_a_run(void)
{
    struct run_state state;
    Q_TRY(run_state_open(&state, &graph, RUN_ALONE));
    q_status status = run_state_event(&state, "run", NULL);
    if (status == Q_OK)
        status = run_state_publish(&state, "running", STAGE_CORPUS);
    if (status == Q_OK)
        status = run_state_event(&state, "finished", json_pack("{s:i}", "built", 1));
    if (status == Q_OK)
        status = run_state_publish(&state, "done", STAGE_COUNT);
    run_state_close(&state);
    return status;
}

/* The folder as the next run finds it: its journal is a chain, its status whole or not there yet. */
static size_t assert_sound(void)
{
    json_t *journal, *status;
    bool there;
    assert_ok(q_journal_read("run/journal", &journal));
    size_t lines = json_array_size(journal);
    json_decref(journal);
    assert_ok(q_fs_look("run/status", &there, NULL));
    if (there) {
        q_string what;
        assert_ok(q_json_read_file("run/status", 1 << 20, &status));
        assert_ok(q_json_get_string(status, "run/status", "state", &what));
        assert_true(q_string_is(what, "running") || q_string_is(what, "done"));
        json_decref(status);
    }
    return lines;
}

static void test_notes_a_run(void **state)
{
    (void)state;
    bool at_work;
    long process;
    json_t *status, *stages_json;
    assert_ok(run_state_at_work("run", &at_work, &process));
    assert_false(at_work); /* no folder at all */
    assert_ok(note_a_run());
    assert_int_equal(assert_sound(), 2);
    assert_ok(q_json_read_file("run/status", 1 << 20, &status));
    assert_ok(q_json_get_array(status, "run/status", "stages", &stages_json));
    assert_int_equal(json_array_size(stages_json), STAGE_COUNT);
    json_decref(status);
    assert_ok(q_fs_remove_tree("run"));
}

static void test_lock(void **state)
{
    (void)state;
    struct run_state alone, task, other;
    bool at_work;
    long process;
    assert_ok(run_state_open(&alone, &graph, RUN_ALONE));
    assert_ok(run_state_at_work("run", &at_work, &process));
    assert_true(at_work);
    assert_int_equal(process, getpid());
    run_state_close(&alone);
    assert_ok(run_state_at_work("run", &at_work, &process));
    assert_false(at_work);
    /* Tasks share the folder, and keep no journal. */
    assert_ok(run_state_open(&task, &graph, RUN_TASK));
    assert_ok(run_state_open(&other, &graph, RUN_TASK));
    assert_null(task.journal);
    run_state_close(&task);
    run_state_close(&other);
    assert_ok(q_fs_remove_tree("run"));
}

static void test_every_call_fails_once(void **state)
{
    (void)state;
    size_t before = 0;
    for (uint64_t k = 1;; k++) {
        fault_fs_start(FAULT_FAIL, k);
        q_status status = note_a_run();
        bool reached = fault_fs_stop();
        assert_true(status == Q_OK || status == Q_ERR_SYSTEM);
        size_t lines = assert_sound();
        assert_in_range(lines, before, before + 2);
        assert_ok(note_a_run()); /* the next run goes on */
        before = assert_sound();
        assert_int_equal(before, lines + 2);
        if (!reached)
            break;
    }
    assert_ok(q_fs_remove_tree("run"));
}

static int note_in_child(void *context)
{
    (void)context;
    return note_a_run() == Q_OK ? 0 : 1;
}

static void test_killed_at_every_call(void **state)
{
    (void)state;
    size_t before = 0;
    for (uint64_t k = 1;; k++) {
        int code = 0;
        bool killed = fault_fs_killed(k, note_in_child, NULL, &code);
        size_t lines = assert_sound();
        assert_in_range(lines, before, before + 2);
        assert_ok(note_a_run());
        before = assert_sound();
        if (!killed) {
            assert_int_equal(code, 0);
            break;
        }
    }
    assert_ok(q_fs_remove_tree("run"));
}

static void test_every_allocation_fails_once(void **state)
{
    (void)state;
    for (uint64_t k = 1;; k++) {
        q_memory_fail_at(k, 0);
        q_status status = note_a_run();
        uint64_t used = q_memory_fail_at(0, 0);
        assert_true(status == Q_OK || status == Q_ERR_MEMORY);
        (void)assert_sound();
        /* The journal is read anew at each opening, so a growing one would need ever more allocations. */
        assert_ok(q_fs_remove_tree("run"));
        if (used < k)
            break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_notes_a_run),
        cmocka_unit_test(test_lock),
        cmocka_unit_test(test_every_call_fails_once),
        cmocka_unit_test(test_killed_at_every_call),
        cmocka_unit_test(test_every_allocation_fails_once),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
