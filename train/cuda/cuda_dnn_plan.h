/* Attention by cuDNN as calls of it: pure functions of shapes, in C, tested without a GPU.
 *
 * Backward, to be the same bits each time, cuDNN keeps the gradients of all scores of a call in its workspace; in any order it adds parts of dq there. And it
 * wants whole keys, with the rotary part that heads share here. So a call has as many heads as find room. */
#ifndef QUERN_TRAIN_CUDA_DNN_PLAN_H
#define QUERN_TRAIN_CUDA_DNN_PLAN_H

#include "train/ops.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes of workspace that a call may take in all. V3's heads over 4,096 tokens: backward 26 at a time, of which each fills a GPU some waves over; in any order
 * all 128. */
#define CUDA_DNN_ROOM ((size_t)1 << 30)

/* Whether cuDNN is asked: BF16 (the caller's), parts of a head in whole packs that begin at multiples of 16 bytes, key and value of 256 numbers at most.
 * Whether it has a way for that on a device it says itself. */
bool cuda_suits_dnn(const struct op_attention *attention);

enum cuda_dnn_pass { CUDA_DNN_FORWARD, CUDA_DNN_BACKWARD, CUDA_DNN_BACKWARD_NONDETERMINISTIC };

/* Calls: each has all heads of `sequences` sequences, or `heads` heads of one; the last ones may have fewer. None: one head finds no room. */
struct cuda_dnn_calls {
    size_t sequences, heads;
};
struct cuda_dnn_calls cuda_dnn_calls_of(const struct op_attention *attention, enum cuda_dnn_pass pass, size_t room);

/* Bytes of cuDNN's own workspace in a call of so many heads, and of the whole call: keys, backward their gradients too, and that. */
size_t cuda_dnn_own_bytes(size_t heads, size_t sequence, size_t key, enum cuda_dnn_pass pass);
size_t cuda_dnn_call_bytes(size_t heads, size_t sequence, size_t key, enum cuda_dnn_pass pass);

/* What the operations take of the workspace for shapes up to the limits. */
size_t cuda_dnn_workspace(const struct op_limits *limits, bool deterministic);

#ifdef __cplusplus
}
#endif
#endif
