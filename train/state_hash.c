#include "train/state_hash.h"

#include "base/check.h"
#include "base/memory.h"
#include "train/tensor_set.h"

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

q_status state_hash(const struct model *model, const struct optimizer *optimizer, struct state_hashes *out)
{
    size_t count;
    struct q_hasher *hashers[2] = {NULL, NULL};
    const struct model_parameter *parameters = model_parameters(model, &count);
    op_acc *buffer;
    Q_TRY(q_alloc(model_largest_parameter(model), sizeof *buffer, &buffer));
    q_status status = q_hasher_create(&hashers[0]);
    if (!status)
        status = q_hasher_create(&hashers[1]);
    for (size_t i = 0; i < count && !status; i++) {
        status = optimizer_get_weight(optimizer, &parameters[i], buffer);
        add_floats(hashers[0], buffer, status ? 0 : parameters[i].count);
        for (int moment = OPTIMIZER_M; moment <= OPTIMIZER_V && !status && parameters[i].kind != MODEL_BIAS; moment++) {
            status = optimizer_get(optimizer, (enum optimizer_arena)moment, &parameters[i], buffer);
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

static q_status add_tensor(const struct tensor_set *set, const char *folder, const char *name, float *piece,
                           struct q_hasher *hasher)
{
    const struct tensor_set_entry *entry = tensor_set_find(set, name);
    if (!entry)
        return q_fail(Q_ERR_INPUT, "'%s' lacks the tensor '%s'", folder, name);
    for (uint64_t first = 0; first < entry->tensor->count; first += PIECE) {
        const uint64_t count = Q_MIN((uint64_t)PIECE, entry->tensor->count - first);
        const struct safetensors_tensor part = safetensors_part(entry->tensor, first, count);
        Q_TRY(safetensors_read_floats(entry->file, &part, piece));
        q_hasher_add(hasher, piece, (size_t)count * sizeof *piece);
    }
    return Q_OK;
}

static q_status hash_set(const struct tensor_set *set, const char *folder, const struct model *outline, bool moments,
                         float *piece, struct q_hasher *hasher)
{
    static const char *const suffixes[] = {".mean", ".square"};
    size_t count;
    const struct model_parameter *parameters = model_parameters(outline, &count);
    for (size_t i = 0; i < count; i++) {
        if (!moments) {
            Q_TRY(add_tensor(set, folder, parameters[i].name, piece, hasher));
            continue;
        }
        for (size_t s = 0; s < 2 && parameters[i].kind != MODEL_BIAS; s++) {
            char name[512];
            snprintf(name, sizeof name, "%s%s", parameters[i].name, suffixes[s]);
            Q_TRY(add_tensor(set, folder, name, piece, hasher));
        }
    }
    return Q_OK;
}

static q_status hash_files(const char *folder, const char *stem, const struct model *outline, q_hash *out)
{
    struct tensor_set set;
    struct q_hasher *hasher = NULL;
    float *piece = NULL;
    q_status status = tensor_set_open(folder, stem, &set);
    if (!status)
        status = q_hasher_create(&hasher);
    if (!status)
        status = q_alloc(PIECE, sizeof *piece, &piece);
    if (!status)
        status = hash_set(&set, folder, outline, strcmp(stem, "optimizer") == 0, piece, hasher);
    if (!status)
        *out = q_hasher_digest(hasher);
    q_release(piece);
    q_hasher_release(hasher);
    tensor_set_close(&set);
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
