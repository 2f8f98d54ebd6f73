/* What op_table.ways tells, for reports. */
#ifndef QUERN_TRAIN_OP_WAYS_H
#define QUERN_TRAIN_OP_WAYS_H

#include "base/json.h"
#include "train/ops.h"

/* Three members of the object that is open: `ways`, how often each was taken ("grouped, wgmma": 4); `refused`, what could first not take a better way, and why;
 * `left_out`. None of a table that has one way for each operation. */
void op_ways_put(struct q_json *json, const struct op_table *table, const struct op_context *context);
/* The same as lines of standard output. */
void op_ways_print(const struct op_table *table, const struct op_context *context);

/* The ways that operations of the context have taken since this was called last with *seen, which begins as zeros: "wgmma",
 * "cuBLASLt + plain"; "" where there are none. */
struct op_ways_seen {
    uint64_t times[OP_WAYS_MAX];
};
void op_ways_since(const struct op_table *table, const struct op_context *context, struct op_ways_seen *seen,
                   char out[OP_WAYS_TEXT]);

#endif
