#include "base/check.h"
#include "base/memory.h"
#include "train/bfloat16.h"
#include "train/comm/comm_private.h"

#include <stdio.h>
#include <string.h>

q_status comm_begin(struct comm *comm, const struct comm_backend *backend, unsigned rank, unsigned ranks)
{
    comm->backend = backend;
    comm->rank = rank;
    comm->ranks = ranks;
    return q_alloc_zero(2 * (size_t)ranks, sizeof *comm->pieces, &comm->pieces);
}

void comm_release(struct comm *comm)
{
    if (!comm)
        return;
    q_release(comm->pieces);
    q_release(comm->workspace);
    comm->backend->release(comm);
}

void comm_abandon(struct comm *comm)
{
    if (comm)
        comm->abandoned = true;
    comm_release(comm);
}

unsigned comm_rank(const struct comm *comm)
{
    return comm->rank;
}

unsigned comm_ranks(const struct comm *comm)
{
    return comm->ranks;
}

q_status comm_split(struct comm *comm, unsigned colour, struct comm **out)
{
    return comm->backend->split(comm, colour, out);
}

/* --- one rank --------------------------------------------------------------------------------------------------------------------- */

static q_status split_self(struct comm *comm, unsigned colour, struct comm **out)
{
    (void)comm, (void)colour;
    return comm_self(out);
}

static void release_self(struct comm *comm)
{
    q_release(comm);
}

static const struct comm_backend self = {.split = split_self, .release = release_self};

q_status comm_self(struct comm **out)
{
    struct comm *comm;
    Q_TRY(q_alloc_zero(1, sizeof *comm, &comm));
    q_status status = comm_begin(comm, &self, 0, 1);
    if (status)
        comm_release(comm);
    else
        *out = comm;
    return status;
}

/* --- moving bytes ------------------------------------------------------------------------------------------------------------------ */

q_status comm_exchange(struct comm *comm, const struct comm_piece *send, const struct comm_piece *receive)
{
    const unsigned own = comm->rank;
    if (send[own].bytes != receive[own].bytes)
        return q_fail(Q_ERR_SYSTEM, "rank %u sends itself %zu bytes and expects %zu", own, send[own].bytes,
                      receive[own].bytes);
    if (send[own].bytes && send[own].data != receive[own].data)
        memcpy(receive[own].data, send[own].data, send[own].bytes);
    return comm->ranks > 1 ? comm->backend->exchange(comm, send, receive) : Q_OK;
}

/* Pieces for a call of comm.c's own, all empty. */
static void clear_pieces(struct comm *comm, struct comm_piece **send, struct comm_piece **receive)
{
    memset(comm->pieces, 0, 2 * comm->ranks * sizeof *comm->pieces);
    *send = comm->pieces;
    *receive = comm->pieces + comm->ranks;
}

static q_status reserve(struct comm *comm, size_t bytes)
{
    return q_grow(&comm->workspace, &comm->workspace_bytes, bytes, 1);
}

q_status comm_broadcast(struct comm *comm, void *data, size_t bytes, unsigned root)
{
    struct comm_piece *send, *receive;
    q_check(root < comm->ranks);
    clear_pieces(comm, &send, &receive);
    for (unsigned r = 0; r < comm->ranks && comm->rank == root; r++)
        if (r != root)
            send[r] = (struct comm_piece){data, bytes};
    if (comm->rank != root)
        receive[root] = (struct comm_piece){data, bytes};
    return comm_exchange(comm, send, receive);
}

q_status comm_barrier(struct comm *comm)
{
    struct comm_piece *send, *receive;
    char word = 0;
    clear_pieces(comm, &send, &receive);
    Q_TRY(reserve(comm, comm->ranks));
    for (unsigned r = 0; r < comm->ranks; r++) {
        send[r] = (struct comm_piece){&word, 1};
        receive[r] = (struct comm_piece){comm->workspace + r, 1};
    }
    return comm_exchange(comm, send, receive);
}

/* --- arrays that ranks share ------------------------------------------------------------------------------------------------------- */

struct comm_slice comm_slice(size_t count, unsigned ranks, unsigned rank)
{
    const size_t units = count / COMM_SLICE_UNIT + (count % COMM_SLICE_UNIT != 0);
    const size_t each = (units / ranks + (units % ranks != 0)) * COMM_SLICE_UNIT;
    const size_t first = Q_MIN(rank * each, count);
    return (struct comm_slice){first, Q_MIN(each, count - first)};
}

struct comm_slice comm_share(size_t count, unsigned ranks, unsigned rank)
{
    const size_t first = count * rank / ranks;
    return (struct comm_slice){first, count * (rank + 1) / ranks - first};
}

static struct comm_slice slice_of(const struct comm *comm, size_t count, unsigned rank)
{
    return comm_slice(count, comm->ranks, rank);
}

/* to[i] = the sum over the ranks of parts[r][i], in their order. One function for each type. */
#define DEFINE_ADD(type)                                                                                               \
    static void add_##type(void *to, const void *parts, size_t stride, unsigned ranks, size_t count)                   \
    {                                                                                                                  \
        type *sums = to;                                                                                               \
        memcpy(sums, parts, count * sizeof *sums);                                                                     \
        for (unsigned r = 1; r < ranks; r++) {                                                                         \
            const type *part = (const type *)(const void *)((const char *)parts + r * stride);                         \
            for (size_t i = 0; i < count; i++)                                                                         \
                sums[i] += part[i];                                                                                    \
        }                                                                                                              \
    }
