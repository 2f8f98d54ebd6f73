/* Reading: the header is checked as a whole before any tensor is given out. */
#include "train/files/safetensors.h"

#include "base/check.h"
#include "base/json.h"
#include "train/bfloat16.h"

#include <errno.h>
#include <stdlib.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "tensors are read and written as they lie in memory");

enum { HEADER_BYTES_MAX = 100 * 1000 * 1000, CHUNK = 1 << 16 };

static const struct {
    const char *name;
    unsigned bytes;
} types[] = {
    [SAFETENSORS_F32] = {"F32", 4}, [SAFETENSORS_BF16] = {"BF16", 2},       [SAFETENSORS_F16] = {"F16", 2},
    [SAFETENSORS_F64] = {"F64", 8}, [SAFETENSORS_I64] = {"I64", 8},         [SAFETENSORS_I32] = {"I32", 4},
    [SAFETENSORS_U8] = {"U8", 1},   [SAFETENSORS_F8_E4M3] = {"F8_E4M3", 1},
};

const char *safetensors_type_name(enum safetensors_type type)
{
    return types[type].name;
}

uint64_t safetensors_type_bytes(enum safetensors_type type)
{
    return types[type].bytes;
}

static q_status parse_type(const struct safetensors *file, struct safetensors_tensor *tensor, const json_t *entry)
{
    q_string name;
    Q_TRY(q_json_get_string(entry, file->path, "dtype", &name));
    for (size_t i = 0; i < Q_COUNT_OF(types); i++)
        if (q_string_is(name, types[i].name)) {
            tensor->type = (enum safetensors_type)i;
            return Q_OK;
        }
    return q_fail(Q_ERR_INPUT, "%s: tensor '%s' has the unknown type '%.*s'", file->path, tensor->name,
                  Q_STRING_ARGS(name));
}

static q_status parse_shape(const struct safetensors *file, struct safetensors_tensor *tensor, const json_t *entry)
{
    json_t *shape;
    Q_TRY(q_json_get_array(entry, file->path, "shape", &shape));
    if (json_array_size(shape) > SAFETENSORS_RANK_MAX)
        return q_fail(Q_ERR_INPUT, "%s: tensor '%s' has %zu dimensions; at most %d are read", file->path, tensor->name,
                      json_array_size(shape), SAFETENSORS_RANK_MAX);
    tensor->rank = (unsigned)json_array_size(shape);
    tensor->count = 1;
    for (unsigned i = 0; i < tensor->rank; i++) {
        const json_t *size = json_array_get(shape, i);
        if (!json_is_integer(size) || json_integer_value(size) < 0)
            return q_fail(Q_ERR_INPUT, "%s: tensor '%s' has a shape that is no list of sizes", file->path,
                          tensor->name);
        tensor->shape[i] = (uint64_t)json_integer_value(size);
        if (!q_mul_u64(tensor->count, tensor->shape[i], &tensor->count))
            return q_fail(Q_ERR_INPUT, "%s: tensor '%s' has more elements than can be counted", file->path,
                          tensor->name);
    }
    return Q_OK;
}

static q_status parse_place(const struct safetensors *file, struct safetensors_tensor *tensor, const json_t *entry,
                            uint64_t data_start, uint64_t data_bytes)
{
    json_t *offsets;
    Q_TRY(q_json_get_array(entry, file->path, "data_offsets", &offsets));
    const json_t *begin = json_array_get(offsets, 0), *end = json_array_get(offsets, 1);
    if (json_array_size(offsets) != 2 || !json_is_integer(begin) || !json_is_integer(end) ||
        json_integer_value(begin) < 0 || json_integer_value(end) < json_integer_value(begin) ||
        (uint64_t)json_integer_value(end) > data_bytes)
        return q_fail(Q_ERR_INPUT, "%s: tensor '%s' does not lie inside the file", file->path, tensor->name);
    uint64_t bytes;
    tensor->bytes = (uint64_t)(json_integer_value(end) - json_integer_value(begin));
    tensor->begin = data_start + (uint64_t)json_integer_value(begin);
    if (!q_mul_u64(tensor->count, types[tensor->type].bytes, &bytes) || bytes != tensor->bytes)
        return q_fail(Q_ERR_INPUT, "%s: tensor '%s' has %llu bytes, which its shape and type do not make", file->path,
                      tensor->name, (unsigned long long)tensor->bytes);
    return Q_OK;
}

static int compare_begin(const void *a, const void *b)
{
    const struct safetensors_tensor *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return x->bytes != y->bytes ? (x->bytes < y->bytes ? -1 : 1) : strcmp(x->name, y->name);
}

