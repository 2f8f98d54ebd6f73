/* Expert parallelism: the experts of a layer lie on several ranks, and tokens go to them and back.
 *
 *     slots, sorted by expert   --there-->   rows of this rank's experts, from all ranks   --products-->   --back-->   slots
 *
 * Ranks of the group own runs of experts (comm_share). Slots sorted by expert are sorted by rank too, so what goes to a rank
 * is one run of rows; what comes is sorted by sender and is put in order of expert, senders in order within each. So an expert meets the tokens in the order of
 * ranks and, of each, of tokens: the order that one rank with all of them has. No token is dropped, whatever the load.
 *
 * Every rank knows the loads of all, and so how much the fullest one has: room is made for that on each of them at once, and they agree on whether it could be
 * had. Moving rows takes no memory, and so cannot fail on one rank while the others wait for it.
 */
#ifndef QUERN_TRAIN_EXPERT_EXCHANGE_H
#define QUERN_TRAIN_EXPERT_EXCHANGE_H

#include "train/comm/comm.h"
#include "train/ops.h"

/* Where the rows of one layer go in one micro-batch: made forward, used again backward. Host memory: for a device what its operations read
 * of it will have to be copied. */
struct expert_plan {
    size_t rows;        /* that this rank's experts have, from all ranks */
    size_t most;        /* the largest `rows` of a rank of the group */
    int32_t *offsets;   /* [own experts + 1]: rows of each of them, in order */
    int32_t *sent;      /* [P + 1]: slots that go to rank r are sent[r] .. sent[r + 1] */
    int32_t *received;  /* [P + 1]: rows that came from rank r, in the order of senders */
    int32_t *to_sender; /* [rows]: row in order of experts -> row in order of senders */
    int32_t *to_expert; /* the inverse */
    size_t capacity;    /* of the two: grown to the largest `most` there was */
};

/* Buffers of one group for all layers. */
struct expert_exchange;

/* comm is borrowed; experts at least as many as ranks, or Q_ERR_USAGE. Rows are at most `width` wide. rows: that room is taken for at once. */
q_status expert_exchange_create(struct comm *comm, const struct op_table *ops, struct op_context *context,
                                size_t experts, size_t width, size_t rows, struct expert_exchange **out) Q_MUST_USE;
void expert_exchange_release(struct expert_exchange *exchange);
/* Room is made for an eighth more rows than there are, so that it is seldom made. */
static inline size_t expert_rows_ahead(size_t rows)
{
    return rows + rows / 8;
}
/* Bytes that an exchange takes, and a plan of so many rows: what grows with them. */
size_t expert_exchange_bytes(const struct op_table *ops, size_t width, size_t rows);
size_t expert_plan_bytes(size_t rows);

/* A plan to start with, with room for so many rows; released by expert_plan_release. */
q_status expert_plan_create(const struct expert_exchange *exchange, size_t rows, struct expert_plan *plan) Q_MUST_USE;
void expert_plan_release(struct expert_plan *plan);

/* All ranks say how many slots each expert gets: offsets [E + 1] are this rank's (struct op_route). Fills the plan. All ranks call it, and the next ones. */
q_status expert_plan_fill(struct expert_exchange *exchange, const int32_t *offsets,
                          struct expert_plan *plan) Q_MUST_USE;

/* slots [sent, width] -> rows [plan->rows, width], in order of experts; and the other way. Neither overlaps the other. */
q_status expert_exchange_there(struct expert_exchange *exchange, const struct expert_plan *plan, const op_real *slots,
                               op_real *rows, size_t width) Q_MUST_USE;
q_status expert_exchange_back(struct expert_exchange *exchange, const struct expert_plan *plan, const op_real *rows,
                              op_real *slots, size_t width) Q_MUST_USE;

/* The same, one number for each row, which lie in the order of senders: that of sender's row i belongs to row to_expert[i]. */
q_status expert_exchange_numbers_there(struct expert_exchange *exchange, const struct expert_plan *plan,
                                       const op_acc *slots, op_acc *rows) Q_MUST_USE;
q_status expert_exchange_numbers_back(struct expert_exchange *exchange, const struct expert_plan *plan,
                                      const op_acc *rows, op_acc *slots) Q_MUST_USE;

#endif
