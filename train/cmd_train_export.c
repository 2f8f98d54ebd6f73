/* quern-train export: the model of a checkpoint as a folder that others load, without what only training needs. */
#include "base/check.h"
#include "base/fs.h"
#include "base/log.h"
#include "train/cmd_train.h"
#include "train/files/model_files.h"
#include "train/files/opened_model.h"

#include <string.h>

const struct q_option train_export_table[] = {
    {"dtype", 0, Q_OPTION_TEXT, offsetof(struct train_export_options, dtype), "TYPE",
     "f32 or bf16 (f32); routing biases stay f32"},
    {"ema", 0, Q_OPTION_FLAG, offsetof(struct train_export_options, ema), NULL,
     "the moving average of the parameters instead, of a run with train.ema.decay"},
    {"mtp", 0, Q_OPTION_FLAG, offsetof(struct train_export_options, mtp), NULL, "the MTP modules too"},
    {0}};

static q_status parse_type(const char *text, enum safetensors_type *out)
{
    static const struct {
        const char *name;
        enum safetensors_type type;
    } names[] = {{"f32", SAFETENSORS_F32},
                 {"float32", SAFETENSORS_F32},
                 {"bf16", SAFETENSORS_BF16},
                 {"bfloat16", SAFETENSORS_BF16}};
    *out = SAFETENSORS_F32;
    for (size_t i = 0; text && i < Q_COUNT_OF(names); i++)
        if (strcmp(text, names[i].name) == 0) {
            *out = names[i].type;
            return Q_OK;
        }
    return text ? q_fail(Q_ERR_USAGE, "--dtype '%s' is neither f32 nor bf16", text) : Q_OK;
}

/* A folder that holds something is not written into: tensors of two models side by side would be read as one. */
static q_status prepare(const char *folder, bool force, struct q_arena *arena)
{
    const char **names, *path;
    size_t count = 0;
    if (q_fs_is_directory(folder))
        Q_TRY(q_fs_list(folder, arena, &names, &count));
    if (count && !force)
        return q_fail(Q_ERR_USAGE, "'%s' holds files already; give another folder, or --force to put this model there",
                      folder);
    for (size_t i = 0; i < count; i++) {
        q_string name = q_string_of(names[i]);
        if (!q_string_starts(name, "model") ||
            !(q_string_ends(name, ".safetensors") || q_string_ends(name, ".safetensors.index.json")))
            continue;
        Q_TRY(q_fs_join(arena, folder, names[i], &path));
        Q_TRY(q_fs_unlink(path));
    }
    return q_fs_make_directories(folder);
}

static q_status write_set(const struct train_export_options *options, const char *from, enum safetensors_type type,
                          const struct model *outline, const struct tensor_set *set, struct q_arena *arena)
{
    struct model_file_list list = {0};
    const struct model_config config = model_config_unpadded(model_get_config(outline));
    uint64_t bytes = 0;
    char parameters[32], size[32];
    Q_TRY(prepare(options->common.out, options->common.force, arena));
    Q_TRY(model_files_copy(outline, set, type, options->common.out, arena, &list));
    Q_TRY(model_files_copy_tokenizer(from, options->common.out, arena, &list));
    for (size_t i = 0; i < list.count; i++)
        bytes += list.files[i].identity.bytes;
    q_log_info("%s parameters as %s, %zu files, %s: %s",
               q_format_count(parameters, (double)model_config_parameters(&config)), safetensors_type_name(type),
               list.count, q_format_bytes(size, (double)bytes), options->common.out);
    return Q_OK;
}

static q_status export_model(const struct train_export_options *options, const char *from, enum safetensors_type type,
                             const struct model *outline)
{
    struct q_arena arena = {0};
    struct tensor_set set;
    q_status status = model_files_open(outline, from, options->ema ? "ema" : "model", &set);
    if (!status)
        status = write_set(options, from, type, outline, &set, &arena);
    tensor_set_close(&set);
    q_arena_release(&arena);
    return status;
}

q_status train_export(void *given, const char *const *arguments, size_t count)
{
    (void)count;
    const struct train_export_options *options = given;
    const struct model_shape shape = {.batch = 1, .sequence = 1, .mtp = options->mtp};
    struct model_config config;
    struct model *outline;
    enum safetensors_type type;
    Q_TRY(parse_type(options->dtype, &type));
    if (!options->common.out)
        return q_fail(Q_ERR_USAGE, "where to? give -o DIR");
    Q_TRY(opened_model_verify(arguments[0]));
    Q_TRY(model_config_read(arguments[0], &config));
    if (!options->mtp)
        config.num_nextn_predict_layers = 0;
    Q_TRY(model_outline(&config, op_table_cpu(OP_FP32), &shape, 1, &outline));
    q_status status = export_model(options, arguments[0], type, outline);
    model_release(outline);
    return status;
}
