/* What differs between two identities, in words. */
#include "base/manifest_private.h"

#include "base/json_private.h"

#include <string.h>

enum { VALUE_SHOWN = 60, NAME_BYTES = 200 };

/* The value as one line of JSON, cut; "absent" where there is none. */
static q_status append_value(struct q_buffer *out, const json_t *value)
{
    struct q_buffer text = {0};
    char shown[VALUE_SHOWN];
    q_status status = Q_OK;
    if (!value)
        return q_buffer_append_string(out, Q_STRING("absent"));
    status = q_json_dump(value, 0, &text);
    if (!status)
        status = q_buffer_append_string(
            out, q_string_of(q_show(shown, sizeof(shown), q_string_trim(q_buffer_string(&text)))));
    q_buffer_release(&text);
    return status;
}

static q_status append_both(struct q_buffer *out, const char *kind, const char *name, const json_t *there,
                            const json_t *here)
{
    char shown[NAME_BYTES];
    Q_TRY(q_buffer_printf(out, "%s '%s' is ", kind, q_show(shown, sizeof(shown), q_string_of(name))));
    Q_TRY(append_value(out, there));
    Q_TRY(q_buffer_append_string(out, Q_STRING(" there, ")));
    Q_TRY(append_value(out, here));
    return q_buffer_append_string(out, Q_STRING(" here"));
}

/* The first key by its bytes whose values differ; NULL: none. */
static const char *first_different_key(json_t *there, json_t *here)
{
    const char *first = NULL;
    for (int side = 0; side < 2; side++) {
        json_t *object = side ? here : there;
        for (void *at = json_object_iter(object); at; at = json_object_iter_next(object, at)) {
            const char *key = json_object_iter_key(at);
            bool earlier = !first || strcmp(key, first) < 0;
            if (earlier && !json_equal(json_object_get(there, key), json_object_get(here, key)))
                first = key;
        }
    }
    return first;
}

/* Goes down to the value itself: "optimizer.beta1", "phases.1.tokens". */
static q_status setting_difference(json_t *there, json_t *here, struct q_buffer *out)
{
    char name[NAME_BYTES] = "";
    size_t used = 0;
    for (;;) {
        const char *dot = used ? "." : "";
        size_t room = sizeof(name) - used;
        int added = 0;
        if (json_is_object(there) && json_is_object(here)) {
            const char *key = first_different_key(there, here);
            if (!key)
                break;
            added = snprintf(name + used, room, "%s%s", dot, key);
            there = json_object_get(there, key);
            here = json_object_get(here, key);
        } else if (json_is_array(there) && json_is_array(here) && json_array_size(there) == json_array_size(here)) {
            size_t i = 0;
            while (i + 1 < json_array_size(there) && json_equal(json_array_get(there, i), json_array_get(here, i)))
                i++;
            added = snprintf(name + used, room, "%s%zu", dot, i);
            there = json_array_get(there, i);
            here = json_array_get(here, i);
        } else {
            break;
        }
        used += (size_t)added < room ? (size_t)added : 0;
    }
    return append_both(out, "setting", name, there, here);
}

static const char *input_name(const json_t *input)
{
    const char *name = json_string_value(json_object_get(input, "name"));
    return name ? name : "?";
}

static q_status input_difference(const json_t *there, const json_t *here, struct q_buffer *out)
{
    char shown[NAME_BYTES], shown_here[NAME_BYTES];
    for (size_t i = 0;; i++) {
        const json_t *a = json_array_get(there, i), *b = json_array_get(here, i);
        if (a && b && json_equal(a, b))
            continue;
        q_show(shown, sizeof(shown), q_string_of(input_name(a)));
        q_show(shown_here, sizeof(shown_here), q_string_of(input_name(b)));
        if (a && b && !strcmp(shown, shown_here))
            return q_buffer_printf(out, "the input '%s' is not the same", shown);
        if (a && b)
            return q_buffer_printf(out, "input %zu is '%s' there, '%s' here", i, shown, shown_here);
        return a ? q_buffer_printf(out, "the input '%s' is missing here", shown)
                 : q_buffer_printf(out, "the input '%s' is missing there", shown_here);
    }
}

q_status q_identity_difference(const json_t *there, const json_t *here, struct q_buffer *out)
{
    static const char *const plain[] = {"stage", "step", "format", "output_version", "seed"};
    for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
        const json_t *a = json_object_get(there, plain[i]), *b = json_object_get(here, plain[i]);
        if (!(a && b && json_equal(a, b)))
            return append_both(out, "its", plain[i], a, b);
    }
    json_t *a = json_object_get(there, "settings"), *b = json_object_get(here, "settings");
    if (!(a && b && json_equal(a, b)))
        return setting_difference(a, b, out);
    a = json_object_get(there, "inputs");
    b = json_object_get(here, "inputs");
    if (!(a && b && json_equal(a, b)))
        return input_difference(a, b, out);
    return q_buffer_append_string(out, Q_STRING("its step.json has other members"));
}
