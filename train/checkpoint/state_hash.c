#include "train/checkpoint/state_hash.h"

#include "base/check.h"
#include "base/memory.h"
#include "train/files/tensor_set.h"

#include <math.h>
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

/* One hasher for each member. */
enum { PARAMETERS, MOMENTS, AVERAGE, MEMBERS };

static q_status create_hashers(struct q_hasher *hashers[MEMBERS])
{
    for (int i = 0; i < MEMBERS; i++)
        hashers[i] = NULL;
    for (int i = 0; i < MEMBERS; i++)
        Q_TRY(q_hasher_create(&hashers[i]));
    return Q_OK;
}

static void release_hashers(struct q_hasher *hashers[MEMBERS])
{
    for (int i = 0; i < MEMBERS; i++)
        q_hasher_release(hashers[i]);
}

static bool all_finite(const op_acc *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!isfinite((float)values[i])) /* as it would be stored */
            return false;
    return true;
}

/* What the optimizer has of a parameter. *finite becomes false where a number of it is not. */
static q_status add_arenas(const struct optimizer *optimizer, const struct model_parameter *parameter, op_acc *buffer,
                           struct q_hasher *hashers[MEMBERS], bool *finite)
{
    static const int member[] = {[OPTIMIZER_M] = MOMENTS, [OPTIMIZER_V] = MOMENTS, [OPTIMIZER_EMA] = AVERAGE};
    for (int i = 0; i < OPTIMIZER_ARENAS; i++) {
        const enum optimizer_arena arena = (enum optimizer_arena)i;
        if (!optimizer_element_bytes(optimizer, arena))
            continue;
        Q_TRY(optimizer_get(optimizer, arena, parameter, buffer));
        add_floats(hashers[member[arena]], buffer, parameter->count);
        *finite = *finite && all_finite(buffer, parameter->count);
    }
    return Q_OK;
}

q_status state_hash(const struct model *model, const struct optimizer *optimizer, struct state_hashes *out)
{
    size_t count;
    struct q_hasher *hashers[MEMBERS];
    const struct model_parameter *parameters = model_parameters(model, &count);
    op_acc *buffer = NULL;
    const char *not_finite = NULL;
    q_status status = create_hashers(hashers);
    if (!status)
        status = q_alloc(model_largest_parameter(model), sizeof *buffer, &buffer);
    for (size_t i = 0; i < count && !status; i++) {
        status = optimizer_get_weight(optimizer, &parameters[i], buffer);
        add_floats(hashers[PARAMETERS], buffer, status ? 0 : parameters[i].count);
        bool finite = status || all_finite(buffer, parameters[i].count);
        if (!status && parameters[i].kind != MODEL_BIAS)
            status = add_arenas(optimizer, &parameters[i], buffer, hashers, &finite);
        if (!finite && !not_finite)
            not_finite = parameters[i].name;
    }
    if (!status)
        *out = (struct state_hashes){q_hasher_digest(hashers[PARAMETERS]), q_hasher_digest(hashers[MOMENTS]),
                                     q_hasher_digest(hashers[AVERAGE]),
                                     optimizer_element_bytes(optimizer, OPTIMIZER_EMA) > 0, not_finite};
    release_hashers(hashers);
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

/* Of `member`, what the set has of each tensor. */
static q_status hash_set(const struct tensor_set *set, const char *folder, const struct model *outline, int member,
                         float *piece, struct q_hasher *hasher)
{
    static const char *const suffixes[MEMBERS][2] = {
        [PARAMETERS] = {""}, [MOMENTS] = {".mean", ".square"}, [AVERAGE] = {""}};
    size_t count;
    const struct model_parameter *parameters = model_parameters(outline, &count);
    for (size_t i = 0; i < count; i++)
        for (size_t s = 0; s < 2 && suffixes[member][s]; s++) {
            char name[512];
            if (member != PARAMETERS && parameters[i].kind == MODEL_BIAS)
                continue;
            snprintf(name, sizeof name, "%s%s", parameters[i].name, suffixes[member][s]);
            Q_TRY(add_tensor(set, folder, name, piece, hasher));
        }
    return Q_OK;
}

/* *there = false: the folder has no such set. Of an EMA that is no error. */
static q_status hash_files(const char *folder, int member, const struct model *outline, q_hash *out, bool *there)
{
    static const char *const stems[MEMBERS] = {[PARAMETERS] = "model", [MOMENTS] = "optimizer", [AVERAGE] = "ema"};
    struct tensor_set set;
    struct q_hasher *hasher = NULL;
    float *piece = NULL;
    q_status status = tensor_set_open(folder, stems[member], &set);
    *there = set.count > 0;
    if (!status)
        status = q_hasher_create(&hasher);
    if (!status)
        status = q_alloc(PIECE, sizeof *piece, &piece);
    if (!status && (*there || member != AVERAGE))
        status = hash_set(&set, folder, outline, member, piece, hasher);
    if (!status)
        *out = q_hasher_digest(hasher);
    q_release(piece);
    q_hasher_release(hasher);
    tensor_set_close(&set);
    return status;
}

q_status state_hash_files(const char *folder, const struct model *outline, struct state_hashes *out)
{
    bool there;
    out->not_finite = NULL;
    Q_TRY(hash_files(folder, PARAMETERS, outline, &out->parameters, &there));
    Q_TRY(hash_files(folder, MOMENTS, outline, &out->moments, &there));
    return hash_files(folder, AVERAGE, outline, &out->ema, &out->has_ema);
}

q_status state_hashes_put(const struct state_hashes *hashes, json_t *object)
{
    char hex[Q_HASH_HEX];
    Q_TRY(q_json_set(object, "parameters", json_string(q_hash_hex(hashes->parameters, hex))));
    Q_TRY(q_json_set(object, "moments", json_string(q_hash_hex(hashes->moments, hex))));
    return hashes->has_ema ? q_json_set(object, "ema", json_string(q_hash_hex(hashes->ema, hex))) : Q_OK;
}

static q_status read_hash(const json_t *object, const char *name, const char *member, q_hash *out)
{
    q_string hex;
    Q_TRY(q_json_get_string(object, name, member, &hex));
    return q_hash_parse(hex, out);
}

q_status state_hashes_read(const json_t *object, const char *name, struct state_hashes *out, bool *found)
{
    *found = json_object_get(object, "parameters") && json_object_get(object, "moments");
    out->has_ema = *found && json_object_get(object, "ema");
    out->not_finite = NULL;
    if (!*found)
        return Q_OK;
    Q_TRY(read_hash(object, name, "parameters", &out->parameters));
    Q_TRY(read_hash(object, name, "moments", &out->moments));
    return out->has_ema ? read_hash(object, name, "ema", &out->ema) : Q_OK;
}

const char *state_hashes_differ(const struct state_hashes *a, const struct state_hashes *b)
{
    if (!q_hash_equal(a->parameters, b->parameters))
        return "parameters";
    if (!q_hash_equal(a->moments, b->moments))
        return "moments";
    return a->has_ema && b->has_ema && !q_hash_equal(a->ema, b->ema) ? "averages" : NULL;
}
