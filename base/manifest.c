/* A result that is done, read back: nothing of it is believed before it is checked. */
#include "base/manifest.h"

#include "base/check.h"
#include "base/fs.h"
#include "base/json_private.h"
#include "base/manifest_private.h"

#include <inttypes.h>

bool q_is_plain_name(q_string name)
{
    if (name.size == 0 || name.size > 255 || name.data[0] == '.' || !q_utf8_valid(name))
        return false;
    for (size_t i = 0; i < name.size; i++)
        if ((unsigned char)name.data[i] < 0x20 || name.data[i] == 0x7f || name.data[i] == '/')
            return false;
    return true;
}

q_status q_identity_hash(const json_t *identity, q_hash *out)
{
    struct q_buffer text = {0};
    q_status status = q_json_dump(identity, 1, &text);
    if (!status)
        *out = q_hash_string(q_buffer_string(&text));
    q_buffer_release(&text);
    return status;
}

q_status q_identity_key(const json_t *identity, char key[Q_KEY_SIZE])
{
    q_hash hash;
    char hex[Q_HASH_HEX];
    Q_TRY(q_identity_hash(identity, &hash));
    q_hash_hex(hash, hex);
    memcpy(key, hex, Q_KEY_SIZE - 1);
    key[Q_KEY_SIZE - 1] = '\0';
    return Q_OK;
}

static q_status parse_file(const json_t *object, const char *name, struct q_arena *arena, struct q_manifest_file *out)
{
    q_string text;
    char shown[80];
    Q_TRY(q_json_get_string(object, name, "name", &text));
    if (!q_is_plain_name(text))
        return q_fail(Q_ERR_INPUT, "%s: '%s' is no name for a file of a step", name,
                      q_show(shown, sizeof(shown), text));
    Q_TRY(q_arena_cstring(arena, text, &out->name));
    Q_TRY(q_json_get_u64(object, name, "bytes", &out->bytes));
    Q_TRY(q_json_get_string(object, name, "hash", &text));
    return q_context(q_hash_parse(text, &out->hash), "%s: file '%s'", name, out->name);
}

q_status q_record_files(const json_t *record, const char *name, struct q_arena *arena,
                        struct q_manifest_file **out_files, size_t *out_count)
{
    json_t *list;
    struct q_manifest_file *files;
    Q_TRY(q_json_get_array(record, name, "files", &list));
    size_t count = json_array_size(list);
    Q_TRY(q_arena_alloc(arena, count + 1, sizeof(*files), &files));
    for (size_t i = 0; i < count; i++)
        Q_TRY(parse_file(json_array_get(list, i), name, arena, &files[i]));
    *out_files = files;
    *out_count = count;
    return Q_OK;
}

q_status q_check_file_size(const char *folder, const struct q_manifest_file *file)
{
    struct q_arena arena = {0};
    const char *path;
    struct stat info;
    bool exists = false;
    q_status status = q_fs_join(&arena, folder, file->name, &path);
    if (!status)
        status = q_fs_look(path, &exists, &info);
    if (!status && (!exists || !S_ISREG(info.st_mode)))
        status = q_fail(Q_ERR_INPUT, "'%s' is missing", path);
    else if (!status && (uint64_t)info.st_size != file->bytes)
        status = q_fail(Q_ERR_INPUT, "'%s' has %" PRIu64 " bytes where its manifest says %" PRIu64, path,
                        (uint64_t)info.st_size, file->bytes);
    q_arena_release(&arena);
    return status;
}

/* "quern-dedup build": the command that makes a stage's results (docs/steps.md). */
static const char *stage_command(q_string stage)
{
    static const char *const commands[][2] = {
        {"corpus", "quern-corpus build"}, {"dedup", "quern-dedup build"}, {"tokenizer", "quern-tokenizer train"},
        {"shards", "quern-shards build"}, {"train", "quern-train run"},   {"eval", "quern-eval run"},
    };
    for (size_t i = 0; i < Q_COUNT_OF(commands); i++)
        if (q_string_is(stage, commands[i][0]))
            return commands[i][1];
    return NULL;
}

