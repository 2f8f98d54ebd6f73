#include "golden.h"

#include "base/check.h"
#include "base/fs.h"

#include <math.h>

static q_status read_ids(struct golden *g, const struct safetensors *file, const char *name, int32_t **out)
{
    const struct safetensors_tensor *tensor = safetensors_find(file, name);
    q_check(tensor && tensor->rank == 3);
    g->steps = (size_t)tensor->shape[0];
    g->batch = (size_t)tensor->shape[1];
    g->sequence = (size_t)tensor->shape[2];
    int64_t *wide;
    Q_TRY(q_arena_alloc(&g->arena, (size_t)tensor->count, sizeof(*wide), &wide));
    Q_TRY(q_arena_alloc(&g->arena, (size_t)tensor->count, sizeof(**out), out));
    Q_TRY(safetensors_read_i64(file, tensor, wide));
    for (size_t i = 0; i < tensor->count; i++)
        (*out)[i] = (int32_t)wide[i];
    return Q_OK;
}

static q_status read_batch(struct golden *g)
{
    const char *path;
    struct safetensors file;
    Q_TRY(q_fs_join(&g->arena, g->folder, "batch.safetensors", &path));
    q_status status = safetensors_open(path, &file);
    if (status == Q_OK)
        status = read_ids(g, &file, "ids", &g->ids);
    if (status == Q_OK)
        status = read_ids(g, &file, "targets", &g->targets);
    safetensors_close(&file);
    return status;
}

static q_status read_weights(struct golden *g)
{
    const char *path;
    struct safetensors file;
    size_t count, found = 0;
    const struct model_parameter *parameters = model_parameters(g->model, &count);
    Q_TRY(q_fs_join(&g->arena, g->folder, "model/model.safetensors", &path));
    Q_TRY(safetensors_open(path, &file));
    q_check(file.count == count);
    for (size_t i = 0; i < file.count; i++) {
        const struct model_parameter *p = model_find_parameter(g->model, file.tensors[i].name);
        q_check(p && p->count == file.tensors[i].count && p->rank == file.tensors[i].rank &&
                p->shape[0] == file.tensors[i].shape[0]);
        float *values;
        Q_TRY(q_arena_alloc(&g->arena, p->count, sizeof(*values), &values));
        Q_TRY(safetensors_read_floats(&file, &file.tensors[i], values));
        Q_TRY(model_put(g->model, p, values));
        found++;
    }
    safetensors_close(&file);
    q_check(found == count && parameters);
    return Q_OK;
}

q_status golden_load(const char *folder, const struct op_table *ops, unsigned threads, struct golden *g)
{
    *g = (struct golden){.folder = folder, .ops = ops};
    const char *path;
    Q_TRY(q_fs_join(&g->arena, folder, "model", &path));
    Q_TRY(model_config_read(path, &g->config));
    Q_TRY(read_batch(g));
    Q_TRY(q_pool_create(threads, &g->pool));
    Q_TRY(ops->create(g->pool, &g->context));
    struct model_shape shape = {g->batch, g->sequence, true};
    Q_TRY(model_create(&g->config, ops, g->context, &shape, &g->model));
    Q_TRY(read_weights(g));
    Q_TRY(q_fs_join(&g->arena, folder, "expect.safetensors", &path));
    Q_TRY(safetensors_open(path, &g->expect));
    Q_TRY(q_fs_join(&g->arena, folder, "expect.json", &path));
    return q_json_read_file(path, 1 << 20, &g->numbers);
}

void golden_release(struct golden *g)
{
    model_release(g->model);
    if (g->ops)
        g->ops->release(g->context);
    q_pool_release(g->pool);
    safetensors_close(&g->expect);
    json_decref(g->numbers);
    q_arena_release(&g->arena);
}

struct model_batch golden_batch(const struct golden *g, size_t step)
{
    size_t at = step * g->batch * g->sequence;
    return (struct model_batch){g->batch, g->sequence, g->ids + at, g->targets + at};
}

q_status golden_expect(const struct golden *g, const char *prefix, const char *name, uint64_t count, float **out)
{
    struct q_buffer full = {0};
    Q_TRY(q_buffer_printf(&full, "%s%s", prefix, name));
    Q_TRY(q_buffer_terminate(&full));
    const struct safetensors_tensor *tensor = safetensors_find(&g->expect, full.data);
    q_check(tensor && tensor->count == count);
    q_buffer_release(&full);
    Q_TRY(q_alloc((size_t)count, sizeof(float), out));
    return safetensors_read_floats(&g->expect, tensor, *out);
}

double golden_difference(const float *a, const float *b, size_t count)
{
    double distance = 0, length = 0;
    for (size_t i = 0; i < count; i++) {
        distance += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        length += (double)b[i] * (double)b[i];
    }
    return length > 0 ? sqrt(distance / length) : sqrt(distance);
}
