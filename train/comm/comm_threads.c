/* Ranks that are threads of one process: each hangs its pieces on a board, waits for all, takes what is for it, and waits again before anybody hangs up the
 * next ones. */
#include "base/check.h"
#include "base/memory.h"
#include "train/comm/comm_private.h"

#include <pthread.h>
#include <string.h>

/* One for all ranks of a communicator; the last one that leaves takes it away. */
struct board {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned ranks, here, left; /* in all; waiting now; released */
    uint64_t meetings;          /* times that all have met */
    struct place {
        const struct comm_piece *send;
        unsigned colour;
        struct board *group; /* made by the lowest rank of a colour, for the others of it */
    } * places;              /* [ranks] */
};

struct comm_thread {
    struct comm comm;
    struct board *board;
};

static struct comm_thread *thread_of(struct comm *comm)
{
    return (struct comm_thread *)(void *)comm;
}

static q_status board_create(unsigned ranks, struct board **out)
{
    struct board *board;
    Q_TRY(q_alloc_zero(1, sizeof *board, &board));
    board->ranks = ranks;
    q_status status = q_alloc_zero(ranks, sizeof *board->places, &board->places);
    if (status) {
        q_release(board);
        return status;
    }
    q_check(pthread_mutex_init(&board->lock, NULL) == 0 && pthread_cond_init(&board->changed, NULL) == 0);
    *out = board;
    return Q_OK;
}

static void board_release(struct board *board)
{
    if (!board)
        return;
    (void)pthread_cond_destroy(&board->changed);
    (void)pthread_mutex_destroy(&board->lock);
    q_release(board->places);
    q_release(board);
}

/* Until all ranks are here. One that has left never comes: then it fails. */
static q_status meet(struct board *board)
{
    (void)pthread_mutex_lock(&board->lock);
    const uint64_t meeting = board->meetings;
    if (++board->here == board->ranks) {
        board->here = 0;
        board->meetings++;
        (void)pthread_cond_broadcast(&board->changed);
    }
    while (board->meetings == meeting && !board->left)
        (void)pthread_cond_wait(&board->changed, &board->lock);
    const bool met = board->meetings != meeting;
    (void)pthread_mutex_unlock(&board->lock);
    return met ? Q_OK : q_fail(Q_ERR_SYSTEM, "another rank has left");
}

/* What the others have hung up for this rank. */
static q_status take(const struct comm *comm, const struct board *board, const struct comm_piece *receive)
{
    for (unsigned r = 0; r < comm->ranks; r++) {
        const struct comm_piece *piece = &board->places[r].send[comm->rank];
        if (r == comm->rank)
            continue;
        if (piece->bytes != receive[r].bytes)
            return q_fail(Q_ERR_SYSTEM, "rank %u sends %zu bytes to rank %u, which expects %zu", r, piece->bytes,
                          comm->rank, receive[r].bytes);
        if (piece->bytes)
            memcpy(receive[r].data, piece->data, piece->bytes);
    }
    return Q_OK;
}

static q_status exchange(struct comm *comm, const struct comm_piece *send, const struct comm_piece *receive)
{
    struct board *board = thread_of(comm)->board;
    board->places[comm->rank].send = send;
    Q_TRY(meet(board));
    q_status status = take(comm, board, receive), met = meet(board); /* nobody goes while another still takes */
    return status ? status : met;
}

/* The others need not wait for this rank any more; the last one takes the board away. */
static void leave(struct board *board)
{
    (void)pthread_mutex_lock(&board->lock);
    const bool last = ++board->left == board->ranks;
    (void)pthread_cond_broadcast(&board->changed);
    (void)pthread_mutex_unlock(&board->lock);
    if (last)
        board_release(board);
}

static q_status join(struct board *board, unsigned rank, struct comm **out);

/* Everybody says a colour; the lowest rank of each makes the group's board; everybody takes a seat. */
static q_status split(struct comm *comm, unsigned colour, struct comm **out)
{
    struct board *board = thread_of(comm)->board;
    struct place *own = &board->places[comm->rank];
    unsigned rank = 0, ranks = 0, first = comm->ranks;
    own->colour = colour;
    own->group = NULL;
    Q_TRY(meet(board));
    for (unsigned r = comm->ranks; r-- > 0;)
        if (board->places[r].colour == colour) {
            first = r;
            ranks++;
            rank += r < comm->rank;
        }
    q_status status = comm_agree(comm, first == comm->rank ? board_create(ranks, &own->group) : Q_OK);
    if (status) { /* nobody has sat down yet */
        board_release(own->group);
        return status;
    }
    struct board *group = board->places[first].group;
    struct comm *joined = NULL;
    status = join(group, rank, &joined);
    if (status)
        leave(group);
    status = comm_agree(comm, status);
    if (status)
        comm_release(joined);
    else
        *out = joined;
    return status;
}

static void release(struct comm *comm)
{
    struct board *board = thread_of(comm)->board;
    q_release(comm);
    if (board)
        leave(board);
}

static const struct comm_backend threads = {exchange, split, release};

static q_status join(struct board *board, unsigned rank, struct comm **out)
{
    struct comm_thread *comm;
    Q_TRY(q_alloc_zero(1, sizeof *comm, &comm));
    q_status status = comm_begin(&comm->comm, &threads, rank, board->ranks);
    if (status) {
        q_release(comm);
        return status;
    }
    comm->board = board;
    *out = &comm->comm;
    return Q_OK;
}

q_status comm_threads(unsigned ranks, struct comm **out)
{
    struct board *board;
    q_check(ranks > 0);
    Q_TRY(board_create(ranks, &board));
    for (unsigned r = 0; r < ranks; r++) {
        q_status status = join(board, r, &out[r]);
        if (status) {
            board->ranks = r; /* those that are there take it away */
            if (r == 0)
                board_release(board);
            while (r-- > 0)
                comm_release(out[r]);
            return status;
        }
    }
    return Q_OK;
}
