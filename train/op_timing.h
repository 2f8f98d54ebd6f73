/* Where a step's time goes: a table of operations that times those of another one, kind by kind.
 *
 *     const struct op_table *timed = op_timing_begin(ops);  ... a model over `timed` ...  op_timing_read(rows)
 *
 * By the backend's own clock, with its marks, all of which are taken; nobody waits for an operation because it is timed. One at a time in a process: what is
 * counted is the program's, not a context's.
 */
#ifndef QUERN_TRAIN_OP_TIMING_H
#define QUERN_TRAIN_OP_TIMING_H

#include "train/ops.h"

/* A kind of operation; products by the letters of enum op_product. */
struct op_timing {
    const char *name; /* "matmul NT" */
    uint64_t calls;
    double seconds;
    double
        flop; /* of products and attention, nothing twice: what is computed again does not count. 0: an operation bounded by memory */
};
enum { OP_TIMING_MAX = 40 };

/* The table, with every count at zero. */
const struct op_table *op_timing_begin(const struct op_table *ops);
/* Every kind, called or not; returns how many. Waits; before the context is released. */
size_t op_timing_read(struct op_timing out[OP_TIMING_MAX]);

#endif
