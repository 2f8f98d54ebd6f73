/* The answer to `plan --json` (docs/steps.md, "Plan"), checked: it comes from another program. */
#include "base/check.h"

#include "orchestrate/graph.h"

q_status graph_json_text(struct q_arena *arena, const json_t *value, q_string *out)
{
    struct q_buffer text = {0};
    q_status status = q_json_dump(value, 0, &text);
    if (status == Q_OK)
        status = q_arena_string(arena, q_string_trim(q_buffer_string(&text)), out);
    q_buffer_release(&text);
    return status;
}

static bool is_key(q_string text)
{
    if (text.size != Q_KEY_SIZE - 1)
        return false;
    for (size_t i = 0; i < text.size; i++)
        if (!((text.data[i] >= '0' && text.data[i] <= '9') || (text.data[i] >= 'a' && text.data[i] <= 'f')))
            return false;
    return true;
}

static q_status parse_key(const json_t *object, const char *name, const char *member, char out[Q_KEY_SIZE])
{
    q_string key;
    Q_TRY(q_json_get_string(object, name, member, &key));
    if (!is_key(key))
        return q_fail(Q_ERR_INPUT, "%s: '%s' is no key: '%.*s'", name, member, Q_STRING_ARGS(key));
    memcpy(out, key.data, key.size);
    out[key.size] = 0;
    return Q_OK;
}

/* The needs are names of earlier steps, so the list of steps is an order in which they can be done. */
static q_status parse_needs(struct graph *graph, const json_t *json, const char *name, const struct graph_stage *stage,
                            struct graph_step *step, size_t before)
{
    json_t *needs;
    Q_TRY(q_json_get_array(json, name, "needs", &needs));
    size_t count = json_array_size(needs);
    Q_TRY(q_arena_alloc(&graph->arena, count, sizeof *step->needs, &step->needs));
    for (size_t i = 0; i < count; i++) {
        const char *need = json_string_value(json_array_get(needs, i));
        for (size_t s = 0; need && s < before; s++)
            if (!strcmp(stage->steps[s].name, need))
                step->needs[i] = stage->steps[s].name;
        if (!step->needs[i])
            return q_fail(Q_ERR_INPUT, "%s: step '%s' needs '%s', which is no step before it", name, step->name,
                          need ? need : "");
    }
    step->need_count = count;
    return Q_OK;
}

static q_status parse_step(struct graph *graph, const json_t *json, const char *name, const struct graph_stage *stage,
                           struct graph_step *step, size_t before)
{
    q_string text, kind;
    Q_TRY(q_json_get_string(json, name, "name", &text));
    Q_TRY(q_arena_cstring(&graph->arena, text, &step->name));
    Q_TRY(q_json_get_string(json, name, "kind", &kind));
    Q_TRY(q_context(step_kind_parse(kind, &step->kind), "%s: step '%s'", name, step->name));
    Q_TRY(q_json_get_u64(json, name, "parts", &step->parts));
    if (step->parts > Q_PARTS_MAX)
        return q_fail(Q_ERR_INPUT, "%s: step '%s' has more than %d parts", name, step->name, Q_PARTS_MAX);
    /* The key of an inner step may hang on one that is not built yet. */
    const json_t *key = json_object_get(json, "key");
    if (key && !json_is_null(key)) {
        Q_TRY(parse_key(json, name, "key", step->key));
        Q_TRY(q_fs_join(&graph->arena, stage->work, step->key, &step->folder));
    }
    json_t *schedule = json_object_get(json, "schedule");
    if (schedule)
        Q_TRY(graph_json_text(&graph->arena, schedule, &step->schedule));
    return parse_needs(graph, json, name, stage, step, before);
}

static q_status parse(struct graph *graph, struct graph_stage *stage, const json_t *json, const char *name)
{
    q_string stage_name;
    Q_TRY(q_json_get_string(json, name, "stage", &stage_name));
    if (!q_string_is(stage_name, stage->stage->name))
        return q_fail(Q_ERR_INPUT, "%s: the plan is of the stage '%.*s'", name, Q_STRING_ARGS(stage_name));
    char key[Q_KEY_SIZE];
    Q_TRY(parse_key(json, name, "output", key));
    json_t *steps;
    Q_TRY(q_json_get_array(json, name, "steps", &steps));
    size_t count = json_array_size(steps);
    if (count < 1 || count > STAGE_STEPS_MAX)
        return q_fail(Q_ERR_INPUT, "%s: the plan has %zu steps; 1 to %d are possible", name, count, STAGE_STEPS_MAX);
    struct graph_stage planned = *stage;
    Q_TRY(q_arena_alloc(&graph->arena, count, sizeof *planned.steps, &planned.steps));
    planned.step_count = count;
    for (size_t i = 0; i < count; i++)
        Q_TRY(parse_step(graph, json_array_get(steps, i), name, &planned, &planned.steps[i], i));
    if (strcmp(planned.steps[count - 1].key, key) != 0)
        return q_fail(Q_ERR_INPUT, "%s: the output '%s' is not the key of the last step", name, key);
    memcpy(planned.key, key, sizeof key);
    planned.folder = planned.steps[count - 1].folder;
    planned.resolved = true;
    *stage = planned;
    return Q_OK;
}

q_status graph_plan_parse(struct graph *graph, size_t stage, q_string text)
{
    const char *name;
    Q_TRY(q_arena_printf(&graph->arena, &name, "plan of '%s'", graph->stages[stage].stage->program));
    json_t *json;
    Q_TRY(q_json_parse(text, name, &json));
    q_status status = parse(graph, &graph->stages[stage], json, name);
    json_decref(json);
    return status;
}
