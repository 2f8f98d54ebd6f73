#include "train/files/model_files.h"

#include "base/check.h"
#include "base/fs.h"
#include "base/json.h"
#include "train/files/safetensors.h"

#include <stdlib.h>

/* What of a parameter a file holds. */
enum stored { STORED_WEIGHT, STORED_MEAN, STORED_SQUARE, STORED_EMA, STORED_END };

static const char *const stored_suffix[] = {"", ".mean", ".square", ""};

/* A set of files: what it is called, and what it holds of each parameter, in this order. */
struct stored_set {
    const char *stem;
    enum stored holds[3];
};
static const struct stored_set model_set = {"model", {STORED_WEIGHT, STORED_END}},
                               optimizer_set = {"optimizer", {STORED_MEAN, STORED_SQUARE, STORED_END}},
                               ema_set = {"ema", {STORED_EMA, STORED_END}};

/* Everything that writing a set of files needs; `buffer` holds the largest parameter. */
struct storing {
    const struct stored_set *set;
    const struct model *model;
    const struct optimizer *optimizer; /* of moments and EMA */
    const struct tensor_set *from;     /* where weights come from; NULL: the model's memory */
    const char *folder;
    struct q_arena *arena;
    struct model_file_list *list;
    const struct model_parameter *parameters;
    size_t count;
    size_t file_count;
    enum safetensors_type type; /* of weights */
    bool for_others;            /* without rows of padding, of which other readers know nothing */
    op_acc *buffer;
    json_t *weight_map; /* tensor -> file, for the index; NULL: the set has none */
};

q_status model_file_list_add(struct model_file_list *list, struct q_arena *arena, const char *name,
                             struct q_file_identity identity)
{
    if (list->count == list->capacity) {
        /* The array lives in the arena: the old one is left behind, which doubles what a list takes at most. */
        size_t capacity = list->capacity ? list->capacity * 2 : 16;
        struct q_part_file *files;
        struct model_file_tensors *tensors;
        Q_TRY(q_arena_alloc(arena, capacity, sizeof *files, &files));
        Q_TRY(q_arena_alloc(arena, capacity, sizeof *tensors, &tensors));
        if (list->count) {
            memcpy(files, list->files, list->count * sizeof *files);
            memcpy(tensors, list->tensors, list->count * sizeof *tensors);
        }
        list->files = files;
        list->tensors = tensors;
        list->capacity = capacity;
    }
    struct q_part_file *file = &list->files[list->count];
    Q_TRY(q_arena_cstring(arena, q_string_of(name), &file->name));
    file->identity = identity;
    list->count++;
    return Q_OK;
}

/* Whether a set of files holds this parameter: biases have no moments. */
static bool is_stored(const struct storing *storing, const struct model_parameter *parameter)
{
    return storing->set != &optimizer_set || parameter->kind != MODEL_BIAS;
}

/* Elements that are written of a parameter: padding lies behind the rows of ids. */
static size_t stored_count(const struct storing *storing, const struct model_parameter *parameter)
{
    return storing->for_others && model_is_vocabulary(storing->model, parameter)
               ? (size_t)model_config_ids(model_get_config(storing->model)) * parameter->shape[1]
               : parameter->count;
}

/* One past the last parameter of the file that begins with parameter `first`. */
static size_t file_end(const struct storing *storing, size_t first)
{
    uint64_t bytes = 0;
    size_t i = first;
    for (; i < storing->count && bytes < MODEL_FILE_BYTES; i++) {
        if (is_stored(storing, &storing->parameters[i]))
            bytes += (uint64_t)stored_count(storing, &storing->parameters[i]) * sizeof(float) *
                     (storing->set == &optimizer_set ? 2 : 1);
    }
    return i;
}

/* Routing biases are moved by steps that BF16 would lose. */
static enum safetensors_type type_of(const struct storing *storing, const struct model_parameter *parameter,
                                     enum stored what)
{
    if (what == STORED_WEIGHT && parameter->kind != MODEL_BIAS)
        return storing->type;
    const bool moment = what == STORED_MEAN || what == STORED_SQUARE;
    const bool bf16 = moment && optimizer_element_bytes(storing->optimizer, OPTIMIZER_M) == sizeof(uint16_t);
    return bf16 ? SAFETENSORS_BF16 : SAFETENSORS_F32;
}

static q_status declare(const struct storing *storing, struct safetensors_writer *writer,
                        const struct model_parameter *parameter, enum stored what)
{
    const char *name;
    Q_TRY(q_arena_printf(storing->arena, &name, "%s%s", parameter->name, stored_suffix[what]));
    uint64_t shape[2] = {stored_count(storing, parameter) / parameter->shape[1], parameter->shape[1]};
    return safetensors_declare(writer, name, type_of(storing, parameter, what), parameter->rank, shape);
}

