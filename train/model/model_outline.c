/* Models that cannot compute: outlines, from which a run is planned, and shadows, from which a checkpoint is written. */
#include "train/model/model.h"

#include "base/check.h"
#include "train/model/model_internal.h"

q_status model_outline(const struct model_config *config, const struct op_table *ops, const struct model_shape *shape,
                       unsigned threads, struct model **out)
{
    Q_TRY(model_begin(config, ops, NULL, shape, out));
    const struct op_limits limits = model_limits(*out);
    (*out)->workspace_bytes = ops->workspace_plan(&limits, threads);
    return Q_OK;
}

q_status model_shadow_create(const struct model *model, struct model **out)
{
    struct model *shadow;
    struct model_shape shape = model->shape;
    shape.expert_ranks = 1;
    Q_TRY(model_begin(&model->config, model->ops, model->context, &shape, &shadow));
    q_status status =
        model->ops->memory_create(model->context, shadow->weights.elements * sizeof(op_acc), &shadow->parameter_arena);
    if (!status)
        status = model->ops->memory_create(model->context, model->bias_elements * sizeof(op_acc), &shadow->biases);
    if (status)
        model_release(shadow);
    else
        *out = shadow;
    return status;
}

/* From arena to arena of the same backend. Where that is the host's memory, copy_in is one memcpy. */
void model_shadow_copy(struct model *shadow, const struct model *model)
{
    const struct op_table *ops = model->ops;
    const bool all = model->shape.expert_ranks <= 1;
    ops->copy_in(model->context, shadow->parameter_arena, model->parameter_arena,
                 (all ? model->weights.elements : model->weights.shared_elements) * sizeof(op_acc));
    ops->copy_in(model->context, shadow->biases, model->biases, model->bias_elements * sizeof(op_acc));
}

size_t model_shadow_bytes(const struct model *model)
{
    const size_t own = model->weights.elements - model->weights.shared_elements;
    return (model->weights.shared_elements + own * (size_t)Q_MAX(model->shape.expert_ranks, 1U) +
            model->bias_elements) *
           sizeof(op_acc);
}
