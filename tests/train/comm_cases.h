/* What every communicator must do, as one rank sees it: run by threads in test_comm, by processes in comm_processes. */
#ifndef QUERN_TESTS_COMM_CASES_H
#define QUERN_TESTS_COMM_CASES_H

#include "train/comm/comm.h"

/* All ranks call it. Q_OK, or a failure that says which case and what was seen. */
q_status comm_cases(struct comm *comm) Q_MUST_USE;

#endif
