/* A device, its stream and its workspace: what every operation of the CUDA backend begins with. */
#ifndef QUERN_TRAIN_CUDA_CONTEXT_H
#define QUERN_TRAIN_CUDA_CONTEXT_H

#include "train/cuda/cuda_graph.h"
#include "train/cuda/cuda_plan.h"
#include "train/cuda/cuda_ways.h"
#include "train/ops.h"

#include <cuda_runtime_api.h>

#ifdef __cplusplus
extern "C" {
#endif

struct cuda_blas;
struct cuda_dnn;

/* A failure sticks: what comes behind it does nothing, and synchronize says what the first one was. Device memory but for `host`. */
struct op_context {
    cudaStream_t stream;
    struct cuda_blas *blas;
    size_t real_bytes;
    size_t shared_max; /* bytes of shared memory that a kernel may ask for */
    char *workspace;   /* of one operation at a time */
    size_t workspace_size;
    double *host; /* pinned: numbers that come back */
    unsigned multiprocessors;
    void *encode_tiled; /* cuda_tensor_map.h; NULL where this build has no code of Hopper's for the device */
    cudaError_t error;
    const char *failed;          /* what had it: a kernel, a copy */
    cudaEvent_t marks[OP_MARKS]; /* NULL: not made yet */
    struct cuda_graph graphs[CUDA_GRAPHS];
    uint64_t repeats; /* calls of cuda_repeat */
    bool capturing;   /* what is launched now is captured */
    struct cuda_ways ways;
    struct cuda_dnn *dnn; /* NULL: attention is our own kernels' */
    bool deterministic;   /* what libraries are asked for: the same bits each time */
};

/* Keeps the first failure. */
void cuda_note(struct op_context *context, cudaError_t error, const char *what);

/* `count` elements of the workspace from *offset on, which moves behind them; aligned to 256 bytes. The operation's plan (cuda_workspace_bytes) has them. */
void *cuda_take(struct op_context *context, size_t *offset, size_t count, size_t element_bytes);

/* The first entries of a table: create to synchronize. */
void cuda_context_install(struct op_table *table, size_t real_bytes);

/* And those that are others where attention goes through cuDNN, of BF16. */
void cuda_context_install_dnn(struct op_table *table);

/* And behind either, its name too, where libraries may add in any order. */
void cuda_context_install_nondeterministic(struct op_table *table);

#ifdef __cplusplus
}
#endif
#endif
