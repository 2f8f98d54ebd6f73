/* Which instructions this processor has: looked up once per call, from what the compiler's start-up code found by
 * cpuid. */
#ifndef QUERN_DEDUP_PROCESSOR_H
#define QUERN_DEDUP_PROCESSOR_H

#include <stdbool.h>

#if defined(__x86_64__)
#define QUERN_X86_64 1
#else
#define QUERN_X86_64 0
#endif

static inline bool processor_has_avx2(void)
{
#if QUERN_X86_64
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi");
#else
    return false;
#endif
}

#endif
