/* attention and attention_backward by cuDNN (cuda_dnn.h), of BF16, where the context has it.
 *
 * cuDNN wants keys whole and for each head: they are put together in the workspace, and their gradients come there, from where the heads' own parts go to
 * dkv, and the rotary ones are added over the heads, in order. All else it reads and writes where it lies. What there is not room for at one time comes in
 * several calls (cuda_dnn_plan.h); sums over heads are kept as floats in between. */
#include "train/cuda/cuda_ops.h"

#include "base/check.h"
#include "train/cuda/cuda_attention.cuh"
#include "train/cuda/cuda_dnn.h"
#include "train/cuda/cuda_dnn_plan.h"

/* The part of a call: so many heads of so many sequences, from these on. */
struct part {
    size_t sequence, head, sequences, heads;
};

/* Token i of the part's, as a row of the tensors by token. */
static __device__ inline size_t part_row(const struct heads &a, const struct part &part, size_t i)
{
    return part.sequence * a.sequence + i;
}

static __device__ inline void move_pack(real *to, const real *from)
{
    *(uint4 *)(void *)to = *(const uint4 *)(const void *)from;
}

/* keys[token, head] = the head's own part, then the shared one. */
static __global__ void join_keys(struct heads a, struct part part, real *keys)
{
    const size_t packs = a.key / CUDA_PACK, count = part.sequences * a.sequence * part.heads * packs;
    for (size_t i = item_index(); i < count; i += item_step()) {
        const size_t column = i % packs * CUDA_PACK, head = i / packs % part.heads,
                     row = part_row(a, part, i / packs / part.heads);
        const real *own = a.kv + (row * a.heads + part.head + head) * (a.nope + a.v),
                   *shared = a.k_rope + row * a.k_rope_stride;
        move_pack(keys + i * CUDA_PACK, column < a.nope ? own + column : shared + (column - a.nope));
    }
}

/* The heads' own parts of dk. */
static __global__ void split_keys(struct heads a, struct part part, const real *dk)
{
    const size_t packs = a.nope / CUDA_PACK, count = part.sequences * a.sequence * part.heads * packs;
    for (size_t i = item_index(); i < count; i += item_step()) {
        const size_t column = i % packs * CUDA_PACK, head = i / packs % part.heads, token = i / packs / part.heads;
        const size_t row = part_row(a, part, token);
        move_pack(a.dkv + (row * a.heads + part.head + head) * (a.nope + a.v) + column,
                  dk + (token * part.heads + head) * a.key + column);
    }
}

/* sums[token] += the rotary parts of dk; the last heads' go to dk_rope. */
static __global__ void add_rotary(struct heads a, struct part part, const real *dk, float *sums)
{
    for (size_t i = item_index(); i < part.sequences * a.sequence * a.rope; i += item_step()) {
        const size_t token = i / a.rope, column = i % a.rope, row = part_row(a, part, token);
        float sum = part.head > 0 ? sums[row * a.rope + column] : 0.0F;
        for (size_t head = 0; head < part.heads; head++)
            sum += widen(dk[(token * part.heads + head) * a.key + a.nope + column]);
        if (part.head + part.heads < a.heads)
            sums[row * a.rope + column] = sum;
        else
            narrow_to(&a.dk_rope[row * a.dk_rope_stride + column], sum);
    }
}

/* The part's view of a tensor that has `width` numbers of each head of a token, `skip` of them before what is meant. */
static struct cuda_dnn_tensor view_of(const struct heads &a, const struct part &part, const real *data, size_t width,
                                      size_t skip)
{
    const size_t row = part.sequence * a.sequence;
    struct cuda_dnn_tensor view = {};
    view.data = data + (row * a.heads + part.head) * width + skip;
    view.head = width;
    view.token = a.heads * width;
    return view;
}

/* A tensor of the part alone. */
static struct cuda_dnn_tensor whole_of(const struct part &part, const real *data, size_t width)
{
    struct cuda_dnn_tensor whole = {};
    whole.data = data;
    whole.head = width;
    whole.token = part.heads * width;
    return whole;
}

