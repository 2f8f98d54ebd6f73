/* What products multiply in this compilation of the folder.
 *
 *     number   an element of an operand as the kernel takes it: a float; or, with CPU_PAIRS (by the build, only where reals are BF16), BF16
 *     factor   what one step of the kernel multiplies, FACTOR_DEPTH numbers along k: a float; or two BF16 in a word, the first in its low half
 *
 * A product of two words is the sum of two products, exact in FP32, each added to the sum in turn: one instruction of AVX-512 BF16 (VDPBF16PS) for 16
 * columns, and what AMX's tiles are made of (cpu_tiles.h). Without the instruction it is two FMAs: slower than floats, and there to be tested. (The
 * instructions take numbers below FP32's smallest normal for zero.)
 *
 * Operands that are floats, probabilities of attention and gradients of logits, are rounded to numbers (op_table.rounds_factors). */
#ifndef QUERN_TRAIN_CPU_FACTOR_H
#define QUERN_TRAIN_CPU_FACTOR_H

#include "train/cpu/cpu_real.h"

#include <stdbool.h>

#ifdef CPU_PAIRS
enum { CPU_PAIRED = 1, FACTOR_DEPTH = 2 };
typedef real number;
typedef uint32_t factor;
#else
enum { CPU_PAIRED = 0, FACTOR_DEPTH = 1 };
typedef float number;
typedef float factor;
#endif

/* Whether reals are widened to be numbers. */
enum { CPU_WIDENED = CPU_NARROW && !CPU_PAIRED };

struct cpu_numbers {
    const number *data;
    size_t stride;
};

/* rows x columns reals as numbers: where they lie, or widened into `room`, row behind row. */
static inline struct cpu_numbers cpu_numbers(const real *from, size_t stride, size_t rows, size_t columns, void *room)
{
#ifdef CPU_PAIRS
    (void)rows, (void)columns, (void)room;
    return (struct cpu_numbers){from, stride};
#else
    const struct cpu_floats floats = cpu_floats(from, stride, rows, columns, room);
    return (struct cpu_numbers){floats.data, floats.stride};
#endif
}

/* Floats as numbers: where they lie, or rounded into `room`, rows `room_stride` apart. */
static inline struct cpu_numbers cpu_numbers_of_floats(const float *from, size_t stride, size_t rows, size_t columns,
                                                       void *room, size_t room_stride)
{
#ifdef CPU_PAIRS
    for (size_t row = 0; row < rows; row++)
        real_round((real *)room + row * room_stride, from + row * stride, columns);
    return (struct cpu_numbers){room, room_stride};
#else
    (void)rows, (void)columns, (void)room, (void)room_stride;
    return (struct cpu_numbers){from, stride};
#endif
}

/* The factor that begins at `from`, of which so many numbers (1 or more) are there; zeros behind them. */
static inline factor factor_of(const number *from, size_t count)
{
#ifdef CPU_PAIRS
    return (factor)from[0] | (count > 1 ? (factor)from[1] << 16 : 0);
#else
    (void)count;
    return from[0];
#endif
}

/* Factors as the lanes of a vec, which is moved about and never computed with as it is. */
static inline vec factor_load(const factor *from)
{
    vec x;
    memcpy(&x, from, sizeof x);
    return x;
}

static inline vec factor_set(const factor *from)
{
    float x;
    memcpy(&x, from, sizeof x);
    return vec_set(x);
}

/* sum + a b, lane by lane. */
static inline vec factor_multiply(vec a, vec b, vec sum)
{
#if defined(CPU_PAIRS) && defined(__AVX512BF16__)
    return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b);
#elif defined(CPU_PAIRS)
    const vec_words x = (vec_words)a, y = (vec_words)b;
    sum = vec_fma((vec)(x >> 16 << 16), (vec)(y >> 16 << 16), sum);
    return vec_fma((vec)(x << 16), (vec)(y << 16), sum);
#else
    return vec_fma(a, b, sum);
#endif
}

#endif
