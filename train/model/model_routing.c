/* What the routers did with the last micro-batch: for metrics and maps of expert load, not for training. */
#include "base/check.h"
#include "train/model/model_internal.h"

size_t model_routers(const struct model *model)
{
    return model->sizes.experts ? model->bias_elements / model->sizes.experts : 0;
}

size_t model_router_length(const struct model *model, size_t router)
{
    size_t moe_layers = model->sizes.layers - model->sizes.dense_layers;
    size_t depth = router < moe_layers ? 0 : router - moe_layers + 1;
    return depth < model->depths_run ? model->length - depth : 0;
}

void model_get_routing(const struct model *model, size_t router, int32_t *chosen, op_acc *scores)
{
    const struct model_sizes *s = &model->sizes;
    q_check(model->shape.training && router < model_routers(model));
    const struct layer_activations *a = &model->layers[s->dense_layers + router];
    size_t n = model->batch * model_router_length(model, router);
    if (chosen)
        model->ops->copy_out(model->context, chosen, a->chosen, n * s->top_k * sizeof(int32_t));
    if (scores)
        model->ops->copy_out(model->context, scores, a->scores, n * s->experts * sizeof(op_acc));
}
