#include "train/checkpoint/checkpoint_damage.h"

#include "base/fs.h"
#include "train/files/safetensors.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

q_status checkpoint_tensors_json(const struct model_file_tensors *tensors, json_t **out)
{
    char hex[Q_HASH_HEX];
    *out = NULL;
    if (tensors->count == 0)
        return Q_OK;
    json_t *object = json_object();
    q_status status = object ? Q_OK : q_fail(Q_ERR_MEMORY, "no memory for trainer.json");
    for (size_t i = 0; i < tensors->count && !status; i++)
        status = q_json_set(object, tensors->names[i], json_string(q_hash_hex(tensors->hashes[i], hex)));
    if (status)
        json_decref(object);
    else
        *out = object;
    return status;
}

/* The tensor whose data is not what its hash says; the header where all are. Q_ERR_INPUT always, unless the file cannot be read. */
static q_status name_tensor(const struct safetensors *file, const json_t *tensors)
{
    for (size_t i = 0; i < file->count; i++) {
        const char *name = file->tensors[i].name, *hex = json_string_value(json_object_get(tensors, name));
        q_hash hash, seen;
        if (!hex)
            return q_fail(Q_ERR_INPUT, "'%s' is damaged: it has a tensor '%s' that was not written", file->path, name);
        Q_TRY(q_hash_parse(q_string_of(hex), &hash));
        Q_TRY(safetensors_hash(file, &file->tensors[i], &seen));
        if (!q_hash_equal(hash, seen))
            return q_fail(Q_ERR_INPUT, "'%s' is damaged: the numbers of tensor '%s' are not those that were written",
                          file->path, name);
    }
    return q_fail(Q_ERR_INPUT, "'%s' is damaged: its header is not what was written", file->path);
}

static q_status tell_damage(const char *path, const json_t *tensors)
{
    struct safetensors file;
    if (!tensors)
        return q_fail(Q_ERR_INPUT, "'%s' is damaged: its bytes are not those that were written", path);
    q_status status = safetensors_open(path, &file);
    if (status)
        status = q_context(status, "'%s' is damaged", path);
    else
        status = name_tensor(&file, tensors);
    safetensors_close(&file);
    return status;
}

static q_status tell_absence(const char *path, const json_t *tensors)
{
    const char *first = json_object_iter_key(json_object_iter((json_t *)(uintptr_t)tensors));
    if (!first)
        return q_fail(Q_ERR_INPUT, "'%s' is missing", path);
    return q_fail(Q_ERR_INPUT, "'%s' is missing, and with it %zu tensors such as '%s'", path, json_object_size(tensors),
                  first);
}

q_status checkpoint_check_file(const char *folder, const json_t *entry, struct q_arena *arena)
{
    q_string name, hex;
    uint64_t bytes, seen_bytes;
    q_hash hash, seen_hash;
    const char *file, *path;
    bool exists;
    const json_t *tensors = json_object_get(entry, "tensors");
    Q_TRY(q_json_get_string(entry, folder, "name", &name));
    Q_TRY(q_json_get_string(entry, folder, "hash", &hex));
    Q_TRY(q_json_get_u64(entry, folder, "bytes", &bytes));
    Q_TRY(q_hash_parse(hex, &hash));
    if (name.size == 0 || memchr(name.data, '/', name.size))
        return q_fail(Q_ERR_INPUT, "trainer.json lists '%.*s', which is no name of a file in the folder",
                      Q_STRING_ARGS(name));
    Q_TRY(q_arena_cstring(arena, name, &file));
    Q_TRY(q_fs_join(arena, folder, file, &path));
    Q_TRY(q_fs_look(path, &exists, NULL));
    if (!exists)
        return tell_absence(path, tensors);
    Q_TRY(q_fs_hash_file(path, &seen_bytes, &seen_hash));
    if (seen_bytes != bytes || !q_hash_equal(seen_hash, hash))
        return tell_damage(path, tensors);
    return Q_OK;
}
