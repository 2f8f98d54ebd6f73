/* Reading a model folder back: every file of the set, every tensor once, shapes compared. */
#include "base/check.h"
#include "base/fs.h"
#include "train/model_files.h"
#include "train/safetensors.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct loading {
    struct model *model;
    struct optimizer *optimizer; /* NULL: weights */
    const char *folder;
    struct q_arena arena;
    bool *seen; /* one per parameter, per kind of tensor (mean, square) */
    size_t kinds;
    float *buffer;
};

/* Splits "NAME.mean" into the parameter and which moment; weights have no suffix. NULL where the model has no such parameter. */
static const struct model_parameter *parameter_of(const struct loading *loading, const char *name, size_t *kind)
{
    *kind = 0;
    if (!loading->optimizer)
        return model_find_parameter(loading->model, name);
    char stem[256];
    q_string text = q_string_of(name);
    *kind = q_string_ends(text, ".square");
    size_t cut = *kind ? sizeof ".square" - 1 : sizeof ".mean" - 1;
    if (text.size < cut || text.size - cut >= sizeof stem || !(*kind || q_string_ends(text, ".mean")))
        return NULL;
    memcpy(stem, name, text.size - cut);
    stem[text.size - cut] = '\0';
    return model_find_parameter(loading->model, stem);
}

/* Tensors of layers behind the last one belong to MTP modules. */
static bool is_of_a_later_layer(const struct loading *loading, const char *name)
{
    static const char prefix[] = "model.layers.";
    uint64_t layer;
    if (strncmp(name, prefix, sizeof prefix - 1) != 0)
        return false;
    const char *digits = name + sizeof prefix - 1;
    q_string number = {digits, strspn(digits, "0123456789")};
    return q_parse_u64(number, &layer) == Q_OK && layer >= model_get_config(loading->model)->num_hidden_layers;
}

static bool same_shape(const struct model_parameter *parameter, const struct safetensors_tensor *tensor)
{
    return tensor->rank == parameter->rank && tensor->count == parameter->count &&
           tensor->shape[0] == parameter->shape[0];
}

static q_status load_tensor(struct loading *loading, const struct safetensors *file,
                            const struct safetensors_tensor *tensor)
{
    size_t kind;
    const struct model_parameter *parameter = parameter_of(loading, tensor->name, &kind);
    if (!parameter && (is_of_a_later_layer(loading, tensor->name) || tensor->count == 0))
        return Q_OK; /* without shared experts transformers stores matrices without elements for them */
    if (!parameter)
        return q_fail(Q_ERR_INPUT, "'%s': tensor '%s' is none of this model's; is config.json that of another?",
                      file->path, tensor->name);
    if (!same_shape(parameter, tensor))
        return q_fail(Q_ERR_INPUT,
                      "'%s': tensor '%s' has %" PRIu64 " elements in another shape than the model's %zu x %zu",
                      file->path, tensor->name, tensor->count, parameter->shape[0], parameter->shape[1]);
    size_t count;
    size_t index = (size_t)(parameter - model_parameters(loading->model, &count)) * loading->kinds + kind;
    if (loading->seen[index])
        return q_fail(Q_ERR_INPUT, "'%s': tensor '%s' is there twice", file->path, tensor->name);
    loading->seen[index] = true;
    Q_TRY(safetensors_read_floats(file, tensor, loading->buffer));
    q_status status = loading->optimizer ? optimizer_put(loading->optimizer, kind ? OPTIMIZER_V : OPTIMIZER_M,
                                                         parameter, loading->buffer)
                                         : model_put(loading->model, parameter, loading->buffer);
    return q_context(status, "'%s': tensor '%s'", file->path, tensor->name);
}

static q_status load_file(struct loading *loading, const char *name)
{
    const char *path;
    Q_TRY(q_fs_join(&loading->arena, loading->folder, name, &path));
    struct safetensors file = {0};
    q_status status = safetensors_open(path, &file);
    for (size_t i = 0; i < file.count && !status; i++)
        status = load_tensor(loading, &file, &file.tensors[i]);
    safetensors_close(&file);
    return status;
}

/* The first parameter without its tensor is an error. */
static q_status check_all_seen(const struct loading *loading)
{
    size_t count;
    const struct model_parameter *parameters = model_parameters(loading->model, &count);
    for (size_t i = 0; i < count; i++) {
        if (loading->optimizer && parameters[i].kind == MODEL_BIAS)
            continue;
        for (size_t kind = 0; kind < loading->kinds; kind++) {
            if (!loading->seen[i * loading->kinds + kind])
                return q_fail(Q_ERR_INPUT, "'%s' lacks the tensor '%s'; a file of the set may be missing",
                              loading->folder, parameters[i].name);
        }
    }
    return Q_OK;
}

/* Loads STEM.safetensors and STEM-*.safetensors. */
static q_status load_set(struct loading *loading, const char *stem)
{
    size_t count, largest = 0, names_count;
    const struct model_parameter *parameters = model_parameters(loading->model, &count);
    for (size_t i = 0; i < count; i++)
        largest = Q_MAX(largest, parameters[i].count);
    Q_TRY(q_arena_alloc(&loading->arena, count * loading->kinds, sizeof *loading->seen, &loading->seen));
    Q_TRY(q_alloc(largest, sizeof *loading->buffer, &loading->buffer));
    const char **names;
    Q_TRY(q_fs_list(loading->folder, &loading->arena, &names, &names_count));
    size_t stem_size = strlen(stem);
    for (size_t i = 0; i < names_count; i++) {
        char behind = strncmp(names[i], stem, stem_size) == 0 ? names[i][stem_size] : '\0';
        if ((behind == '-' || behind == '.') && q_string_ends(q_string_of(names[i]), ".safetensors"))
            Q_TRY(load_file(loading, names[i]));
    }
    return check_all_seen(loading);
}

static q_status load(struct loading *loading, const char *stem)
{
    q_status status = load_set(loading, stem);
    q_release(loading->buffer);
    q_arena_release(&loading->arena);
    return status;
}

q_status model_files_read(struct model *model, const char *folder)
{
    struct loading loading = {.model = model, .folder = folder, .kinds = 1};
    return load(&loading, "model");
}

q_status optimizer_files_read(const struct model *model, struct optimizer *optimizer, const char *folder)
{
    /* The model is only asked for its table here. */
    struct loading loading = {
        .model = (struct model *)(uintptr_t)model, .optimizer = optimizer, .folder = folder, .kinds = 2};
    return load(&loading, "optimizer");
}
