#include "train/model/expert_exchange.h"

#include "base/check.h"
#include "base/memory.h"

#include <string.h>

struct expert_exchange {
    struct comm *comm;
    const struct op_table *ops;
    struct op_context *context;
    size_t experts;
    unsigned rank, ranks;
    struct comm_slice own;
    int32_t *counts;           /* [ranks, own.count]: slots of my experts, by sender */
    int32_t *mine;             /* [experts]: slots that I send, by expert */
    int32_t *cursors;          /* [own.count] */
    struct comm_piece *pieces; /* [2 * ranks] */
    op_real *room;             /* rows in the order of senders */
    size_t room_count;
};

static q_status create_buffers(struct expert_exchange *x)
{
    Q_TRY(q_alloc_zero(x->ranks * x->own.count, sizeof *x->counts, &x->counts));
    Q_TRY(q_alloc_zero(x->experts, sizeof *x->mine, &x->mine));
    Q_TRY(q_alloc_zero(x->own.count, sizeof *x->cursors, &x->cursors));
    return q_alloc_zero(2 * (size_t)x->ranks, sizeof *x->pieces, &x->pieces);
}

q_status expert_exchange_create(struct comm *comm, const struct op_table *ops, struct op_context *context,
                                size_t experts, struct expert_exchange **out)
{
    struct expert_exchange *x;
    const unsigned rank = comm_rank(comm), ranks = comm_ranks(comm);
    if (experts < ranks)
        return q_fail(Q_ERR_USAGE, "%zu experts cannot be shared by %u ranks; give fewer ranks to a group", experts,
                      ranks);
    Q_TRY(q_alloc_zero(1, sizeof *x, &x));
    x->comm = comm;
    x->ops = ops;
    x->context = context;
    x->experts = experts;
    x->rank = rank;
    x->ranks = ranks;
    x->own = comm_share(experts, ranks, rank);
    q_status status = create_buffers(x);
    if (status)
        expert_exchange_release(x);
    else
        *out = x;
    return status;
}

void expert_exchange_release(struct expert_exchange *x)
{
    if (!x)
        return;
    q_release(x->counts);
    q_release(x->mine);
    q_release(x->cursors);
    q_release(x->pieces);
    if (x->room)
        x->ops->memory_release(x->context, x->room);
    q_release(x);
}

q_status expert_plan_create(const struct expert_exchange *x, struct expert_plan *plan)
{
    Q_TRY(q_alloc_zero(x->own.count + 1, sizeof *plan->offsets, &plan->offsets));
    Q_TRY(q_alloc_zero(x->ranks + 1, sizeof *plan->sent, &plan->sent));
    return q_alloc_zero(x->ranks + 1, sizeof *plan->received, &plan->received);
}

void expert_plan_release(struct expert_plan *plan)
{
    q_release(plan->offsets);
    q_release(plan->sent);
    q_release(plan->received);
    q_release(plan->to_sender);
    q_release(plan->to_expert);
    *plan = (struct expert_plan){0};
}

/* Every rank tells each other one the loads of that one's experts. */
static q_status tell_loads(struct expert_exchange *x, const int32_t *offsets)
{
    struct comm_piece *send = x->pieces, *receive = send + x->ranks;
    for (size_t e = 0; e < x->experts; e++)
        x->mine[e] = offsets[e + 1] - offsets[e];
    for (unsigned r = 0; r < x->ranks; r++) {
        const struct comm_slice theirs = comm_share(x->experts, x->ranks, r);
        send[r] = (struct comm_piece){x->mine + theirs.first, theirs.count * sizeof *x->mine};
        receive[r] = (struct comm_piece){x->counts + r * x->own.count, x->own.count * sizeof *x->counts};
    }
    return comm_exchange(x->comm, send, receive);
}

/* Row by row: senders in order, and of each its slots by expert. */
static void sort_rows(struct expert_exchange *x, struct expert_plan *plan)
{
    int32_t row = 0;
    memcpy(x->cursors, plan->offsets, x->own.count * sizeof *x->cursors);
    for (unsigned r = 0; r < x->ranks; r++)
        for (size_t e = 0; e < x->own.count; e++)
            for (int32_t i = 0; i < x->counts[r * x->own.count + e]; i++, row++) {
                plan->to_expert[row] = x->cursors[e];
                plan->to_sender[x->cursors[e]++] = row;
            }
}

