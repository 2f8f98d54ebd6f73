#include "train/state_hash.h"

#include "base/check.h"
#include "base/fs.h"
#include "base/memory.h"
#include "train/safetensors.h"

#include <stdio.h>
#include <string.h>

enum { PIECE = 1 << 16 }; /* elements that are read of a file at a time */

/* Adds `count` numbers: their bytes are FP32 little endian on every machine that the CPU backends are built for. */
static void add_floats(struct q_hasher *hasher, const op_acc *values, size_t count)
{
    if (sizeof(op_acc) == sizeof(float)) {
        q_hasher_add(hasher, values, count * sizeof(float));
        return;
    }
    for (size_t i = 0; i < count; i++) {
        float narrow = (float)values[i];
        q_hasher_add(hasher, &narrow, sizeof narrow);
    }
}

static size_t largest_of(const struct model_parameter *parameters, size_t count)
{
    size_t largest = 0;
    for (size_t i = 0; i < count; i++)
        largest = Q_MAX(largest, parameters[i].count);
    return largest;
}

q_status state_hash(const struct model *model, const struct optimizer *optimizer, struct state_hashes *out)
{
    size_t count;
    struct q_hasher *hashers[2] = {NULL, NULL};
    const struct model_parameter *parameters = model_parameters(model, &count);
    op_acc *buffer;
    Q_TRY(q_alloc(largest_of(parameters, count), sizeof *buffer, &buffer));
    q_status status = q_hasher_create(&hashers[0]);
    if (!status)
        status = q_hasher_create(&hashers[1]);
    for (size_t i = 0; i < count && !status; i++) {
        model_get(model, &parameters[i], buffer);
        add_floats(hashers[0], buffer, parameters[i].count);
        for (int moment = OPTIMIZER_M; moment <= OPTIMIZER_V && !status && parameters[i].kind != MODEL_BIAS; moment++) {
            status = optimizer_get(optimizer, (enum optimizer_moment)moment, &parameters[i], buffer);
            add_floats(hashers[1], buffer, status ? 0 : parameters[i].count);
        }
    }
    if (!status)
        *out = (struct state_hashes){q_hasher_digest(hashers[0]), q_hasher_digest(hashers[1])};
    q_hasher_release(hashers[0]);
    q_hasher_release(hashers[1]);
    q_release(buffer);
    return status;
}

/* The safetensors files of one stem. Tensors are mostly asked for in the order in which they lie: the search begins behind the last one found. */
struct file_set {
    struct q_arena arena;
    const char *folder;
    struct safetensors *files;
    size_t count, file, tensor;
};

static void set_close(struct file_set *set)
{
    for (size_t i = 0; i < set->count; i++)
        safetensors_close(&set->files[i]);
    q_arena_release(&set->arena);
}

static q_status set_open(struct file_set *set, const char *folder, const char *stem)
{
    const char **names, *path;
    size_t count, size = strlen(stem);
    *set = (struct file_set){.folder = folder};
    Q_TRY(q_fs_list(folder, &set->arena, &names, &count));
    Q_TRY(q_arena_alloc(&set->arena, count, sizeof *set->files, &set->files));
    for (size_t i = 0; i < count; i++) {
        const char behind = strncmp(names[i], stem, size) == 0 ? names[i][size] : '\0';
        if ((behind != '-' && behind != '.') || !q_string_ends(q_string_of(names[i]), ".safetensors"))
            continue;
        Q_TRY(q_fs_join(&set->arena, folder, names[i], &path));
        set->count++; /* closed also where opening it fails */
        Q_TRY(safetensors_open(path, &set->files[set->count - 1]));
    }
    return Q_OK;
}

