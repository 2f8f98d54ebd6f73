/* Models that cannot compute: outlines, from which a run is planned, and shadows, from which a checkpoint is written. */
#include "train/model/model.h"

#include "base/check.h"
#include "train/model/model_internal.h"

q_status model_outline(const struct model_config *config, const struct op_table *ops, const struct model_shape *shape,
                       unsigned threads, struct model **out)
{
    Q_TRY(model_begin(config, ops, NULL, shape, out));
    const struct op_limits limits = model_limits(*out);
    (*out)->memory.workspace = ops->workspace_plan(&limits, threads);
    return Q_OK;
}

q_status model_shadow_create(const struct model *model, const struct op_table *host, struct model **out)
{
    struct model *shadow;
    struct model_shape shape = model->shape;
    shape.expert_ranks = 1;
    Q_TRY(model_begin(&model->config, host, NULL, &shape, &shadow));
    q_status status = host->memory_create(NULL, shadow->memory.parameters, &shadow->parameter_arena);
    if (!status)
        status = host->memory_create(NULL, shadow->memory.biases, &shadow->biases);
    if (status)
        model_release(shadow);
    else
        *out = shadow;
    return status;
}

/* From arena to arena. Where the model's is the host's memory, copy_out is one memcpy. */
void model_shadow_copy(struct model *shadow, const struct model *model)
{
    const struct op_table *ops = model->ops;
    const bool all = model->shape.expert_ranks <= 1;
    ops->copy_out(model->context, shadow->parameter_arena, model->parameter_arena,
                  (all ? model->weights.elements : model->weights.shared_elements) * sizeof(op_acc));
    ops->copy_out(model->context, shadow->biases, model->biases, model->bias_elements * sizeof(op_acc));
}

size_t model_shadow_bytes(const struct model *shadow)
{
    q_check(shadow->shape.expert_ranks <= 1);
    return shadow->memory.parameters + shadow->memory.biases;
}
