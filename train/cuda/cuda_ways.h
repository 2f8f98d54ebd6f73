/* Ways: several kernels that compute the same operation, or a library beside them. Which one was taken is counted, and a developer may leave some out:
 *
 *     QUERN_CUDA_WITHOUT=wgmma-grouped,graphs quern-train ...
 *
 * The environment is read where a context is made. What is left out is computed by the next way that suits. */
#ifndef QUERN_TRAIN_CUDA_WAYS_H
#define QUERN_TRAIN_CUDA_WAYS_H

#include "train/ops.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Those that can be left out; cuda_ways.c has their names. What computes everything plainly cannot. */
enum cuda_way {
    CUDA_WGMMA_GROUPED,
    CUDA_WGMMA_ATTENTION, /* forward */
    CUDA_WGMMA_ATTENTION_BACKWARD,
    CUDA_MMA_GROUPED,
    CUDA_MMA_ATTENTION, /* forward and backward */
    CUDA_CUBLASLT,
    CUDA_WAY_CLUSTERS, /* of grouped products by wgmma */
    CUDA_WAY_GRAPHS,
    CUDA_WAYS
};

struct cuda_ways {
    unsigned left_out; /* a bit for each cuda_way */
    struct op_ways taken;
};

/* What the environment leaves out. Q_ERR_USAGE: it names what is no way. */
q_status cuda_ways_read(struct cuda_ways *ways) Q_MUST_USE;

bool cuda_way_open(const struct op_context *context, enum cuda_way way);

/* The operation took this way once more: texts that stay. */
void cuda_way_count(struct op_context *context, const char *operation, const char *way);
/* The same, where a better way could not be taken: of the first one what it was, and why. */
void cuda_way_refused(struct op_context *context, const char *operation, const char *way, const char *format, ...)
    Q_PRINTF(4, 5);

#ifdef __cplusplus
}
#endif
#endif
