#include "dedup/user_id.h"

#include "base/json.h"

q_status user_id_read(q_string meta, struct q_buffer *id, bool *found)
{
    json_t *object;
    *found = false;
    if (meta.size == 0)
        return Q_OK;
    Q_TRY(q_json_parse(meta, "meta", &object));
    const char *text = json_string_value(json_object_get(object, "id"));
    q_status status = Q_OK;
    if (text) {
        q_buffer_clear(id);
        status = q_buffer_append_string(id, q_string_of(text));
        *found = true;
    }
    json_decref(object);
    return status;
}
