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
    int32_t *loads;            /* [ranks, experts]: slots that each rank sends, by expert */
    int32_t *cursors;          /* [own.count] */
    struct comm_piece *pieces; /* [2 * ranks] */
    op_real *room;             /* [room_rows, width]: rows in the order of senders */
    size_t width, room_rows;
};

/* Room for so many rows, in the order of senders. */
static q_status reserve(struct expert_exchange *x, size_t rows)
{
    if (rows <= x->room_rows)
        return Q_OK;
    x->ops->memory_release(x->context, x->room);
    x->room = NULL;
    x->room_rows = 0;
    Q_TRY(x->ops->memory_create(x->context, expert_exchange_bytes(x->ops, x->width, rows), &x->room));
    x->room_rows = rows;
    return Q_OK;
}

static q_status create_buffers(struct expert_exchange *x, size_t rows)
{
    Q_TRY(q_alloc_zero(x->ranks * x->experts, sizeof *x->loads, &x->loads));
    Q_TRY(q_alloc_zero(x->own.count, sizeof *x->cursors, &x->cursors));
    Q_TRY(q_alloc_zero(2 * (size_t)x->ranks, sizeof *x->pieces, &x->pieces));
    return reserve(x, rows);
}

q_status expert_exchange_create(struct comm *comm, const struct op_table *ops, struct op_context *context,
                                size_t experts, size_t width, size_t rows, struct expert_exchange **out)
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
    x->width = width;
    x->rank = rank;
    x->ranks = ranks;
    x->own = comm_share(experts, ranks, rank);
    q_status status = create_buffers(x, rows);
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
    q_release(x->loads);
    q_release(x->cursors);
    q_release(x->pieces);
    x->ops->memory_release(x->context, x->room);
    q_release(x);
}

size_t expert_exchange_bytes(const struct op_table *ops, size_t width, size_t rows)
{
    return rows * width * ops->real_bytes;
}

size_t expert_plan_bytes(size_t rows)
{
    return 2 * rows * sizeof(int32_t);
}

static q_status reserve_plan(struct expert_plan *plan, size_t rows)
{
    Q_TRY(q_resize(&plan->to_sender, rows, sizeof *plan->to_sender));
    Q_TRY(q_resize(&plan->to_expert, rows, sizeof *plan->to_expert));
    plan->capacity = rows;
    return Q_OK;
}

