#include "train/optimizer.h"

#include "base/check.h"
#include "base/memory.h"

#include <math.h>

struct optimizer {
    struct model *model;
    struct optimizer_settings settings;
    op_acc *moments[2]; /* by enum optimizer_moment, laid out as the parameters */
    struct op_segment segments[2];
    uint64_t steps;
};

q_status optimizer_create(struct model *model, const struct optimizer_settings *settings, struct optimizer **out)
{
    q_check(model_gradient_arena(model));
    struct optimizer *optimizer;
    Q_TRY(q_alloc_zero(1, sizeof(*optimizer), &optimizer));
    optimizer->model = model;
    optimizer->settings = *settings;
    size_t elements = model_parameter_elements(model), matrices = model_matrix_elements(model);
    optimizer->segments[0] = (struct op_segment){0, matrices, (op_acc)settings->weight_decay};
    optimizer->segments[1] = (struct op_segment){matrices, elements - matrices,
                                                 (op_acc)(settings->decay_norms ? settings->weight_decay : 0.0)};
    for (int i = 0; i < 2; i++) {
        q_status status =
            model_ops(model)->memory_create(model_context(model), elements * sizeof(op_acc), &optimizer->moments[i]);
        if (status != Q_OK) {
            optimizer_release(optimizer);
            return status;
        }
    }
    *out = optimizer;
    return Q_OK;
}

void optimizer_release(struct optimizer *optimizer)
{
    if (!optimizer)
        return;
    for (int i = 0; i < 2; i++)
        model_ops(optimizer->model)->memory_release(model_context(optimizer->model), optimizer->moments[i]);
    q_release(optimizer);
}

q_status optimizer_norm(struct optimizer *optimizer, double *norm)
{
    struct model *model = optimizer->model;
    const struct op_table *ops = model_ops(model);
    double squares;
    ops->sum_squares(model_context(model), &squares, model_gradient_arena(model), model_parameter_elements(model));
    *norm = sqrt(squares);
    return ops->synchronize(model_context(model));
}

q_status optimizer_step(struct optimizer *optimizer, double rate, double *norm)
{
    double length;
    Q_TRY(optimizer_norm(optimizer, &length));
    if (norm)
        *norm = length;
    return isfinite(length) ? optimizer_apply(optimizer, rate, length) : Q_OK;
}

void optimizer_clear(struct optimizer *optimizer)
{
    const size_t bytes = model_parameter_elements(optimizer->model) * sizeof(op_acc);
    for (int i = 0; i < 2; i++)
        model_ops(optimizer->model)->zero(model_context(optimizer->model), optimizer->moments[i], bytes);
    optimizer->steps = 0;
}

q_status optimizer_apply(struct optimizer *optimizer, double rate, double norm)
{
    struct model *model = optimizer->model;
    const struct op_table *ops = model_ops(model);
    const struct optimizer_settings *settings = &optimizer->settings;
    q_check(isfinite(norm));
    optimizer->steps++;
    struct op_adamw adamw = {.parameters = model_parameter_arena(model),
                             .gradients = model_gradient_arena(model),
                             .m = optimizer->moments[OPTIMIZER_M],
                             .v = optimizer->moments[OPTIMIZER_V],
                             .segments = optimizer->segments,
                             .segment_count = 2,
                             .rate = rate,
                             .beta1 = settings->beta1,
                             .beta2 = settings->beta2,
                             .epsilon = settings->epsilon,
                             .step = optimizer->steps,
                             /* 1e-6 as in torch.nn.utils.clip_grad_norm_ */
                             .grad_scale = settings->clip > 0.0 ? fmin(1.0, settings->clip / (norm + 1e-6)) : 1.0};
    ops->adamw(model_context(model), &adamw);
    return ops->synchronize(model_context(model));
}

uint64_t optimizer_steps(const struct optimizer *optimizer)
{
    return optimizer->steps;
}

void optimizer_set_steps(struct optimizer *optimizer, uint64_t steps)
{
    optimizer->steps = steps;
}

void optimizer_get(const struct optimizer *optimizer, enum optimizer_moment moment,
                   const struct model_parameter *parameter, op_acc *values)
{
    q_check(parameter->kind != MODEL_BIAS);
    model_ops(optimizer->model)
        ->copy_out(model_context(optimizer->model), values, optimizer->moments[moment] + parameter->offset,
                   parameter->count * sizeof(op_acc));
}

q_status optimizer_put(struct optimizer *optimizer, enum optimizer_moment moment,
                       const struct model_parameter *parameter, const op_acc *values)
{
    q_check(parameter->kind != MODEL_BIAS);
    for (size_t i = 0; i < parameter->count; i++)
        if (!isfinite(values[i]) || (moment == OPTIMIZER_V && values[i] < 0))
            return q_fail(Q_ERR_INPUT, "a moment of tensor '%s' is not a finite number, or a square below zero, at %zu",
                          parameter->name, i);
    model_ops(optimizer->model)
        ->copy_in(model_context(optimizer->model), optimizer->moments[moment] + parameter->offset, values,
                  parameter->count * sizeof(op_acc));
    return Q_OK;
}
