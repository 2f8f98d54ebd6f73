#include "train/optimizer.h"

#include "base/check.h"
#include "base/memory.h"

#include <math.h>
#include <string.h>

/* A part of the arenas that the same ranks have: what is no expert's, and this rank's experts. */
enum { SHARED, EXPERTS, REGIONS };

struct region {
    size_t first, count; /* elements of the arenas */
    struct comm *comm;   /* the ranks that have it; NULL: this one alone */
    unsigned ranks;
    struct comm_slice slice;       /* of the region: what this rank updates, and has the moments of */
    size_t moments;                /* where they begin among this rank's moments */
    struct op_segment segments[2]; /* of the slice */
};

struct optimizer {
    struct model *model;
    struct optimizer_settings settings;
    struct comm_groups groups; /* borrowed */
    unsigned ranks;            /* of the world */
    struct region regions[REGIONS];
    size_t elements;           /* of this rank's moments */
    op_acc *moments[2];        /* by enum optimizer_moment: of the slices, one behind the other */
    struct comm_piece *pieces; /* [2 * ranks]: of gather */
    uint64_t steps;
};

static const enum comm_type real_type = sizeof(op_acc) == sizeof(double) ? COMM_F64 : COMM_F32;

/* The part of [from, to) that lies in the slice, counted from the slice's beginning. */
static struct comm_slice within(struct comm_slice slice, size_t from, size_t to)
{
    const size_t first = Q_MAX(from, slice.first), end = Q_MIN(to, slice.first + slice.count);
    return (struct comm_slice){first > slice.first ? first - slice.first : 0, end > first ? end - first : 0};
}

static struct op_segment segment_of(const struct region *region, size_t from, size_t to, double decay)
{
    const struct comm_slice part = within(region->slice, from, to);
    return (struct op_segment){part.first, part.count, (op_acc)decay};
}

static void begin_region(struct optimizer *optimizer, int which, size_t first, size_t end, struct comm *comm)
{
    struct region *region = &optimizer->regions[which];
    *region = (struct region){.first = first, .count = end - first, .comm = comm, .ranks = comm ? comm_ranks(comm) : 1};
    region->slice = comm_slice(region->count, region->ranks, comm ? comm_rank(comm) : 0);
    region->moments = optimizer->elements;
    optimizer->elements += region->slice.count;
}

static void plan_regions(struct optimizer *optimizer)
{
    const struct model *model = optimizer->model;
    const struct optimizer_settings *settings = &optimizer->settings;
    const size_t matrices = model_matrix_elements(model), shared = model_shared_elements(model);
    struct region *regions = optimizer->regions;
    begin_region(optimizer, SHARED, 0, shared, optimizer->groups.world);
    begin_region(optimizer, EXPERTS, shared, model_parameter_elements(model), optimizer->groups.replicas);
    regions[SHARED].segments[0] = segment_of(&regions[SHARED], 0, matrices, settings->weight_decay);
    regions[SHARED].segments[1] =
        segment_of(&regions[SHARED], matrices, shared, settings->decay_norms ? settings->weight_decay : 0.0);
    regions[EXPERTS].segments[0] = segment_of(&regions[EXPERTS], 0, regions[EXPERTS].count, settings->weight_decay);
}

static q_status create_moments(struct optimizer *optimizer)
{
    struct model *model = optimizer->model;
    for (int i = 0; i < 2; i++)
        Q_TRY(model_ops(model)->memory_create(
            model_context(model), Q_MAX(optimizer->elements, (size_t)1) * sizeof(op_acc), &optimizer->moments[i]));
    return q_alloc_zero(2 * (size_t)optimizer->ranks, sizeof *optimizer->pieces, &optimizer->pieces);
}

static q_status create(struct model *model, const struct optimizer_settings *settings, const struct comm_groups *groups,
                       struct optimizer **out)
{
    struct optimizer *optimizer;
    Q_TRY(q_alloc_zero(1, sizeof(*optimizer), &optimizer));
    optimizer->model = model;
    optimizer->settings = *settings;
    optimizer->groups = groups ? *groups : (struct comm_groups){.expert_ranks = 1};
    optimizer->ranks = comm_groups_ranks(&optimizer->groups);
    plan_regions(optimizer);
    q_status status = create_moments(optimizer);
    if (status)
        optimizer_release(optimizer);
    else
        *out = optimizer;
    return status;
}

