/* Sorting of records in place: each is `width` 64-bit numbers, compared one after the other, the first the most
 * significant. */
#ifndef QUERN_DEDUP_RECORD_SORT_H
#define QUERN_DEDUP_RECORD_SORT_H

#include <stddef.h>
#include <stdint.h>

enum { RECORD_WIDTH_MAX = 4 };

/* Most significant byte first, in place ("American flag sort", McIlroy, Bostic, McIlroy 1993), insertion sort for
 * what is small. No memory but 4 KiB of stack a byte of depth, at most 8 width bytes deep. Equal records are alike
 * in all their bytes, so stability does not arise. */
void record_sort(uint64_t *records, size_t count, unsigned width);

/* -1, 0 or 1. */
static inline int record_compare(const uint64_t *a, const uint64_t *b, unsigned width)
{
    for (unsigned i = 0; i < width; i++) {
        if (a[i] != b[i])
            return a[i] < b[i] ? -1 : 1;
    }
    return 0;
}

#endif
