#include "train/eval_model.h"

#include "train/model_files.h"

static q_status open_all(const char *folder, size_t batch, size_t sequence, unsigned threads, struct eval_model *out)
{
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
