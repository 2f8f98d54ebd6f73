/* The order of a run:
 *
 *     resolve (checks every section) --> lock --> for each stage: resolve, build where not done --> report
 *
 * Keys do not change under a lock, states do: another run may have built a stage between our look and our lock, so
 * each stage is looked at again just before its turn.
 */
#include "orchestrate/run_local.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"

#include "orchestrate/explain.h"
#include "orchestrate/launch.h"
#include "orchestrate/run_report.h"
#include "orchestrate/run_state.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

struct runner {
    struct graph *graph;
    const struct run_request *request;
    struct run_state state;
    size_t built;  /* stages that were begun */
    size_t failed; /* the one that failed; STAGE_COUNT: none */
};

/* A line of the run's own on standard error; over a progress bar where there is one. */
Q_PRINTF(2, 3) static void say(const struct runner *runner, const char *format, ...)
{
    if (runner->request->quiet)
        return;
    va_list list;
    va_start(list, format);
    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
    vfprintf(stderr, format, list);
    fputc('\n', stderr);
    va_end(list);
}

/* What a child's tick needs to say why its step is built anew, once its identity is written. */
struct why {
    const struct runner *runner;
    size_t stage;
    bool told;
};

static void tell_why(void *context)
{
    struct why *why = context;
    const struct graph_stage *stage = &why->runner->graph->stages[why->stage];
    for (size_t i = 0; !why->told && i < stage->step_count; i++) {
        struct q_buffer text = {0};
        if (!stage->steps[i].folder || stage->steps[i].state != GRAPH_MISSING)
            continue; /* begun before: it was told then */
        if (explain_step(stage, &stage->steps[i], &text) == Q_OK && text.size) {
            say(why->runner, "%s%s%s: %.*s", stage->stage->name, stage->step_count > 1 ? " " : "",
                stage->step_count > 1 ? stage->steps[i].name : "", Q_STRING_ARGS(q_buffer_string(&text)));
            why->told = true;
        }
        q_buffer_release(&text);
    }
}

static q_status add_flags(struct runner *runner, struct graph_command *command)
{
    const struct run_request *request = runner->request;
    if (request->step) {
        Q_TRY(graph_command_add(runner->graph, command, "--step"));
        Q_TRY(graph_command_add(runner->graph, command, request->step));
    }
    if (request->task.count > 1) {
        const char *task;
        Q_TRY(q_arena_printf(&runner->graph->arena, &task, "%llu/%llu", (unsigned long long)request->task.index,
                             (unsigned long long)request->task.count));
        Q_TRY(graph_command_add(runner->graph, command, "--task"));
        Q_TRY(graph_command_add(runner->graph, command, task));
    }
    if (request->quiet)
        Q_TRY(graph_command_add(runner->graph, command, "-q"));
    if (request->verbose)
        Q_TRY(graph_command_add(runner->graph, command, "-v"));
    return Q_OK;
}

/* A program's exit code as our status (docs/cli.md). It has said its line already; ours says where to look. */
static q_status child_failed(const struct stage *stage, const struct launch_end *end, const char *log)
{
    if (end->code == 75)
        return q_fail(Q_STOPPED, "%s: stopped with its work saved; run again to go on", stage->name);
    if (end->signal)
        return q_fail(Q_ERR_SYSTEM, "%s: '%s' was ended by signal %d (%s); its log: %s", stage->name, stage->program,
                      end->signal, strsignal(end->signal), log);
    return q_fail(end->code == 2   ? Q_ERR_USAGE
                  : end->code == 3 ? Q_ERR_INPUT
                                   : Q_ERR_SYSTEM,
                  "%s: '%s' failed with exit code %d; its log: %s", stage->name, stage->program, end->code, log);
}

/* Runs the stage's program to its end. */
static q_status run_child(struct runner *runner, size_t stage)
{
    struct graph_command command;
    struct launch_end end;
    const char *log;
    struct why why = {.runner = runner, .stage = stage};
    Q_TRY(graph_build_command(runner->graph, stage, &command));
    Q_TRY(add_flags(runner, &command));
    Q_TRY(run_state_log_path(runner->graph, stage, runner->request->step, runner->request->task, &log));
    struct launch_watch watch = {.arguments = command.arguments,
                                 .log_path = log,
                                 .memory_bytes = runner->graph->executor.local.memory_bytes,
                                 .inherited_fd = runner->state.lock_fd,
                                 .tick = tell_why,
                                 .context = &why};
    Q_TRY(q_context(launch_run(&watch, &end), "%s", stages[stage].name));
    tell_why(&why); /* a child that was quicker than a tick */
    return end.code == 0 ? Q_OK : child_failed(&stages[stage], &end, log);
}

