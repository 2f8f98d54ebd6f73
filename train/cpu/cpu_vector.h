/* Vectors of floats, as wide as the instruction set this file is compiled for: the folder is compiled once per set (CMakeLists.txt) and
 * the table is chosen at start. Arithmetic is by the compiler's vector operators; what has no operator is here.
 *
 * VEC_LANES     floats in a vec
 * VEC_ROWS      rows of the product's micro-tile in registers: VEC_ROWS x 2 accumulators, two columns of B and a broadcast fill them
 */
#ifndef QUERN_TRAIN_CPU_VECTOR_H
#define QUERN_TRAIN_CPU_VECTOR_H

#include <float.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define CPU_JOIN2(a, b) a##_##b
#define CPU_JOIN(a, b) CPU_JOIN2(a, b)
#define CPU_NAME(name)                                                                                                 \
    CPU_JOIN(name, CPU_ISA) /* CPU_ISA: generic, avx2 and so on, or one of these with _bf16, by the build */

#if defined(__AVX512F__)
#include <immintrin.h>
enum { VEC_LANES = 16, VEC_ROWS = 12 };
typedef __m512 vec;
typedef __m512i vec_int;
#elif defined(__AVX2__) && defined(__FMA__)
#include <immintrin.h>
enum { VEC_LANES = 8, VEC_ROWS = 6 };
typedef __m256 vec;
typedef __m256i vec_int;
#else
enum { VEC_LANES = 4, VEC_ROWS = 6 };
typedef float vec __attribute__((vector_size(16)));
#endif

/* Lanes as integers, for the exponent's bits and for comparisons. */
typedef int32_t vec_bits __attribute__((vector_size(sizeof(vec))));

static inline vec vec_load(const float *from)
{
    vec x;
    memcpy(&x, from, sizeof(x)); /* unaligned: one instruction */
    return x;
}

static inline void vec_store(float *to, vec x)
{
    memcpy(to, &x, sizeof(x));
}

/* BF16 (train/bfloat16.h), widened and rounded lane by lane as there. */
typedef uint16_t vec_halves __attribute__((vector_size(sizeof(vec) / 2)));
typedef uint32_t vec_words __attribute__((vector_size(sizeof(vec))));

static inline vec vec_load_bf16(const uint16_t *from)
{
    vec_halves codes;
    memcpy(&codes, from, sizeof codes);
#if defined(__AVX512F__)
    const vec_words bits = (vec_words)_mm512_cvtepu16_epi32((__m256i)codes);
#elif defined(__AVX2__) && defined(__FMA__)
    const vec_words bits = (vec_words)_mm256_cvtepu16_epi32((__m128i)codes);
#else
    const vec_words bits = __builtin_convertvector(codes, vec_words);
#endif
    return (vec)(bits << 16);
}

static inline void vec_store_bf16(uint16_t *to, vec x)
{
    const vec_words bits = (vec_words)x, nan = (vec_words)(x != x);
    const vec_words nearest = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16, quiet = (bits >> 16) | 0x40;
    const vec_words chosen = (nearest & ~nan) | (quiet & nan);
#if defined(__AVX512F__)
    const vec_halves codes = (vec_halves)_mm512_cvtepi32_epi16((__m512i)chosen);
#elif defined(__AVX2__) && defined(__FMA__)
    const vec_halves codes = (vec_halves)_mm_packus_epi32(_mm256_castsi256_si128((__m256i)chosen),
                                                          _mm256_extracti128_si256((__m256i)chosen, 1));
#else
    const vec_halves codes = __builtin_convertvector(chosen, vec_halves);
#endif
    memcpy(to, &codes, sizeof codes);
}

/* The first `count` lanes; the others are `fill`. */
static inline vec vec_load_part(const float *from, size_t count, float fill)
{
    float lanes[VEC_LANES];
    for (size_t i = 0; i < VEC_LANES; i++)
        lanes[i] = i < count ? from[i] : fill;
    return vec_load(lanes);
}

static inline void vec_store_part(float *to, vec x, size_t count)
{
    float lanes[VEC_LANES];
    vec_store(lanes, x);
    memcpy(to, lanes, count * sizeof(float));
}

static inline vec vec_set(float value)
{
#if defined(__AVX512F__)
    return _mm512_set1_ps(value);
#elif defined(__AVX2__) && defined(__FMA__)
    return _mm256_set1_ps(value);
#else
    return (vec){value, value, value, value};
#endif
}

static inline vec vec_zero(void)
{
    return vec_set(0.0F);
}

