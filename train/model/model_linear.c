/* A linear map without bias, and its two gradients, over the tokens of the micro-batch. */
#include "train/model/model_internal.h"

void model_linear(struct model *model, op_real *y, const op_real *x, size_t weight, size_t in, size_t out)
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
                                .c_stride = out};
    model->ops->matmul(model->context, &product);
}

void model_linear_input_gradient(struct model *model, op_real *dx, const op_real *dy, size_t weight, size_t in,
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
                                .accumulate = accumulate};
    model->ops->matmul(model->context, &product);
}

void model_linear_weight_gradient(struct model *model, size_t weight, const op_real *dy, const op_real *x, size_t in,
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
                                .accumulate = true};
    model->ops->matmul(model->context, &product);
}