DEFINE_ADD(float)
DEFINE_ADD(double)
DEFINE_ADD(int64_t)

static void add_bf16(void *to, const void *parts, size_t stride, unsigned ranks, size_t count)
{
    uint16_t *sums = to;
    for (size_t i = 0; i < count; i++) {
        float sum = bfloat16_to_float(((const uint16_t *)parts)[i]);
        for (unsigned r = 1; r < ranks; r++)
            sum += bfloat16_to_float(((const uint16_t *)(const void *)((const char *)parts + r * stride))[i]);
        sums[i] = bfloat16_of_float(sum);
    }
}

static const struct type {
    size_t size;
    void (*add)(void *to, const void *parts, size_t stride, unsigned ranks, size_t count);
} types[] = {[COMM_F32] = {sizeof(float), add_float},
             [COMM_F64] = {sizeof(double), add_double},
             [COMM_I64] = {sizeof(int64_t), add_int64_t},
             [COMM_BF16] = {sizeof(uint16_t), add_bf16}};

q_status comm_all_gather(struct comm *comm, void *values, size_t count, enum comm_type type)
{
    struct comm_piece *send, *receive;
    const struct comm_slice own = slice_of(comm, count, comm->rank);
    const size_t size = types[type].size;
    clear_pieces(comm, &send, &receive);
    for (unsigned r = 0; r < comm->ranks; r++) {
        const struct comm_slice slice = slice_of(comm, count, r);
        send[r] = (struct comm_piece){(char *)values + own.first * size, own.count * size};
        receive[r] = (struct comm_piece){(char *)values + slice.first * size, slice.count * size};
    }
    return comm_exchange(comm, send, receive);
}

/* Elements [done, done + at_most) of each rank's slice: every rank sends each other one its part of that one's slice and adds what comes. */
static q_status reduce_round(struct comm *comm, char *values, size_t count, const struct type *type, size_t done,
                             size_t at_most)
{
    const size_t size = type->size;
    struct comm_piece *send, *receive;
    const struct comm_slice own = slice_of(comm, count, comm->rank);
    const size_t mine = Q_MIN(at_most, own.count - Q_MIN(done, own.count)), stride = at_most * size;
    clear_pieces(comm, &send, &receive);
    for (unsigned r = 0; r < comm->ranks; r++) {
        const struct comm_slice slice = slice_of(comm, count, r);
        const size_t skip = Q_MIN(done, slice.count), theirs = Q_MIN(at_most, slice.count - skip);
        send[r] = (struct comm_piece){values + (slice.first + skip) * size, theirs * size};
        receive[r] = (struct comm_piece){comm->workspace + r * stride, mine * size};
    }
    Q_TRY(comm_exchange(comm, send, receive));
    if (mine)
        type->add(values + (own.first + done) * size, comm->workspace, stride, comm->ranks, mine);
    return Q_OK;
}

/* In rounds, so that the workspace stays small whatever the array. */
q_status comm_reduce_scatter(struct comm *comm, void *values, size_t count, enum comm_type type)
{
    enum { ROUND_BYTES = 1 << 22 };
    const size_t size = types[type].size, longest = slice_of(comm, count, 0).count;
    const size_t at_most = Q_MIN(longest, Q_MAX((size_t)ROUND_BYTES / size / comm->ranks, (size_t)COMM_SLICE_UNIT));
    if (comm->ranks == 1)
        return Q_OK;
    Q_TRY(reserve(comm, at_most * size * comm->ranks));
    for (size_t done = 0; done < longest; done += at_most)
        Q_TRY(reduce_round(comm, values, count, &types[type], done, at_most));
    return Q_OK;
}

q_status comm_sum(struct comm *comm, void *values, size_t count, enum comm_type type)
{
    Q_TRY(comm_reduce_scatter(comm, values, count, type));
    return comm_all_gather(comm, values, count, type);
}

/* --- agreement --------------------------------------------------------------------------------------------------------------------- */

struct opinion {
    int32_t status;
    char text[508];
};

q_status comm_agree(struct comm *comm, q_status status)
{
    struct comm_piece *send, *receive;
    struct opinion own = {.status = (int32_t)status};
    if (comm->ranks == 1)
        return status;
    if (status)
        (void)snprintf(own.text, sizeof own.text, "%s", q_error_text());
    Q_TRY(reserve(comm, comm->ranks * sizeof own));
    clear_pieces(comm, &send, &receive);
    for (unsigned r = 0; r < comm->ranks; r++) {
        send[r] = (struct comm_piece){&own, sizeof own};
        receive[r] = (struct comm_piece){comm->workspace + r * sizeof own, sizeof own};
    }
    Q_TRY(comm_exchange(comm, send, receive));
    for (unsigned r = 0; r < comm->ranks; r++) {
        struct opinion theirs;
        memcpy(&theirs, comm->workspace + r * sizeof theirs, sizeof theirs);
        if (theirs.status)
            return q_fail((q_status)theirs.status, "rank %u: %.*s", r, (int)sizeof theirs.text - 1, theirs.text);
    }
    return Q_OK;
}
