/* Inside communicators. */
#ifndef QUERN_TRAIN_COMM_PRIVATE_H
#define QUERN_TRAIN_COMM_PRIVATE_H

#include "train/comm/comm.h"

#include <stdbool.h>

struct comm_backend {
    /* As comm_exchange, of more than one rank; pieces of no bytes are not sent. */
    q_status (*exchange)(struct comm *comm, const struct comm_piece *send, const struct comm_piece *receive);
    q_status (*split)(struct comm *comm, unsigned colour, struct comm **out);
    void (*release)(struct comm *comm); /* what the backend has of its own, and the struct */
};

/* The beginning of every backend's own struct. */
struct comm {
    const struct comm_backend *backend;
    unsigned rank, ranks;
    bool abandoned;            /* released without waiting for the others */
    struct comm_piece *pieces; /* [2 * ranks]: what comm.c sends and receives, q_allocated by comm_begin */
    char *workspace;           /* what is received before it is added */
    size_t workspace_bytes;
};

q_status comm_begin(struct comm *comm, const struct comm_backend *backend, unsigned rank, unsigned ranks) Q_MUST_USE;

#endif
