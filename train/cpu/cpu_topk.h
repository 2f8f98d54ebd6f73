/* Choosing the best of a few hundred numbers, the lower index first where two are equal. */
#ifndef QUERN_TRAIN_CPU_TOPK_H
#define QUERN_TRAIN_CPU_TOPK_H

#include <stddef.h>
#include <stdint.h>

/* The index of the largest value with allowed[i] != 0; allowed must have one. A NaN is never larger, so the choice stays in range. */
static inline size_t cpu_best(const float *values, const uint8_t *allowed, size_t count)
{
    size_t best = 0;
    while (!allowed[best])
        best++;
    for (size_t i = best + 1; i < count; i++)
        if (allowed[i] && values[i] > values[best])
            best = i;
    return best;
}

#endif