q_status expert_plan_create(const struct expert_exchange *x, size_t rows, struct expert_plan *plan)
{
    Q_TRY(q_alloc_zero(x->own.count + 1, sizeof *plan->offsets, &plan->offsets));
    Q_TRY(q_alloc_zero(x->ranks + 1, sizeof *plan->sent, &plan->sent));
    Q_TRY(q_alloc_zero(x->ranks + 1, sizeof *plan->received, &plan->received));
    return reserve_plan(plan, rows);
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

/* Every rank tells all others its loads. */
static q_status tell_loads(struct expert_exchange *x, const int32_t *offsets)
{
    struct comm_piece *send = x->pieces, *receive = send + x->ranks;
    const size_t bytes = x->experts * sizeof *x->loads;
    int32_t *own = x->loads + x->rank * x->experts;
    for (size_t e = 0; e < x->experts; e++)
        own[e] = offsets[e + 1] - offsets[e];
    for (unsigned r = 0; r < x->ranks; r++) {
        send[r] = (struct comm_piece){own, bytes};
        receive[r] = (struct comm_piece){x->loads + r * x->experts, bytes};
    }
    return comm_exchange(x->comm, send, receive);
}

/* The rows of the fullest rank: the same on all of them, since all know all loads. */
static q_status find_most(const struct expert_exchange *x, size_t *most)
{
    *most = 0;
    for (unsigned r = 0; r < x->ranks; r++) {
        const struct comm_slice theirs = comm_share(x->experts, x->ranks, r);
        int64_t rows = 0;
        for (unsigned from = 0; from < x->ranks; from++)
            for (size_t e = theirs.first; e < theirs.first + theirs.count; e++)
                rows += x->loads[from * x->experts + e];
        if (rows < 0 || rows > INT32_MAX)
            return q_fail(Q_ERR_SYSTEM,
                          "rank %u of those that share experts gets %lld rows at once; lower "
                          "'train.micro_batch'",
                          r, (long long)rows);
        *most = Q_MAX(*most, (size_t)rows);
    }
    return Q_OK;
}

/* Row by row: senders in order, and of each its slots by expert. */
static void sort_rows(struct expert_exchange *x, struct expert_plan *plan)
{
    int32_t row = 0;
    memcpy(x->cursors, plan->offsets, x->own.count * sizeof *x->cursors);
    for (unsigned r = 0; r < x->ranks; r++)
        for (size_t e = 0; e < x->own.count; e++)
            for (int32_t i = 0; i < x->loads[r * x->experts + x->own.first + e]; i++, row++) {
                plan->to_expert[row] = x->cursors[e];
                plan->to_sender[x->cursors[e]++] = row;
            }
}

/* What this rank's experts get, by expert and by sender. */
static void count_rows(const struct expert_exchange *x, const int32_t *offsets, struct expert_plan *plan)
{
    plan->received[0] = 0;
    memset(plan->offsets, 0, (x->own.count + 1) * sizeof *plan->offsets);
    for (unsigned r = 0; r < x->ranks; r++) {
        plan->sent[r] = offsets[comm_share(x->experts, x->ranks, r).first];
        plan->received[r + 1] = plan->received[r];
        for (size_t e = 0; e < x->own.count; e++) {
            const int32_t count = x->loads[r * x->experts + x->own.first + e];
            plan->offsets[e + 1] += count;
            plan->received[r + 1] += count;
        }
    }
    plan->sent[x->ranks] = offsets[x->experts];
    for (size_t e = 0; e < x->own.count; e++)
        plan->offsets[e + 1] += plan->offsets[e];
    plan->rows = (size_t)plan->received[x->ranks];
}

static q_status make_room(struct expert_exchange *x, struct expert_plan *plan)
{
    const size_t rows = expert_rows_ahead(plan->most);
    Q_TRY(reserve(x, rows));
    return rows > plan->capacity ? reserve_plan(plan, rows) : Q_OK;
}

q_status expert_plan_fill(struct expert_exchange *x, const int32_t *offsets, struct expert_plan *plan)
{
    Q_TRY(tell_loads(x, offsets));
    Q_TRY(find_most(x, &plan->most));
    if (plan->most > plan->capacity || plan->most > x->room_rows) /* on all ranks or on none */
        Q_TRY(comm_agree(x->comm, make_room(x, plan)));
    count_rows(x, offsets, plan);
    sort_rows(x, plan);
    return Q_OK;
}

/* The runs of slots and those of rows in the order of senders, by rank; `size`: bytes of a row. */
static void fill_pieces(const struct expert_exchange *x, const struct expert_plan *plan, char *slots, char *rows,
                        size_t size, struct comm_piece *of_slots, struct comm_piece *of_rows)
{
    for (unsigned r = 0; r < x->ranks; r++) {
        const size_t sent = (size_t)(plan->sent[r + 1] - plan->sent[r]),
                     received = (size_t)(plan->received[r + 1] - plan->received[r]);
        of_slots[r] = (struct comm_piece){slots + (size_t)plan->sent[r] * size, sent * size};
        of_rows[r] = (struct comm_piece){rows + (size_t)plan->received[r] * size, received * size};
    }
}

static char *unwritten(const void *sent) /* what is sent is not written */
{
    return (char *)(uintptr_t)sent;
}

static q_status move_there(struct expert_exchange *x, const struct expert_plan *plan, const void *slots, void *rows,
                           size_t size)
{
    struct comm_piece *send = x->pieces, *receive = send + x->ranks;
    Q_TRY(x->ops->synchronize(x->context));
    fill_pieces(x, plan, unwritten(slots), rows, size, send, receive);
    return comm_exchange(x->comm, send, receive);
}

static q_status move_back(struct expert_exchange *x, const struct expert_plan *plan, const void *rows, void *slots,
                          size_t size)
{
    struct comm_piece *send = x->pieces, *receive = send + x->ranks;
    Q_TRY(x->ops->synchronize(x->context));
    fill_pieces(x, plan, slots, unwritten(rows), size, receive, send);
    return comm_exchange(x->comm, send, receive);
}

q_status expert_exchange_there(struct expert_exchange *x, const struct expert_plan *plan, const op_real *slots,
                               op_real *rows, size_t width)
{
    const size_t size = width * x->ops->real_bytes;
    q_check(width <= x->width);
    Q_TRY(move_there(x, plan, slots, x->room, size));
    x->ops->gather(x->context, rows, x->room, plan->to_sender, plan->rows, size);
    return Q_OK;
}

q_status expert_exchange_back(struct expert_exchange *x, const struct expert_plan *plan, const op_real *rows,
                              op_real *slots, size_t width)
{
    const size_t size = width * x->ops->real_bytes;
    q_check(width <= x->width);
    x->ops->gather(x->context, x->room, rows, plan->to_expert, plan->rows, size);
    return move_back(x, plan, x->room, slots, size);
}

q_status expert_exchange_numbers_there(struct expert_exchange *x, const struct expert_plan *plan, const op_acc *slots,
                                       op_acc *rows)
{
    return move_there(x, plan, slots, rows, sizeof *rows);
}

q_status expert_exchange_numbers_back(struct expert_exchange *x, const struct expert_plan *plan, const op_acc *rows,
                                      op_acc *slots)
{
    return move_back(x, plan, rows, slots, sizeof *slots);
}
