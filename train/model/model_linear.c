/* A linear map without bias, and its two gradients, over the tokens of the micro-batch. `wide`: y and dy are op_acc. */
#include "train/model/model_internal.h"

static void forward(struct model *model, void *y, bool wide, const op_real *x, size_t weight, size_t in, size_t out)
{
    struct op_matmul product = {.kind = OP_NT,
                                .m = model_tokens(model),
                                .n = out,
                                .k = in,
                                .a = x,
                                .a_stride = in,
                                .b = model_weight(model, weight),
                                .b_stride = in,
                                .c = y,
                                .c_stride = out,
                                .wide = wide};
    model->ops->matmul(model->context, &product);
}

static void input_gradient(struct model *model, op_real *dx, const void *dy, bool wide, size_t weight, size_t in,
                           size_t out, bool accumulate)
{
    struct op_matmul product = {.kind = OP_NN,
                                .m = model_tokens(model),
                                .n = in,
                                .k = out,
                                .a = dy,
                                .a_stride = out,
                                .b = model_weight(model, weight),
                                .b_stride = in,
                                .c = dx,
                                .c_stride = in,
                                .accumulate = accumulate,
                                .wide = wide};
    model->ops->matmul(model->context, &product);
}

static void weight_gradient(struct model *model, size_t weight, const void *dy, bool wide, const op_real *x, size_t in,
                            size_t out)
{
    struct op_matmul product = {.kind = OP_TN,
                                .m = out,
                                .n = in,
                                .k = model_tokens(model),
                                .a = dy,
                                .a_stride = out,
                                .b = x,
                                .b_stride = in,
                                .c = model_gradient(model, weight),
                                .c_stride = in,
                                .accumulate = true,
                                .wide = wide,
                                .narrow = model_is_narrow(model)};
    model->ops->matmul(model->context, &product);
}

void model_linear(struct model *model, op_real *y, const op_real *x, size_t weight, size_t in, size_t out)
{
    forward(model, y, false, x, weight, in, out);
}

void model_linear_input_gradient(struct model *model, op_real *dx, const op_real *dy, size_t weight, size_t in,
                                 size_t out, bool accumulate)
{
    input_gradient(model, dx, dy, false, weight, in, out, accumulate);
}

void model_linear_weight_gradient(struct model *model, size_t weight, const op_real *dy, const op_real *x, size_t in,
                                  size_t out)
{
    weight_gradient(model, weight, dy, false, x, in, out);
}

void model_router_linear(struct model *model, op_acc *logits, const op_real *x, size_t weight)
{
    forward(model, logits, true, x, weight, model->sizes.hidden, model->sizes.experts);
}

void model_router_gradients(struct model *model, op_real *dx, const op_acc *dlogits, const op_real *x, size_t weight)
{
    const struct model_sizes *s = &model->sizes;
    input_gradient(model, dx, dlogits, true, weight, s->hidden, s->experts, true);
    weight_gradient(model, weight, dlogits, true, x, s->hidden, s->experts);
}