/* Why there is no manifest: nothing was ever begun here, or it was not finished. */
static q_status not_done(const char *folder, struct q_arena *arena)
{
    const char *path, *command = NULL;
    json_t *identity = NULL;
    q_string stage = {0};
    Q_TRY(q_fs_join(arena, folder, "step.json", &path));
    q_status status = q_json_read_file(path, Q_STEP_BYTES_MAX, &identity);
    if (!status && !q_json_get_string(identity, path, "stage", &stage))
        command = stage_command(stage);
    json_decref(identity);
    if (status && status != Q_ERR_INPUT)
        return status;
    if (command)
        return q_fail(Q_ERR_INPUT, "'%s' holds an unfinished result; run '%s' again, it goes on where it stood", folder,
                      command);
    return q_fail(Q_ERR_INPUT,
                  "'%s' holds no finished result (no manifest.json); build it with the stage's program first", folder);
}

static q_status read_identity(struct q_manifest *manifest, const char *name)
{
    json_t *identity;
    q_string key, text;
    Q_TRY(q_json_get_object(manifest->json, name, "identity", &identity));
    Q_TRY(q_json_get_string(manifest->json, name, "key", &key));
    Q_TRY(q_identity_key(identity, manifest->key));
    if (!q_string_is(key, manifest->key))
        return q_fail(Q_ERR_INPUT, "%s: the key is not that of the identity", name);
    Q_TRY(q_json_get_string(identity, name, "stage", &text));
    if (!q_is_plain_name(text))
        return q_fail(Q_ERR_INPUT, "%s: the stage has no plain name", name);
    Q_TRY(q_arena_cstring(&manifest->arena, text, &manifest->stage));
    Q_TRY(q_json_get_string(identity, name, "step", &text));
    if (!q_is_plain_name(text))
        return q_fail(Q_ERR_INPUT, "%s: the step has no plain name", name);
    Q_TRY(q_arena_cstring(&manifest->arena, text, &manifest->step));
    return q_json_get_u64(identity, name, "seed", &manifest->seed);
}

static q_status read_part(struct q_manifest *manifest, const char *name, size_t index, const json_t *record)
{
    struct q_manifest_part *part = &manifest->parts[index];
    uint64_t number;
    Q_TRY(q_json_get_u64(record, name, "part", &number));
    if (number != index)
        return q_fail(Q_ERR_INPUT, "%s: part %zu is numbered %" PRIu64, name, index, number);
    part->record = record;
    Q_TRY(q_record_files(record, name, &manifest->arena, &part->files, &part->file_count));
    for (size_t i = 0; i < part->file_count; i++)
        Q_TRY(q_check_file_size(manifest->folder, &part->files[i]));
    return Q_OK;
}

static q_status read_parts(struct q_manifest *manifest, const char *name)
{
    json_t *parts;
    Q_TRY(q_json_get_array(manifest->json, name, "parts", &parts));
    size_t count = json_array_size(parts);
    if (count > Q_PARTS_MAX)
        return q_fail(Q_ERR_INPUT, "%s: has more than a million parts", name);
    Q_TRY(q_arena_alloc(&manifest->arena, count + 1, sizeof(*manifest->parts), &manifest->parts));
    manifest->part_count = count;
    for (size_t i = 0; i < count; i++)
        Q_TRY(read_part(manifest, name, i, json_array_get(parts, i)));
    return Q_OK;
}

static q_status read_members(struct q_manifest *manifest, const char *name)
{
    uint64_t format;
    Q_TRY(q_json_get_u64(manifest->json, name, "format", &format));
    if (format != Q_MANIFEST_FORMAT)
        return q_fail(Q_ERR_INPUT, "%s: is of format %" PRIu64 "; this program reads format %d", name, format,
                      Q_MANIFEST_FORMAT);
    Q_TRY(read_identity(manifest, name));
    Q_TRY(q_json_get_double(manifest->json, name, "held_out", &manifest->held_out));
    if (!(manifest->held_out >= 0 && manifest->held_out <= 1))
        return q_fail(Q_ERR_INPUT, "%s: 'held_out' is not 0 to 1", name);
    Q_TRY(q_json_get_u64(manifest->json, name, "held_out_seed", &manifest->held_out_seed));
    const json_t *accounting = json_object_get(manifest->json, "accounting");
    if (accounting)
        Q_TRY(q_accounting_parse(accounting, name, &manifest->accounting));
    return read_parts(manifest, name);
}

