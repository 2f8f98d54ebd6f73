#include "base/plan.h"

#include <stdio.h>

static q_status put_schedule(struct q_json *json, const json_t *schedule)
{
    struct q_buffer text = {0};
    q_status status = q_json_dump(schedule, 0, &text);
    if (!status)
        q_json_put_raw(json, "schedule", q_string_trim(q_buffer_string(&text)));
    q_buffer_release(&text);
    return status;
}

static q_status put_step(struct q_json *json, const struct q_plan_step *step, const char *needs)
{
    q_json_open(json, NULL, '{');
    q_json_put_string(json, "name", q_string_of(step->step->name));
    q_json_put_string(json, "kind", q_string_of(step->kind));
    q_json_put_string(json, "key", q_string_of(step->step->key));
    q_json_put_u64(json, "parts", step->parts);
    q_json_open(json, "needs", '[');
    if (needs)
        q_json_put_string(json, NULL, q_string_of(needs));
    q_json_close(json, ']');
    if (step->schedule)
        Q_TRY(put_schedule(json, step->schedule));
    q_json_close(json, '}');
    return Q_OK;
}

q_status q_plan_put(struct q_json *json, const char *stage, const struct q_plan_step *steps, size_t count)
{
    q_json_put_string(json, "stage", q_string_of(stage));
    if (count == 0)
        return Q_OK;
    q_json_put_string(json, "output", q_string_of(steps[count - 1].step->key));
    q_json_open(json, "steps", '[');
    for (size_t i = 0; i < count; i++)
        Q_TRY(put_step(json, &steps[i], i > 0 ? steps[i - 1].step->name : NULL));
    q_json_close(json, ']');
    return Q_OK;
}

q_status q_plan_print(const char *stage, const struct q_plan_step *steps, size_t count)
{
    struct q_buffer text = {0};
    struct q_json json = q_json_begin(&text);
    q_json_open(&json, NULL, '{');
    q_status status = q_plan_put(&json, stage, steps, count);
    q_json_close(&json, '}');
    q_json_newline(&json);
    if (!status)
        status = q_json_end(&json);
    if (!status)
        (void)fwrite(text.data, 1, text.size, stdout); /* flushed and checked by q_program_main */
    q_buffer_release(&text);
    return status;
}