q_status expert_plan_fill(struct expert_exchange *x, const int32_t *offsets, struct expert_plan *plan)
{
    Q_TRY(tell_loads(x, offsets));
    plan->received[0] = plan->offsets[0] = 0;
    memset(plan->offsets, 0, (x->own.count + 1) * sizeof *plan->offsets);
    for (unsigned r = 0; r < x->ranks; r++) {
        const struct comm_slice theirs = comm_share(x->experts, x->ranks, r);
        plan->sent[r] = offsets[theirs.first];
        plan->received[r + 1] = plan->received[r];
        for (size_t e = 0; e < x->own.count; e++) {
            const int32_t count = x->counts[r * x->own.count + e];
            if (count < 0 || count > INT32_MAX - plan->received[r + 1])
                return q_fail(Q_ERR_SYSTEM, "rank %u sends %d rows to an expert of rank %u", r, count, x->rank);
            plan->offsets[e + 1] += count;
            plan->received[r + 1] += count;
        }
    }
    plan->sent[x->ranks] = offsets[x->experts];
    for (size_t e = 0; e < x->own.count; e++)
        plan->offsets[e + 1] += plan->offsets[e];
    plan->rows = (size_t)plan->received[x->ranks];
    Q_TRY(q_grow(&plan->to_sender, &plan->capacity[0], plan->rows, sizeof *plan->to_sender));
    Q_TRY(q_grow(&plan->to_expert, &plan->capacity[1], plan->rows, sizeof *plan->to_expert));
    sort_rows(x, plan);
    return Q_OK;
}

/* Rows in the order of senders; larger loads than before take a larger room. */
static q_status reserve(struct expert_exchange *x, size_t count)
{
    if (count <= x->room_count)
        return Q_OK;
    if (x->room)
        x->ops->memory_release(x->context, x->room);
    x->room = NULL;
    x->room_count = 0;
    Q_TRY(x->ops->memory_create(x->context, count * sizeof *x->room, &x->room));
    x->room_count = count;
    return Q_OK;
}

/* The runs of slots, by rank, and those of x->room. */
static void fill_pieces(const struct expert_exchange *x, const struct expert_plan *plan, op_real *slots, size_t width,
                        struct comm_piece *of_slots, struct comm_piece *of_room)
{
    for (unsigned r = 0; r < x->ranks; r++) {
        const size_t sent = (size_t)(plan->sent[r + 1] - plan->sent[r]),
                     received = (size_t)(plan->received[r + 1] - plan->received[r]);
        of_slots[r] = (struct comm_piece){slots + (size_t)plan->sent[r] * width, sent * width * sizeof *slots};
        of_room[r] = (struct comm_piece){x->room + (size_t)plan->received[r] * width, received * width * sizeof *slots};
    }
}

q_status expert_exchange_there(struct expert_exchange *x, const struct expert_plan *plan, const op_real *slots,
                               op_real *rows, size_t width)
{
    struct comm_piece *send = x->pieces, *receive = send + x->ranks;
    Q_TRY(reserve(x, plan->rows * width));
    Q_TRY(x->ops->synchronize(x->context));
    fill_pieces(x, plan, (op_real *)(uintptr_t)slots, width, send, receive); /* what is sent is not written */
    Q_TRY(comm_exchange(x->comm, send, receive));
    if (plan->rows)
        x->ops->gather(x->context, rows, x->room, plan->to_sender, plan->rows, width);
    return Q_OK;
}

q_status expert_exchange_back(struct expert_exchange *x, const struct expert_plan *plan, const op_real *rows,
                              op_real *slots, size_t width)
{
    struct comm_piece *send = x->pieces, *receive = send + x->ranks;
    Q_TRY(reserve(x, plan->rows * width));
    if (plan->rows)
        x->ops->gather(x->context, x->room, rows, plan->to_expert, plan->rows, width);
    Q_TRY(x->ops->synchronize(x->context));
    fill_pieces(x, plan, slots, width, receive, send);
    return comm_exchange(x->comm, send, receive);
}
