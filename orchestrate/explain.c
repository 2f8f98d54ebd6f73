#include "orchestrate/explain.h"

#include "base/check.h"
#include "base/fs.h"

enum { DIFFERENCES_MAX = 4, VALUE_BYTES_MAX = 48, STEP_BYTES_MAX = 1 << 24 };

struct difference {
    struct q_buffer *out;
    size_t count; /* found; those beyond DIFFERENCES_MAX are only counted */
};

static q_status append_value(struct q_buffer *out, const json_t *value)
{
    struct q_buffer text = {0};
    q_status status = value ? q_json_dump(value, 0, &text) : q_buffer_append_string(&text, Q_STRING("none"));
    q_string shown = q_string_trim(q_buffer_string(&text));
    bool cut = shown.size > VALUE_BYTES_MAX;
    if (status == Q_OK)
        status = q_buffer_append_string(out, q_string_slice(shown, 0, VALUE_BYTES_MAX));
    if (status == Q_OK && cut)
        status = q_buffer_append_string(out, Q_STRING("..."));
    q_buffer_release(&text);
    return status;
}

/* ", " between differences; *add says whether this one is to be written. */
static q_status begin_difference(struct difference *difference, bool *add)
{
    *add = difference->count++ < DIFFERENCES_MAX;
    return *add && difference->count > 1 ? q_buffer_append_string(difference->out, Q_STRING(", ")) : Q_OK;
}

static q_status add_change(struct difference *difference, const char *word, const char *name, const json_t *before,
                           const json_t *now)
{
    bool add;
    Q_TRY(begin_difference(difference, &add));
    if (!add)
        return Q_OK;
    Q_TRY(q_buffer_printf(difference->out, "%s '%s' ", word, name));
    Q_TRY(append_value(difference->out, before));
    Q_TRY(q_buffer_append_string(difference->out, Q_STRING(" -> ")));
    return append_value(difference->out, now);
}

/* Settings, sections within sections by their full name. Members of both, then those of one alone. */
static q_status compare_settings(struct difference *difference, const char *prefix, const json_t *before,
                                 const json_t *now)
{
    const char *key;
    json_t *value;
    struct q_arena arena = {0};
    q_status status = Q_OK;
    for (int pass = 0; pass < 2; pass++) {
        json_t *walked = (json_t *)(uintptr_t)(pass ? now : before); /* jansson's iteration takes no const */
        json_object_foreach(walked, key, value)
        {
            const json_t *old = json_object_get(before, key), *new = json_object_get(now, key);
            const char *name;
            if ((pass && old) || (old && new &&json_equal(old, new)))
                continue;
            Q_TRY_GOTO(end, q_arena_printf(&arena, &name, "%s%s%s", prefix, prefix[0] ? "." : "", key));
            if (json_is_object(old) && json_is_object(new))
                Q_TRY_GOTO(end, compare_settings(difference, name, old, new));
            else
                Q_TRY_GOTO(end, add_change(difference, "setting", name, old, new));
        }
    }
end:
    q_arena_release(&arena);
    return status;
}

/* The hash of an input, by name. */
static const json_t *input_hash(const json_t *inputs, const char *name)
{
    size_t i;
    json_t *input;
    json_array_foreach(inputs, i, input)
    {
        const char *other = json_string_value(json_object_get(input, "name"));
        if (other && !strcmp(other, name))
            return json_object_get(input, "hash");
    }
    return NULL;
}

static q_status compare_inputs(struct difference *difference, const json_t *before, const json_t *now)
{
    const json_t *sides[2] = {before, now};
    for (int pass = 0; pass < 2; pass++) {
        size_t i;
        json_t *input;
        json_array_foreach(sides[pass], i, input)
        {
            const char *name = json_string_value(json_object_get(input, "name"));
            const json_t *old = name ? input_hash(before, name) : NULL, *new = name ? input_hash(now, name) : NULL;
            bool add;
            if (!name || (pass && old) || (old && new &&json_equal(old, new)))
                continue;
            Q_TRY(begin_difference(difference, &add));
            if (add)
                Q_TRY(q_buffer_printf(difference->out, "input '%s' %s", name,
                                      !old   ? "is new"
                                      : !new ? "is gone"
                                             : "changed"));
        }
    }
    return Q_OK;
}

