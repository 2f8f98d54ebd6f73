#include "dedup/normal_letters.h"

#include "base/check.h"

#include <pthread.h>

enum { PLANE = 1 << 16 };

/* The ranges of the first plane written out. The other planes hold rare scripts and rare ideographs, found by
 * search. */
static uint32_t plane[PLANE];
static pthread_once_t plane_once = PTHREAD_ONCE_INIT;

static uint32_t folded_by(const struct normal_range *range, uint32_t code)
{
    switch ((enum normal_shape)range->shape) {
    case NORMAL_TO:
        return (uint32_t)range->value;
    case NORMAL_PAIRS:
        return code + ((code - range->first + 1) & 1);
    case NORMAL_SHIFT:
        break;
    }
    return (uint32_t)((int32_t)code + range->value);
}

static uint32_t letter_by(const struct normal_range *range, uint32_t code)
{
    return (uint32_t)range->kind | (range->kind == NORMAL_NOTHING ? 0 : folded_by(range, code) << 8);
}

static void fill_plane(void)
{
    for (const struct normal_range *range = normal_ranges; range < normal_ranges + normal_range_count; range++) {
        for (uint32_t code = range->first; code <= range->last && code < PLANE; code++)
            plane[code] = letter_by(range, code);
    }
}

/* The range that holds the code, NULL where none does. */
static const struct normal_range *find_range(uint32_t code)
{
    size_t low = 0, high = normal_range_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (normal_ranges[middle].last < code)
            low = middle + 1;
        else
            high = middle;
    }
    return low < normal_range_count && normal_ranges[low].first <= code ? &normal_ranges[low] : NULL;
}

const uint32_t *normal_plane(void)
{
    pthread_once(&plane_once, fill_plane);
    return plane;
}

uint32_t normal_letter(uint32_t code)
{
    if (code < PLANE)
        return normal_plane()[code];
    const struct normal_range *range = find_range(code);
    return range ? letter_by(range, code) : NORMAL_GAP;
}

/* clang-format off */
const unsigned char normal_ascii[128] = {
    ['0'] = '0', ['1'] = '0', ['2'] = '0', ['3'] = '0', ['4'] = '0', ['5'] = '0', ['6'] = '0', ['7'] = '0', ['8'] = '0', ['9'] = '0',
#define LETTER(capital, small) [capital] = small, [small] = small
    LETTER('A', 'a'), LETTER('B', 'b'), LETTER('C', 'c'), LETTER('D', 'd'), LETTER('E', 'e'), LETTER('F', 'f'), LETTER('G', 'g'),
    LETTER('H', 'h'), LETTER('I', 'i'), LETTER('J', 'j'), LETTER('K', 'k'), LETTER('L', 'l'), LETTER('M', 'm'), LETTER('N', 'n'),
    LETTER('O', 'o'), LETTER('P', 'p'), LETTER('Q', 'q'), LETTER('R', 'r'), LETTER('S', 's'), LETTER('T', 't'), LETTER('U', 'u'),
    LETTER('V', 'v'), LETTER('W', 'w'), LETTER('X', 'x'), LETTER('Y', 'y'), LETTER('Z', 'z'),
#undef LETTER
};
/* clang-format on */
