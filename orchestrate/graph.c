#include "orchestrate/graph.h"

#include "base/check.h"
#include "base/fs.h"

#include "orchestrate/launch.h"

#include <stdio.h>

static const char *const state_names[] = {"missing", "partial", "done"};

const char *graph_state_name(enum graph_state state)
{
    return state_names[state];
}

/* The steps that the table expects, with nothing known of them. */
static q_status expect_steps(struct graph *graph, struct graph_stage *stage)
{
    const struct stage *table = stage->stage;
    Q_TRY(q_arena_alloc(&graph->arena, table->step_count, sizeof *stage->steps, &stage->steps));
    stage->step_count = table->step_count;
    for (size_t i = 0; i < table->step_count; i++) {
        stage->steps[i].name = table->steps[i].name;
        stage->steps[i].kind = table->steps[i].kind;
        if (i == 0)
            continue;
        Q_TRY(q_arena_alloc(&graph->arena, 1, sizeof *stage->steps[i].needs, &stage->steps[i].needs));
        stage->steps[i].needs[0] = table->steps[i - 1].name;
        stage->steps[i].need_count = 1;
    }
    return Q_OK;
}

q_status graph_load(const char *recipe_path, const struct q_texts *set, struct graph *graph)
{
    *graph = (struct graph){.recipe_path = recipe_path, .set = set};
    if (strcmp(recipe_path, "-") == 0)
        return q_fail(Q_ERR_USAGE,
                      "a run's recipe is read by each of its programs; standard input can be read only once");
    Q_TRY(q_recipe_load(recipe_path, set, &graph->recipe));
    if (graph->recipe.inputs.count == 0)
        return q_fail(Q_ERR_USAGE, "recipe '%s' has no inputs; a run begins with them", recipe_path);
    graph->run = graph->recipe.dir;
    Q_TRY(q_settings_load(&executor_settings_table, q_recipe_section(&graph->recipe, "executor"), &graph->arena,
                          &graph->executor));
    for (size_t i = 0; i < STAGE_COUNT; i++) {
        struct graph_stage *stage = &graph->stages[i];
        stage->stage = &stages[i];
        Q_TRY(q_fs_join(&graph->arena, graph->run, stages[i].name, &stage->work));
        Q_TRY(expect_steps(graph, stage));
    }
    return Q_OK;
}

void graph_release(struct graph *graph)
{
    q_recipe_release(&graph->recipe);
    q_arena_release(&graph->arena);
}

const struct stage *graph_missing_input(const struct graph *graph, size_t stage)
{
    const struct stage *table = &stages[stage];
    for (size_t i = 0; i < table->input_count; i++)
        if (graph->stages[table->inputs[i].from].state != GRAPH_DONE)
            return &stages[table->inputs[i].from];
    return NULL;
}

q_status graph_command_add(struct graph *graph, struct graph_command *command, const char *argument)
{
    if (command->count + 1 >= command->capacity) {
        size_t capacity = command->capacity ? command->capacity * 2 : 16;
        const char **grown;
        Q_TRY(q_arena_alloc(&graph->arena, capacity, sizeof *grown, &grown));
        if (command->count)
            memcpy(grown, command->arguments, command->count * sizeof *grown);
        command->arguments = grown;
        command->capacity = capacity;
    }
    command->arguments[command->count++] = argument;
    command->arguments[command->count] = NULL;
    return Q_OK;
}

q_status graph_command(struct graph *graph, size_t stage, const char *verb, bool with_inputs, struct graph_command *out)
{
    const struct stage *table = &stages[stage];
    const char *program;
    *out = (struct graph_command){0};
    Q_TRY(launch_find(&graph->arena, table->program, &program));
    Q_TRY(graph_command_add(graph, out, program));
    Q_TRY(graph_command_add(graph, out, verb));
    for (size_t i = 0; with_inputs && i < table->input_count; i++) {
        if (table->inputs[i].option)
            Q_TRY(graph_command_add(graph, out, table->inputs[i].option));
        Q_TRY(graph_command_add(graph, out, graph->stages[table->inputs[i].from].folder));
    }
    Q_TRY(graph_command_add(graph, out, "--recipe"));
    Q_TRY(graph_command_add(graph, out, graph->recipe_path));
    for (size_t i = 0; graph->set && i < graph->set->count; i++) {
        Q_TRY(graph_command_add(graph, out, "--set"));
        Q_TRY(graph_command_add(graph, out, graph->set->items[i]));
    }
    return Q_OK;
}

q_status graph_build_command(struct graph *graph, size_t stage, struct graph_command *out)
{
    const struct graph_stage *resolved = &graph->stages[stage];
    q_check(resolved->resolved);
    Q_TRY(graph_command(graph, stage, stages[stage].verb, true, out));
    Q_TRY(graph_command_add(graph, out, "-o"));
    Q_TRY(graph_command_add(graph, out, resolved->folder));
    if (resolved->step_count > 1) {
        Q_TRY(graph_command_add(graph, out, "--work"));
        Q_TRY(graph_command_add(graph, out, resolved->work));
    }
    if (graph->executor.local.threads) {
        const char *threads;
        Q_TRY(q_arena_printf(&graph->arena, &threads, "%llu", (unsigned long long)graph->executor.local.threads));
        Q_TRY(graph_command_add(graph, out, "-j"));
        Q_TRY(graph_command_add(graph, out, threads));
    }
    return Q_OK;
}

