#include "train/files/opened_model.h"

#include "base/fs.h"
#include "base/manifest.h"
#include "train/checkpoint/checkpoint.h"
#include "train/files/model_files.h"

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
q_status opened_model_verify(const char *folder)
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

static q_status open_all(const char *folder, const struct model_shape *shape, unsigned threads,
                         struct opened_model *out)
{
    Q_TRY(opened_model_verify(folder));
    Q_TRY(model_config_read(folder, &out->config));
    out->shape = *shape;
    if (out->shape.sequence > out->config.max_position_embeddings)
        return q_fail(Q_ERR_USAGE, "the model in '%s' has %llu positions; %zu were asked for", folder,
                      (unsigned long long)out->config.max_position_embeddings, out->shape.sequence);
    if (!shape->mtp) /* also where the backward is wanted: it is the model's alone */
        out->config.num_nextn_predict_layers = 0;
    out->ops = op_table_cpu(OP_FP32);
    Q_TRY(op_table_check(out->ops));
    Q_TRY(q_pool_create(threads, &out->pool));
    Q_TRY(out->ops->create(out->pool, &out->context));
    Q_TRY(model_create(&out->config, out->ops, out->context, &out->shape, &out->model));
    return model_files_read(out->model, folder);
}

q_status opened_model_open(const char *folder, const struct model_shape *shape, unsigned threads,
                           struct opened_model *out)
{
    *out = (struct opened_model){0};
    q_status status = open_all(folder, shape, threads, out);
    if (status)
        opened_model_close(out);
    return status;
}

void opened_model_close(struct opened_model *model)
{
    model_release(model->model);
    if (model->ops)
        model->ops->release(model->context);
    q_pool_release(model->pool);
    *model = (struct opened_model){0};
}
