/* What op_real is in this compilation of the folder: FP32, or BF16 (CPU_BF16, by the build). All arithmetic is done in floats; reals are widened when they
 * are read, and rounded to the nearest, ties to even, when they are written.
 *
 * Sums and what is computed element by element work on blocks of floats: cpu_floats gives a block of reals as floats, cpu_sum_begin floats that cpu_sum_end
 * makes a block of reals of. Where reals are floats the block itself is given, and nothing of this costs anything. What products multiply: cpu_factor.h. */
#ifndef QUERN_TRAIN_CPU_REAL_H
#define QUERN_TRAIN_CPU_REAL_H

#include "train/bfloat16.h"
#include "train/cpu/cpu_vector.h"
#include "train/ops.h"

#ifdef CPU_BF16
enum { CPU_NARROW = 1 };
typedef uint16_t real;
#else
enum { CPU_NARROW = 0 };
typedef float real;
#endif

/* The reals of a contract's tensor. */
static inline const real *reals(const op_real *x)
{
    return (const real *)(const void *)x;
}

static inline real *reals_out(op_real *x)
{
    return (real *)(void *)x;
}

static inline float real_float(real x)
{
#ifdef CPU_BF16
    return bfloat16_to_float(x);
#else
    return x;
#endif
}

static inline real real_of(float x)
{
#ifdef CPU_BF16
    return bfloat16_of_float(x);
#else
    return x;
#endif
}

static inline vec real_load(const real *from)
{
#ifdef CPU_BF16
    return vec_load_bf16(from);
#else
    return vec_load(from);
#endif
}

static inline void real_store(real *to, vec x)
{
#ifdef CPU_BF16
    vec_store_bf16(to, x);
#else
    vec_store(to, x);
#endif
}

/* The first `count` lanes; when loaded the others are 0. */
static inline vec real_load_part(const real *from, size_t count)
{
    float lanes[VEC_LANES] = {0};
    for (size_t i = 0; i < count; i++)
        lanes[i] = real_float(from[i]);
    return vec_load(lanes);
}

static inline void real_store_part(real *to, vec x, size_t count)
{
    float lanes[VEC_LANES];
    vec_store(lanes, x);
    for (size_t i = 0; i < count; i++)
        to[i] = real_of(lanes[i]);
}

/* Rows, from and to floats. */
static inline void real_widen(float *to, const real *from, size_t count)
{
    size_t i = 0;
    for (; i + VEC_LANES <= count; i += VEC_LANES)
        vec_store(to + i, real_load(from + i));
    for (; i < count; i++)
        to[i] = real_float(from[i]);
}

static inline void real_round(real *to, const float *from, size_t count)
{
    size_t i = 0;
    for (; i + VEC_LANES <= count; i += VEC_LANES)
        real_store(to + i, vec_load(from + i));
    for (; i < count; i++)
        to[i] = real_of(from[i]);
}

struct cpu_floats {
    const float *data;
    size_t stride;
};

/* rows x columns reals: where they lie, or widened into `room`, row behind row. */
static inline struct cpu_floats cpu_floats(const real *from, size_t stride, size_t rows, size_t columns, float *room)
{
#ifdef CPU_BF16
    for (size_t row = 0; row < rows; row++)
        real_widen(room + row * columns, from + row * stride, columns);
    return (struct cpu_floats){room, columns};
#else
    (void)rows, (void)columns, (void)room;
    return (struct cpu_floats){from, stride};
#endif
}

struct cpu_sum {
    float *data;
    size_t stride;
    real *to; /* NULL: data are the place of the sum already */
    size_t to_stride, rows, columns;
};

/* What is summed into floats that stay floats. */
static inline struct cpu_sum cpu_sum_of(float *data, size_t stride)
{
    return (struct cpu_sum){.data = data, .stride = stride};
}

/* What is summed into rows x columns reals: in their place, or in `room`. With `accumulate` the sum begins with what is there. */
static inline struct cpu_sum cpu_sum_begin(real *to, size_t stride, size_t rows, size_t columns, bool accumulate,
                                           float *room)
{
#ifdef CPU_BF16
    if (accumulate)
        (void)cpu_floats(to, stride, rows, columns, room);
    return (struct cpu_sum){room, columns, to, stride, rows, columns};
#else
    (void)rows, (void)columns, (void)accumulate, (void)room;
    return cpu_sum_of(to, stride);
#endif
}

/* What is added to a gradient of weights, rows x columns of floats or, narrow, of reals. */
static inline struct cpu_sum cpu_sum_gradient(void *to, bool narrow, size_t stride, size_t rows, size_t columns,
                                              float *room)
{
    return narrow ? cpu_sum_begin((real *)to, stride, rows, columns, true, room) : cpu_sum_of((float *)to, stride);
}

/* Number i of one. */
static inline float cpu_gradient(const void *gradients, bool narrow, size_t i)
{
    return narrow ? real_float(((const real *)gradients)[i]) : ((const float *)gradients)[i];
}

static inline void cpu_sum_end(const struct cpu_sum *sum)
{
    if (sum->to)
        for (size_t row = 0; row < sum->rows; row++)
            real_round(sum->to + row * sum->to_stride, sum->data + row * sum->stride, sum->columns);
}

#endif
