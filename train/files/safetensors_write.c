/* Writing: the header says it all beforehand, so the data goes out as it comes. */
#include "base/check.h"
#include "base/json.h"
#include "train/bfloat16.h"
#include "train/files/safetensors.h"

#include <math.h>

enum { CHUNK = 1 << 16 };

q_status safetensors_declare(struct safetensors_writer *writer, const char *name, enum safetensors_type type,
                             unsigned rank, const uint64_t *shape)
{
    q_check(rank <= SAFETENSORS_RANK_MAX && writer->next == 0);
    Q_TRY(q_grow(&writer->tensors, &writer->capacity, writer->count + 1, sizeof(*writer->tensors)));
    struct safetensors_tensor *tensor = &writer->tensors[writer->count];
    *tensor = (struct safetensors_tensor){.type = type, .rank = rank, .count = 1, .begin = writer->data_bytes};
    for (unsigned i = 0; i < rank; i++) {
        tensor->shape[i] = shape[i];
        q_check(q_mul_u64(tensor->count, shape[i], &tensor->count));
    }
    tensor->bytes = tensor->count * safetensors_type_bytes(type);
    Q_TRY(q_arena_cstring(&writer->arena, q_string_of(name), &tensor->name));
    writer->data_bytes += tensor->bytes;
    writer->count++;
    return Q_OK;
}

static q_status format_header(const struct safetensors_writer *writer, struct q_buffer *text)
{
    struct q_json json = q_json_begin(text);
    q_json_open(&json, NULL, '{');
    q_json_open(&json, "__metadata__", '{');
    q_json_put_string(&json, "format", Q_STRING("pt"));
    q_json_close(&json, '}');
    for (size_t i = 0; i < writer->count; i++) {
        const struct safetensors_tensor *tensor = &writer->tensors[i];
        q_json_open(&json, tensor->name, '{');
        q_json_put_string(&json, "dtype", q_string_of(safetensors_type_name(tensor->type)));
        q_json_open(&json, "shape", '[');
        for (unsigned j = 0; j < tensor->rank; j++)
            q_json_put_u64(&json, NULL, tensor->shape[j]);
        q_json_close(&json, ']');
        q_json_open(&json, "data_offsets", '[');
        q_json_put_u64(&json, NULL, tensor->begin);
        q_json_put_u64(&json, NULL, tensor->begin + tensor->bytes);
        q_json_close(&json, ']');
        q_json_close(&json, '}');
    }
    q_json_close(&json, '}');
    Q_TRY(q_json_end(&json));
    while (text->size % 8 != 0)
        Q_TRY(q_buffer_append_byte(text, ' '));
    return Q_OK;
}

q_status safetensors_begin(struct safetensors_writer *writer, const char *path)
{
    struct q_buffer text = {0};
    q_status status;
    Q_TRY_GOTO(done, format_header(writer, &text));
    Q_TRY_GOTO(done, q_hasher_create(&writer->hasher));
    Q_TRY_GOTO(done, q_publish_open(&writer->publish, path));
    uint64_t length = text.size;
    Q_TRY_GOTO(done, q_publish_write(&writer->publish, &length, sizeof(length)));
    status = q_publish_write(&writer->publish, text.data, text.size);
done:
    q_buffer_release(&text);
    return status;
}

static q_status write_next(struct safetensors_writer *writer, enum safetensors_type type, const void *values,
                           uint64_t count)
{
    q_check(writer->next < writer->count);
    struct safetensors_tensor *tensor = &writer->tensors[writer->next];
    q_check(tensor->type == type && count <= tensor->count - writer->filled);
    uint64_t bytes = count * safetensors_type_bytes(type);
    writer->filled += count;
    q_hasher_add(writer->hasher, values, (size_t)bytes);
    if (writer->filled == tensor->count) {
        tensor->hash = q_hasher_digest(writer->hasher);
        q_hasher_reset(writer->hasher);
        writer->next++;
        writer->filled = 0;
    }
    return q_publish_write(&writer->publish, values, (size_t)bytes);
}

static q_status write_bf16(struct safetensors_writer *writer, const float *values, uint64_t count)
{
    uint16_t *chunk;
    const char *name = writer->tensors[writer->next].name;
    q_status status = Q_OK;
    Q_TRY(q_alloc(CHUNK, sizeof *chunk, &chunk));
    uint64_t first = 0;
    do { /* a tensor without elements is written too */
        size_t part = (size_t)Q_MIN((uint64_t)CHUNK, count - first);
        for (size_t i = 0; i < part && !status; i++) {
            chunk[i] = bfloat16_of_float(values[first + i]);
            if ((chunk[i] & 0x7fff) == 0x7f80 && isfinite(values[first + i]))
                status =
                    q_fail(Q_ERR_INPUT, "tensor '%s' holds %g, which BF16 cannot", name, (double)values[first + i]);
        }
        if (!status)
            status = write_next(writer, SAFETENSORS_BF16, chunk, part);
        first += part;
    } while (first < count && !status);
    q_release(chunk);
    return status;
}

q_status safetensors_write_floats(struct safetensors_writer *writer, const float *values, uint64_t count)
{
    q_check(writer->next < writer->count);
    if (writer->tensors[writer->next].type == SAFETENSORS_BF16)
        return write_bf16(writer, values, count);
    return write_next(writer, SAFETENSORS_F32, values, count);
}

q_status safetensors_write_i64(struct safetensors_writer *writer, const int64_t *values, uint64_t count)
{
    return write_next(writer, SAFETENSORS_I64, values, count);
}

static void clear(struct safetensors_writer *writer)
{
    q_hasher_release(writer->hasher);
    q_release(writer->tensors);
    q_arena_release(&writer->arena);
    *writer = (struct safetensors_writer){0};
}

q_status safetensors_commit(struct safetensors_writer *writer, struct q_file_identity *identity)
{
    q_check(writer->next == writer->count);
    q_status status = q_publish_commit(&writer->publish, identity);
    clear(writer);
    return status;
}

void safetensors_abandon(struct safetensors_writer *writer)
{
    q_publish_abandon(&writer->publish);
    clear(writer);
}
