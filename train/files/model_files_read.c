/* Reading a model folder back: every file of the set, every tensor once, shapes compared. */
#include "base/check.h"
#include "train/files/model_files.h"
#include "train/files/tensor_set.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* What becomes of the tensors of a set. */
enum purpose { CHECKED, WEIGHTS, MOMENTS, EMA };

struct loading {
    enum purpose purpose;
    const struct model *model;   /* whose table it is */
    struct model *weights;       /* WEIGHTS: the same, to be filled */
    struct optimizer *optimizer; /* MOMENTS, EMA */
    const char *folder;
    struct model_config source; /* what the folder says of itself */
    struct q_arena arena;
    bool *seen; /* one per parameter, per kind of tensor (mean, square) */
    size_t kinds;
    q_hash *copies; /* of the numbers under the second names of shared tensors */
    bool *copies_seen;
    float *buffer;
};

/* Splits "NAME.mean" into the parameter and which moment; weights have no suffix. NULL where the model has no such parameter. */
static const struct model_parameter *parameter_of(const struct loading *loading, const char *name, size_t *kind)
{
    *kind = 0;
    if (loading->purpose != MOMENTS)
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

/* Layers behind the model's own, which the folder calls MTP modules and this model does not have. Any other layer is one of a deeper model, and cutting that
 * would be another model. */
static bool is_of_a_module_left_out(const struct loading *loading, const char *name)
{
    static const char prefix[] = "model.layers.";
    uint64_t layer;
    if (strncmp(name, prefix, sizeof prefix - 1) != 0)
        return false;
    const struct model_config *config = model_get_config(loading->model), *source = &loading->source;
    const char *digits = name + sizeof prefix - 1;
    q_string number = {digits, strspn(digits, "0123456789")};
    return q_parse_u64(number, &layer) == Q_OK &&
           layer >= config->num_hidden_layers + config->num_nextn_predict_layers &&
           layer >= source->num_hidden_layers && layer < source->num_hidden_layers + source->num_nextn_predict_layers;
}

/* The shared tensor that this is a second name of, and its place in model_copies; NULL where it is none. */
static const struct model_parameter *copy_of(const struct loading *loading, const char *name, size_t *place)
{
    size_t count;
    const struct model_parameter *copies = model_copies(loading->model, &count);
    for (*place = 0; *place < count && loading->purpose != MOMENTS; ++*place)
        if (strcmp(copies[*place].name, name) == 0)
            return &copies[*place];
    return NULL;
}

static bool same_shape(const struct model_parameter *parameter, const struct safetensors_tensor *tensor)
{
    return tensor->rank == parameter->rank && tensor->count == parameter->count &&
           tensor->shape[0] == parameter->shape[0];
}

/* Embedding or head of as many ids with other padding: its rows of ids are what there is of it. */
static bool is_padded_otherwise(const struct loading *loading, const struct model_parameter *parameter,
                                const struct safetensors_tensor *tensor)
{
    return loading->purpose == WEIGHTS && model_is_vocabulary(loading->model, parameter) && tensor->rank == 2 &&
           model_config_ids(&loading->source) == model_config_ids(model_get_config(loading->model)) &&
           tensor->shape[0] == loading->source.vocab_size && tensor->shape[1] == parameter->shape[1];
}

static q_status refuse_shape(const struct safetensors *file, const struct safetensors_tensor *tensor,
                             const struct model_parameter *parameter)
{
    return q_fail(Q_ERR_INPUT, "'%s': tensor '%s' has %" PRIu64 " elements in another shape than the model's %zu x %zu",
                  file->path, tensor->name, tensor->count, parameter->shape[0], parameter->shape[1]);
}

/* A second name of a shared tensor: its numbers are compared when all are there (check_copies). */
static q_status load_copy(struct loading *loading, const struct tensor_set_entry *entry,
                          const struct model_parameter *parameter, size_t place)
{
    if (!same_shape(parameter, entry->tensor) && !is_padded_otherwise(loading, parameter, entry->tensor))
        return refuse_shape(entry->file, entry->tensor, parameter);
    Q_TRY(tensor_set_read(entry, loading->buffer));
    loading->copies[place] = q_hash_bytes(loading->buffer, entry->tensor->count * sizeof(float));
    loading->copies_seen[place] = true;
    return Q_OK;
}

/* The buffer holds what was read of a parameter. */
static q_status take(const struct loading *loading, const struct model_parameter *parameter, size_t kind)
{
    if (loading->purpose == WEIGHTS)
        return model_put(loading->weights, parameter, loading->buffer);
    if (loading->purpose == MOMENTS)
        return optimizer_put(loading->optimizer, kind ? OPTIMIZER_V : OPTIMIZER_M, parameter, loading->buffer);
    if (loading->purpose == EMA && parameter->kind != MODEL_BIAS) /* biases are the model's */
        return optimizer_put(loading->optimizer, OPTIMIZER_EMA, parameter, loading->buffer);
    return model_check_finite(parameter, loading->buffer);
}

static q_status load_tensor(struct loading *loading, const struct tensor_set_entry *entry)
{
    const struct safetensors *file = entry->file;
    const struct safetensors_tensor *tensor = entry->tensor;
    size_t kind, place;
    const struct model_parameter *parameter = parameter_of(loading, tensor->name, &kind);
    const struct model_parameter *copy = parameter ? NULL : copy_of(loading, tensor->name, &place);
    if (copy)
        return load_copy(loading, entry, copy, place);
    if (!parameter && (is_of_a_module_left_out(loading, tensor->name) || tensor->count == 0))
        return Q_OK; /* without shared experts transformers stores matrices without elements for them */
    if (!parameter)
        return q_fail(Q_ERR_INPUT, "'%s': tensor '%s' is none of this model's; is config.json that of another?",
                      file->path, tensor->name);
    const bool padded = !same_shape(parameter, tensor) && is_padded_otherwise(loading, parameter, tensor);
    if (!padded && !same_shape(parameter, tensor))
        return refuse_shape(file, tensor, parameter);
    size_t count;
    size_t index = (size_t)(parameter - model_parameters(loading->model, &count)) * loading->kinds + kind;
    if (loading->seen[index])
        return q_fail(Q_ERR_INPUT, "'%s': tensor '%s' is there twice", file->path, tensor->name);
    loading->seen[index] = true;
    Q_TRY(tensor_set_read(entry, loading->buffer));
    const size_t ids = (size_t)model_config_ids(&loading->source) * parameter->shape[1];
    if (padded && ids < parameter->count)
        memset(loading->buffer + ids, 0, (parameter->count - ids) * sizeof *loading->buffer);
    return q_context(take(loading, parameter, kind), "'%s': tensor '%s'", file->path, tensor->name);
}

/* What lies under a second name must be what lies under the first. */
static q_status check_copies(const struct loading *loading, const struct tensor_set *set)
{
    size_t count;
    const struct model_parameter *copies = model_copies(loading->model, &count);
    for (size_t i = 0; i < count; i++) {
        if (!loading->copies_seen[i])
            continue;
        const struct tensor_set_entry *original =
            tensor_set_find(set, model_original(loading->model, &copies[i])->name);
        Q_TRY(tensor_set_read(original, loading->buffer));
        if (!q_hash_equal(q_hash_bytes(loading->buffer, original->tensor->count * sizeof(float)), loading->copies[i]))
            return q_fail(Q_ERR_INPUT,
                          "'%s': tensor '%s' differs from the model's own that it shares; set %s in config.json",
                          loading->folder, copies[i].name,
                          copies[i].layer < 0 ? "'tie_word_embeddings' to false" : "'num_nextn_predict_layers' to 0");
    }
    return Q_OK;
}

static q_status refuse_missing(const struct loading *loading, const struct model_parameter *parameter)
{
    if (parameter->layer >= 0 && (uint64_t)parameter->layer >= model_get_config(loading->model)->num_hidden_layers)
        return q_fail(Q_ERR_INPUT,
                      "'%s' lacks the tensor '%s' of an MTP module; set 'num_nextn_predict_layers' to 0 to go on "
                      "without",
                      loading->folder, parameter->name);
    return q_fail(Q_ERR_INPUT, "'%s' lacks the tensor '%s'; a file of the set may be missing", loading->folder,
                  parameter->name);
}

/* The first parameter without its tensor is an error. */
static q_status check_all_seen(const struct loading *loading)
{
    size_t count;
    const struct model_parameter *parameters = model_parameters(loading->model, &count);
    for (size_t i = 0; i < count; i++) {
        if (loading->purpose == MOMENTS && parameters[i].kind == MODEL_BIAS)
            continue;
        for (size_t kind = 0; kind < loading->kinds; kind++) {
            if (!loading->seen[i * loading->kinds + kind])
                return refuse_missing(loading, &parameters[i]);
        }
    }
    return Q_OK;
}

/* Elements of the largest tensor of model and folder: the folder's padding may be more. */
static size_t largest_tensor(const struct loading *loading, const struct tensor_set *set)
{
    size_t largest = model_largest_parameter(loading->model);
    for (size_t i = 0; i < set->count; i++) {
        const struct safetensors_tensor *tensor = set->entries[i].tensor;
        if (tensor->rank == 2 && tensor->shape[0] == loading->source.vocab_size)
            largest = Q_MAX(largest, (size_t)tensor->count);
    }
    return largest;
}

/* Loads all tensors of a set. */
static q_status load_set(struct loading *loading, const struct tensor_set *set)
{
    size_t count, copy_count;
    Q_TRY(model_config_read(loading->folder, &loading->source));
    (void)model_parameters(loading->model, &count);
    Q_TRY(q_arena_alloc(&loading->arena, count * loading->kinds, sizeof *loading->seen, &loading->seen));
    (void)model_copies(loading->model, &copy_count);
    Q_TRY(q_arena_alloc(&loading->arena, copy_count, sizeof *loading->copies, &loading->copies));
    Q_TRY(q_arena_alloc(&loading->arena, copy_count, sizeof *loading->copies_seen, &loading->copies_seen));
    Q_TRY(q_alloc(largest_tensor(loading, set), sizeof *loading->buffer, &loading->buffer));
    for (size_t i = 0; i < set->count; i++)
        if (!set->entries[i].is_scale)
            Q_TRY(load_tensor(loading, &set->entries[i]));
    Q_TRY(check_all_seen(loading));
    return check_copies(loading, set);
}

static q_status load_and_release(struct loading *loading, const struct tensor_set *set)
{
    q_status status = load_set(loading, set);
    q_release(loading->buffer);
    q_arena_release(&loading->arena);
    return status;
}

static q_status load(struct loading *loading, const char *stem)
{
    struct tensor_set set;
    q_status status = tensor_set_open(loading->folder, stem, &set);
    if (!status && loading->purpose == EMA && set.count == 0)
        optimizer_begin_ema(loading->optimizer);
    else if (!status)
        status = load_and_release(loading, &set);
    tensor_set_close(&set);
    return status;
}

q_status model_files_read(struct model *model, const char *folder)
{
    struct loading loading = {.purpose = WEIGHTS, .model = model, .weights = model, .folder = folder, .kinds = 1};
    return load(&loading, "model");
}

q_status model_files_open(const struct model *outline, const char *folder, const char *stem, struct tensor_set *set)
{
    struct loading loading = {.purpose = CHECKED, .model = outline, .folder = folder, .kinds = 1};
    Q_TRY(tensor_set_open(folder, stem, set));
    if (set->count == 0 && strcmp(stem, "ema") == 0)
        return q_fail(Q_ERR_USAGE, "'%s' holds no average of the parameters; 'train.ema.decay' makes a run keep one",
                      folder);
    return load_and_release(&loading, set);
}

q_status optimizer_files_read(const struct model *model, struct optimizer *optimizer, const char *folder)
{
    struct loading moments = {.purpose = MOMENTS, .model = model, .optimizer = optimizer, .folder = folder, .kinds = 2};
    struct loading ema = {.purpose = EMA, .model = model, .optimizer = optimizer, .folder = folder, .kinds = 1};
    Q_TRY(load(&moments, "optimizer"));
    return optimizer_element_bytes(optimizer, OPTIMIZER_EMA) ? load(&ema, "ema") : Q_OK;
}
