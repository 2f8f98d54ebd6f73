#include "base/json.h"

#include "base/check.h"
#include "base/fs.h"
#include "base/json_private.h"

#include <math.h>

/* jansson allocates through q_alloc, so that tests can fail its allocations too. It says no more than NULL where something went wrong: this
 * flag says that it was memory. */
static _Thread_local bool allocation_failed;
/* While jansson parses, a failed allocation is noted but served all the same: its lexer drops a character that it has no memory for, goes on, and may
 * end in an assertion of its own (lex_save and lex_scan_string, 2.14). Where the machine itself has no more memory, that remains. */
static _Thread_local bool parsing;

static void *allocate(size_t size)
{
    void *bytes = NULL;
    if (q_alloc(1, size, &bytes)) {
        allocation_failed = true;
        return parsing ? malloc(size) : NULL;
    }
    return bytes;
}

/* There where this code is part of a library for other programs (quern_tokenizer_seams.c): jansson is theirs as well then, and its allocator stays. */
extern const bool q_json_is_a_guest __attribute__((weak));

/* Before main, and so before jansson allocates anything with another allocator. */
__attribute__((constructor)) static void use_our_allocator(void)
{
    if (!&q_json_is_a_guest)
        json_set_alloc_funcs(allocate, q_release);
}

static q_status out_of_memory(void)
{
    allocation_failed = false;
    return q_fail(Q_ERR_MEMORY, "out of memory for a JSON value");
}

/* Brackets are counted before jansson sees them: its own limit is 2,048, and its recursion and ours would follow. */
static q_status check_depth(q_string text, const char *name)
{
    size_t depth = 0, line = 1;
    bool in_string = false;
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        line += c == '\n';
        if (in_string) {
            i += c == '\\';
            in_string = c != '"';
        } else if (c == '"') {
            in_string = true;
        } else if (c == '[' || c == '{') {
            if (++depth > Q_JSON_DEPTH_MAX)
                return q_fail(Q_ERR_INPUT, "%s: line %zu: nested deeper than %d", name, line, Q_JSON_DEPTH_MAX);
        } else if ((c == ']' || c == '}') && depth > 0) {
            depth--;
        }
    }
    return Q_OK;
}

q_status q_json_parse(q_string text, const char *name, json_t **out)
{
    json_error_t error = {.line = 1};
    char shown[sizeof(error.text) + 8];
    Q_TRY(check_depth(text, name));
    allocation_failed = false;
    parsing = true;
    json_t *value = json_loadb(text.data ? text.data : "", text.size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    parsing = false;
    if (allocation_failed || (!value && json_error_code(&error) == json_error_out_of_memory)) {
        json_decref(value);
        return out_of_memory();
    }
    if (!value)
        return q_fail(Q_ERR_INPUT, "%s: line %d: %s", name, error.line > 0 ? error.line : 1,
                      q_show(shown, sizeof(shown), q_string_of(error.text)));
    *out = value;
    return Q_OK;
}

q_status q_json_read_file(const char *path, uint64_t bytes_max, json_t **out)
{
    struct q_buffer bytes = {0};
    q_status status = q_fs_read_file(path, bytes_max, &bytes);
    if (!status)
        status = q_json_parse(q_buffer_string(&bytes), path, out);
    q_buffer_release(&bytes);
    return status;
}

static q_status get_member(const json_t *object, const char *name, const char *key, json_t **out)
{
    if (!json_is_object(object))
        return q_fail(Q_ERR_INPUT, "%s: is no JSON object where one with '%s' should be", name, key);
    *out = json_object_get(object, key);
    if (!*out)
        return q_fail(Q_ERR_INPUT, "%s: '%s' is missing", name, key);
    return Q_OK;
}

static q_status wrong_type(const char *name, const char *key, const char *type)
{
    return q_fail(Q_ERR_INPUT, "%s: '%s' is not %s", name, key, type);
}

q_status q_json_get_object(const json_t *object, const char *name, const char *key, json_t **out)
{
    json_t *member;
    Q_TRY(get_member(object, name, key, &member));
    if (!json_is_object(member))
        return wrong_type(name, key, "an object");
    *out = member;
    return Q_OK;
}

q_status q_json_get_array(const json_t *object, const char *name, const char *key, json_t **out)
{
    json_t *member;
    Q_TRY(get_member(object, name, key, &member));
    if (!json_is_array(member))
        return wrong_type(name, key, "a list");
    *out = member;
    return Q_OK;
}

q_status q_json_get_string(const json_t *object, const char *name, const char *key, q_string *out)
{
    json_t *member;
    Q_TRY(get_member(object, name, key, &member));
    if (!json_is_string(member))
        return wrong_type(name, key, "a string");
    *out = (q_string){json_string_value(member), json_string_length(member)};
    return Q_OK;
}

q_status q_json_get_u64(const json_t *object, const char *name, const char *key, uint64_t *out)
{
    json_t *member;
    Q_TRY(get_member(object, name, key, &member));
    if (!json_is_integer(member) || json_integer_value(member) < 0)
        return wrong_type(name, key, "a whole number from 0");
    *out = (uint64_t)json_integer_value(member);
    return Q_OK;
}

q_status q_json_get_double(const json_t *object, const char *name, const char *key, double *out)
{
    json_t *member;
    Q_TRY(get_member(object, name, key, &member));
    if (!json_is_number(member))
        return wrong_type(name, key, "a number");
    *out = json_number_value(member);
    return Q_OK;
}

/* Why jansson refused to make a value, or to take it. */
static q_status refused(const char *what)
{
    if (allocation_failed)
        return out_of_memory();
    return q_fail(Q_ERR_INPUT, "JSON cannot hold %s: not a finite number, or broken UTF-8", what);
}

q_status q_json_set(json_t *object, const char *key, json_t *value)
{
    char shown[80];
    q_check(json_is_object(object));
    if (value && !json_object_set_new(object, key, value))
        return Q_OK;
    return q_context(refused("a value"), "'%s'", q_show(shown, sizeof(shown), q_string_of(key)));
}

q_status q_json_push(json_t *array, json_t *value)
{
    q_check(json_is_array(array));
    if (value && !json_array_append_new(array, value))
        return Q_OK;
    return refused("a list's element");
}

json_t *q_json_string(q_string string)
{
    struct q_buffer repaired = {0};
    json_t *value = NULL;
    if (q_utf8_valid(string))
        return json_stringn(string.data ? string.data : "", string.size);
    if (q_utf8_repair(string, &repaired, NULL))
        allocation_failed = true;
    else
        value = json_stringn(repaired.data, repaired.size);
    q_buffer_release(&repaired);
    return value;
}
