#include "train/files/tensor_set.h"

#include "base/check.h"
#include "base/fs.h"
#include "base/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

enum { INDEX_BYTES_MAX = 1 << 28, FILES_MAX = 10000, SCALE_BLOCK = 128 };

static const char scale_suffix[] = "_scale_inv";

/* A file's name as an index may say it: in this folder, and of the kind. */
static bool is_file_name(const json_t *value)
{
    q_string name = q_string_of(json_is_string(value) ? json_string_value(value) : "");
    return q_string_ends(name, ".safetensors") && !memchr(name.data, '/', name.size);
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names of the set's files, each once, in order: those that the index lists. */
static q_status names_of_index(struct q_arena *arena, const char *index, const json_t *map, const char ***out,
                               size_t *out_count)
{
    const char *tensor, **names;
    const json_t *value;
    size_t count = 0, kept = 0;
    Q_TRY(q_arena_alloc(arena, json_object_size(map), sizeof *names, &names));
    json_object_foreach((json_t *)(uintptr_t)map, tensor, value)
    {
        if (!is_file_name(value))
            return q_fail(Q_ERR_INPUT, "%s: the tensor '%s' is in no file with a name of the folder", index, tensor);
        names[count++] = json_string_value(value);
    }
    qsort(names, count, sizeof *names, compare_texts);
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || strcmp(names[kept - 1], names[i]) != 0)
            names[kept++] = names[i];
    *out = names;
    *out_count = kept;
    return Q_OK;
}

/* The same without an index: by their names. */
static q_status names_of_folder(struct q_arena *arena, const char *folder, const char *stem, const char ***out,
                                size_t *out_count)
{
    const char **names;
    size_t count, kept = 0, stem_size = strlen(stem);
    Q_TRY(q_fs_list(folder, arena, &names, &count));
    for (size_t i = 0; i < count; i++) {
        char behind = strncmp(names[i], stem, stem_size) == 0 ? names[i][stem_size] : '\0';
        if ((behind == '-' || behind == '.') && q_string_ends(q_string_of(names[i]), ".safetensors"))
            names[kept++] = names[i];
    }
    *out = names;
    *out_count = kept;
    return Q_OK;
}

/* A tensor that the index has in this file: an error about the file is one about its tensors. */
static const char *tensor_in_file(const json_t *map, const char *file)
{
    const char *tensor;
    const json_t *value;
    json_object_foreach((json_t *)(uintptr_t)map, tensor,
                        value) if (strcmp(json_string_value(value), file) == 0) return tensor;
    return "";
}

static q_status open_files(struct tensor_set *set, const char *folder, const char **names, size_t count,
                           const json_t *map)
{
    if (count > FILES_MAX)
        return q_fail(Q_ERR_INPUT, "'%s' has %zu files of tensors; at most %d are read", folder, count, FILES_MAX);
    Q_TRY(q_arena_alloc(&set->arena, count, sizeof *set->files, &set->files));
    for (size_t i = 0; i < count; i++) {
        const char *path;
        bool exists = true;
        Q_TRY(q_fs_join(&set->arena, folder, names[i], &path));
        if (map)
            Q_TRY(q_fs_look(path, &exists, NULL));
        if (!exists)
            return q_fail(Q_ERR_INPUT, "'%s' is missing; the index has the tensor '%s' in it", path,
                          tensor_in_file(map, names[i]));
        set->file_count = i + 1; /* one that could not be opened is closed too */
        Q_TRY(safetensors_open(path, &set->files[i]));
    }
    return Q_OK;
}

static int compare_entries(const void *a, const void *b)
{
    const struct tensor_set_entry *x = a, *y = b;
    int order = strcmp(x->tensor->name, y->tensor->name);
    return order ? order : (x->file > y->file) - (x->file < y->file);
}

static q_status gather(struct tensor_set *set)
{
    size_t count = 0;
    for (size_t i = 0; i < set->file_count; i++)
        count += set->files[i].count;
    Q_TRY(q_arena_alloc(&set->arena, count, sizeof *set->entries, &set->entries));
    for (size_t i = 0; i < set->file_count; i++)
        for (size_t t = 0; t < set->files[i].count; t++)
            set->entries[set->count++] =
                (struct tensor_set_entry){.file = &set->files[i], .tensor = &set->files[i].tensors[t]};
    qsort(set->entries, set->count, sizeof *set->entries, compare_entries);
    for (size_t i = 1; i < set->count; i++) {
        const struct tensor_set_entry *one = &set->entries[i - 1], *two = &set->entries[i];
        if (strcmp(one->tensor->name, two->tensor->name) == 0)
            return q_fail(Q_ERR_INPUT, "the tensor '%s' is there twice, in '%s' and in '%s'", one->tensor->name,
                          one->file->path, two->file->path);
    }
    return Q_OK;
}

/* Every tensor of the index is in the file it says. */
static q_status check_index(const struct tensor_set *set, const char *index, const json_t *map)
{
    const char *name;
    const json_t *value;
    json_object_foreach((json_t *)(uintptr_t)map, name, value)
    {
        const struct tensor_set_entry *entry = tensor_set_find(set, name);
        if (!entry || strcmp(q_fs_base_name(entry->file->path), json_string_value(value)) != 0)
            return q_fail(Q_ERR_INPUT, "%s: the tensor '%s' is not in '%s', where it should be", index, name,
                          json_string_value(value));
    }
    return Q_OK;
}