/* The last line that says something: a program's one line of failure. */
static q_string last_line(q_string text)
{
    q_string line, last = {0};
    while (q_string_next_line(&text, &line))
        if (q_string_trim(line).size)
            last = q_string_trim(line);
    return last;
}

/* A plan that failed, as our own failure with the program's words. */
static q_status plan_failed(const struct stage *stage, const struct launch_end *end, q_string error)
{
    q_status status = end->code == 2    ? Q_ERR_USAGE
                      : end->code == 3  ? Q_ERR_INPUT
                      : end->code == 75 ? Q_STOPPED
                                        : Q_ERR_SYSTEM;
    q_string line = last_line(error);
    if (line.size)
        return q_fail(status, "%.*s", Q_STRING_ARGS(line));
    if (end->signal)
        return q_fail(status, "'%s plan' was ended by signal %d", stage->program, end->signal);
    return q_fail(status, "'%s plan' failed with exit code %d", stage->program, end->code);
}

q_status graph_ask(size_t stage, const struct graph_command *command, struct q_buffer *out)
{
    struct q_buffer error = {0};
    struct launch_end end = {0};
    q_status status = launch_capture(command->arguments, out, &error, &end);
    if (status == Q_OK && end.code != 0)
        status = plan_failed(&stages[stage], &end, q_buffer_string(&error));
    q_buffer_release(&error);
    return status;
}

/* Asks the program. Without inputs it only checks the recipe. */
static q_status ask_plan(struct graph *graph, size_t stage, bool with_inputs, struct q_buffer *out)
{
    struct graph_command command;
    Q_TRY(graph_command(graph, stage, "plan", with_inputs, &command));
    Q_TRY(graph_command_add(graph, &command, "--json"));
    return graph_ask(stage, &command, out);
}

static q_status check_stage(struct graph *graph, size_t stage)
{
    if (graph->stages[stage].checked)
        return Q_OK;
    struct q_buffer out = {0};
    q_status status = ask_plan(graph, stage, false, &out);
    q_buffer_release(&out);
    graph->stages[stage].checked = status == Q_OK;
    return status;
}

q_status graph_resolve_stage(struct graph *graph, size_t stage)
{
    if (!graph->stages[stage].resolved) {
        q_check(!graph_missing_input(graph, stage));
        struct q_buffer out = {0};
        q_status status = ask_plan(graph, stage, true, &out);
        if (status == Q_OK)
            status = graph_plan_parse(graph, stage, q_buffer_string(&out));
        q_buffer_release(&out);
        Q_TRY(status);
        graph->stages[stage].checked = true;
    }
    return graph_refresh(graph, stage);
}

q_status graph_resolve(struct graph *graph)
{
    for (size_t i = 0; i < STAGE_COUNT; i++)
        if (graph_missing_input(graph, i))
            Q_TRY(check_stage(graph, i));
        else
            Q_TRY(graph_resolve_stage(graph, i));
    return Q_OK;
}

static q_status count_parts(struct graph_step *step)
{
    struct q_arena arena = {0};
    const char **names;
    size_t count = 0;
    q_status status = q_fs_list(step->folder, &arena, &names, &count);
    step->parts_done = 0;
    step->state = GRAPH_MISSING;
    for (size_t i = 0; status == Q_OK && i < count; i++) {
        step->parts_done += q_is_record_name(names[i]);
        if (!strcmp(names[i], "step.json"))
            step->state = GRAPH_PARTIAL;
    }
    q_arena_release(&arena);
    return status;
}

/* Whether the manifest was built under the schedule that the plan asks for. */
static q_status same_schedule(struct q_manifest *manifest, q_string planned, bool *same)
{
    const json_t *schedule = json_object_get(manifest->json, "schedule");
    q_string built = {0};
    if (schedule)
        Q_TRY(graph_json_text(&manifest->arena, schedule, &built));
    *same = planned.size == 0 || q_string_equal(planned, built);
    return Q_OK;
}

static q_status read_done(struct graph_step *step)
{
    struct q_manifest manifest = {0};
    bool same = true;
    q_status status = q_manifest_read(step->folder, &manifest);
    if (status == Q_OK)
        status = same_schedule(&manifest, step->schedule, &same);
    for (size_t p = 0; status == Q_OK && p < manifest.part_count; p++)
        for (size_t f = 0; f < manifest.parts[p].file_count; f++)
            step->bytes += manifest.parts[p].files[f].bytes;
    step->parts_done = manifest.part_count;
    step->state = same ? GRAPH_DONE : GRAPH_PARTIAL;
    q_manifest_release(&manifest);
    return status;
}

static q_status refresh_step(struct graph_step *step)
{
    bool there = false, done = false;
    step->state = GRAPH_MISSING;
    step->parts_done = step->bytes = 0;
    if (!step->folder)
        return Q_OK;
    Q_TRY(q_fs_look(step->folder, &there, NULL));
    if (!there)
        return Q_OK;
    Q_TRY(q_manifest_done(step->folder, &done));
    return done ? read_done(step) : count_parts(step);
}

q_status graph_refresh(struct graph *graph, size_t stage)
{
    struct graph_stage *resolved = &graph->stages[stage];
    q_check(resolved->resolved);
    bool begun = false;
    for (size_t i = 0; i < resolved->step_count; i++) {
        Q_TRY(refresh_step(&resolved->steps[i]));
        begun = begun || resolved->steps[i].state != GRAPH_MISSING;
    }
    resolved->state = resolved->steps[resolved->step_count - 1].state;
    if (resolved->state != GRAPH_DONE && begun)
        resolved->state = GRAPH_PARTIAL;
    return Q_OK;
}
