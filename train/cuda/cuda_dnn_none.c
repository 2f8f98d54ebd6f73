/* In place of cuDNN, where its headers are not. */
#include "train/cuda/cuda_dnn.h"

q_status cuda_dnn_create(cudaStream_t stream, bool deterministic, struct cuda_dnn **out)
{
    (void)stream, (void)deterministic, (void)out;
    return q_fail(Q_ERR_USAGE,
                  "this quern was built without cuDNN; build it where cudnn.h and cudnn_frontend.h are, or "
                  "choose the backend 'cuda'");
}

void cuda_dnn_release(struct cuda_dnn *dnn)
{
    (void)dnn;
}

cudaError_t cuda_dnn_attend(struct cuda_dnn *dnn, const struct cuda_dnn_attention *attention, void *workspace,
                            size_t workspace_bytes)
{
    (void)dnn, (void)attention, (void)workspace, (void)workspace_bytes;
    return cudaErrorNotSupported;
}
