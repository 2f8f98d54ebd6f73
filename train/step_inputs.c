#include "train/step_inputs.h"

#include "base/fs.h"
#include "train/files/opened_model.h"
#include "train/files/tensor_set.h"

#include <inttypes.h>

q_status step_add_data(struct q_step *step, const struct q_manifest *shards, const char *tokenizer_folder)
{
    const char *file;
    uint64_t bytes;
    q_hash hash, encoded_with;
    json_t *statistics;
    q_string hex;
    Q_TRY(q_fs_join(&step->arena, tokenizer_folder, "tokenizer.json", &file));
    Q_TRY(q_fs_hash_file(file, &bytes, &hash));
    Q_TRY(q_json_get_object(shards->json, shards->folder, "statistics", &statistics));
    Q_TRY(q_json_get_string(statistics, shards->folder, "tokenizer", &hex));
    Q_TRY(q_hash_parse(hex, &encoded_with));
    if (!q_hash_equal(hash, encoded_with))
        return q_fail(Q_ERR_USAGE, "the shards in '%s' were encoded with another tokenizer than '%s'", shards->folder,
                      file);
    Q_TRY(q_step_add_input(step, "shards", shards->hash));
    return q_step_add_input(step, "tokenizer", hash);
}

static q_status hash_files(const struct tensor_set *set, q_hash *out)
{
    struct q_buffer lines = {0};
    char hex[Q_HASH_HEX];
    q_status status = Q_OK;
    for (size_t i = 0; i < set->file_count && !status; i++) {
        const char *path = set->files[i].path;
        uint64_t bytes;
        q_hash hash;
        status = q_fs_hash_file(path, &bytes, &hash);
        if (!status)
            status =
                q_buffer_printf(&lines, "%s\t%" PRIu64 "\t%s\n", q_fs_base_name(path), bytes, q_hash_hex(hash, hex));
    }
    *out = q_hash_bytes(lines.data, lines.size);
    q_buffer_release(&lines);
    return status;
}

static q_status check_shape(const struct model_config *config, const char *folder)
{
    struct model_config source;
    Q_TRY(model_config_read(folder, &source));
    return q_context(model_config_check_source(config, &source), "'%s'", folder);
}

q_status step_weights_hash(const char *model_folder, q_hash *out)
{
    struct tensor_set set;
    Q_TRY(opened_model_verify(model_folder));
    q_status status = tensor_set_open(model_folder, "model", &set);
    if (!status && set.count == 0)
        status = q_fail(Q_ERR_INPUT, "'%s' holds no weights: there is no model*.safetensors", model_folder);
    if (!status)
        status = hash_files(&set, out);
    tensor_set_close(&set);
    return status;
}

q_status step_add_weights(struct q_step *step, const struct model_config *config, const char *model_folder)
{
    q_hash hash;
    Q_TRY(check_shape(config, model_folder));
    Q_TRY(step_weights_hash(model_folder, &hash));
    return q_step_add_input(step, "from", hash);
}

q_status step_check_whole(const struct q_common *common)
{
    if (common->step && strcmp(common->step, "run") != 0)
        return q_fail(Q_ERR_USAGE, "there is no step '%s'; the only one is 'run'", common->step);
    if (common->task.count > 1)
        return q_fail(Q_ERR_USAGE,
                      "'--task %" PRIu64 "/%" PRIu64 "': this step is one task, not cut into parts; leave it out",
                      common->task.index, common->task.count);
    return Q_OK;
}
