/* comm_processes: the cases of communicators, as a rank that mpirun started. Prints one line on rank 0; exit 0, or 1 with what was seen. */
#include "comm_cases.h"

#include <stdio.h>

int main(void)
{
    struct comm *comm;
    q_status status = comm_mpi(&comm);
    if (status) {
        printf("%s\n", q_error_text());
        return 1;
    }
    status = comm_cases(comm);
    if (status)
        printf("rank %u: %s\n", comm_rank(comm), q_error_text());
    else if (comm_rank(comm) == 0)
        printf("%u ranks agree\n", comm_ranks(comm));
    comm_release(comm);
    return status != Q_OK;
}
