#include "base/json.h"

#include "base/check.h"
#include "base/json_private.h"
#include "base/publish.h"

#include <inttypes.h>
#include <stdlib.h>

/* One layout for everything that is hashed or compared: sorted keys, `indent` spaces a level; lists of scalars, and inner objects of at most four
 * scalars, on one line. */
struct dump {
    struct q_buffer *out;
    unsigned indent;
};

static q_status dump_value(const struct dump *dump, const json_t *value, unsigned depth);

static q_status line_break(const struct dump *dump, unsigned depth)
{
    if (dump->indent == 0)
        return Q_OK;
    Q_TRY(q_buffer_append_byte(dump->out, '\n'));
    for (size_t i = 0; i < (size_t)depth * dump->indent; i++)
        Q_TRY(q_buffer_append_byte(dump->out, ' '));
    return Q_OK;
}

/* A space behind the comma where the line goes on and is meant to be read. */
static q_status separate(const struct dump *dump, bool one_line)
{
    return q_buffer_append_string(dump->out, one_line && dump->indent ? Q_STRING(", ") : Q_STRING(","));
}

static int compare_keys(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool is_scalar(const json_t *value)
{
    return !json_is_object(value) && !json_is_array(value);
}

static bool object_on_one_line(const json_t *object, const char **keys, size_t count, unsigned depth)
{
    enum { MEMBERS_MAX = 4 };
    if (depth == 0 || count > MEMBERS_MAX)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!is_scalar(json_object_get(object, keys[i])))
            return false;
    return true;
}

static q_status dump_members(const struct dump *dump, const json_t *object, const char **keys, size_t count,
                             unsigned depth)
{
    bool one_line = object_on_one_line(object, keys, count, depth);
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            Q_TRY(separate(dump, one_line));
        if (!one_line)
            Q_TRY(line_break(dump, depth + 1));
        Q_TRY(q_json_append_string(dump->out, q_string_of(keys[i])));
        Q_TRY(q_buffer_append_string(dump->out, dump->indent ? Q_STRING(": ") : Q_STRING(":")));
        Q_TRY(dump_value(dump, json_object_get(object, keys[i]), depth + 1));
    }
    return one_line ? Q_OK : line_break(dump, depth);
}

static q_status dump_object(const struct dump *dump, const json_t *object, unsigned depth)
{
    size_t count = json_object_size(object), used = 0;
    const char **keys = NULL;
    if (count == 0)
        return q_buffer_append_string(dump->out, Q_STRING("{}"));
    Q_TRY(q_alloc(count, sizeof(*keys), &keys));
    /* jansson's iterators take a pointer to what they do not change. */
    json_t *iterated = (json_t *)(uintptr_t)object;
    for (void *at = json_object_iter(iterated); at; at = json_object_iter_next(iterated, at))
        keys[used++] = json_object_iter_key(at);
    q_check(used == count);
    qsort(keys, count, sizeof(*keys), compare_keys);
    q_status status = q_buffer_append_byte(dump->out, '{');
    if (!status)
        status = dump_members(dump, object, keys, count, depth);
    if (!status)
        status = q_buffer_append_byte(dump->out, '}');
    q_release(keys);
    return status;
}

static bool array_on_one_line(const json_t *array)
{
    for (size_t i = 0; i < json_array_size(array); i++)
        if (!is_scalar(json_array_get(array, i)))
            return false;
    return true;
}

static q_status dump_array(const struct dump *dump, const json_t *array, unsigned depth)
{
    bool one_line = array_on_one_line(array);
    Q_TRY(q_buffer_append_byte(dump->out, '['));
    for (size_t i = 0; i < json_array_size(array); i++) {
        if (i > 0)
            Q_TRY(separate(dump, one_line));
        if (!one_line)
            Q_TRY(line_break(dump, depth + 1));
        Q_TRY(dump_value(dump, json_array_get(array, i), depth + 1));
    }
    if (!one_line)
        Q_TRY(line_break(dump, depth));
    return q_buffer_append_byte(dump->out, ']');
}

static q_status dump_value(const struct dump *dump, const json_t *value, unsigned depth)
{
    char text[Q_JSON_NUMBER_MAX];
    if (depth > Q_JSON_DEPTH_MAX)
        return q_fail(Q_ERR_INPUT, "a JSON value is nested deeper than %d", Q_JSON_DEPTH_MAX);
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return dump_object(dump, value, depth);
    case JSON_ARRAY:
        return dump_array(dump, value, depth);
    case JSON_STRING:
        return q_json_append_string(dump->out, (q_string){json_string_value(value), json_string_length(value)});
    case JSON_INTEGER:
        return q_buffer_printf(dump->out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    case JSON_REAL:
        return q_buffer_append(dump->out, text, q_json_double_text(text, json_real_value(value)));
    case JSON_TRUE:
        return q_buffer_append_string(dump->out, Q_STRING("true"));
    case JSON_FALSE:
        return q_buffer_append_string(dump->out, Q_STRING("false"));
    case JSON_NULL:
        return q_buffer_append_string(dump->out, Q_STRING("null"));
    }
    return q_fail(Q_ERR_INPUT, "a JSON value of an unknown type");
}

q_status q_json_dump(const json_t *value, unsigned indent, struct q_buffer *out)
{
    struct dump dump = {out, indent};
    size_t before = out->size;
    q_status status = dump_value(&dump, value, 0);
    if (!status)
        status = q_buffer_append_byte(out, '\n');
    if (status)
        out->size = before;
    return status;
}

q_status q_json_publish(const char *path, const json_t *value)
{
    struct q_buffer text = {0};
    q_status status = q_json_dump(value, 1, &text);
    if (!status)
        status = q_publish_bytes(path, text.data, text.size, NULL);
    q_buffer_release(&text);
    return status;
}
