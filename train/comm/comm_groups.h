/* The groups that the ranks of a training form.
 *
 *     expert_ranks = 2       rank:   0      1      2      3
 *                                 +-------------+-------------+
 *     experts  share the experts  |  0      1   |  2      3   |   rank i of the group has the i-th run of them, in every layer
 *                                 +-------------+-------------+
 *     replicas have the same         0 ------------- 2
 *              experts                      1 ------------- 3
 *     world    has all else          0      1      2      3       every rank has sequences of its own
 *
 * A parameter's gradients are summed over the ranks that have it, and its optimizer's state is divided among them (ZeRO's first stage): the world for what
 * all have, the replicas for experts. The ranks that share experts have neighbouring numbers, since tokens go further than gradients and more often. A
 * pipeline's stages will be a third direction, the slowest in the numbering: each a world in the sense of this page, made by comm_split.
 */
#ifndef QUERN_TRAIN_COMM_GROUPS_H
#define QUERN_TRAIN_COMM_GROUPS_H

#include "train/comm/comm.h"

#include <stdbool.h>

struct comm_groups {
    struct comm *world;    /* borrowed; NULL: one rank, and the others are NULL too */
    struct comm *experts;  /* NULL: every rank has all experts */
    struct comm *replicas; /* the world itself where every rank has all experts */
    unsigned expert_ranks; /* that share the experts of each layer, at least 1 */
};

/* All ranks of the world call it. Q_ERR_USAGE where expert_ranks does not divide their number. */
q_status comm_groups_create(struct comm *world, unsigned expert_ranks, struct comm_groups *out) Q_MUST_USE;
/* abandon: as comm_abandon. The world stays. */
void comm_groups_release(struct comm_groups *groups, bool abandon);

/* Number and place of this rank in the world; 1 and 0 without one. */
unsigned comm_groups_ranks(const struct comm_groups *groups);
unsigned comm_groups_rank(const struct comm_groups *groups);

#endif
