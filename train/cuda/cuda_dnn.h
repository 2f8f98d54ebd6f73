/* Attention by cuDNN, which is loaded when the first context is made that wants it: a program that was built with it runs without it. The file behind this
 * (cuda_dnn.cc) is the only one that includes cudnn-frontend. */
#ifndef QUERN_TRAIN_CUDA_DNN_H
#define QUERN_TRAIN_CUDA_DNN_H

#include "base/status.h"

#include <cuda_runtime_api.h>
#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Numbers of BF16, of each token of each head of each sequence: those of a token contiguous, heads and tokens so many elements apart, sequences behind each
 * other. Starts and distances are multiples of 16 bytes. */
struct cuda_dnn_tensor {
    const void *data; /* what is written too */
    size_t head, token;
};

/* Causal attention: out and lse (forward), or dq, dk and dv of dout (backward), as struct op_attention has them, but with whole keys. */
struct cuda_dnn_attention {
    bool backward;
    size_t batch, sequence, heads;
    size_t key, value; /* numbers of a head's */
    float scale;
    struct cuda_dnn_tensor q, k, v, out;
    float *lse; /* [batch, heads, sequence]; heads of several sequences are all of them */
    struct cuda_dnn_tensor dout, dq, dk, dv;
};

struct cuda_dnn;

/* On the stream. deterministic: the same bits each time. Q_ERR_SYSTEM where there is no cuDNN: what to install, or where to name it; Q_ERR_USAGE where this
 * program was built without it. */
q_status cuda_dnn_create(cudaStream_t stream, bool deterministic, struct cuda_dnn **out) Q_MUST_USE;
void cuda_dnn_release(struct cuda_dnn *dnn); /* NULL is allowed */

/* Later, on the stream. A way is looked for once for each shape, which takes about a second; `workspace`, of so many bytes, is
 * cuDNN's while it runs. cudaErrorNotSupported: it has no way for this shape on this device, or none in the workspace, and nothing was done; the first time
 * that is said in the log, with its reason. */
cudaError_t cuda_dnn_attend(struct cuda_dnn *dnn, const struct cuda_dnn_attention *attention, void *workspace,
                            size_t workspace_bytes);

#ifdef __cplusplus
}
#endif
#endif
