/* Checks: assertions about our own code, and arithmetic that cannot wrap.
 *
 * q_check is for invariants that only a defect of quern can break, never for input: it stays on in release builds and aborts
 * with the place and the condition. Input is checked with an `if` and a status.
 */
#ifndef QUERN_BASE_CHECK_H
#define QUERN_BASE_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define q_check(condition) ((condition) ? (void)0 : q_check_failed(#condition, __FILE__, __LINE__))

/* The same, in debug builds only: for inner loops. */
#ifdef NDEBUG
#define q_check_slow(condition) ((void)0)
#else
#define q_check_slow(condition) q_check(condition)
#endif

void q_check_failed(const char *condition, const char *file, int line) __attribute__((noreturn));

/* Each returns false, and leaves *result alone, where the exact result does not fit its type. */
static inline bool q_add_size(size_t a, size_t b, size_t *result)
{
    size_t sum;
    return !__builtin_add_overflow(a, b, &sum) && (*result = sum, true);
}

static inline bool q_mul_size(size_t a, size_t b, size_t *result)
{
    size_t product;
    return !__builtin_mul_overflow(a, b, &product) && (*result = product, true);
}

static inline bool q_add_u64(uint64_t a, uint64_t b, uint64_t *result)
{
    uint64_t sum;
    return !__builtin_add_overflow(a, b, &sum) && (*result = sum, true);
}

static inline bool q_mul_u64(uint64_t a, uint64_t b, uint64_t *result)
{
    uint64_t product;
    return !__builtin_mul_overflow(a, b, &product) && (*result = product, true);
}

/* ceil(a / b), b > 0. */
static inline uint64_t q_ceil_div(uint64_t a, uint64_t b)
{
    return a / b + (a % b != 0);
}

#define Q_COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#define Q_MIN(a, b) ((a) < (b) ? (a) : (b))
#define Q_MAX(a, b) ((a) > (b) ? (a) : (b))

#ifdef __cplusplus
}
#endif

#endif
