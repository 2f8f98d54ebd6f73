/* What both directions of attention share: one head of one sequence, its operands in place, and its workspace. */
#ifndef QUERN_TRAIN_CPU_ATTENTION_H
#define QUERN_TRAIN_CPU_ATTENTION_H

#include "train/cpu/cpu_context.h"
#include "train/cpu/cpu_gemm.h"

/* Views into the operands of head h of sequence b: element 0 is the head's first at the sequence's first token. */
struct attention_head {
    size_t length, key, nope, rope, v; /* T, nope + rope, ... */
    size_t q_stride, kv_stride, k_rope_stride, out_stride;
    const float *q, *k_nope, *value, *k_rope;
    size_t out_start; /* of out and dout */
    size_t lse_start;
};

static inline struct attention_head attention_head_of(const struct op_attention *a, size_t task)
{
    size_t b = task / a->heads, h = task % a->heads, key = a->nope + a->rope, token = b * a->sequence;
    const float *kv = a->kv + (token * a->heads + h) * (a->nope + a->v);
    return (struct attention_head){.length = a->sequence,
                                   .key = key,
                                   .nope = a->nope,
                                   .rope = a->rope,
                                   .v = a->v,
                                   .q_stride = a->heads * key,
                                   .kv_stride = a->heads * (a->nope + a->v),
                                   .k_rope_stride = a->k_rope_stride,
                                   .out_stride = a->heads * a->v,
                                   .q = a->q + (token * a->heads + h) * key,
                                   .k_nope = kv,
                                   .value = kv + a->nope,
                                   .k_rope = a->k_rope + token * a->k_rope_stride,
                                   .out_start = (token * a->heads + h) * a->v,
                                   .lse_start = task * a->sequence};
}

/* A block of scores has rows of CPU_SPAN floats and some more, so that equal columns of its rows do not share a cache set. */
enum { ATTENTION_ROW = CPU_SPAN + CPU_PADDING };

/* Queries or keys that the diagonal's products take at a time: whole groups of the kernel's rows on any instruction set. */
enum { ATTENTION_STEP = 12 };

/* Takes `count` floats, rounded up to whole cache lines, off the front of *room. */
static inline float *attention_take(float **room, size_t count)
{
    float *taken = *room;
    *room += cpu_round_up(count, 16);
    return taken;
}

#endif