static q_status read_manifest(const char *folder, struct q_manifest *manifest)
{
    const char *path;
    struct q_buffer text = {0};
    bool exists;
    Q_TRY(q_arena_cstring(&manifest->arena, q_string_of(folder), &manifest->folder));
    Q_TRY(q_fs_join(&manifest->arena, folder, "manifest.json", &path));
    Q_TRY(q_fs_look(path, &exists, NULL));
    if (!exists)
        return not_done(folder, &manifest->arena);
    q_status status = q_fs_read_file(path, Q_MANIFEST_BYTES_MAX, &text);
    if (!status)
        status = q_json_parse(q_buffer_string(&text), path, &manifest->json);
    if (!status)
        manifest->hash = q_hash_string(q_buffer_string(&text));
    q_buffer_release(&text);
    Q_TRY(status);
    return read_members(manifest, path);
}

q_status q_manifest_read(const char *folder, struct q_manifest *out)
{
    *out = (struct q_manifest){0};
    q_status status = read_manifest(folder, out);
    if (status)
        q_manifest_release(out);
    return status;
}

void q_manifest_release(struct q_manifest *manifest)
{
    json_decref(manifest->json);
    q_accounting_release(&manifest->accounting);
    q_arena_release(&manifest->arena);
    *manifest = (struct q_manifest){0};
}

static q_status verify_file(const char *folder, const struct q_manifest_file *file)
{
    struct q_arena arena = {0};
    const char *path;
    uint64_t bytes;
    q_hash hash;
    char is[Q_HASH_HEX], should[Q_HASH_HEX];
    q_status status = q_fs_join(&arena, folder, file->name, &path);
    if (!status)
        status = q_fs_hash_file(path, &bytes, &hash);
    if (!status && (bytes != file->bytes || !q_hash_equal(hash, file->hash)))
        status =
            q_fail(Q_ERR_INPUT,
                   "'%s' is damaged: its hash is %s where its manifest says %s; remove the folder (of a training its "
                   "manifest.json alone) and build again",
                   path, q_hash_hex(hash, is), q_hash_hex(file->hash, should));
    q_arena_release(&arena);
    return status;
}

q_status q_manifest_verify(const struct q_manifest *manifest)
{
    for (size_t p = 0; p < manifest->part_count; p++)
        for (size_t i = 0; i < manifest->parts[p].file_count; i++)
            Q_TRY(verify_file(manifest->folder, &manifest->parts[p].files[i]));
    return Q_OK;
}

q_status q_manifest_done(const char *folder, bool *done)
{
    struct q_manifest manifest;
    q_status status = q_manifest_read(folder, &manifest);
    *done = status == Q_OK;
    q_manifest_release(&manifest);
    return status == Q_ERR_INPUT ? Q_OK : status;
}

q_status q_manifest_documents(const struct q_manifest *manifest, size_t part, const struct q_manifest_file **out)
{
    const struct q_manifest_part *files = &manifest->parts[part];
    for (size_t i = 0; i < files->file_count; i++) {
        const char *dot = strchr(files->files[i].name, '.');
        if (dot && strcmp(dot, ".jsonl.zst") == 0) {
            *out = &files->files[i];
            return Q_OK;
        }
    }
    return q_fail(Q_ERR_INPUT,
                  "part %zu of '%s' has no documents (part-NNNNN.jsonl.zst); is it a result of corpus or dedup?", part,
                  manifest->folder);
}

q_status q_manifest_path(struct q_manifest *manifest, const char *name, const char **out)
{
    return q_fs_join(&manifest->arena, manifest->folder, name, out);
}