/* In the order of the data, each tensor begins where the one before ends, and the last one ends with the file. */
static q_status check_cover(const struct safetensors *file, uint64_t data_start, uint64_t data_bytes)
{
    uint64_t at = data_start;
    for (size_t i = 0; i < file->count; i++) {
        const struct safetensors_tensor *tensor = &file->tensors[i];
        if (tensor->begin != at)
            return q_fail(Q_ERR_INPUT, "%s: tensor '%s' %s", file->path, tensor->name,
                          tensor->begin < at ? "overlaps another one" : "leaves a gap before it");
        at += tensor->bytes;
    }
    if (at != data_start + data_bytes)
        return q_fail(Q_ERR_INPUT, "%s: %llu bytes behind the last tensor belong to none", file->path,
                      (unsigned long long)(data_start + data_bytes - at));
    return Q_OK;
}

static q_status parse_header(struct safetensors *file, const json_t *header, uint64_t data_start, uint64_t data_bytes)
{
    const char *name;
    json_t *entry;
    if (!json_is_object(header))
        return q_fail(Q_ERR_INPUT, "%s: the header is not a JSON object", file->path);
    Q_TRY(q_arena_alloc(&file->arena, json_object_size(header), sizeof(*file->tensors), &file->tensors));
    json_object_foreach((json_t *)header, name, entry)
    {
        if (strcmp(name, "__metadata__") == 0)
            continue;
        if (!json_is_object(entry))
            return q_fail(Q_ERR_INPUT, "%s: tensor '%s' is described by no object", file->path, name);
        struct safetensors_tensor *tensor = &file->tensors[file->count++];
        Q_TRY(q_arena_cstring(&file->arena, q_string_of(name), &tensor->name));
        Q_TRY(parse_type(file, tensor, entry));
        Q_TRY(parse_shape(file, tensor, entry));
        Q_TRY(parse_place(file, tensor, entry, data_start, data_bytes));
    }
    qsort(file->tensors, file->count, sizeof(*file->tensors), compare_begin);
    return check_cover(file, data_start, data_bytes);
}

static q_status read_header(struct safetensors *file, struct q_buffer *text)
{
    struct stat stat;
    uint64_t length = 0;
    if (q_fs()->fstat(file->fd, &stat) != 0)
        return q_fail_errno(errno, "cannot look at '%s'", file->path);
    uint64_t size = (uint64_t)stat.st_size;
    if (size < sizeof(length))
        return q_fail(Q_ERR_INPUT, "%s: no safetensors file: it is shorter than its first field", file->path);
    Q_TRY(q_fs_read_at(file->fd, file->path, 0, &length, sizeof(length)));
    if (length > HEADER_BYTES_MAX || length > size - sizeof(length))
        return q_fail(Q_ERR_INPUT, "%s: no safetensors file: a header of %llu bytes is too long", file->path,
                      (unsigned long long)length);
    Q_TRY(q_buffer_reserve(text, (size_t)length));
    Q_TRY(q_fs_read_at(file->fd, file->path, sizeof(length), text->data, (size_t)length));
    text->size = (size_t)length;
    json_t *header;
    Q_TRY(q_json_parse(q_buffer_string(text), file->path, &header));
    q_status status = parse_header(file, header, sizeof(length) + length, size - sizeof(length) - length);
    json_decref(header);
    return status;
}

q_status safetensors_open(const char *path, struct safetensors *out)
{
    *out = (struct safetensors){.fd = -1};
    struct q_buffer text = {0};
    q_status status;
    Q_TRY_GOTO(done, q_arena_cstring(&out->arena, q_string_of(path), &out->path));
    Q_TRY_GOTO(done, q_fs_open_read(path, &out->fd));
    status = read_header(out, &text);
done:
    q_buffer_release(&text);
    return status;
}

void safetensors_close(struct safetensors *file)
{
    if (file->path)
        q_fs_close(file->fd);
    q_arena_release(&file->arena);
    *file = (struct safetensors){.fd = -1};
}

const struct safetensors_tensor *safetensors_find(const struct safetensors *file, const char *name)
{
    for (size_t i = 0; i < file->count; i++)
        if (strcmp(file->tensors[i].name, name) == 0)
            return &file->tensors[i];
    return NULL;
}

struct safetensors_tensor safetensors_part(const struct safetensors_tensor *tensor, uint64_t first, uint64_t count)
{
    q_check(first <= tensor->count && count <= tensor->count - first);
    uint64_t bytes = types[tensor->type].bytes;
    return (struct safetensors_tensor){.name = tensor->name,
                                       .type = tensor->type,
                                       .rank = 1,
                                       .shape = {count},
                                       .count = count,
                                       .begin = tensor->begin + first * bytes,
                                       .bytes = count * bytes};
}

static float float_of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