static q_status set_find(struct file_set *set, const char *name, const struct safetensors **file,
                         const struct safetensors_tensor **tensor)
{
    for (size_t i = 0; i < set->count; i++) {
        const size_t at = (set->file + i) % set->count;
        const struct safetensors *one = &set->files[at];
        const size_t next = i == 0 ? set->tensor : 0;
        *tensor = next < one->count && strcmp(one->tensors[next].name, name) == 0 ? &one->tensors[next]
                                                                                  : safetensors_find(one, name);
        if (!*tensor)
            continue;
        *file = one;
        set->file = at;
        set->tensor = (size_t)(*tensor - one->tensors) + 1;
        return Q_OK;
    }
    return q_fail(Q_ERR_INPUT, "'%s' lacks the tensor '%s'", set->folder, name);
}

static q_status add_tensor(struct file_set *set, const char *name, float *piece, struct q_hasher *hasher)
{
    const struct safetensors *file = NULL;
    const struct safetensors_tensor *tensor = NULL;
    Q_TRY(set_find(set, name, &file, &tensor));
    for (uint64_t first = 0; first < tensor->count; first += PIECE) {
        const uint64_t count = Q_MIN((uint64_t)PIECE, tensor->count - first);
        const struct safetensors_tensor part = safetensors_part(tensor, first, count);
        Q_TRY(safetensors_read_floats(file, &part, piece));
        q_hasher_add(hasher, piece, (size_t)count * sizeof *piece);
    }
    return Q_OK;
}

static q_status hash_set(struct file_set *set, const struct model *outline, bool moments, float *piece,
                         struct q_hasher *hasher)
{
    static const char *const suffixes[] = {".mean", ".square"};
    size_t count;
    const struct model_parameter *parameters = model_parameters(outline, &count);
    for (size_t i = 0; i < count; i++) {
        if (!moments) {
            Q_TRY(add_tensor(set, parameters[i].name, piece, hasher));
            continue;
        }
        for (size_t s = 0; s < 2 && parameters[i].kind != MODEL_BIAS; s++) {
            char name[512];
            snprintf(name, sizeof name, "%s%s", parameters[i].name, suffixes[s]);
            Q_TRY(add_tensor(set, name, piece, hasher));
        }
    }
    return Q_OK;
}

static q_status hash_files(const char *folder, const char *stem, const struct model *outline, q_hash *out)
{
    struct file_set set;
    struct q_hasher *hasher = NULL;
    float *piece = NULL;
    q_status status = set_open(&set, folder, stem);
    if (!status)
        status = q_hasher_create(&hasher);
    if (!status)
        status = q_alloc(PIECE, sizeof *piece, &piece);
    if (!status)
        status = hash_set(&set, outline, strcmp(stem, "optimizer") == 0, piece, hasher);
    if (!status)
        *out = q_hasher_digest(hasher);
    q_release(piece);
    q_hasher_release(hasher);
    set_close(&set);
    return status;
}

q_status state_hash_files(const char *folder, const struct model *outline, struct state_hashes *out)
{
    Q_TRY(hash_files(folder, "model", outline, &out->parameters));
    return hash_files(folder, "optimizer", outline, &out->moments);
}

q_status state_hashes_put(const struct state_hashes *hashes, json_t *object)
{
    char hex[Q_HASH_HEX];
    Q_TRY(q_json_set(object, "parameters", json_string(q_hash_hex(hashes->parameters, hex))));
    return q_json_set(object, "moments", json_string(q_hash_hex(hashes->moments, hex)));
}

q_status state_hashes_read(const json_t *object, const char *name, struct state_hashes *out, bool *found)
{
    q_string hex;
    *found = json_object_get(object, "parameters") && json_object_get(object, "moments");
    if (!*found)
        return Q_OK;
    Q_TRY(q_json_get_string(object, name, "parameters", &hex));
    Q_TRY(q_hash_parse(hex, &out->parameters));
    Q_TRY(q_json_get_string(object, name, "moments", &hex));
    return q_hash_parse(hex, &out->moments);
}

const char *state_hashes_differ(const struct state_hashes *a, const struct state_hashes *b)
{
    if (!q_hash_equal(a->parameters, b->parameters))
        return "parameters";
    return q_hash_equal(a->moments, b->moments) ? NULL : "moments";
}
