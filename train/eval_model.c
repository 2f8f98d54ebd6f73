#include "train/eval_model.h"

#include "base/fs.h"
#include "base/manifest.h"
#include "train/checkpoint.h"
#include "train/model_files.h"

static q_status verify_manifest(const char *folder)
{
    struct q_manifest manifest;
    Q_TRY(q_manifest_read(folder, &manifest));
    q_status status = q_manifest_verify(&manifest);
    q_manifest_release(&manifest);
    return status;
}

/* Tensors have no checksums of their own, and one flipped bit of a parameter changes every figure: whatever says what the bytes should be is asked
 * first. A folder from elsewhere has nothing that says it. */
static q_status verify_folder(const char *folder)
{
    struct q_arena arena = {0};
    struct train_position position;
    const char *manifest, *trainer;
    bool finished = false, checkpoint = false;
    q_status status;
    Q_TRY_GOTO(out, q_fs_join(&arena, folder, "manifest.json", &manifest));
    Q_TRY_GOTO(out, q_fs_join(&arena, folder, "trainer.json", &trainer));
    Q_TRY_GOTO(out, q_fs_look(manifest, &finished, NULL));
    Q_TRY_GOTO(out, q_fs_look(trainer, &checkpoint, NULL));
    if (finished)
        status = verify_manifest(folder);
    else if (checkpoint)
        status = checkpoint_verify(folder, &position, NULL);
out:
    q_arena_release(&arena);
    return status;
}

static q_status open_all(const char *folder, size_t batch, size_t sequence, unsigned threads, struct eval_model *out)
{
    Q_TRY(verify_folder(folder));
    Q_TRY(model_config_read(folder, &out->config));
    if (sequence == 0)
        sequence = (size_t)out->config.max_position_embeddings;
    if (sequence > out->config.max_position_embeddings)
        return q_fail(Q_ERR_USAGE, "the model in '%s' has %llu positions; %zu were asked for", folder,
                      (unsigned long long)out->config.max_position_embeddings, sequence);
    out->shape = (struct model_shape){.batch = batch, .sequence = sequence};
    out->ops = op_table_cpu();
    Q_TRY(op_table_check(out->ops));
    Q_TRY(q_pool_create(threads, &out->pool));
    Q_TRY(out->ops->create(out->pool, &out->context));
    Q_TRY(model_create(&out->config, out->ops, out->context, &out->shape, &out->model));
    return model_files_read(out->model, folder);
}

q_status eval_model_open(const char *folder, size_t batch, size_t sequence, unsigned threads, struct eval_model *out)
{
    *out = (struct eval_model){0};
    q_status status = open_all(folder, batch, sequence, threads, out);
    if (status)
        eval_model_close(out);
    return status;
}

void eval_model_close(struct eval_model *model)
{
    model_release(model->model);
    if (model->ops)
        model->ops->release(model->context);
    q_pool_release(model->pool);
    *model = (struct eval_model){0};
}

void eval_token_bytes(const struct tokenizer *tokenizer, uint32_t vocabulary, uint32_t *bytes)
{
    for (uint32_t id = 0; id < vocabulary; id++)
        bytes[id] = id < tokenizer_size(tokenizer) && !tokenizer_is_special(tokenizer, id)
                        ? (uint32_t)tokenizer_bytes(tokenizer, id).size
                        : 0;
}
