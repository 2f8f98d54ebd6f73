#include "train/optimizer.h"

#include "base/check.h"
#include "base/memory.h"

#include <math.h>
#include <string.h>

struct optimizer {
    struct model *model;
    struct optimizer_settings settings;
    struct comm *comm; /* NULL: one rank */
    unsigned ranks;
    struct comm_slice slice;       /* of the arenas: what this rank owns */
    op_acc *moments[2];            /* by enum optimizer_moment: of the slice, laid out as the parameters */
    struct op_segment segments[2]; /* of the slice */
    struct comm_piece *pieces;     /* [2 * ranks]: of gather */
    uint64_t steps;
};

static const enum comm_type real_type = sizeof(op_acc) == sizeof(double) ? COMM_F64 : COMM_F32;

/* The part of [from, to) that lies in the slice, counted from the slice's beginning. */
static struct comm_slice within(struct comm_slice slice, size_t from, size_t to)
{
    const size_t first = Q_MAX(from, slice.first), end = Q_MIN(to, slice.first + slice.count);
    return (struct comm_slice){first > slice.first ? first - slice.first : 0, end > first ? end - first : 0};
}

static q_status create_moments(struct optimizer *optimizer)
{
    struct model *model = optimizer->model;
    for (int i = 0; i < 2; i++)
        Q_TRY(model_ops(model)->memory_create(
            model_context(model), Q_MAX(optimizer->slice.count, (size_t)1) * sizeof(op_acc), &optimizer->moments[i]));
    return q_alloc_zero(2 * (size_t)optimizer->ranks, sizeof *optimizer->pieces, &optimizer->pieces);
}

q_status optimizer_create(struct model *model, const struct optimizer_settings *settings, struct comm *comm,
                          struct optimizer **out)
{
    q_check(model_gradient_arena(model));
    struct optimizer *optimizer;
    Q_TRY(q_alloc_zero(1, sizeof(*optimizer), &optimizer));
    const size_t elements = model_parameter_elements(model), matrices = model_matrix_elements(model);
    optimizer->model = model;
    optimizer->settings = *settings;
    optimizer->comm = comm;
    optimizer->ranks = comm ? comm_ranks(comm) : 1;
    optimizer->slice = comm_slice(elements, optimizer->ranks, comm ? comm_rank(comm) : 0);
    const struct comm_slice of_matrices = within(optimizer->slice, 0, matrices),
                            of_norms = within(optimizer->slice, matrices, elements);
    optimizer->segments[0] = (struct op_segment){of_matrices.first, of_matrices.count, (op_acc)settings->weight_decay};
    optimizer->segments[1] = (struct op_segment){of_norms.first, of_norms.count,
                                                 (op_acc)(settings->decay_norms ? settings->weight_decay : 0.0)};
    q_status status = create_moments(optimizer);
    if (status)
        optimizer_release(optimizer);
    else
        *out = optimizer;
    return status;
}

void optimizer_release(struct optimizer *optimizer)
{
    if (!optimizer)
        return;
    for (int i = 0; i < 2; i++)
        model_ops(optimizer->model)->memory_release(model_context(optimizer->model), optimizer->moments[i]);
    q_release(optimizer->pieces);
    q_release(optimizer);
}

