/* A step's identity, and the folder that it opens. */
#include "base/check.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/json_private.h"
#include "base/manifest_private.h"

#include <time.h>

static q_status begin_identity(struct q_step *step, uint32_t output_version, uint64_t seed, json_t *settings)
{
    json_t *identity = step->identity = json_object();
    if (!identity || !settings) {
        json_decref(settings);
        return q_fail(Q_ERR_MEMORY, "out of memory for a step's identity");
    }
    Q_TRY(q_json_set(identity, "settings", settings)); /* first: it is taken in any case */
    q_check(json_is_object(settings) && seed <= INT64_MAX);
    Q_TRY(q_json_set(identity, "format", json_integer(Q_STEP_FORMAT)));
    Q_TRY(q_json_set(identity, "stage", json_string(step->stage)));
    Q_TRY(q_json_set(identity, "step", json_string(step->name)));
    Q_TRY(q_json_set(identity, "output_version", json_integer(output_version)));
    Q_TRY(q_json_set(identity, "seed", json_integer((json_int_t)seed)));
    return q_json_set(identity, "inputs", json_array());
}

q_status q_step_begin(struct q_step *step, const char *stage, const char *name, uint32_t output_version, uint64_t seed,
                      json_t *settings)
{
    *step = (struct q_step){.stage = stage, .name = name, .started = q_seconds(), .threads = 1};
    q_check(q_is_plain_name(q_string_of(stage)) && q_is_plain_name(q_string_of(name)));
    q_status status = q_arena_cstring(&step->arena, q_string_of(stage), &step->stage);
    if (!status)
        status = q_arena_cstring(&step->arena, q_string_of(name), &step->name);
    if (status)
        json_decref(settings);
    else
        status = begin_identity(step, output_version, seed, settings);
    if (status)
        q_step_release(step);
    return status;
}

q_status q_step_add_input(struct q_step *step, const char *name, q_hash hash)
{
    char hex[Q_HASH_HEX];
    json_t *input = json_object();
    q_check(step->identity && !step->key[0]);
    /* A path would make the identity one of this machine. */
    q_check(name[0] && !strchr(name, '/'));
    if (!input)
        return q_fail(Q_ERR_MEMORY, "out of memory for a step's input");
    Q_TRY(q_json_push(json_object_get(step->identity, "inputs"), input));
    Q_TRY(q_json_set(input, "name", q_json_string(q_string_of(name))));
    return q_json_set(input, "hash", json_string(q_hash_hex(hash, hex)));
}

q_status q_step_seal(struct q_step *step)
{
    q_check(step->identity && !step->key[0]);
    return q_identity_key(step->identity, step->key);
}

q_status q_step_hash(const struct q_step *step, q_hash *out)
{
    q_check(step->key[0]);
    return q_identity_hash(step->identity, out);
}

void q_step_release(struct q_step *step)
{
    json_decref(step->identity);
    q_arena_release(&step->arena);
    *step = (struct q_step){0};
}

q_status q_step_path(struct q_step *step, const char *name, const char **out)
{
    q_check(step->folder != NULL);
    return q_fs_join(&step->arena, step->folder, name, out);
}

/* The identity that a folder holds: NULL where there is none. */
static q_status read_identity(const char *path, json_t **out)
{
    bool exists;
    *out = NULL;
    Q_TRY(q_fs_look(path, &exists, NULL));
    return exists ? q_json_read_file(path, Q_STEP_BYTES_MAX, out) : Q_OK;
}

/* What may lie in a folder where no step has begun: the steps before (`--work` is below the last one's folder by default), what is hidden, and what a kill
 * left of the first publishing. */
static bool may_be_before(const char *name)
{
    return name[0] == '.' || !strcmp(name, "work") || !strcmp(name, "step.json.partial");
}

static q_status find_foreign(struct q_step *step, const char **out)
{
    const char **names;
    size_t count;
    *out = NULL;
    Q_TRY(q_fs_list(step->folder, &step->arena, &names, &count));
    for (size_t i = 0; i < count && !*out; i++)
        if (!may_be_before(names[i]))
            *out = names[i];
    return Q_OK;
}

/* Tasks of an array begin at the same moment and all publish the same bytes: whoever finds the file being written waits for it. */
static q_status publish_identity(struct q_step *step, const char *path)
{
    enum { TRIES = 100, PAUSE_NS = 20000000 };
    struct q_error error;
    q_status status = Q_OK;
    for (int i = 0; i < TRIES; i++) {
        json_t *there = NULL;
        status = q_json_publish(path, step->identity);
        if (status != Q_ERR_SYSTEM)
            return status;
        q_error_take(&error, status);
        bool same = !read_identity(path, &there) && there && json_equal(there, step->identity);
        json_decref(there);
        if (same)
            return Q_OK;
        if (!strstr(error.text, "another process"))
            break;
        (void)nanosleep(&(struct timespec){0, PAUSE_NS}, NULL);
    }
    return q_error_put(&error);
}

