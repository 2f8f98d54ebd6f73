/* A layer, or a half of one, by itself: what measurements call. */
#include "base/check.h"
#include "train/model/model_internal.h"

const char *const model_block_names[] = {"layer", "attention", "feedforward", NULL};

static size_t last_layer(const struct model *model)
{
    q_check(model->shape.training && !model->sharing && model->batch > 0);
    return model->sizes.layers - 1;
}

void model_block_begin(struct model *model)
{
    model_enter_depth(model, 0);
    model->ops->copy_in(model->context, model->scratch.dstream, model->depths[0].normed,
                        model_tokens(model) * model->sizes.hidden * model->ops->real_bytes);
}

q_status model_block_forward(struct model *model, enum model_block block)
{
    const size_t layer = last_layer(model);
    if (block != MODEL_BLOCK_FEEDFORWARD)
        block_attention_forward(model, layer, NULL, NULL);
    return block == MODEL_BLOCK_ATTENTION ? Q_OK : block_feedforward_forward(model, layer, false);
}

q_status model_block_backward(struct model *model, enum model_block block)
{
    const struct model_scale none = {0};
    const size_t layer = last_layer(model);
    if (block != MODEL_BLOCK_ATTENTION)
        Q_TRY(block_feedforward_backward(model, layer, &none));
    if (block != MODEL_BLOCK_FEEDFORWARD)
        block_attention_backward(model, layer);
    return Q_OK;
}