/* A weight; of a second name that is not there, the tensor that it stands for. */
static q_status get_weight(const struct storing *storing, const struct model_parameter *parameter)
{
    if (!storing->from) {
        model_get(storing->model, parameter, storing->buffer);
        return Q_OK;
    }
    const struct tensor_set_entry *entry = tensor_set_find(storing->from, parameter->name);
    if (!entry)
        entry = tensor_set_find(storing->from, model_original(storing->model, parameter)->name);
    q_check(entry);
    return tensor_set_read(entry, storing->buffer);
}

static q_status write_values(const struct storing *storing, struct safetensors_writer *writer,
                             const struct model_parameter *parameter, enum stored what)
{
    static const enum optimizer_arena arenas[] = {
        [STORED_MEAN] = OPTIMIZER_M, [STORED_SQUARE] = OPTIMIZER_V, [STORED_EMA] = OPTIMIZER_EMA};
    if (what == STORED_WEIGHT || parameter->kind == MODEL_BIAS)
        Q_TRY(get_weight(storing, parameter));
    else
        Q_TRY(optimizer_get(storing->optimizer, arenas[what], parameter, storing->buffer));
    return safetensors_write_floats(writer, storing->buffer, stored_count(storing, parameter));
}

/* Does `act` for every tensor of parameters first .. end - 1, in the order of the file. */
static q_status for_each_stored(const struct storing *storing, struct safetensors_writer *writer, size_t first,
                                size_t end,
                                q_status (*act)(const struct storing *, struct safetensors_writer *,
                                                const struct model_parameter *, enum stored))
{
    for (size_t i = first; i < end; i++)
        for (const enum stored *what = storing->set->holds; *what != STORED_END; what++)
            if (is_stored(storing, &storing->parameters[i]))
                Q_TRY(act(storing, writer, &storing->parameters[i], *what));
    return Q_OK;
}

/* What damage to a file is told by: its tensors' names and hashes. */
static q_status note_tensors(const struct safetensors_writer *writer, struct q_arena *arena,
                             struct model_file_tensors *out)
{
    *out = (struct model_file_tensors){.count = writer->count};
    Q_TRY(q_arena_alloc(arena, writer->count, sizeof *out->names, &out->names));
    Q_TRY(q_arena_alloc(arena, writer->count, sizeof *out->hashes, &out->hashes));
    for (size_t i = 0; i < writer->count; i++) {
        Q_TRY(q_arena_cstring(arena, q_string_of(writer->tensors[i].name), &out->names[i]));
        out->hashes[i] = writer->tensors[i].hash;
    }
    return Q_OK;
}

static q_status write_file(struct storing *storing, size_t number, size_t first, size_t end)
{
    const char *name, *path;
    Q_TRY(q_arena_printf(storing->arena, &name, "%s-%05zu-of-%05zu.safetensors", storing->set->stem, number + 1,
                         storing->file_count));
    Q_TRY(q_fs_join(storing->arena, storing->folder, name, &path));
    struct safetensors_writer writer = {0};
    struct q_file_identity identity;
    struct model_file_tensors tensors;
    q_status status = for_each_stored(storing, &writer, first, end, declare);
    if (!status)
        status = safetensors_begin(&writer, path);
    if (!status)
        status = for_each_stored(storing, &writer, first, end, write_values);
    if (!status)
        status = note_tensors(&writer, storing->arena, &tensors);
    if (!status)
        status = safetensors_commit(&writer, &identity);
    if (status)
        safetensors_abandon(&writer);
    Q_TRY(status);
    for (size_t i = first; i < end && storing->weight_map; i++)
        Q_TRY(q_json_set(storing->weight_map, storing->parameters[i].name, json_string(name)));
    Q_TRY(model_file_list_add(storing->list, storing->arena, name, identity));
    storing->list->tensors[storing->list->count - 1] = tensors;
    return Q_OK;
}

static q_status write_files(struct storing *storing)
{
    storing->file_count = 0;
    for (size_t first = 0; first < storing->count; first = file_end(storing, first))
        storing->file_count++;
    Q_TRY(q_alloc(model_largest_parameter(storing->model), sizeof(op_acc), &storing->buffer));
    q_status status = Q_OK;
    for (size_t first = 0, number = 0; first < storing->count && !status; number++) {
        size_t end = file_end(storing, first);
        status = write_file(storing, number, first, end);
        first = end;
    }
    q_release(storing->buffer);
    return status;
}

/* Takes the reference to `value`. */
static q_status publish_json(const char *folder, const char *name, json_t *value, struct q_arena *arena,
                             struct model_file_list *list)
{
    const char *path;
    struct q_buffer text = {0};
    struct q_file_identity identity;
    q_status status = q_fs_join(arena, folder, name, &path);
    if (!status)
        status = q_json_dump(value, 1, &text);
    if (!status)
        status = q_publish_bytes(path, text.data, text.size, &identity);
    if (!status)
        status = model_file_list_add(list, arena, name, identity);
    q_buffer_release(&text);
    json_decref(value);
    return status;
}

