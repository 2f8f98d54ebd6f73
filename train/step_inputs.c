#include "train/step_inputs.h"

#include "base/fs.h"

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
