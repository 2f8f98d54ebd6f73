#include "comm_cases.h"

#include "base/check.h"
#include "base/memory.h"
#include "train/bfloat16.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define EXPECT(condition, ...)                                                                                         \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            return q_fail(Q_ERR_INPUT, __VA_ARGS__);                                                                   \
    } while (0)

/* What rank r has at place i, the same whoever asks: sums of these depend on their order. */
static float value_of(unsigned rank, size_t i)
{
    const uint32_t mixed = (uint32_t)((rank + 1) * 0x9E3779B1u) ^ (uint32_t)(i * 0x85EBCA77u);
    return (float)(int32_t)mixed * (i % 3 ? 1.0F : 1e-6F);
}

static float sum_at(unsigned ranks, size_t i)
{
    float sum = value_of(0, i);
    for (unsigned r = 1; r < ranks; r++)
        sum += value_of(r, i);
    return sum;
}

static q_status slices_cover(struct comm *comm, size_t count)
{
    size_t at = 0;
    for (unsigned r = 0; r < comm_ranks(comm); r++) {
        const struct comm_slice slice = comm_slice(count, comm_ranks(comm), r);
        EXPECT(slice.first == at, "slice %u of %zu begins at %zu and not at %zu", r, count, slice.first, at);
        EXPECT(slice.first % COMM_SLICE_UNIT == 0 || slice.count == 0, "slice %u of %zu is cut within a unit", r,
               count);
        at += slice.count;
    }
    EXPECT(at == count, "the slices of %zu end at %zu", count, at);
    return Q_OK;
}

static q_status check_sums(const struct comm *comm, const float *values, size_t count)
{
    const unsigned rank = comm_rank(comm), ranks = comm_ranks(comm);
    const struct comm_slice own = comm_slice(count, ranks, rank);
    for (size_t i = 0; i < count; i++) {
        const bool mine = i >= own.first && i < own.first + own.count;
        const float expected = mine ? sum_at(ranks, i) : value_of(rank, i);
        EXPECT(memcmp(&values[i], &expected, sizeof expected) == 0, "reduce-scatter of %zu: %g at %zu, not %g", count,
               (double)values[i], i, (double)expected);
    }
    return Q_OK;
}

static q_status sums(struct comm *comm, float *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        values[i] = value_of(comm_rank(comm), i);
    Q_TRY(slices_cover(comm, count));
    Q_TRY(comm_reduce_scatter(comm, values, count, COMM_F32));
    Q_TRY(check_sums(comm, values, count));
    Q_TRY(comm_all_gather(comm, values, count, COMM_F32));
    for (size_t i = 0; i < count; i++) {
        const float expected = sum_at(comm_ranks(comm), i);
        EXPECT(memcmp(&values[i], &expected, sizeof expected) == 0, "all-gather of %zu: %g at %zu, not %g", count,
               (double)values[i], i, (double)expected);
    }
    return Q_OK;
}

/* Of no element, of less than a unit, of a rest, and of more than the workspace of a round. */
static q_status all_sums(struct comm *comm)
{
    static const size_t counts[] = {0, 1, 15, 16, 17, 1000, 4099, 1200000};
    float *values;
    Q_TRY(q_alloc(1200000, sizeof *values, &values));
    q_status status = Q_OK;
    for (size_t i = 0; i < Q_COUNT_OF(counts) && !status; i++)
        status = sums(comm, values, counts[i]);
    q_release(values);
    return status;
}

/* 256, and 1 of each other rank: rounded one by one they would come to nothing. */
static q_status sums_of_bf16(struct comm *comm)
{
    const unsigned ranks = comm_ranks(comm);
    const uint16_t expected = bfloat16_of_float((float)(255 + ranks));
    uint16_t values[37];
    for (size_t i = 0; i < Q_COUNT_OF(values); i++)
        values[i] = bfloat16_of_float(i % ranks == comm_rank(comm) ? 256 : 1);
    Q_TRY(comm_sum(comm, values, Q_COUNT_OF(values), COMM_BF16));
    for (size_t i = 0; i < Q_COUNT_OF(values); i++)
        EXPECT(values[i] == expected, "number %zu is %g", i, (double)bfloat16_to_float(values[i]));
    return Q_OK;
}