static q_status note_start(struct runner *runner, size_t stage)
{
    const struct graph_stage *resolved = &runner->graph->stages[stage];
    if (!runner->built) {
        json_t *run = json_pack("{s:s, s:s, s:s, s:i, s:s}", "name", runner->graph->recipe.name, "first",
                                stages[runner->request->first].name, "last", stages[runner->request->last].name,
                                "process", (int)getpid(), "version", q_version());
        if (!run)
            return q_fail(Q_ERR_MEMORY, "out of memory");
        Q_TRY(run_state_event(&runner->state, "run", run));
    }
    runner->built++;
    json_t *started =
        json_pack("{s:s, s:s, s:s*}", "stage", stages[stage].name, "key", resolved->key, "step", runner->request->step);
    if (!started)
        return q_fail(Q_ERR_MEMORY, "out of memory");
    Q_TRY(run_state_event(&runner->state, "started", started));
    return run_state_publish(&runner->state, "running", stage);
}

/* The line of the journal and the status behind a stage, whatever became of it. `status` is the build's own. */
static q_status note_end(struct runner *runner, size_t stage, q_status status, double seconds)
{
    const struct graph_stage *resolved = &runner->graph->stages[stage];
    json_t *ended = json_pack("{s:s, s:s, s:i, s:f}", "stage", stages[stage].name, "key", resolved->key, "exit",
                              q_exit_code(status), "seconds", seconds);
    if (!ended)
        return q_fail(Q_ERR_MEMORY, "out of memory");
    if (status != Q_OK)
        Q_TRY(q_json_set(ended, "reason", q_json_string(q_string_of(q_error_text()))));
    Q_TRY(run_state_event(&runner->state, "ended", ended));
    const char *what = status == Q_OK ? "running" : status == Q_STOPPED ? "stopped" : "failed";
    return run_state_publish(&runner->state, what, status == Q_OK ? STAGE_COUNT : stage);
}

static q_status build_stage(struct runner *runner, size_t stage)
{
    struct graph_stage *resolved = &runner->graph->stages[stage];
    double started = q_seconds();
    say(runner, "%s: %s %s", stages[stage].name, resolved->state == GRAPH_PARTIAL ? "going on with" : "building",
        resolved->key);
    Q_TRY(note_start(runner, stage));
    struct q_error first;
    q_status status = run_child(runner, stage);
    if (status == Q_OK)
        status = graph_refresh(runner->graph, stage);
    if (status == Q_OK && !runner->request->step && resolved->state != GRAPH_DONE)
        status = q_fail(Q_ERR_SYSTEM, "%s: '%s' ended well but left no whole result in '%s'", stages[stage].name,
                        stages[stage].program, resolved->folder);
    if (status != Q_OK && status != Q_STOPPED)
        runner->failed = stage;
    q_error_take(&first, status);
    q_status noted = note_end(runner, stage, status, q_seconds() - started);
    return status != Q_OK ? q_error_put(&first) : noted;
}

/* The command that would help begins at the first stage of the chain that is missing. */
static q_status require_inputs(const struct runner *runner, size_t stage)
{
    const struct stage *missing = graph_missing_input(runner->graph, stage), *first = missing;
    if (!missing)
        return Q_OK;
    for (const struct stage *before = first; before;
         before = graph_missing_input(runner->graph, (size_t)(first - stages)))
        first = before;
    return q_fail(Q_ERR_INPUT, "%s: its input '%s' is not built; run --stages %s..%s", stages[stage].name,
                  missing->name, first->name, stages[stage].name);
}

static q_status build_all(struct runner *runner)
{
    const struct run_request *request = runner->request;
    for (size_t i = request->first; i <= request->last; i++) {
        if (q_stop_requested())
            return q_fail(Q_STOPPED, "stopped before '%s'; run again to go on", stages[i].name);
        Q_TRY(require_inputs(runner, i));
        Q_TRY(graph_resolve_stage(runner->graph, i));
        if (runner->graph->stages[i].state != GRAPH_DONE)
            Q_TRY(build_stage(runner, i));
    }
    return Q_OK;
}

/* "corpus", or "stages 1..6". */
static void range_text(const struct run_request *request, char *out, size_t room)
{
    if (request->first == request->last)
        snprintf(out, room, "%s", stages[request->first].name);
    else
        snprintf(out, room, "stages %zu..%zu", request->first + 1, request->last + 1);
}

