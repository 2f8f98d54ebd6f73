#include "train/optimizer.h"

#include "base/check.h"
#include "base/memory.h"
#include "train/bfloat16.h"

#include <math.h>
#include <string.h>

/* A part of the arenas that the same ranks have: what is no expert's, and this rank's experts. */
enum { SHARED, EXPERTS, REGIONS };

struct region {
    size_t first, count; /* elements of the arenas */
    struct comm *comm;   /* the ranks that have it; NULL: this one alone */
    unsigned ranks;
    struct comm_slice slice;       /* of the region: what this rank updates, and has the moments of */
    size_t begin;                  /* of the slice in this rank's arenas, elements */
    struct op_segment segments[2]; /* of the slice */
};

struct optimizer {
    struct model *model;
    struct optimizer_settings settings;
    struct comm_groups groups; /* borrowed */
    unsigned ranks;            /* of the world */
    struct region regions[REGIONS];
    size_t elements;                /* of this rank's arenas */
    void *arenas[OPTIMIZER_ARENAS]; /* of the slices, one behind the other; NULL: no EMA */
    struct comm_piece *pieces;      /* [2 * ranks]: of gather */
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

/* The rank's slice among those of the ranks that have the region. */
static void begin_region(struct optimizer *optimizer, int which, size_t first, size_t end, unsigned ranks,
                         unsigned rank)
{
    struct region *region = &optimizer->regions[which];
    *region = (struct region){.first = first, .count = end - first, .ranks = ranks};
    region->slice = comm_slice(region->count, ranks, rank);
    region->begin = optimizer->elements;
    optimizer->elements += region->slice.count;
}

/* Ranks that share experts are neighbours (comm_groups.h): every expert_ranks-th has the same ones. */
static void plan_regions(struct optimizer *optimizer, unsigned ranks, unsigned rank)
{
    const struct model *model = optimizer->model;
    const struct optimizer_settings *settings = &optimizer->settings;
    const size_t matrices = model_matrix_elements(model), shared = model_shared_elements(model);
    const unsigned each = model_expert_ranks(model);
    struct region *regions = optimizer->regions;
    begin_region(optimizer, SHARED, 0, shared, ranks, rank);
    begin_region(optimizer, EXPERTS, shared, model_parameter_elements(model), ranks / each, rank / each);
    regions[SHARED].segments[0] = segment_of(&regions[SHARED], 0, matrices, settings->weight_decay);
    regions[SHARED].segments[1] =
        segment_of(&regions[SHARED], matrices, shared, settings->decay_norms ? settings->weight_decay : 0.0);
    regions[EXPERTS].segments[0] = segment_of(&regions[EXPERTS], 0, regions[EXPERTS].count, settings->weight_decay);
}

size_t optimizer_element_bytes(const struct optimizer *optimizer, enum optimizer_arena arena)
{
    const struct optimizer_settings *settings = &optimizer->settings;
    if (arena == OPTIMIZER_EMA)
        return settings->ema_decay > 0.0 ? sizeof(op_acc) : 0;
    return settings->bf16_moments ? sizeof(uint16_t) : sizeof(op_acc);
}

/* Element `at` of an arena. */
static void *arena_at(const struct optimizer *optimizer, enum optimizer_arena arena, size_t at)
{
    return (char *)optimizer->arenas[arena] + at * optimizer_element_bytes(optimizer, arena);
}

static size_t arena_bytes(const struct optimizer *optimizer, enum optimizer_arena arena)
{
    return Q_MAX(optimizer->elements, (size_t)1) * optimizer_element_bytes(optimizer, arena);
}

void optimizer_memory(const struct model *model, const struct optimizer_settings *settings, unsigned ranks,
                      unsigned rank, size_t bytes[OPTIMIZER_ARENAS])
{
    struct optimizer outline = {.model = (struct model *)(uintptr_t)model, .settings = *settings};
    plan_regions(&outline, ranks, rank);
    for (int i = 0; i < OPTIMIZER_ARENAS; i++)
        bytes[i] = arena_bytes(&outline, (enum optimizer_arena)i);
}

static q_status create_arenas(struct optimizer *optimizer)
{
    struct model *model = optimizer->model;
    for (int i = 0; i < OPTIMIZER_ARENAS; i++) {
        const size_t bytes = arena_bytes(optimizer, (enum optimizer_arena)i);
        if (bytes)
            Q_TRY(model_ops(model)->memory_create(model_context(model), bytes, &optimizer->arenas[i]));
    }
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
    plan_regions(optimizer, optimizer->ranks, comm_groups_rank(&optimizer->groups));
    optimizer->regions[SHARED].comm = optimizer->groups.world;
    optimizer->regions[EXPERTS].comm = optimizer->groups.replicas;
    q_status status = create_arenas(optimizer);
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
    q_check(model_expert_ranks(model) == (groups ? groups->expert_ranks : 1));
    return create(model, settings, groups, out);
}

void optimizer_release(struct optimizer *optimizer)
{
    if (!optimizer)
        return;
    for (int i = 0; i < OPTIMIZER_ARENAS; i++)
        model_ops(optimizer->model)->memory_release(model_context(optimizer->model), optimizer->arenas[i]);
    q_release(optimizer->pieces);
    q_release(optimizer);
}

static bool has_narrow_gradients(const struct model *model)
{
    return model_gradient_bytes(model) < sizeof(op_acc);
}

static void *gradient_at(struct model *model, size_t at)
{
    return (char *)model_gradient_arena(model) + at * model_gradient_bytes(model);
}

/* The gradients of a region, summed into the slices of the ranks that have it; and the sum of this rank's squares. */
static q_status sum_region(struct optimizer *optimizer, const struct region *region, double *squares)
{
    struct model *model = optimizer->model;
    *squares = 0;
    if (region->comm)
        Q_TRY(comm_reduce_scatter(region->comm, gradient_at(model, region->first), region->count,
                                  has_narrow_gradients(model) ? COMM_BF16 : real_type));
    if (region->slice.count)
        model_ops(model)->sum_squares(model_context(model), squares,
                                      gradient_at(model, region->first + region->slice.first),
                                      has_narrow_gradients(model), region->slice.count);
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

static void clear_arena(struct optimizer *optimizer, enum optimizer_arena arena)
{
    model_ops(optimizer->model)
        ->zero(model_context(optimizer->model), optimizer->arenas[arena],
               optimizer->elements * optimizer_element_bytes(optimizer, arena));
}

/* The EMA moves by this share of the way to the parameters. */
static void move_ema(struct optimizer *optimizer, double share)
{
    struct model *model = optimizer->model;
    for (int i = 0; i < REGIONS; i++) {
        const struct region *region = &optimizer->regions[i];
        model_ops(model)->average(model_context(model), arena_at(optimizer, OPTIMIZER_EMA, region->begin),
                                  model_parameter_arena(model) + region->first + region->slice.first,
                                  region->slice.count, share);
    }
}

void optimizer_begin_ema(struct optimizer *optimizer)
{
    if (!optimizer->arenas[OPTIMIZER_EMA])
        return;
    clear_arena(optimizer, OPTIMIZER_EMA);
    move_ema(optimizer, 1);
}

void optimizer_clear(struct optimizer *optimizer)
{
    clear_arena(optimizer, OPTIMIZER_M);
    clear_arena(optimizer, OPTIMIZER_V);
    optimizer_begin_ema(optimizer);
    optimizer->steps = 0;
}

/* AdamW on this rank's slice of a region. grad_scale: what clipping makes of the gradients. */
static void update_region(struct optimizer *optimizer, const struct region *region, double rate, double grad_scale)
{
    struct model *model = optimizer->model;
    const struct optimizer_settings *settings = &optimizer->settings;
    const size_t first = region->first + region->slice.first;
    const struct op_adamw adamw = {.parameters = model_parameter_arena(model) + first,
                                   .gradients = gradient_at(model, first),
                                   .narrow = has_narrow_gradients(model),
                                   .m = arena_at(optimizer, OPTIMIZER_M, region->begin),
                                   .v = arena_at(optimizer, OPTIMIZER_V, region->begin),
                                   .bf16 = settings->bf16_moments,
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
    const double clip = optimizer->settings.clip, decay = optimizer->settings.ema_decay;
    q_check(isfinite(norm));
    optimizer->steps++;
    for (int i = 0; i < REGIONS; i++) /* 1e-6 as in torch.nn.utils.clip_grad_norm_ */
        update_region(optimizer, &optimizer->regions[i], rate, clip > 0.0 ? fmin(1.0, clip / (norm + 1e-6)) : 1.0);
    if (decay > 0.0)
        move_ema(optimizer, (1.0 - decay) / (1.0 - pow(decay, (double)optimizer->steps)));
    if (optimizer->ranks > 1)
        model_clear_gradients(model); /* those of the slices of others were only this rank's share */
    Q_TRY(model_ops(model)->synchronize(model_context(model)));
    for (int i = 0; i < REGIONS; i++) {
        const struct region *region = &optimizer->regions[i];
        if (region->comm)
            Q_TRY(
                comm_all_gather(region->comm, model_parameter_arena(model) + region->first, region->count, real_type));
    }
    model_narrow(model);
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

static const struct region *region_of(const struct optimizer *optimizer, const struct model_parameter *parameter)
{
    return &optimizer->regions[parameter->expert < 0 ? SHARED : EXPERTS];
}

/* The part of a parameter that rank r of the world has in its arenas, counted from the beginning of its slice; *slice: that. */
static struct comm_slice part_of(const struct optimizer *optimizer, const struct model_parameter *parameter, unsigned r,
                                 struct comm_slice *slice)
{
    const struct region *region = region_of(optimizer, parameter);
    const unsigned each = parameter->expert < 0 ? 1 : optimizer->groups.expert_ranks;
    const size_t from = parameter->offset - region->first;
    *slice = comm_slice(region->count, region->ranks, r / each);
    return r % each == model_owner(optimizer->model, parameter) ? within(*slice, from, from + parameter->count)
                                                                : (struct comm_slice){0};
}

/* What an arena has of a parameter comes together on rank 0, in `values`, as it is stored; NULL on the others. On host memory: a device's communicator will
 * bring its own way. */
static q_status gather(const struct optimizer *optimizer, enum optimizer_arena arena,
                       const struct model_parameter *parameter, void *values)
{
    struct comm_piece *send = optimizer->pieces, *receive = send + optimizer->ranks;
    const struct region *region = region_of(optimizer, parameter);
    const size_t from = parameter->offset - region->first, bytes = optimizer_element_bytes(optimizer, arena);
    struct comm_slice slice;
    const struct comm_slice own = part_of(optimizer, parameter, comm_groups_rank(&optimizer->groups), &slice);
    memset(send, 0, 2 * optimizer->ranks * sizeof *send);
    send[0] = (struct comm_piece){arena_at(optimizer, arena, region->begin + own.first), own.count * bytes};
    for (unsigned r = 0; r < optimizer->ranks && optimizer_leads(optimizer); r++) {
        const struct comm_slice theirs = part_of(optimizer, parameter, r, &slice);
        if (theirs.count)
            receive[r] =
                (struct comm_piece){(char *)values + (slice.first + theirs.first - from) * bytes, theirs.count * bytes};
    }
    return comm_exchange(optimizer->groups.world, send, receive);
}

q_status optimizer_get_weight(const struct optimizer *optimizer, const struct model_parameter *parameter,
                              op_acc *values)
{
    const unsigned owner = model_owner(optimizer->model, parameter), rank = comm_groups_rank(&optimizer->groups);
    struct comm_piece *send = optimizer->pieces, *receive = send + optimizer->ranks;
    if (optimizer->groups.expert_ranks == 1 || parameter->expert < 0) {
        if (values)
            model_get(optimizer->model, parameter, values);
        return Q_OK;
    }
    memset(send, 0, 2 * optimizer->ranks * sizeof *send);
    if (rank == owner) /* of the group that rank 0 is of */
        send[0] = (struct comm_piece){model_parameter_arena(optimizer->model) + parameter->offset,
                                      parameter->count * sizeof *values};
    if (rank == 0)
        receive[owner] = (struct comm_piece){values, parameter->count * sizeof *values};
    return comm_exchange(optimizer->groups.world, send, receive);
}

/* Over ranks: tensor by tensor, into the places that they have in the shadow; `to` is NULL on ranks that do not lead. */
static q_status gather_parameter(struct optimizer *shadow, const struct optimizer *optimizer,
                                 const struct model_parameter *from, const struct model_parameter *to)
{
    if (from->expert >= 0 && optimizer->groups.expert_ranks > 1)
        Q_TRY(optimizer_get_weight(optimizer, from, shadow ? model_parameter_arena(shadow->model) + to->offset : NULL));
    for (int a = 0; a < OPTIMIZER_ARENAS; a++)
        if (optimizer->arenas[a])
            Q_TRY(gather(optimizer, (enum optimizer_arena)a, from,
                         shadow ? arena_at(shadow, (enum optimizer_arena)a, to->offset) : NULL));
    return Q_OK;
}

static q_status gather_all(struct optimizer *shadow, const struct optimizer *optimizer)
{
    size_t count;
    const struct model_parameter *from = model_parameters(optimizer->model, &count),
                                 *to = shadow ? model_parameters(shadow->model, &count) : NULL;
    for (size_t i = 0; i < count; i++)
        if (from[i].kind != MODEL_BIAS)
            Q_TRY(gather_parameter(shadow, optimizer, &from[i], shadow ? &to[i] : NULL));
    return Q_OK;
}

q_status optimizer_shadow_copy(struct optimizer *shadow, const struct optimizer *optimizer)
{
    const struct op_table *ops = model_ops(optimizer->model);
    q_check(!shadow == !optimizer_leads(optimizer));
    if (optimizer->ranks > 1)
        Q_TRY(gather_all(shadow, optimizer));
    for (int i = 0; i < OPTIMIZER_ARENAS && optimizer->ranks == 1; i++)
        if (optimizer->arenas[i])
            ops->copy_out(model_context(optimizer->model), shadow->arenas[i], optimizer->arenas[i],
                          optimizer->elements * optimizer_element_bytes(optimizer, (enum optimizer_arena)i));
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

q_status optimizer_get(const struct optimizer *optimizer, enum optimizer_arena arena,
                       const struct model_parameter *parameter, op_acc *values)
{
    struct model *model = optimizer->model;
    const size_t bytes = optimizer_element_bytes(optimizer, arena), count = parameter->count;
    q_check(parameter->kind != MODEL_BIAS && bytes);
    /* BF16 is read into the end of `values` and widened from its beginning: a code is read before anything is written over it. */
    char *stored = values ? (char *)values + count * (sizeof *values - bytes) : NULL;
    if (optimizer->ranks > 1)
        Q_TRY(gather(optimizer, arena, parameter, stored));
    else
        model_ops(model)->copy_out(model_context(model), stored, arena_at(optimizer, arena, parameter->offset),
                                   count * bytes);
    for (size_t i = 0; i < count && bytes == sizeof(uint16_t) && optimizer_leads(optimizer); i++) {
        uint16_t code;
        memcpy(&code, stored + i * sizeof code, sizeof code);
        values[i] = (op_acc)bfloat16_to_float(code);
    }
    return Q_OK;
}

/* Rounded piece by piece. */
static void put_bf16(struct optimizer *optimizer, uint16_t *to, const op_acc *values, size_t count)
{
    uint16_t codes[2048];
    for (size_t first = 0; first < count; first += Q_COUNT_OF(codes)) {
        const size_t part = Q_MIN(Q_COUNT_OF(codes), count - first);
        for (size_t i = 0; i < part; i++)
            codes[i] = bfloat16_of_float((float)values[first + i]);
        model_ops(optimizer->model)
            ->copy_in(model_context(optimizer->model), to + first, codes, part * sizeof codes[0]);
    }
}

q_status optimizer_put(struct optimizer *optimizer, enum optimizer_arena arena, const struct model_parameter *parameter,
                       const op_acc *values)
{
    const size_t bytes = optimizer_element_bytes(optimizer, arena);
    q_check(parameter->kind != MODEL_BIAS && bytes);
    for (size_t i = 0; i < parameter->count; i++)
        if (!isfinite(values[i]) || (arena == OPTIMIZER_V && values[i] < 0))
            return q_fail(Q_ERR_INPUT, "the %s of tensor '%s' is not a finite number, or a square below zero, at %zu",
                          arena == OPTIMIZER_EMA ? "average" : "moment", parameter->name, i);
    const struct region *region = region_of(optimizer, parameter);
    struct comm_slice slice;
    const struct comm_slice part = part_of(optimizer, parameter, comm_groups_rank(&optimizer->groups), &slice);
    if (part.count == 0)
        return Q_OK;
    const op_acc *own = values + (region->first + slice.first + part.first - parameter->offset);
    void *to = arena_at(optimizer, arena, region->begin + part.first);
    if (bytes == sizeof(uint16_t))
        put_bf16(optimizer, to, own, part.count);
    else
        model_ops(optimizer->model)->copy_in(model_context(optimizer->model), to, own, part.count * bytes);
    return Q_OK;
}
