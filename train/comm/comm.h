/* Communicators: how the ranks of a training talk to each other.
 *
 *     self       one rank: every call returns at once
 *     threads    ranks that are threads of this process: for tests and for trying a layout on one machine
 *     mpi        ranks that are processes, here or on many machines (OpenMPI, where the build found it)
 *     nccl       (to come) ranks that each own a GPU
 *
 * A backend brings one primitive, `exchange`: every rank gives each other one a run of bytes. Sums, gathers and broadcasts are made of it here, so that they
 * add in the order of the ranks and give the same bits on every backend; a backend for which that is too slow may bring its own later.
 *
 * Every rank of a communicator makes the same calls in the same order, each from one thread. Sizes that do not fit each other, and a rank that is lost, are
 * Q_ERR_SYSTEM; behind such a failure the communicator is only good for being released. Groups for data, experts and pipelines come from comm_split.
 */
#ifndef QUERN_TRAIN_COMM_H
#define QUERN_TRAIN_COMM_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

struct comm;

q_status comm_self(struct comm **out) Q_MUST_USE;
/* out[ranks]: one for each thread, all of one world. */
q_status comm_threads(unsigned ranks, struct comm **out) Q_MUST_USE;
/* The world that mpirun or srun started this process in; once in a process. Q_ERR_USAGE where this build has no MPI. */
q_status comm_mpi(struct comm **out) Q_MUST_USE;
/* NULL is allowed. A rank of `threads` that is released before the others are through makes their next call fail instead of waiting for ever. */
void comm_release(struct comm *comm);
/* The same for a rank that ends by a failure which the others may not know of: it does not wait for them. (MPI's launcher ends the others when a process exits
 * with a code that is not 0.) */
void comm_abandon(struct comm *comm);

unsigned comm_rank(const struct comm *comm);
unsigned comm_ranks(const struct comm *comm); /* at least 1 */

/* Ranks of the same colour become a communicator of their own, in the order of their ranks here. All ranks call it. */
q_status comm_split(struct comm *comm, unsigned colour, struct comm **out) Q_MUST_USE;

/* --- moving bytes ------------------------------------------------------------------------------------------------------------------ */

struct comm_piece {
    void *data; /* not written where it is sent */
    size_t bytes;
};

/* send[r] goes to rank r, receive[r] comes from it; [ranks] each. What r sends here has as many bytes as receive[r]. A rank's piece for itself is copied.
 * Pieces that are received overlap nothing. */
q_status comm_exchange(struct comm *comm, const struct comm_piece *send, const struct comm_piece *receive) Q_MUST_USE;
q_status comm_broadcast(struct comm *comm, void *data, size_t bytes, unsigned root) Q_MUST_USE;
q_status comm_barrier(struct comm *comm) Q_MUST_USE;

/* --- arrays that ranks share ------------------------------------------------------------------------------------------------------- */

/* The part of `count` elements that a rank owns: as even as whole runs of COMM_SLICE_UNIT elements allow (64 bytes of floats); those of the last ranks may be
 * shorter or empty. */
enum { COMM_SLICE_UNIT = 16 };
struct comm_slice {
    size_t first, count;
};
struct comm_slice comm_slice(size_t count, unsigned ranks, unsigned rank);

/* The same of things that are not cut by units, as even as can be: sequences, experts. */
struct comm_slice comm_share(size_t count, unsigned ranks, unsigned rank);

enum comm_type { COMM_F32, COMM_F64, COMM_I64, COMM_BF16 };

/* values[count] becomes, in this rank's slice, the sum over the ranks, added in their order; elsewhere it stays what it was. Of BF16 the sum is in FP32, and
 * rounded once, to the nearest, ties to even. */
q_status comm_reduce_scatter(struct comm *comm, void *values, size_t count, enum comm_type type) Q_MUST_USE;
/* Every rank's slice of values[count] comes to all. */
q_status comm_all_gather(struct comm *comm, void *values, size_t count, enum comm_type type) Q_MUST_USE;
/* Both: in place, on all ranks the same bits. */
q_status comm_sum(struct comm *comm, void *values, size_t count, enum comm_type type) Q_MUST_USE;

/* All ranks return the failure of the lowest rank that has one, and its text ("rank 3: ..."); Q_OK where none has. So a failure of one rank ends all of them
 * in order, at a place where they all are. */
q_status comm_agree(struct comm *comm, q_status status) Q_MUST_USE;

#endif
