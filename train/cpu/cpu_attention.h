/* What both directions of attention share: one head of one sequence, its operands in place, and its workspace. */
#ifndef QUERN_TRAIN_CPU_ATTENTION_H
#define QUERN_TRAIN_CPU_ATTENTION_H

#include "train/cpu/cpu_context.h"
#include "train/cpu/cpu_gemm.h"

/* Head h of sequence b: its operands as numbers, element 0 being the head's first at the sequence's first token; and where that lies in the tensors. */
struct attention_head {
    size_t length, key, nope, rope, v; /* T, nope + rope, ... */
    struct cpu_numbers q, k_nope, value, k_rope;
    size_t q_start, kv_start, out_start, lse_start; /* of q and dq, of kv and dkv, of out and dout, of lse */
    size_t q_stride, kv_stride, out_stride;
};

/* A block of scores has rows of CPU_SPAN floats and some more, so that equal columns of its rows do not share a cache set. */
enum { ATTENTION_ROW = CPU_SPAN + CPU_PADDING };

/* Queries or keys that the diagonal's products take at a time: whole groups of the kernel's rows, or a tile's rows. */
enum { ATTENTION_STEP = GEMM_TILED ? 16 : 12 };

/* Takes `count` floats, rounded up to whole cache lines, off the front of *room. */
static inline float *attention_take(float **room, size_t count)
{
    float *taken = *room;
    *room += cpu_round_up(count, 16);
    return taken;
}

/* The same, factors; and none where numbers need not be made factors, nor floats numbers. */
static inline factor *attention_take_factors(float **room, size_t count)
{
    return (factor *)(void *)attention_take(room, count);
}

static inline factor *attention_take_paired(float **room, size_t count)
{
    return CPU_PAIRED ? attention_take_factors(room, count) : NULL;
}

static inline number *attention_take_numbers(float **room, size_t count)
{
    return (number *)(void *)attention_take(room, gemm_steps(count));
}

/* Reals as numbers: in room that is taken where reals are widened. */
static inline struct cpu_numbers attention_numbers(const op_real *from, size_t start, size_t stride, size_t rows,
                                                   size_t columns, float **room)
{
    return cpu_numbers(reals(from) + start, stride, rows, columns,
                       CPU_WIDENED ? attention_take(room, rows * columns) : NULL);
}

static inline struct attention_head attention_head_of(const struct op_attention *a, size_t task, float **room)
{
    size_t b = task / a->heads, head = task % a->heads, key = a->nope + a->rope, token = b * a->sequence;
    struct attention_head h = {.length = a->sequence,
                               .key = key,
                               .nope = a->nope,
                               .rope = a->rope,
                               .v = a->v,
                               .q_start = (token * a->heads + head) * key,
                               .kv_start = (token * a->heads + head) * (a->nope + a->v),
                               .out_start = (token * a->heads + head) * a->v,
                               .lse_start = task * a->sequence,
                               .q_stride = a->heads * key,
                               .kv_stride = a->heads * (a->nope + a->v),
                               .out_stride = a->heads * a->v};
    h.q = attention_numbers(a->q, h.q_start, h.q_stride, h.length, key, room);
    h.k_nope = attention_numbers(a->kv, h.kv_start, h.kv_stride, h.length, a->nope + a->v, room);
    h.value = (struct cpu_numbers){h.k_nope.data + a->nope, h.k_nope.stride};
    h.k_rope = attention_numbers(a->k_rope, token * a->k_rope_stride, a->k_rope_stride, h.length, a->rope, room);
    return h;
}

/* A short row of numbers: a call of memcpy would take longer. */
static inline void attention_copy(number *to, const number *from, size_t count)
{
    size_t i = 0;
    for (; i + VEC_LANES <= count; i += VEC_LANES)
        memcpy(to + i, from + i, VEC_LANES * sizeof *to);
    for (; i < count; i++)
        to[i] = from[i];
}

/* Keys first .. first + rows, both parts of them: [rows][key]. */
static inline void attention_join_keys(number *to, const struct attention_head *h, size_t first, size_t rows)
{
    for (size_t row = 0; row < rows; row++, to += h->key) {
        attention_copy(to, h->k_nope.data + (first + row) * h->k_nope.stride, h->nope);
        attention_copy(to + h->nope, h->k_rope.data + (first + row) * h->k_rope.stride, h->rope);
    }
}

/* A block of scores as numbers, whole factors of each row: where they lie, or rounded into `room`, which has the same rows. */
static inline struct cpu_numbers attention_scores(const float *scores, size_t rows, size_t count, number *room)
{
    return cpu_numbers_of_floats(scores, ATTENTION_ROW, rows, cpu_round_up(count, FACTOR_DEPTH), room, ATTENTION_ROW);
}

/* Panels of B [k, columns], one behind the other without a gap: from a column on, which begins a panel. */
static inline size_t attention_panel(size_t k)
{
    return gemm_steps(k) * GEMM_COLUMNS;
}

static inline const factor *attention_columns(const factor *panels, size_t column, size_t k)
{
    return panels + column * gemm_steps(k);
}

/* And from a k on, a multiple of FACTOR_DEPTH. */
static inline const factor *attention_depth(const factor *panels, size_t k)
{
    return panels + k / FACTOR_DEPTH * GEMM_COLUMNS;
}

#endif
