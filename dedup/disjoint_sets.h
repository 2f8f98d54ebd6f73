/* Disjoint sets of the numbers 0 .. n - 1 as a forest of parents (Tarjan), in 4 bytes each. The root of a set is
 * always its least member, so the result does not depend on the order of the unions.
 */
#ifndef QUERN_DEDUP_DISJOINT_SETS_H
#define QUERN_DEDUP_DISJOINT_SETS_H

#include <stddef.h>
#include <stdint.h>

static inline void disjoint_sets_init(uint32_t *parents, size_t count)
{
    for (size_t i = 0; i < count; i++)
        parents[i] = (uint32_t)i;
}

/* The least member of i's set; halves the path on the way. */
static inline uint32_t disjoint_sets_find(uint32_t *parents, uint32_t i)
{
    while (parents[i] != i) {
        parents[i] = parents[parents[i]];
        i = parents[i];
    }
    return i;
}

static inline void disjoint_sets_join(uint32_t *parents, uint32_t i, uint32_t j)
{
    i = disjoint_sets_find(parents, i);
    j = disjoint_sets_find(parents, j);
    if (i < j)
        parents[j] = i;
    else
        parents[i] = j;
}

#endif
