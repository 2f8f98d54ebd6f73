/* A micro-tile of C by AMX (Intel's Software Developer's Manual, "Programming with Intel AMX"): eight registers of 16 rows of 64 bytes.
 *
 *     TDPBF16PS   C[16, 16] of FP32 += A[16, 16 factors] B[16 factors, 16], a factor being two BF16 along k. For each element of C the products of the
 *                 factors' first numbers and those of their second ones are summed apart, from zero, then together, then to C.
 *
 * C has the registers 0 to 3, two by two; A has 4 and 5, B 6 and 7, as they lie in memory: rows of A, and rows of a panel, which holds two tiles side by
 * side. The configuration says how long rows are: 16 factors, or what is left of k. */
#ifndef QUERN_TRAIN_CPU_TILES_H
#define QUERN_TRAIN_CPU_TILES_H

#include "train/cpu/cpu_gemm.h"

#include <immintrin.h> /* the tests have one of their own, with the instructions as loops */

enum { TILE_ROWS = 16, TILE_FACTORS = 16, TILE_PALETTE = 1 };

/* What LDTILECFG reads. */
struct tile_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
};

/* `steps` factors of k a tile. */
static inline void tiles_configure(size_t steps)
{
    struct tile_config config = {.palette = TILE_PALETTE};
    for (int i = 0; i < 8; i++) {
        const bool is_a = i == 4 || i == 5, is_b = i >= 6;
        config.row_bytes[i] = (uint16_t)((is_a ? steps : TILE_FACTORS) * sizeof(factor));
        config.rows[i] = (uint8_t)(is_b ? steps : TILE_ROWS);
    }
    __asm__ volatile("" ::"r"(&config) : "memory"); /* compilers know of the first 8 bytes that the instruction reads */
    _tile_loadconfig(&config);
}

/* C[16 or 32, 32] = or += A B over k factors, `steps` at a time. `tall` is a constant in each caller. */
static inline __attribute__((always_inline)) void tiles_multiply(bool tall, float *c, size_t c_stride, struct gemm_a a,
                                                                 const factor *b, size_t k, size_t steps,
                                                                 bool accumulate)
{
    const size_t c_bytes = c_stride * sizeof *c, a_bytes = a.row * sizeof *b, b_bytes = GEMM_COLUMNS * sizeof *b;
    const factor *low = a.data + TILE_ROWS * a.row;
    float *c_low = c + TILE_ROWS * c_stride;
    __asm__ volatile("" ::: "memory"); /* the compiler is not told that loads of tiles read memory */
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    if (accumulate) {
        _tile_loadd(0, c, c_bytes);
        _tile_loadd(1, c + TILE_ROWS, c_bytes);
        if (tall) {
            _tile_loadd(2, c_low, c_bytes);
            _tile_loadd(3, c_low + TILE_ROWS, c_bytes);
        }
    }
    for (size_t p = 0; p < k; p += steps, b += steps * GEMM_COLUMNS) {
        _tile_loadd(4, a.data + p, a_bytes);
        _tile_loadd(6, b, b_bytes);
        _tile_dpbf16ps(0, 4, 6);
        _tile_loadd(7, b + TILE_ROWS, b_bytes);
        _tile_dpbf16ps(1, 4, 7);
        if (tall) {
            _tile_loadd(5, low + p, a_bytes);
            _tile_dpbf16ps(2, 5, 6);
            _tile_dpbf16ps(3, 5, 7);
        }
    }
    _tile_stored(0, c, c_bytes);
    _tile_stored(1, c + TILE_ROWS, c_bytes);
    if (tall) {
        _tile_stored(2, c_low, c_bytes);
        _tile_stored(3, c_low + TILE_ROWS, c_bytes);
    }
    __asm__ volatile("" ::: "memory");
}

#endif
