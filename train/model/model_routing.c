/* What the routers did with the last micro-batch: for metrics and maps of expert load, not for training. */
#include "base/check.h"
#include "train/model/model_internal.h"

size_t model_routers(const struct model *model)
{
    return model->sizes.experts ? model->bias_elements / model->sizes.experts : 0;
}

void model_get_routing(const struct model *model, size_t router, int32_t *chosen, op_acc *scores)
{
    const struct model_sizes *s = &model->sizes;
    q_check(model->shape.training && router < model_routers(model));
    const struct layer_activations *a = &model->layers[s->dense_layers + router];
    size_t n = model_tokens(model);
    if (chosen)
        model->ops->copy_out(model->context, chosen, a->chosen, n * s->top_k * sizeof(int32_t));
    if (scores)
        model->ops->copy_out(model->context, scores, a->scores, n * s->experts * sizeof(op_acc));
}