/* a * b + c, rounded once where the processor can. */
static inline vec vec_fma(vec a, vec b, vec c)
{
#if defined(__AVX512F__)
    return _mm512_fmadd_ps(a, b, c);
#elif defined(__AVX2__) && defined(__FMA__)
    return _mm256_fmadd_ps(a, b, c);
#else
    return a * b + c;
#endif
}

/* The larger of a bound and x; NaN in x stays NaN, so that it is seen in the end. */
static inline vec vec_at_least(vec bound, vec x)
{
#if defined(__AVX512F__)
    return _mm512_max_ps(bound, x);
#elif defined(__AVX2__) && defined(__FMA__)
    return _mm256_max_ps(bound, x);
#else
    vec_bits keep = ~(vec_bits)(bound > x);
    return (vec)(((vec_bits)x & keep) | ((vec_bits)bound & ~keep));
#endif
}

static inline vec vec_at_most(vec bound, vec x)
{
    return -vec_at_least(-bound, -x);
}

/* x, and zero for numbers between the smallest normal ones; NaN stays. */
static inline vec vec_normal(vec x)
{
    const vec_bits small = (vec_bits)(x < vec_set(FLT_MIN)) & (vec_bits)(x > vec_set(-FLT_MIN));
    return (vec)((vec_bits)x & ~small);
}

static inline vec vec_sqrt(vec x)
{
#if defined(__AVX512F__)
    return _mm512_sqrt_ps(x);
#elif defined(__AVX2__) && defined(__FMA__)
    return _mm256_sqrt_ps(x);
#else
    for (size_t i = 0; i < VEC_LANES; i++)
        x[i] = sqrtf(x[i]);
    return x;
#endif
}

/* The sum of the lanes, as a tree: halves onto halves. */
static inline float vec_sum(vec x)
{
    float lanes[VEC_LANES];
    vec_store(lanes, x);
    for (size_t half = VEC_LANES / 2; half > 0; half /= 2)
        for (size_t i = 0; i < half; i++)
            lanes[i] += lanes[i + half];
    return lanes[0];
}

/* sum over i < n of a[i] * b[i]: lanes first, the rest behind them. */
static inline float vec_dot(const float *a, const float *b, size_t n)
{
    vec total = vec_zero();
    size_t i = 0;
    for (; i + VEC_LANES <= n; i += VEC_LANES)
        total = vec_fma(vec_load(a + i), vec_load(b + i), total);
    float rest = 0;
    for (; i < n; i++)
        rest += a[i] * b[i];
    return vec_sum(total) + rest;
}

static inline float vec_max(vec x)
{
    float lanes[VEC_LANES];
    vec_store(lanes, x);
    float max = lanes[0];
    for (size_t i = 1; i < VEC_LANES; i++)
        max = lanes[i] > max ? lanes[i] : max;
    return max;
}

/* e^x within 2 units of the last place: x = n ln 2 + r, |r| <= ln 2 / 2, a polynomial of degree 6 for e^r (Taylor's coefficients, whose error there
 * is below 2^-24), times 2^n by the exponent's bits. Below -87.3 it gives about 1e-38 (never zero), above 88.3 about 2e38; NaN stays. */
static inline vec vec_exp(vec x)
{
    x = vec_at_most(vec_set(88.3F), vec_at_least(vec_set(-87.3F), x));
    const vec magic = vec_set(12582912.0F); /* 1.5 * 2^23: adding it rounds to a whole number */
    vec shifted = vec_fma(x, vec_set(1.44269504F), magic);
    vec n = shifted - magic;
    vec r = vec_fma(n, vec_set(-0.693359375F), x);
    r = vec_fma(n, vec_set(2.12194440e-4F), r);
    vec p = vec_set(1.0F / 720);
    p = vec_fma(p, r, vec_set(1.0F / 120));
    p = vec_fma(p, r, vec_set(1.0F / 24));
    p = vec_fma(p, r, vec_set(1.0F / 6));
    p = vec_fma(p, r, vec_set(0.5F));
    p = vec_fma(p, r, vec_set(1.0F));
    p = vec_fma(p, r, vec_set(1.0F));
    vec_bits exponent = (vec_bits)shifted << 23; /* the low bits of the magic number's sum are n */
    return (vec)((vec_bits)p + exponent);
}

static inline vec vec_sigmoid(vec x)
{
    return vec_set(1.0F) / (vec_set(1.0F) + vec_exp(-x));
}

#endif