q_status optimizer_norm(struct optimizer *optimizer, double *norm)
{
    struct model *model = optimizer->model;
    const struct op_table *ops = model_ops(model);
    const struct comm_slice slice = optimizer->slice;
    double squares = 0;
    if (optimizer->comm) {
        Q_TRY(ops->synchronize(model_context(model)));
        Q_TRY(comm_reduce_scatter(optimizer->comm, model_gradient_arena(model), model_parameter_elements(model),
                                  real_type));
    }
    if (slice.count)
        ops->sum_squares(model_context(model), &squares, model_gradient_arena(model) + slice.first, slice.count);
    Q_TRY(ops->synchronize(model_context(model)));
    if (optimizer->comm)
        Q_TRY(comm_sum(optimizer->comm, &squares, 1, COMM_F64));
    *norm = sqrt(squares);
    return Q_OK;
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
    const size_t bytes = optimizer->slice.count * sizeof(op_acc);
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
    struct op_adamw adamw = {.parameters = model_parameter_arena(model) + optimizer->slice.first,
                             .gradients = model_gradient_arena(model) + optimizer->slice.first,
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
    if (optimizer->ranks > 1)
        model_clear_gradients(model); /* those of the slices of others were only this rank's share */
    Q_TRY(ops->synchronize(model_context(model)));
    return optimizer->comm ? comm_all_gather(optimizer->comm, model_parameter_arena(model),
                                             model_parameter_elements(model), real_type)
                           : Q_OK;
}

bool optimizer_leads(const struct optimizer *optimizer)
{
    return !optimizer->comm || comm_rank(optimizer->comm) == 0;
}

q_status optimizer_shadow_create(const struct optimizer *optimizer, struct model *model, struct optimizer **out)
{
    struct optimizer *shadow;
    Q_TRY(q_alloc_zero(1, sizeof *shadow, &shadow));
    shadow->model = model;
    shadow->ranks = 1;
    shadow->slice = comm_slice(model_parameter_elements(optimizer->model), 1, 0);
    q_status status = create_moments(shadow);
    if (status)
        optimizer_release(shadow);
    else
        *out = shadow;
    return status;
}

/* Elements [from, to) of a moment come together on rank 0, in `values`; NULL on the others. On host memory: a device's communicator will bring its own way. */
static q_status gather(const struct optimizer *optimizer, enum optimizer_moment moment, size_t from, size_t to,
                       op_acc *values)
{
    struct comm_piece *send = optimizer->pieces, *receive = send + optimizer->ranks;
    const size_t elements = model_parameter_elements(optimizer->model);
    const struct comm_slice own = within(optimizer->slice, from, to);
    memset(send, 0, 2 * optimizer->ranks * sizeof *send);
    send[0] = (struct comm_piece){optimizer->moments[moment] + own.first, own.count * sizeof *values};
    for (unsigned r = 0; r < optimizer->ranks && optimizer_leads(optimizer); r++) {
        const struct comm_slice slice = comm_slice(elements, optimizer->ranks, r), theirs = within(slice, from, to);
        if (theirs.count)
            receive[r] =
                (struct comm_piece){values + (slice.first + theirs.first - from), theirs.count * sizeof *values};
    }
    return comm_exchange(optimizer->comm, send, receive);
}

q_status optimizer_shadow_copy(struct optimizer *shadow, const struct optimizer *optimizer)
{
    const struct op_table *ops = model_ops(optimizer->model);
    q_check(!shadow == !optimizer_leads(optimizer));
    for (int i = 0; i < 2; i++) {
        if (optimizer->ranks > 1)
            Q_TRY(gather(optimizer, (enum optimizer_moment)i, 0, model_parameter_elements(optimizer->model),
                         shadow ? shadow->moments[i] : NULL));
        else
            ops->copy_in(model_context(optimizer->model), shadow->moments[i], optimizer->moments[i],
                         optimizer->slice.count * sizeof(op_acc));
    }
    if (shadow)
        shadow->steps = optimizer->steps;
    return Q_OK;
}

uint64_t optimizer_steps(const struct optimizer *optimizer)
{
    return optimizer->steps;
}

void optimizer_set_steps(struct optimizer *optimizer, uint64_t steps)
{
    optimizer->steps = steps;
}

q_status optimizer_get(const struct optimizer *optimizer, enum optimizer_moment moment,
                       const struct model_parameter *parameter, op_acc *values)
{
    struct model *model = optimizer->model;
    q_check(parameter->kind != MODEL_BIAS);
    if (optimizer->ranks > 1)
        return gather(optimizer, moment, parameter->offset, parameter->offset + parameter->count, values);
    model_ops(model)->copy_out(model_context(model), values, optimizer->moments[moment] + parameter->offset,
                               parameter->count * sizeof(op_acc));
    return Q_OK;
}

q_status optimizer_put(struct optimizer *optimizer, enum optimizer_moment moment,
                       const struct model_parameter *parameter, const op_acc *values)
{
    q_check(parameter->kind != MODEL_BIAS);
    for (size_t i = 0; i < parameter->count; i++)
        if (!isfinite(values[i]) || (moment == OPTIMIZER_V && values[i] < 0))
            return q_fail(Q_ERR_INPUT, "a moment of tensor '%s' is not a finite number, or a square below zero, at %zu",
                          parameter->name, i);
    const struct comm_slice part = within(optimizer->slice, parameter->offset, parameter->offset + parameter->count);
    if (part.count)
        model_ops(optimizer->model)
            ->copy_in(model_context(optimizer->model), optimizer->moments[moment] + part.first,
                      values + (optimizer->slice.first + part.first - parameter->offset), part.count * sizeof(op_acc));
    return Q_OK;
}