static struct cuda_dnn_attention call_of(const struct heads &a, const struct part &part, const real *keys)
{
    struct cuda_dnn_attention call = {};
    call.batch = part.sequences;
    call.sequence = a.sequence;
    call.heads = part.heads;
    call.key = a.key;
    call.value = a.v;
    call.scale = a.scale;
    call.q = view_of(a, part, a.q, a.key, 0);
    call.k = whole_of(part, keys, a.key);
    call.v = view_of(a, part, a.kv, a.nope + a.v, a.nope);
    call.out = view_of(a, part, a.out, a.v, 0);
    call.lse = a.lse + (part.sequence * a.heads + part.head) * a.sequence;
    return call;
}

/* What a call has in the workspace. */
struct room {
    real *keys, *dk;
    float *sums;
    void *own;
    size_t own_bytes;
};

static struct room take_room(struct op_context *context, const struct heads &a, const struct cuda_dnn_calls &calls,
                             enum cuda_dnn_pass pass)
{
    const size_t heads = calls.sequences * calls.heads, numbers = heads * a.sequence * a.key;
    size_t used = 0;
    struct room room = {};
    room.own_bytes = cuda_dnn_own_bytes(heads, a.sequence, a.key, pass);
    room.keys = (real *)cuda_take(context, &used, numbers, sizeof(real));
    if (pass != CUDA_DNN_FORWARD) {
        room.dk = (real *)cuda_take(context, &used, numbers, sizeof(real));
        room.sums = (float *)cuda_take(context, &used, a.batch * a.sequence * a.rope, sizeof(float));
    }
    room.own = cuda_take(context, &used, room.own_bytes, 1);
    return room;
}

static cudaError_t attend(struct op_context *context, const struct heads &a, const struct part &part,
                          const struct room &room, bool backward)
{
    if (context->error) /* what comes behind a failure does nothing */
        return cudaSuccess;
    const size_t tokens = part.sequences * a.sequence;
    launch(context, "attention, whole keys", cuda_plan_items(tokens * part.heads * a.key / CUDA_PACK), join_keys, a,
           part, room.keys);
    struct cuda_dnn_attention call = call_of(a, part, room.keys);
    if (backward) {
        call.backward = true;
        call.dout = view_of(a, part, a.dout, a.v, 0);
        call.dq = view_of(a, part, a.dq, a.key, 0);
        call.dk = whole_of(part, room.dk, a.key);
        call.dv = view_of(a, part, a.dkv, a.nope + a.v, a.nope);
    }
    const cudaError_t error = cuda_dnn_attend(context->dnn, &call, room.own, room.own_bytes);
    if (error || !backward)
        return error;
    launch(context, "attention backward, parts of keys", cuda_plan_items(tokens * part.heads * a.nope / CUDA_PACK),
           split_keys, a, part, (const real *)room.dk);
    launch(context, "attention backward, heads", cuda_plan_items(tokens * a.rope), add_rotary, a, part,
           (const real *)room.dk, room.sums);
    return cudaSuccess;
}

/* Where cuDNN has no way for one of the calls, all of it is computed otherwise: what the others wrote is written again. */
static bool attend_all(struct op_context *context, const struct op_attention *p, bool backward)
{
    if (!context->dnn || !cuda_suits_dnn(p))
        return false;
    const enum cuda_dnn_pass pass = !backward                ? CUDA_DNN_FORWARD
                                    : context->deterministic ? CUDA_DNN_BACKWARD
                                                             : CUDA_DNN_BACKWARD_NONDETERMINISTIC;
    const struct cuda_dnn_calls calls = cuda_dnn_calls_of(p, pass, CUDA_DNN_ROOM);
    if (calls.heads == 0)
        return false;
    const struct heads a = attention_of(p);
    const struct room room = take_room(context, a, calls, pass);
    struct part part = {};
    for (part.sequence = 0; part.sequence < a.batch; part.sequence += calls.sequences) {
        part.sequences = Q_MIN(calls.sequences, a.batch - part.sequence);
        for (part.head = 0; part.head < a.heads; part.head += calls.heads) {
            part.heads = Q_MIN(calls.heads, a.heads - part.head);
            const cudaError_t error = attend(context, a, part, room, backward);
            if (error == cudaErrorNotSupported)
                return false;
            cuda_note(context, error, backward ? "attention backward, cuDNN" : "attention, cuDNN");
        }
    }
    cuda_way_count(context, backward ? "attention backward" : "attention", "cuDNN");
    return true;
}

bool attention_dnn(struct op_context *context, const struct op_attention *attention)
{
    return attend_all(context, attention, false);
}

bool attention_backward_dnn(struct op_context *context, const struct op_attention *attention)
{
    return attend_all(context, attention, true);
}
