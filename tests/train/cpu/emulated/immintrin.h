/* In the place of the compiler's header: AMX's instructions as loops, for train/cpu/cpu_tiles.h on processors without them. One state a thread. What the
 * processor would refuse is refused here (a fault there): no configuration, shapes that do not meet. (Numbers below FP32's smallest normal are not taken for
 * zero.) */
#ifndef QUERN_TESTS_TRAIN_CPU_EMULATED_IMMINTRIN_H
#define QUERN_TESTS_TRAIN_CPU_EMULATED_IMMINTRIN_H

#include "base/check.h"

#include <stdint.h>
#include <string.h>

struct emulated_tile {
    uint32_t words[16][16];
    size_t rows, columns; /* columns in words; none: not configured */
};

static _Thread_local struct emulated_tile emulated_tiles[8];

static inline void emulated_loadconfig(const void *from)
{
    uint8_t bytes[64];
    memcpy(bytes, from, sizeof bytes);
    q_check(bytes[0] == 1 && bytes[1] == 0);
    for (size_t i = 2; i < 16; i++)
        q_check(bytes[i] == 0);
    memset(emulated_tiles, 0, sizeof emulated_tiles);
    for (size_t i = 0; i < 8; i++) {
        const size_t width = bytes[16 + 2 * i] + 256 * (size_t)bytes[17 + 2 * i];
        q_check(width <= 64 && width % 4 == 0 && bytes[48 + i] <= 16);
        emulated_tiles[i].columns = width / 4;
        emulated_tiles[i].rows = bytes[48 + i];
    }
}

static inline struct emulated_tile *emulated_tile(size_t i)
{
    q_check(i < 8 && emulated_tiles[i].rows > 0 && emulated_tiles[i].columns > 0);
    return &emulated_tiles[i];
}

static inline void emulated_loadd(size_t i, const void *from, size_t stride)
{
    struct emulated_tile *tile = emulated_tile(i);
    memset(tile->words, 0, sizeof tile->words);
    for (size_t row = 0; row < tile->rows; row++)
        memcpy(tile->words[row], (const char *)from + row * stride, tile->columns * 4);
}

static inline void emulated_stored(size_t i, void *to, size_t stride)
{
    const struct emulated_tile *tile = emulated_tile(i);
    for (size_t row = 0; row < tile->rows; row++)
        memcpy((char *)to + row * stride, tile->words[row], tile->columns * 4);
}

static inline float emulated_float(uint32_t word)
{
    float x;
    memcpy(&x, &word, sizeof x);
    return x;
}

/* Of one element of C. */
static inline float emulated_dot(const struct emulated_tile *a, const struct emulated_tile *b, size_t row,
                                 size_t column)
{
    float first = 0, second = 0;
    for (size_t k = 0; k < a->columns; k++) {
        const uint32_t x = a->words[row][k], y = b->words[k][column];
        first += emulated_float(x << 16) * emulated_float(y << 16);
        second += emulated_float(x >> 16 << 16) * emulated_float(y >> 16 << 16);
    }
    return first + second;
}

static inline void emulated_dpbf16ps(size_t to, size_t left, size_t right)
{
    struct emulated_tile *c = emulated_tile(to);
    const struct emulated_tile *a = emulated_tile(left), *b = emulated_tile(right);
    q_check(a != b && a != c && b != c && a->rows == c->rows && a->columns == b->rows && b->columns == c->columns);
    for (size_t row = 0; row < c->rows; row++)
        for (size_t column = 0; column < c->columns; column++) {
            const float sum = emulated_float(c->words[row][column]) + emulated_dot(a, b, row, column);
            memcpy(&c->words[row][column], &sum, sizeof sum);
        }
}

static inline void emulated_zero(size_t i)
{
    struct emulated_tile *tile = emulated_tile(i);
    memset(tile->words, 0, sizeof tile->words);
}

/* The compiler's names for the instructions (amxtileintrin.h). */
#define _tile_loadconfig(from) emulated_loadconfig(from)
#define _tile_release() memset(emulated_tiles, 0, sizeof emulated_tiles)
#define _tile_loadd(tile, from, stride) emulated_loadd(tile, from, stride)
#define _tile_stored(tile, to, stride) emulated_stored(tile, to, stride)
#define _tile_dpbf16ps(to, left, right) emulated_dpbf16ps(to, left, right)
#define _tile_zero(tile) emulated_zero(tile)

#endif
