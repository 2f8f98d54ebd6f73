#include "train/cuda/cuda_dnn_plan.h"

#include "base/check.h"
#include "train/cuda/cuda_plan.h"
#include "train/cuda/cuda_workspace.h"

enum {
    HEAD_MAX = 256,        /* numbers of a key or a value */
    AMPERE_HEAD_MAX = 128, /* backward, before Hopper and on what is not for data centres */
    SCORE_TILE = 128,      /* cuDNN's tiles of scores are whole */
    SPARE_BYTES = 1 << 20, /* for what it keeps of a call besides; it asked for none */
    PIECES = 3             /* keys, their gradients, cuDNN's own */
};

bool cuda_suits_dnn(const struct op_attention *a)
{
    const size_t all[] = {a->batch, a->heads, a->rope, a->nope}, largest = (size_t)1 << 20;
    for (size_t i = 0; i < Q_COUNT_OF(all); i++)
        if (all[i] == 0 || all[i] > largest)
            return false;
    return a->sequence > 1 && a->sequence <= largest && a->nope + a->rope <= HEAD_MAX && a->v > 0 && a->v <= HEAD_MAX &&
           cuda_is_packed(a->q, a->nope, a->rope) && cuda_is_packed(a->kv, a->nope, a->v) &&
           cuda_is_packed(a->k_rope, a->rope, a->k_rope_stride) && cuda_is_packed(a->out, a->v, a->v) &&
           cuda_is_packed(a->dout, a->v, a->v) && cuda_is_packed(a->dq, a->nope, a->rope) &&
           cuda_is_packed(a->dkv, a->nope, a->v);
}

/* Of each head: gradients of scores, a BF16 each; or, where it adds parts of dq instead, those in FP32, which the frontend has room for once and engines for
 * Ampere once more; and a float for each query. Asked of cuDNN 9.19 and 9.26 for devices of 8.0 to 12.0. */
static size_t own_of_head(size_t sequence, size_t key, enum cuda_dnn_pass pass)
{
    const size_t tokens = (size_t)q_ceil_div(sequence, SCORE_TILE) * SCORE_TILE;
    const size_t scores = tokens * tokens * sizeof(uint16_t), dq = tokens * key * sizeof(float);
    const size_t parts = key <= AMPERE_HEAD_MAX ? 2 * dq : dq;
    switch (pass) {
    case CUDA_DNN_BACKWARD:
        return Q_MAX(scores, dq) + tokens * sizeof(float);
    case CUDA_DNN_BACKWARD_NONDETERMINISTIC:
        return parts + tokens * sizeof(float);
    default:
        return 0;
    }
}

size_t cuda_dnn_own_bytes(size_t heads, size_t sequence, size_t key, enum cuda_dnn_pass pass)
{
    return heads * own_of_head(sequence, key, pass) + SPARE_BYTES;
}

size_t cuda_dnn_call_bytes(size_t heads, size_t sequence, size_t key, enum cuda_dnn_pass pass)
{
    return cuda_workspace_piece(heads * sequence * key, sizeof(uint16_t)) * (pass == CUDA_DNN_FORWARD ? 1 : 2) +
           cuda_workspace_piece(cuda_dnn_own_bytes(heads, sequence, key, pass), 1);
}

/* The parts that `count` is cut into so that none has more than `most`, as equal as they can be. */
static size_t even_part(size_t count, size_t most)
{
    return (size_t)q_ceil_div(count, q_ceil_div(count, most));
}

struct cuda_dnn_calls cuda_dnn_calls_of(const struct op_attention *a, enum cuda_dnn_pass pass, size_t room)
{
    enum { ROUNDING = PIECES * 256 };
    const size_t key = a->nope + a->rope, keys = a->sequence * key * sizeof(uint16_t);
    const size_t head = keys * (pass == CUDA_DNN_FORWARD ? 1 : 2) + own_of_head(a->sequence, key, pass);
    const size_t most = room > SPARE_BYTES + ROUNDING ? (room - SPARE_BYTES - ROUNDING) / head : 0;
    if (most == 0)
        return (struct cuda_dnn_calls){0};
    if (most >= a->heads)
        return (struct cuda_dnn_calls){even_part(a->batch, most / a->heads), a->heads};
    return (struct cuda_dnn_calls){1, even_part(a->heads, most)};
}

/* One call for all of it, or as much as a call may take; backward, sums over heads beside it, since calls may have some of the heads each. Of keys up to the
 * limit it is not always the longest that want most (own_of_head). */
size_t cuda_dnn_workspace(const struct op_limits *l, bool deterministic)
{
    const size_t heads = l->batch * l->heads, key = l->nope + l->rope;
    const enum cuda_dnn_pass pass = deterministic ? CUDA_DNN_BACKWARD : CUDA_DNN_BACKWARD_NONDETERMINISTIC;
    const size_t forward = cuda_dnn_call_bytes(heads, l->sequence, key, CUDA_DNN_FORWARD),
                 backward = Q_MAX(cuda_dnn_call_bytes(heads, l->sequence, key, pass),
                                  cuda_dnn_call_bytes(heads, l->sequence, Q_MIN(key, AMPERE_HEAD_MAX), pass));
    return Q_MAX(Q_MIN(forward, CUDA_DNN_ROOM),
                 Q_MIN(backward, CUDA_DNN_ROOM) +
                     cuda_workspace_piece(l->batch * l->sequence * l->rope, sizeof(float)));
}