q_status explain_difference(const json_t *before, const json_t *now, struct q_buffer *out)
{
    struct difference difference = {.out = out};
    Q_TRY(compare_settings(&difference, "", json_object_get(before, "settings"), json_object_get(now, "settings")));
    Q_TRY(compare_inputs(&difference, json_object_get(before, "inputs"), json_object_get(now, "inputs")));
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)now, key, value)
    {
        const json_t *old = json_object_get(before, key);
        if (!strcmp(key, "settings") || !strcmp(key, "inputs") || (old && json_equal(old, value)))
            continue;
        Q_TRY(add_change(&difference, "its", key, old, value));
    }
    if (difference.count > DIFFERENCES_MAX)
        Q_TRY(q_buffer_printf(out, " and %zu more", difference.count - DIFFERENCES_MAX));
    return Q_OK;
}

/* An identity, or NULL where the folder has none that can be read. */
static q_status read_identity(const char *folder, json_t **out, struct stat *info)
{
    struct q_arena arena = {0};
    const char *path;
    bool there = false;
    *out = NULL;
    q_status status = q_fs_join(&arena, folder, "step.json", &path);
    if (status == Q_OK)
        status = q_fs_look(path, &there, info);
    if (status == Q_OK && there && q_json_read_file(path, STEP_BYTES_MAX, out) != Q_OK)
        *out = NULL; /* damaged: nothing to compare with, and the build itself will say so where it matters */
    q_arena_release(&arena);
    return status;
}

static bool same_step(const json_t *a, const json_t *b)
{
    const json_t *x = json_object_get(a, "step"), *y = json_object_get(b, "step");
    return x && y && json_equal(x, y);
}

/* The newest identity of the same step in another folder of the stage; key: its folder's name, in the arena. */
static q_status newest_other(const struct graph_stage *stage, const char *key, const json_t *now, struct q_arena *arena,
                             json_t **out, const char **out_key)
{
    const char **names, *folder;
    size_t count;
    struct timespec newest = {0};
    *out = NULL;
    Q_TRY(q_fs_list(stage->work, arena, &names, &count));
    for (size_t i = 0; i < count; i++) {
        json_t *other;
        struct stat info;
        if (!strcmp(names[i], key) || strlen(names[i]) != Q_KEY_SIZE - 1)
            continue;
        Q_TRY(q_fs_join(arena, stage->work, names[i], &folder));
        Q_TRY(read_identity(folder, &other, &info));
        bool later = other && (!*out || info.st_mtim.tv_sec > newest.tv_sec ||
                               (info.st_mtim.tv_sec == newest.tv_sec && info.st_mtim.tv_nsec > newest.tv_nsec));
        if (!later || !same_step(other, now)) {
            json_decref(other);
            continue;
        }
        json_decref(*out);
        *out = other;
        *out_key = names[i];
        newest = info.st_mtim;
    }
    return Q_OK;
}

q_status explain_step(const struct graph_stage *stage, const struct graph_step *step, struct q_buffer *out)
{
    json_t *now = NULL, *before = NULL;
    const char *before_key = NULL;
    struct q_arena arena = {0};
    struct stat info;
    q_status status = read_identity(step->folder, &now, &info);
    if (status == Q_OK && now)
        status = newest_other(stage, step->key, now, &arena, &before, &before_key);
    if (status == Q_OK && before) {
        size_t from = out->size;
        status = explain_difference(before, now, out);
        if (status == Q_OK && out->size > from)
            status = q_buffer_printf(out, "; before: %s", before_key);
    }
    json_decref(now);
    json_decref(before);
    q_arena_release(&arena);
    return status;
}
