/* Graphs: what a piece of work launched, as one call to the driver. */
#ifndef QUERN_TRAIN_CUDA_GRAPH_H
#define QUERN_TRAIN_CUDA_GRAPH_H

#include "train/ops.h"

#include <cuda_runtime_api.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    CUDA_GRAPHS = 4
}; /* kept in a context: the micro-batch, a step's last and smaller one, and both before the schedule changed */

struct cuda_graph {
    unsigned char key[OP_KEY_MAX];
    size_t key_bytes;
    uint64_t used;        /* when it was wanted last; 0: the place is free */
    bool refused;         /* it could not be captured, and that is not tried again */
    cudaGraphExec_t exec; /* NULL: not captured, or not yet */
};

/* The table's `repeat`. With a key that is new the work is called as it is, so that modules are loaded and algorithms found; the second time what it launches
 * is captured, and from then on that is launched. What cannot be captured is always called. */
void cuda_repeat(struct op_context *context, const void *key, size_t key_bytes, void (*work)(void *argument),
                 void *argument);

/* All of them: they have the addresses of memory in them. */
void cuda_graphs_forget(struct op_context *context);

#ifdef __cplusplus
}
#endif
#endif