/* IEEE binary16: 1 sign, 5 exponent (bias 15), 10 fraction. */
static float float_of_half(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = (half >> 10) & 31, fraction = half & 1023U;
    if (exponent == 31)
        return float_of_bits(sign | 0x7f800000U | fraction << 13);
    if (exponent == 0)
        return (sign ? -1.0F : 1.0F) * (float)fraction * 0x1p-24F;
    return float_of_bits(sign | (exponent + 112) << 23 | fraction << 13);
}

/* E4M3FN (Micikevicius et al., arXiv 2209.05433): 1 sign, 4 exponent (bias 7), 3 fraction; no infinities, all ones is NaN, the largest is 448. */
static float float_of_f8(uint8_t code)
{
    uint32_t sign = (uint32_t)(code & 0x80) << 24, exponent = (code >> 3) & 15, fraction = code & 7U;
    if ((code & 0x7f) == 0x7f)
        return float_of_bits(sign | 0x7ff00000U);
    if (exponent == 0)
        return (sign ? -1.0F : 1.0F) * (float)fraction * 0x1p-9F;
    return float_of_bits(sign | (exponent + 120) << 23 | fraction << 20);
}

static void widen(enum safetensors_type type, const void *from, size_t count, float *to)
{
    const uint16_t *wide = from;
    const uint8_t *narrow = from;
    for (size_t i = 0; i < count; i++)
        to[i] = type == SAFETENSORS_BF16  ? bfloat16_to_float(wide[i])
                : type == SAFETENSORS_F16 ? float_of_half(wide[i])
                                          : float_of_f8(narrow[i]);
}

q_status safetensors_read_floats(const struct safetensors *file, const struct safetensors_tensor *tensor, float *out)
{
    if (tensor->type == SAFETENSORS_F32)
        return q_fs_read_at(file->fd, file->path, tensor->begin, out, (size_t)tensor->bytes);
    if (tensor->type != SAFETENSORS_BF16 && tensor->type != SAFETENSORS_F16 && tensor->type != SAFETENSORS_F8_E4M3)
        return q_fail(Q_ERR_INPUT, "%s: tensor '%s' of type %s cannot be read as floats", file->path, tensor->name,
                      types[tensor->type].name);
    const uint64_t bytes = types[tensor->type].bytes;
    uint16_t *chunk;
    q_status status = Q_OK;
    Q_TRY(q_alloc(CHUNK, sizeof(*chunk), &chunk));
    for (uint64_t first = 0; first < tensor->count && status == Q_OK; first += CHUNK) {
        size_t count = (size_t)Q_MIN((uint64_t)CHUNK, tensor->count - first);
        status = q_fs_read_at(file->fd, file->path, tensor->begin + first * bytes, chunk, (size_t)(count * bytes));
        if (status == Q_OK)
            widen(tensor->type, chunk, count, out + first);
    }
    q_release(chunk);
    return status;
}

q_status safetensors_read_i64(const struct safetensors *file, const struct safetensors_tensor *tensor, int64_t *out)
{
    if (tensor->type == SAFETENSORS_I64)
        return q_fs_read_at(file->fd, file->path, tensor->begin, out, (size_t)tensor->bytes);
    if (tensor->type != SAFETENSORS_I32)
        return q_fail(Q_ERR_INPUT, "%s: tensor '%s' of type %s cannot be read as whole numbers", file->path,
                      tensor->name, types[tensor->type].name);
    int32_t *chunk;
    q_status status = Q_OK;
    Q_TRY(q_alloc(CHUNK, sizeof(*chunk), &chunk));
    for (uint64_t first = 0; first < tensor->count && status == Q_OK; first += CHUNK) {
        size_t count = (size_t)Q_MIN((uint64_t)CHUNK, tensor->count - first);
        status =
            q_fs_read_at(file->fd, file->path, tensor->begin + first * sizeof(*chunk), chunk, count * sizeof(*chunk));
        for (size_t i = 0; i < count && status == Q_OK; i++)
            out[first + i] = chunk[i];
    }
    q_release(chunk);
    return status;
}

q_status safetensors_hash(const struct safetensors *file, const struct safetensors_tensor *tensor, q_hash *out)
{
    struct q_hasher *hasher = NULL;
    char *chunk;
    Q_TRY(q_alloc(CHUNK, 1, &chunk));
    q_status status = q_hasher_create(&hasher);
    for (uint64_t first = 0; first < tensor->bytes && !status; first += CHUNK) {
        size_t count = (size_t)Q_MIN((uint64_t)CHUNK, tensor->bytes - first);
        status = q_fs_read_at(file->fd, file->path, tensor->begin + first, chunk, count);
        if (!status)
            q_hasher_add(hasher, chunk, count);
    }
    if (!status)
        *out = q_hasher_digest(hasher);
    q_hasher_release(hasher);
    q_release(chunk);
    return status;
}