static q_status remove_name(struct q_step *step, const char *name)
{
    const char *path;
    struct stat info;
    bool exists;
    Q_TRY(q_step_path(step, name, &path));
    Q_TRY(q_fs_look(path, &exists, &info));
    /* No step makes folders of these names. A link is removed, not what it leads to. */
    return exists && S_ISDIR(info.st_mode) ? Q_OK : q_fs_unlink(path);
}

static bool is_part_name(const char *name)
{
    return !strncmp(name, "part-", 5) && strspn(name + 5, "0123456789") >= 5;
}

/* The files that the records of parts name: the stage's own names, such as tokenizer.json. */
static q_status remove_recorded(struct q_step *step, const char *name)
{
    const char *path;
    json_t *record = NULL;
    struct q_manifest_file *files = NULL;
    size_t count = 0;
    Q_TRY(q_step_path(step, name, &path));
    q_status status = q_json_read_file(path, Q_RECORD_BYTES_MAX, &record);
    if (!status)
        status = q_record_files(record, path, &step->arena, &files, &count);
    json_decref(record);
    if (status == Q_ERR_INPUT) /* a damaged record goes, and what it named stays */
        status = Q_OK;
    for (size_t i = 0; i < count && !status; i++)
        status = remove_name(step, files[i].name);
    return status;
}

/* manifest.json first, so that nothing looks done from here on; step.json last, so that a kill in between leaves a folder that is known to be a step's. */
static q_status remove_result(struct q_step *step)
{
    const char **names;
    size_t count;
    Q_TRY(remove_name(step, "manifest.json"));
    Q_TRY(q_fs_list(step->folder, &step->arena, &names, &count));
    for (size_t i = 0; i < count; i++)
        if (is_part_name(names[i]) && q_string_ends(q_string_of(names[i]), ".json"))
            Q_TRY(remove_recorded(step, names[i]));
    for (size_t i = 0; i < count; i++)
        if (is_part_name(names[i]))
            Q_TRY(remove_name(step, names[i]));
    static const char *const own[] = {"manifest.json.partial", "provenance.json", "provenance.json.partial",
                                      "step.json.partial", "step.json"};
    for (size_t i = 0; i < Q_COUNT_OF(own); i++)
        Q_TRY(remove_name(step, own[i]));
    return q_fs_sync_directory(step->folder);
}

static q_status refuse(const struct q_step *step, const json_t *there)
{
    struct q_buffer text = {0};
    q_status status = q_identity_difference(there, step->identity, &text);
    if (!status)
        status = q_buffer_terminate(&text);
    if (!status)
        status = q_fail(Q_ERR_USAGE, "folder '%s' holds another result: %s; choose another folder or give --force",
                        step->folder, text.data);
    q_buffer_release(&text);
    return status;
}

/* A manifest of another key beside our step.json was put there by hand. */
static q_status look_whether_done(struct q_step *step)
{
    struct q_manifest manifest;
    q_status status = q_manifest_read(step->folder, &manifest);
    step->done = !status && !strcmp(manifest.key, step->key);
    q_manifest_release(&manifest);
    return status == Q_ERR_INPUT ? Q_OK : status;
}

static q_status enter(struct q_step *step, const char *path, json_t *there, q_status reading, bool force)
{
    if (there && json_equal(there, step->identity))
        return look_whether_done(step);
    if (!force && there)
        return refuse(step, there);
    if (!force)
        return q_context(reading, "folder '%s' holds a damaged step, which --force replaces", step->folder);
    Q_TRY(remove_result(step));
    return publish_identity(step, path);
}

q_status q_step_open(struct q_step *step, const char *folder, bool force)
{
    const char *path, *foreign = NULL;
    json_t *there;
    q_check(step->key[0]);
    Q_TRY(q_arena_cstring(&step->arena, q_string_of(folder), &step->folder));
    Q_TRY(q_fs_make_directories(folder));
    Q_TRY(q_step_path(step, "step.json", &path));
    q_status status = read_identity(path, &there);
    if (!status && !there) {
        Q_TRY(find_foreign(step, &foreign));
        if (!foreign)
            return publish_identity(step, path);
        /* Another task may have begun the step since: then what is there is its work. */
        status = read_identity(path, &there);
        if (!status && !there)
            return q_fail(Q_ERR_USAGE, "folder '%s' holds other things ('%s') and no step; choose another folder",
                          folder, foreign);
    }
    if (status && status != Q_ERR_INPUT)
        return status;
    status = enter(step, path, there, status, force);
    json_decref(there);
    return status;
}
