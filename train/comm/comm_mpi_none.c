/* A build without MPI. */
#include "train/comm/comm.h"

q_status comm_mpi(struct comm **out)
{
    *out = NULL;
    return q_fail(Q_ERR_USAGE,
                  "this build has no MPI: install OpenMPI with its headers (libopenmpi-dev) and build again");
}