static q_status check_scale(const struct tensor_set_entry *entry, const struct tensor_set_entry *scale)
{
    const struct safetensors_tensor *matrix = entry->tensor, *s = scale ? scale->tensor : NULL;
    const char *path = entry->file->path;
    if (matrix->rank != 2)
        return q_fail(Q_ERR_INPUT, "'%s': tensor '%s' is FP8 and no matrix", path, matrix->name);
    if (!s)
        return q_fail(Q_ERR_INPUT, "'%s': tensor '%s' is FP8 and has no scales; '%s%s' is missing", path, matrix->name,
                      matrix->name, scale_suffix);
    uint64_t rows = q_ceil_div(matrix->shape[0], SCALE_BLOCK), columns = q_ceil_div(matrix->shape[1], SCALE_BLOCK);
    if (s->type != SAFETENSORS_F32 || s->rank != 2 || s->shape[0] != rows || s->shape[1] != columns)
        return q_fail(Q_ERR_INPUT, "'%s': tensor '%s' is not F32 of %" PRIu64 " x %" PRIu64, scale->file->path, s->name,
                      rows, columns);
    return Q_OK;
}

/* FP8 matrices find their scales; scales of nothing are refused. */
static q_status pair_scales(struct tensor_set *set)
{
    for (size_t i = 0; i < set->count; i++) {
        struct tensor_set_entry *entry = &set->entries[i];
        if (entry->tensor->type != SAFETENSORS_F8_E4M3)
            continue;
        const char *name;
        Q_TRY(q_arena_printf(&set->arena, &name, "%s%s", entry->tensor->name, scale_suffix));
        const struct tensor_set_entry *scale = tensor_set_find(set, name);
        Q_TRY(check_scale(entry, scale));
        entry->scale = scale;
        set->entries[scale - set->entries].is_scale = true;
    }
    for (size_t i = 0; i < set->count; i++) {
        const struct tensor_set_entry *entry = &set->entries[i];
        if (q_string_ends(q_string_of(entry->tensor->name), scale_suffix) && !entry->is_scale)
            return q_fail(Q_ERR_INPUT, "'%s': tensor '%s' scales nothing: there is no FP8 tensor of that name",
                          entry->file->path, entry->tensor->name);
    }
    return Q_OK;
}

/* json: of the index, NULL where there is none. */
static q_status open_set(struct tensor_set *set, const char *folder, const char *stem, const char *index, json_t *json)
{
    const char **names;
    size_t count;
    json_t *map = NULL;
    if (json)
        Q_TRY(q_json_get_object(json, index, "weight_map", &map));
    if (map)
        Q_TRY(names_of_index(&set->arena, index, map, &names, &count));
    else
        Q_TRY(names_of_folder(&set->arena, folder, stem, &names, &count));
    Q_TRY(open_files(set, folder, names, count, map));
    Q_TRY(gather(set));
    if (map)
        Q_TRY(check_index(set, index, map));
    return pair_scales(set);
}

q_status tensor_set_open(const char *folder, const char *stem, struct tensor_set *out)
{
    const char *index;
    json_t *json = NULL;
    bool exists;
    *out = (struct tensor_set){0};
    Q_TRY(q_arena_printf(&out->arena, &index, "%s/%s.safetensors.index.json", folder, stem));
    Q_TRY(q_fs_look(index, &exists, NULL));
    if (exists)
        Q_TRY(q_json_read_file(index, INDEX_BYTES_MAX, &json));
    q_status status = open_set(out, folder, stem, index, json);
    json_decref(json);
    return status;
}

void tensor_set_close(struct tensor_set *set)
{
    for (size_t i = 0; i < set->file_count; i++)
        safetensors_close(&set->files[i]);
    q_arena_release(&set->arena);
    *set = (struct tensor_set){0};
}

const struct tensor_set_entry *tensor_set_find(const struct tensor_set *set, const char *name)
{
    size_t low = 0, high = set->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(set->entries[middle].tensor->name, name);
        if (order == 0)
            return &set->entries[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* Each block times its scale. */
static q_status apply_scales(const struct tensor_set_entry *entry, const float *scales, float *values)
{
    const struct safetensors_tensor *matrix = entry->tensor, *scale = entry->scale->tensor;
    for (uint64_t i = 0; i < scale->count; i++)
        if (!isfinite(scales[i]))
            return q_fail(Q_ERR_INPUT, "'%s': tensor '%s' holds a number that is not finite at %" PRIu64,
                          entry->scale->file->path, scale->name, i);
    for (uint64_t row = 0; row < matrix->shape[0]; row++) {
        const float *of_row = scales + row / SCALE_BLOCK * scale->shape[1];
        float *place = values + row * matrix->shape[1];
        for (uint64_t column = 0; column < matrix->shape[1]; column++)
            place[column] *= of_row[column / SCALE_BLOCK];
    }
    return Q_OK;
}

q_status tensor_set_read(const struct tensor_set_entry *entry, float *out)
{
    Q_TRY(safetensors_read_floats(entry->file, entry->tensor, out));
    if (!entry->scale)
        return Q_OK;
    float *scales;
    Q_TRY(q_alloc((size_t)entry->scale->tensor->count, sizeof *scales, &scales));
    q_status status = safetensors_read_floats(entry->scale->file, entry->scale->tensor, scales);
    if (!status)
        status = apply_scales(entry, scales, out);
    q_release(scales);
    return status;
}
