/* Expert parallelism: the experts of a layer lie on several ranks, and tokens go to them and back.
 *
 *     slots, sorted by expert   --there-->   rows of this rank's experts, from all ranks   --products-->   --back-->   slots
 *
 * Ranks of the group own runs of experts (comm_share). Slots sorted by expert are sorted by rank too, so what goes to a rank
 * is one run of rows; what comes is sorted by sender and is put in order of expert, senders in order within each. So an expert meets the tokens in the order of
 * ranks and, of each, of tokens: the order that one rank with all of them has. No token is dropped, whatever the load.
 */
#ifndef QUERN_TRAIN_EXPERT_EXCHANGE_H
#define QUERN_TRAIN_EXPERT_EXCHANGE_H

#include "train/comm/comm.h"
#include "train/ops.h"

/* Where the rows of one layer go in one micro-batch: made forward, used again backward. Host memory. */
struct expert_plan {
    size_t rows;        /* that this rank's experts have, from all ranks */
    int32_t *offsets;   /* [own experts + 1]: rows of each of them, in order */
    int32_t *sent;      /* [P + 1]: slots that go to rank r are sent[r] .. sent[r + 1] */
    int32_t *received;  /* [P + 1]: rows that came from rank r, in the order of senders */
    int32_t *to_sender; /* [rows]: row in order of experts -> row in order of senders */
    int32_t *to_expert; /* the inverse */
    size_t capacity[2]; /* of the two: grown to the largest load there was */
};

/* Buffers of one group for all layers. */
struct expert_exchange;

/* comm is borrowed; experts at least as many as ranks, or Q_ERR_USAGE. */
q_status expert_exchange_create(struct comm *comm, const struct op_table *ops, struct op_context *context,
                                size_t experts, struct expert_exchange **out) Q_MUST_USE;
void expert_exchange_release(struct expert_exchange *exchange);

/* A zeroed plan to start with; released by expert_plan_release. */
q_status expert_plan_create(const struct expert_exchange *exchange, struct expert_plan *plan) Q_MUST_USE;
void expert_plan_release(struct expert_plan *plan);

/* All ranks say how many slots each expert gets: offsets [E + 1] are this rank's (struct op_route). Fills the plan. All ranks call it, and the next two. */
q_status expert_plan_fill(struct expert_exchange *exchange, const int32_t *offsets,
                          struct expert_plan *plan) Q_MUST_USE;

/* slots [sent, width] -> rows [plan->rows, width], in order of experts; and the other way. Neither overlaps the other. */
q_status expert_exchange_there(struct expert_exchange *exchange, const struct expert_plan *plan, const op_real *slots,
                               op_real *rows, size_t width) Q_MUST_USE;
q_status expert_exchange_back(struct expert_exchange *exchange, const struct expert_plan *plan, const op_real *rows,
                              op_real *slots, size_t width) Q_MUST_USE;

#endif
