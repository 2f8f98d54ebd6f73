#include "dedup/record_sort.h"

#include "base/check.h"

#include <stdbool.h>
#include <string.h>

enum { SMALL = 24, DIGITS = 256 };

static inline void copy(uint64_t *to, const uint64_t *from, unsigned width)
{
    for (unsigned i = 0; i < width; i++)
        to[i] = from[i];
}

static void insertion_sort(uint64_t *records, size_t count, unsigned width)
{
    uint64_t moving[RECORD_WIDTH_MAX];
    for (size_t i = 1; i < count; i++) {
        size_t j = i;
        copy(moving, records + i * width, width);
        for (; j > 0 && record_compare(moving, records + (j - 1) * width, width) < 0; j--)
            copy(records + j * width, records + (j - 1) * width, width);
        copy(records + j * width, moving, width);
    }
}

/* Byte `depth` of a record, 0 being the most significant of its first number. */
static inline unsigned digit_of(const uint64_t *record, unsigned depth)
{
    return (unsigned)(record[depth / 8] >> (56 - 8 * (depth % 8)) & 0xff);
}

/* Puts the records in order of one byte: count, then move each cycle round. ends[d] becomes the index behind the
 * records of digit d. Returns whether all had the same digit. */
static bool part_by_digit(uint64_t *records, size_t count, unsigned width, unsigned depth, size_t ends[DIGITS])
{
    size_t next[DIGITS];
    memset(ends, 0, DIGITS * sizeof(*ends));
    for (size_t i = 0; i < count; i++)
        ends[digit_of(records + i * width, depth)]++;
    if (ends[digit_of(records, depth)] == count)
        return true;
    size_t at = 0;
    for (unsigned d = 0; d < DIGITS; d++) {
        next[d] = at;
        at += ends[d];
        ends[d] = at;
    }
    for (unsigned d = 0; d < DIGITS; d++) {
        while (next[d] < ends[d]) {
            uint64_t moving[RECORD_WIDTH_MAX], other[RECORD_WIDTH_MAX];
            copy(moving, records + next[d] * width, width);
            for (unsigned home = digit_of(moving, depth); home != d; home = digit_of(moving, depth)) {
                uint64_t *slot = records + next[home]++ * width;
                copy(other, slot, width);
                copy(slot, moving, width);
                copy(moving, other, width);
            }
            copy(records + next[d]++ * width, moving, width);
        }
    }
    return false;
}

static void sort_from(uint64_t *records, size_t count, unsigned width, unsigned depth)
{
    size_t ends[DIGITS];
    for (; count > SMALL && depth < 8 * width; depth++) {
        if (part_by_digit(records, count, width, depth, ends))
            continue;
        for (size_t d = 0, start = 0; d < DIGITS; start = ends[d], d++)
            sort_from(records + start * width, ends[d] - start, width, depth + 1);
        return;
    }
    if (count <= SMALL)
        insertion_sort(records, count, width);
}

void record_sort(uint64_t *records, size_t count, unsigned width)
{
    q_check(width >= 1 && width <= RECORD_WIDTH_MAX);
    sort_from(records, count, width, 0);
}