static q_status small_sums(struct comm *comm)
{
    const unsigned rank = comm_rank(comm), ranks = comm_ranks(comm);
    double values[3] = {0.1 * (rank + 1), rank == 0 ? 1e16 : 1.0, -1.0 * rank}, expected = 0.1;
    int64_t counts[20];
    for (size_t i = 0; i < Q_COUNT_OF(counts); i++)
        counts[i] = (int64_t)(rank + 1) * (int64_t)i * 10000000000;
    Q_TRY(comm_sum(comm, values, Q_COUNT_OF(values), COMM_F64));
    Q_TRY(comm_sum(comm, counts, Q_COUNT_OF(counts), COMM_I64));
    for (unsigned r = 1; r < ranks; r++)
        expected += 0.1 * (r + 1);
    EXPECT(values[0] == expected, "the sum is %.17g and not %.17g: another order", values[0], expected);
    EXPECT(values[2] == -0.5 * ranks * (ranks - 1), "the sum is %g", values[2]);
    for (size_t i = 0; i < Q_COUNT_OF(counts); i++)
        EXPECT(counts[i] == (int64_t)(ranks * (ranks + 1) / 2) * (int64_t)i * 10000000000, "count %zu is %" PRId64, i,
               counts[i]);
    return Q_OK;
}

/* Rank r gives rank s r * 7 + s bytes, each r ^ s: pieces of every size, empty ones too. */
static q_status exchange_in(struct comm *comm, struct comm_piece *send, struct comm_piece *receive, char *room)
{
    const unsigned rank = comm_rank(comm), ranks = comm_ranks(comm);
    for (unsigned r = 0; r < ranks; r++) {
        send[r] = (struct comm_piece){room, rank * 7 + r};
        memset(room, (int)(rank ^ r), send[r].bytes);
        room += send[r].bytes;
        receive[r] = (struct comm_piece){room, r * 7 + rank};
        room += receive[r].bytes;
    }
    Q_TRY(comm_exchange(comm, send, receive));
    for (unsigned r = 0; r < ranks; r++)
        for (size_t i = 0; i < receive[r].bytes; i++)
            EXPECT(((char *)receive[r].data)[i] == (char)(rank ^ r), "byte %zu from rank %u is wrong", i, r);
    return Q_OK;
}

static q_status exchanges(struct comm *comm)
{
    const size_t ranks = comm_ranks(comm);
    struct comm_piece *pieces;
    char *room;
    Q_TRY(q_alloc_zero(2 * ranks, sizeof *pieces, &pieces));
    q_status status = q_alloc(16 * ranks * ranks + 1, 1, &room);
    if (!status) {
        status = exchange_in(comm, pieces, pieces + ranks, room);
        q_release(room);
    }
    q_release(pieces);
    return status;
}

static q_status broadcasts(struct comm *comm)
{
    for (unsigned root = 0; root < comm_ranks(comm); root++) {
        uint64_t word = comm_rank(comm) == root ? 1000 + root : 0;
        Q_TRY(comm_broadcast(comm, &word, sizeof word, root));
        EXPECT(word == 1000 + root, "rank %u sent round %" PRIu64, root, word);
    }
    return comm_barrier(comm);
}

/* Even and odd ranks apart, and each of these halves again. */
static q_status split_once(struct comm *comm, unsigned depth)
{
    const unsigned rank = comm_rank(comm), ranks = comm_ranks(comm), colour = rank % 2;
    struct comm *group;
    Q_TRY(comm_split(comm, colour, &group));
    double sum = rank;
    q_status status = comm_sum(group, &sum, 1, COMM_F64);
    double expected = 0;
    for (unsigned r = colour; r < ranks; r += 2)
        expected += r;
    if (!status && (comm_rank(group) != rank / 2 || comm_ranks(group) != (ranks + 1 - colour) / 2 || sum != expected))
        status =
            q_fail(Q_ERR_INPUT, "group %u of %u ranks is of %u, and sums to %g", colour, ranks, comm_ranks(group), sum);
    if (!status && depth > 1)
        status = split_once(group, depth - 1);
    comm_release(group);
    return status;
}

static q_status agreements(struct comm *comm)
{
    const unsigned last = comm_ranks(comm) - 1;
    char expected[64];
    Q_TRY(comm_agree(comm, Q_OK));
    q_status own = comm_rank(comm) == last ? q_fail(Q_ERR_MEMORY, "no room here") : Q_OK;
    q_status seen = comm_agree(comm, own);
    (void)snprintf(expected, sizeof expected, last ? "rank %u: no room here" : "no room here", last);
    EXPECT(seen == Q_ERR_MEMORY && strcmp(q_error_text(), expected) == 0, "agreed on %d, '%s'", (int)seen,
           q_error_text());
    return Q_OK;
}

q_status comm_cases(struct comm *comm)
{
    Q_TRY(q_context(all_sums(comm), "sums"));
    Q_TRY(q_context(small_sums(comm), "small sums"));
    Q_TRY(q_context(sums_of_bf16(comm), "sums of BF16"));
    Q_TRY(q_context(exchanges(comm), "exchange"));
    Q_TRY(q_context(broadcasts(comm), "broadcast"));
    Q_TRY(q_context(split_once(comm, 2), "split"));
    return q_context(agreements(comm), "agreement");
}