static q_status write_index(struct storing *storing)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < storing->count; i++)
        bytes += stored_count(storing, &storing->parameters[i]) *
                 safetensors_type_bytes(type_of(storing, &storing->parameters[i], STORED_WEIGHT));
    json_t *index =
        json_pack("{s:{s:I},s:O}", "metadata", "total_size", (json_int_t)bytes, "weight_map", storing->weight_map);
    if (!index)
        return q_fail(Q_ERR_MEMORY, "no memory for the index of '%s'", storing->folder);
    return publish_json(storing->folder, "model.safetensors.index.json", index, storing->arena, storing->list);
}

static q_status write_configs(const struct storing *storing)
{
    const struct model_config *own = model_get_config(storing->model);
    const struct model_config config = storing->for_others ? model_config_unpadded(own) : *own;
    json_t *json;
    Q_TRY(model_config_json(&config, &json));
    if (storing->type == SAFETENSORS_BF16) {
        q_status status = q_json_set(json, "torch_dtype", json_string("bfloat16"));
        if (status) {
            json_decref(json);
            return status;
        }
    }
    Q_TRY(publish_json(storing->folder, "config.json", json, storing->arena, storing->list));
    json_t *generation = json_object();
    q_status status = generation ? Q_OK : q_fail(Q_ERR_MEMORY, "no memory for generation_config.json");
    if (!status && config.bos_token_id >= 0)
        status = q_json_set(generation, "bos_token_id", json_integer(config.bos_token_id));
    if (!status && config.eos_token_id >= 0)
        status = q_json_set(generation, "eos_token_id", json_integer(config.eos_token_id));
    if (status) {
        json_decref(generation);
        return status;
    }
    return publish_json(storing->folder, "generation_config.json", generation, storing->arena, storing->list);
}

/* The model's tensors and, behind them, second names in MTP modules; that of a tied head no reader needs. */
static q_status gather_with_copies(struct storing *storing)
{
    size_t count, copy_count;
    const struct model_parameter *parameters = model_parameters(storing->model, &count);
    const struct model_parameter *copies = model_copies(storing->model, &copy_count);
    struct model_parameter *all;
    Q_TRY(q_arena_alloc(storing->arena, count + copy_count, sizeof *all, &all));
    memcpy(all, parameters, count * sizeof *all);
    storing->parameters = all;
    storing->count = count;
    for (size_t i = 0; i < copy_count; i++)
        if (copies[i].layer >= 0)
            all[storing->count++] = copies[i];
    return Q_OK;
}

static q_status write_model(struct storing *storing)
{
    storing->weight_map = json_object();
    if (!storing->weight_map)
        return q_fail(Q_ERR_MEMORY, "no memory for the index of '%s'", storing->folder);
    q_status status = gather_with_copies(storing);
    if (!status)
        status = write_configs(storing);
    if (!status)
        status = write_files(storing);
    if (!status)
        status = write_index(storing);
    json_decref(storing->weight_map);
    return status;
}

q_status model_files_write(const struct model *model, const char *folder, struct q_arena *arena,
                           struct model_file_list *list)
{
    struct storing storing = {.set = &model_set, .model = model, .folder = folder, .arena = arena, .list = list};
    return write_model(&storing);
}

q_status model_files_copy(const struct model *outline, const struct tensor_set *set, enum safetensors_type type,
                          const char *folder, struct q_arena *arena, struct model_file_list *list)
{
    struct storing storing = {.set = &model_set,
                              .model = outline,
                              .from = set,
                              .folder = folder,
                              .arena = arena,
                              .list = list,
                              .type = type,
                              .for_others = true};
    return write_model(&storing);
}

q_status optimizer_files_write(const struct model *model, const struct optimizer *optimizer, const char *folder,
                               struct q_arena *arena, struct model_file_list *list)
{
    struct storing storing = {
        .set = &optimizer_set, .model = model, .optimizer = optimizer, .folder = folder, .arena = arena, .list = list};
    storing.parameters = model_parameters(model, &storing.count);
    Q_TRY(write_files(&storing));
    storing.set = &ema_set;
    return optimizer_element_bytes(optimizer, OPTIMIZER_EMA) ? write_files(&storing) : Q_OK;
}

q_status model_files_copy_tokenizer(const char *tokenizer_folder, const char *folder, struct q_arena *arena,
                                    struct model_file_list *list)
{
    static const char *const names[] = {"tokenizer.json", "tokenizer_config.json"};
    enum { TOKENIZER_BYTES_MAX = 1 << 28 };
    for (size_t i = 0; i < Q_COUNT_OF(names); i++) {
        const char *from, *to;
        bool exists;
        Q_TRY(q_fs_join(arena, tokenizer_folder, names[i], &from));
        Q_TRY(q_fs_join(arena, folder, names[i], &to));
        Q_TRY(q_fs_look(from, &exists, NULL));
        if (!exists)
            continue;
        struct q_buffer text = {0};
        struct q_file_identity identity;
        q_status status = q_fs_read_file(from, TOKENIZER_BYTES_MAX, &text);
        if (!status)
            status = q_publish_bytes(to, text.data, text.size, &identity);
        q_buffer_release(&text);
        Q_TRY(status);
        Q_TRY(model_file_list_add(list, arena, names[i], identity));
    }
    return Q_OK;
}