q_status optimizer_create(struct model *model, const struct optimizer_settings *settings,
                          const struct comm_groups *groups, struct optimizer **out)
{
    q_check(model_gradient_arena(model));
    return create(model, settings, groups, out);
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

/* The gradients of a region, summed into the slices of the ranks that have it; and the sum of this rank's squares. */
static q_status sum_region(struct optimizer *optimizer, const struct region *region, double *squares)
{
    struct model *model = optimizer->model;
    op_acc *gradients = model_gradient_arena(model) + region->first;
    *squares = 0;
    if (region->comm)
        Q_TRY(comm_reduce_scatter(region->comm, gradients, region->count, real_type));
    if (region->slice.count)
        model_ops(model)->sum_squares(model_context(model), squares, gradients + region->slice.first,
                                      region->slice.count);
    return Q_OK;
}

q_status optimizer_norm(struct optimizer *optimizer, double *norm)
{
    struct model *model = optimizer->model;
    double squares[REGIONS], sum = 0;
    Q_TRY(model_ops(model)->synchronize(model_context(model)));
    for (int i = 0; i < REGIONS; i++) {
        Q_TRY(sum_region(optimizer, &optimizer->regions[i], &squares[i]));
        sum += squares[i];
    }
    Q_TRY(model_ops(model)->synchronize(model_context(model)));
    if (optimizer->groups.world) /* the slices of all ranks are every parameter once, whoever has it */
        Q_TRY(comm_sum(optimizer->groups.world, &sum, 1, COMM_F64));
    *norm = sqrt(sum);
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
    const size_t bytes = optimizer->elements * sizeof(op_acc);
    for (int i = 0; i < 2; i++)
        model_ops(optimizer->model)->zero(model_context(optimizer->model), optimizer->moments[i], bytes);
    optimizer->steps = 0;
}

/* AdamW on this rank's slice of a region. grad_scale: what clipping makes of the gradients. */
static void update_region(struct optimizer *optimizer, const struct region *region, double rate, double grad_scale)
{
    struct model *model = optimizer->model;
    const struct optimizer_settings *settings = &optimizer->settings;
    const size_t first = region->first + region->slice.first;
    const struct op_adamw adamw = {.parameters = model_parameter_arena(model) + first,
                                   .gradients = model_gradient_arena(model) + first,
                                   .m = optimizer->moments[OPTIMIZER_M] + region->moments,
                                   .v = optimizer->moments[OPTIMIZER_V] + region->moments,
                                   .segments = region->segments,
                                   .segment_count = Q_COUNT_OF(region->segments),
                                   .rate = rate,
                                   .beta1 = settings->beta1,
                                   .beta2 = settings->beta2,
                                   .epsilon = settings->epsilon,
                                   .step = optimizer->steps,
                                   .grad_scale = grad_scale};
    model_ops(model)->adamw(model_context(model), &adamw);
}

q_status optimizer_apply(struct optimizer *optimizer, double rate, double norm)
{
    struct model *model = optimizer->model;
    const double clip = optimizer->settings.clip;
    q_check(isfinite(norm));
    optimizer->steps++;
    for (int i = 0; i < REGIONS; i++) /* 1e-6 as in torch.nn.utils.clip_grad_norm_ */
        update_region(optimizer, &optimizer->regions[i], rate, clip > 0.0 ? fmin(1.0, clip / (norm + 1e-6)) : 1.0);
    if (optimizer->ranks > 1)
        model_clear_gradients(model); /* those of the slices of others were only this rank's share */
    Q_TRY(model_ops(model)->synchronize(model_context(model)));
    for (int i = 0; i < REGIONS; i++) {
        const struct region *region = &optimizer->regions[i];
        if (region->comm)
            Q_TRY(
                comm_all_gather(region->comm, model_parameter_arena(model) + region->first, region->count, real_type));
    }
    return Q_OK;
}

bool optimizer_leads(const struct optimizer *optimizer)
{
    return comm_groups_rank(&optimizer->groups) == 0;
}

q_status optimizer_shadow_create(const struct optimizer *optimizer, struct model *model, struct optimizer **out)
{
    return create(model, &optimizer->settings, NULL, out);
}

/* Which of the ranks that share the experts has a parameter; 0 where all have it. */
static unsigned owner_of(const struct optimizer *optimizer, const struct model_parameter *parameter)
{
    const uint64_t experts = model_get_config(optimizer->model)->n_routed_experts;
    return parameter->expert < 0
               ? 0
               : (unsigned)((uint64_t)parameter->expert * optimizer->groups.expert_ranks / Q_MAX(experts, 1));
}

static const struct region *region_of(const struct optimizer *optimizer, const struct model_parameter *parameter)
{
    return &optimizer->regions[parameter->expert < 0 ? SHARED : EXPERTS];
}

/* The part of a parameter whose moments rank r of the world has, counted from the beginning of its slice; *slice: that. */
static struct comm_slice part_of(const struct optimizer *optimizer, const struct model_parameter *parameter, unsigned r,
                                 struct comm_slice *slice)
{
    const struct region *region = region_of(optimizer, parameter);
    const unsigned each = parameter->expert < 0 ? 1 : optimizer->groups.expert_ranks;
    const size_t from = parameter->offset - region->first;
    *slice = comm_slice(region->count, region->ranks, r / each);
    return r % each == owner_of(optimizer, parameter) ? within(*slice, from, from + parameter->count)
                                                      : (struct comm_slice){0};
}

/* A moment of a parameter comes together on rank 0, in `values`; NULL on the others. On host memory: a device's communicator will bring its own way. */
static q_status gather(const struct optimizer *optimizer, enum optimizer_moment moment,
                       const struct model_parameter *parameter, op_acc *values)
{
    struct comm_piece *send = optimizer->pieces, *receive = send + optimizer->ranks;
    const struct region *region = region_of(optimizer, parameter);
    const size_t from = parameter->offset - region->first;
    struct comm_slice slice;
    const struct comm_slice own = part_of(optimizer, parameter, comm_groups_rank(&optimizer->groups), &slice);
    memset(send, 0, 2 * optimizer->ranks * sizeof *send);
    send[0] = (struct comm_piece){optimizer->moments[moment] + region->moments + own.first, own.count * sizeof *values};
    for (unsigned r = 0; r < optimizer->ranks && optimizer_leads(optimizer); r++) {
        const struct comm_slice theirs = part_of(optimizer, parameter, r, &slice);
        if (theirs.count)
            receive[r] =
                (struct comm_piece){values + (slice.first + theirs.first - from), theirs.count * sizeof *values};
    }
    return comm_exchange(optimizer->groups.world, send, receive);
}

/* Over ranks: tensor by tensor, into the places that they have in the shadow. */
static q_status gather_all(struct optimizer *shadow, const struct optimizer *optimizer)
{
    size_t count;
    const struct model_parameter *from = model_parameters(optimizer->model, &count),
                                 *to = shadow ? model_parameters(shadow->model, &count) : NULL;
    for (size_t i = 0; i < count; i++)
        for (int moment = 0; moment < 2 && from[i].kind != MODEL_BIAS; moment++)
            Q_TRY(gather(optimizer, (enum optimizer_moment)moment, &from[i],
                         shadow ? shadow->moments[moment] + to[i].offset : NULL));
    return Q_OK;
}

q_status optimizer_shadow_copy(struct optimizer *shadow, const struct optimizer *optimizer)
{
    const struct op_table *ops = model_ops(optimizer->model);
    q_check(!shadow == !optimizer_leads(optimizer));
    if (optimizer->ranks > 1)
        Q_TRY(gather_all(shadow, optimizer));
    for (int i = 0; i < 2 && optimizer->ranks == 1; i++)
        ops->copy_in(model_context(optimizer->model), shadow->moments[i], optimizer->moments[i],
                     optimizer->elements * sizeof(op_acc));
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
        return gather(optimizer, moment, parameter, values);
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
    const struct region *region = region_of(optimizer, parameter);
    struct comm_slice slice;
    const struct comm_slice part = part_of(optimizer, parameter, comm_groups_rank(&optimizer->groups), &slice);
    if (part.count)
        model_ops(optimizer->model)
            ->copy_in(model_context(optimizer->model), optimizer->moments[moment] + region->moments + part.first,
                      values + (region->first + slice.first + part.first - parameter->offset),
                      part.count * sizeof(op_acc));
    return Q_OK;
}