static q_status finish(struct runner *runner, double started)
{
    const char *page;
    char range[64], duration[32];
    bool there;
    range_text(runner->request, range, sizeof range);
    Q_TRY(q_fs_join(&runner->graph->arena, runner->graph->run, "report.html", &page));
    Q_TRY(q_fs_look(page, &there, NULL));
    if (runner->built || !there)
        Q_TRY(run_report_publish(runner->graph, page, STAGE_COUNT));
    if (!runner->built) {
        say(runner, "nothing to do: %s of '%s' %s built in %s; report: %s", range, runner->graph->recipe.name,
            runner->request->first == runner->request->last ? "is" : "are", runner->graph->run, page);
        return Q_OK;
    }
    double seconds = q_seconds() - started;
    json_t *finished = json_pack("{s:f, s:i}", "seconds", seconds, "built", (int)runner->built);
    if (!finished)
        return q_fail(Q_ERR_MEMORY, "out of memory");
    Q_TRY(run_state_event(&runner->state, "finished", finished));
    Q_TRY(run_state_publish(&runner->state, "done", STAGE_COUNT));
    say(runner, "done: %s of '%s', %zu built, in %s; report: %s", range, runner->graph->recipe.name, runner->built,
        q_format_duration(duration, seconds), page);
    return Q_OK;
}

/* The page of a run that did not end well: as good as it can be made, and no reason for another failure. */
static q_status report_anyway(struct runner *runner, q_status status)
{
    const char *page;
    struct q_error first;
    q_error_take(&first, status);
    if (runner->built && q_fs_join(&runner->graph->arena, runner->graph->run, "report.html", &page) == Q_OK &&
        run_report_publish(runner->graph, page, runner->failed) != Q_OK)
        q_log_warning("%s", q_error_text());
    return q_error_put(&first);
}

/* One step of one stage, perhaps one task of it: a piece of a run that somebody else puts together. */
static q_status run_piece(struct runner *runner)
{
    size_t stage = runner->request->first;
    struct graph_stage *resolved = &runner->graph->stages[stage];
    bool task = runner->request->task.count > 1, known = false;
    Q_TRY(require_inputs(runner, stage));
    Q_TRY(graph_resolve_stage(runner->graph, stage));
    for (size_t i = 0; i < resolved->step_count; i++)
        known = known || !strcmp(resolved->steps[i].name, runner->request->step);
    if (!known)
        return q_fail(Q_ERR_USAGE, "stage '%s' has no step '%s'", stages[stage].name, runner->request->step);
    if (resolved->state == GRAPH_DONE) {
        say(runner, "nothing to do: %s is built in %s", stages[stage].name, resolved->folder);
        return Q_OK;
    }
    Q_TRY(run_state_open(&runner->state, runner->graph, task ? RUN_TASK : RUN_ALONE));
    q_status status = task ? run_child(runner, stage) : build_stage(runner, stage);
    run_state_close(&runner->state);
    return status;
}

static q_status print_plan(struct runner *runner)
{
    for (size_t i = runner->request->first; i <= runner->request->last; i++) {
        const struct graph_stage *stage = &runner->graph->stages[i];
        const struct stage *missing = graph_missing_input(runner->graph, i);
        if (stage->state == GRAPH_DONE) {
            printf("%s: done, %s\n", stages[i].name, stage->key);
            continue;
        }
        if (missing) {
            printf("%s: to be built once %s is\n", stages[i].name, missing->name);
            continue;
        }
        struct graph_command command;
        Q_TRY(graph_build_command(runner->graph, i, &command));
        Q_TRY(add_flags(runner, &command));
        printf("%s: to be %s:", stages[i].name, stage->state == GRAPH_PARTIAL ? "gone on with" : "built");
        for (size_t a = 0; a < command.count; a++)
            printf(" %s", a ? command.arguments[a] : stages[i].program);
        putchar('\n');
    }
    return Q_OK;
}

q_status run_local(struct graph *graph, const struct run_request *request)
{
    struct runner runner = {.graph = graph, .request = request, .failed = STAGE_COUNT};
    double started = q_seconds();
    Q_TRY(graph_resolve(graph));
    if (request->dry_run)
        return print_plan(&runner);
    if (request->step)
        return run_piece(&runner);
    Q_TRY(require_inputs(&runner, request->first));
    Q_TRY(run_state_open(&runner.state, graph, RUN_ALONE));
    q_status status = build_all(&runner);
    status = status == Q_OK ? finish(&runner, started) : report_anyway(&runner, status);
    run_state_close(&runner.state);
    return status;
}
