/* Ranks that are processes, by MPI (version 3.1 of the standard). Pieces go point to point: MPI's collective calls count in int and sum in an order of their
 * own. MPI is begun here, once, and ended when the world is released; groups have communicators of their own. */
#include "base/memory.h"
#include "train/comm/comm_private.h"

#include <mpi.h>

enum { PIECE_BYTES_MAX = 1 << 30, TAG = 7 };

struct comm_process {
    struct comm comm;
    MPI_Comm mpi;
    bool world,
        broken; /* broken: a call has failed, and others may wait for this rank for ever: it must not wait for them */
    MPI_Request *requests; /* [capacity] */
    size_t capacity;
};

static struct comm_process *process_of(struct comm *comm)
{
    return (struct comm_process *)(void *)comm;
}

static q_status check(struct comm_process *p, int code, const char *what)
{
    char text[MPI_MAX_ERROR_STRING] = "";
    int size = 0;
    if (code == MPI_SUCCESS)
        return Q_OK;
    p->broken = true;
    (void)MPI_Error_string(code, text, &size);
    return q_fail(Q_ERR_SYSTEM, "rank %u: MPI: %s: %.*s", p->comm.rank, what, size, text);
}

static size_t messages_of(const struct comm *comm, const struct comm_piece *pieces)
{
    size_t messages = 0;
    for (unsigned r = 0; r < comm->ranks; r++)
        messages += r == comm->rank ? 0 : pieces[r].bytes / PIECE_BYTES_MAX + (pieces[r].bytes % PIECE_BYTES_MAX != 0);
    return messages;
}

/* Starts the messages of all pieces in one direction, behind those that are under way. */
static q_status start(struct comm_process *p, const struct comm_piece *pieces, bool sending, size_t *count)
{
    for (unsigned i = 1; i < p->comm.ranks; i++) {
        /* each rank begins with another one, so that not all send to the same */
        const unsigned r = (p->comm.rank + (sending ? i : p->comm.ranks - i)) % p->comm.ranks;
        for (size_t at = 0; at < pieces[r].bytes; at += PIECE_BYTES_MAX) {
            const size_t rest = pieces[r].bytes - at;
            const int bytes = rest < PIECE_BYTES_MAX ? (int)rest : PIECE_BYTES_MAX;
            char *data = (char *)pieces[r].data + at;
            MPI_Request *request = &p->requests[(*count)++];
            *request = MPI_REQUEST_NULL;
            Q_TRY(sending ? check(p, MPI_Isend(data, bytes, MPI_BYTE, (int)r, TAG, p->mpi, request), "cannot send")
                          : check(p, MPI_Irecv(data, bytes, MPI_BYTE, (int)r, TAG, p->mpi, request), "cannot receive"));
        }
    }
    return Q_OK;
}

static q_status exchange(struct comm *comm, const struct comm_piece *send, const struct comm_piece *receive)
{
    struct comm_process *p = process_of(comm);
    size_t count = 0;
    Q_TRY(
        q_grow(&p->requests, &p->capacity, messages_of(comm, send) + messages_of(comm, receive), sizeof *p->requests));
    Q_TRY(start(p, receive, false, &count));
    Q_TRY(start(p, send, true, &count));
    return check(p, MPI_Waitall((int)count, p->requests, MPI_STATUSES_IGNORE), "messages were lost");
}

static void release(struct comm *comm)
{
    struct comm_process *p = process_of(comm);
    const bool broken = p->broken || comm->abandoned, world = p->world;
    q_release(p->requests);
    if (!broken && !world && p->mpi != MPI_COMM_NULL)
        (void)MPI_Comm_free(&p->mpi);
    q_release(p);
    if (world && !broken)
        (void)MPI_Finalize();
}

static q_status split(struct comm *comm, unsigned colour, struct comm **out);
static const struct comm_backend mpi = {exchange, split, release};

static q_status wrap(MPI_Comm from, bool world, struct comm **out)
{
    struct comm_process *p;
    int rank = 0, ranks = 0;
    Q_TRY(q_alloc_zero(1, sizeof *p, &p));
    p->mpi = from;
    p->world = world;
    q_status status = check(p, MPI_Comm_set_errhandler(from, MPI_ERRORS_RETURN), "no world");
    if (!status)
        status = check(p, MPI_Comm_rank(from, &rank), "no rank");
    if (!status)
        status = check(p, MPI_Comm_size(from, &ranks), "no size");
    if (!status)
        status = comm_begin(&p->comm, &mpi, (unsigned)rank, (unsigned)ranks);
    if (status)
        q_release(p);
    else
        *out = &p->comm;
    return status;
}

static q_status split(struct comm *comm, unsigned colour, struct comm **out)
{
    struct comm_process *p = process_of(comm);
    MPI_Comm group = MPI_COMM_NULL;
    if (colour > INT32_MAX)
        return q_fail(Q_ERR_USAGE, "colours of a split are below 2^31");
    Q_TRY(check(p, MPI_Comm_split(p->mpi, (int)colour, 0, &group), "cannot split"));
    return wrap(group, false, out);
}

q_status comm_mpi(struct comm **out)
{
    int begun = 0, level = MPI_THREAD_SINGLE;
    (void)MPI_Initialized(&begun);
    if (begun)
        return q_fail(Q_ERR_USAGE, "MPI has been begun already");
    /* Threads of the pool compute, one talks. */
    if (MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &level) != MPI_SUCCESS || level < MPI_THREAD_FUNNELED)
        return q_fail(Q_ERR_SYSTEM, "MPI cannot be begun; start the program by mpirun or srun");
    return wrap(MPI_COMM_WORLD, true, out);
}
