/* The micro-kernel: GEMM_ROWS x GEMM_COLUMNS of C in registers, one row of a panel and one column of A per step of k (Goto and van de Geijn, "Anatomy of
 * high-performance matrix multiplication", 2008). Beside OpenBLAS: `bench/run products`. */
#include "train/cpu/cpu_gemm.h"

#include "base/check.h"
#ifdef CPU_TILES
#include "train/cpu/cpu_tiles.h"
#endif

#ifndef CPU_TILES
/* `rows` is a constant in each caller below: the loops, whose bounds are constants too, unroll, the tests on i fold away and the
 * accumulators stay in registers, with gcc and with clang. */
static inline __attribute__((always_inline)) void micro(size_t rows, float *c, size_t c_stride, struct gemm_a a,
                                                        const factor *b, size_t k, bool accumulate)
{
    vec sum[GEMM_ROWS][2];
#pragma GCC unroll 12
    for (size_t i = 0; i < GEMM_ROWS; i++)
        sum[i][0] = sum[i][1] = vec_zero();
    const factor *a_column = a.data;
    for (size_t p = 0; p < k; p++, a_column += a.column, b += GEMM_COLUMNS) {
        vec b0 = factor_load(b), b1 = factor_load(b + VEC_LANES);
#pragma GCC unroll 12
        for (size_t i = 0; i < GEMM_ROWS; i++) {
            if (i >= rows)
                break;
            vec x = factor_set(a_column + i * a.row);
            sum[i][0] = factor_multiply(x, b0, sum[i][0]);
            sum[i][1] = factor_multiply(x, b1, sum[i][1]);
        }
    }
#pragma GCC unroll 12
    for (size_t i = 0; i < GEMM_ROWS; i++) {
        if (i >= rows)
            break;
        float *row = c + i * c_stride;
        if (accumulate) {
            sum[i][0] += vec_load(row);
            sum[i][1] += vec_load(row + VEC_LANES);
        }
        vec_store(row, sum[i][0]);
        vec_store(row + VEC_LANES, sum[i][1]);
    }
}

/* Whether a micro-tile of so many rows is computed in place. */
static inline bool is_whole(size_t rows)
{
    (void)rows;
    return true;
}

static void micro_rows(size_t rows, float *c, size_t c_stride, struct gemm_a a, const factor *b, size_t k,
                       bool accumulate)
{
    switch (rows) {
#if defined(__AVX512F__)
    case 12:
        micro(12, c, c_stride, a, b, k, accumulate);
        break;
    case 11:
        micro(11, c, c_stride, a, b, k, accumulate);
        break;
    case 10:
        micro(10, c, c_stride, a, b, k, accumulate);
        break;
    case 9:
        micro(9, c, c_stride, a, b, k, accumulate);
        break;
    case 8:
        micro(8, c, c_stride, a, b, k, accumulate);
        break;
    case 7:
        micro(7, c, c_stride, a, b, k, accumulate);
        break;
#endif
    case 6:
        micro(6, c, c_stride, a, b, k, accumulate);
        break;
    case 5:
        micro(5, c, c_stride, a, b, k, accumulate);
        break;
    case 4:
        micro(4, c, c_stride, a, b, k, accumulate);
        break;
    case 3:
        micro(3, c, c_stride, a, b, k, accumulate);
        break;
    case 2:
        micro(2, c, c_stride, a, b, k, accumulate);
        break;
    default:
        micro(1, c, c_stride, a, b, k, accumulate);
        break;
    }
}

#else
static inline bool is_whole(size_t rows)
{
    return rows % TILE_ROWS == 0;
}

static void micro_rows(size_t rows, float *c, size_t c_stride, struct gemm_a a, const factor *b, size_t k,
                       bool accumulate)
{
    const size_t steps = Q_MIN(k, (size_t)TILE_FACTORS);
    if (rows > TILE_ROWS)
        tiles_multiply(true, c, c_stride, a, b, k, steps, accumulate);
    else
        tiles_multiply(false, c, c_stride, a, b, k, steps, accumulate);
}
#endif

/* A micro-tile that ends inside a panel, or inside a tile: computed whole into a buffer, what exists of it copied out. */
static void micro_edge(size_t rows, size_t columns, float *c, size_t c_stride, struct gemm_a a, const factor *b,
                       size_t k, bool accumulate)
{
    float tile[GEMM_ROWS * GEMM_COLUMNS];
    micro_rows(rows, tile, GEMM_COLUMNS, a, b, k, false);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++) {
            float *element = c + i * c_stride + j;
            *element = accumulate ? *element + tile[i * GEMM_COLUMNS + j] : tile[i * GEMM_COLUMNS + j];
        }
}

/* Over k factors: of AMX whole tiles, or less than one. */
static void multiply_factors(float *c, size_t c_stride, struct gemm_a a, const factor *panels, size_t panel_stride,
                             size_t m, size_t n, size_t k, bool accumulate)
{
    for (size_t j = 0; j < n; j += GEMM_COLUMNS) { /* a panel stays in the first cache while all rows of A pass by */
        const factor *panel = panels + j / GEMM_COLUMNS * panel_stride;
        size_t columns = n - j < GEMM_COLUMNS ? n - j : GEMM_COLUMNS;
        for (size_t i = 0; i < m; i += GEMM_ROWS) {
            size_t rows = m - i < GEMM_ROWS ? m - i : GEMM_ROWS;
            struct gemm_a part = a;
            part.data += i / GEMM_ROWS * a.group;
            if (columns == GEMM_COLUMNS && is_whole(rows))
                micro_rows(rows, c + i * c_stride + j, c_stride, part, panel, k, accumulate);
            else
                micro_edge(rows, columns, c + i * c_stride + j, c_stride, part, panel, k, accumulate);
        }
    }
}

void gemm_multiply(float *c, size_t c_stride, struct gemm_a a, const factor *panels, size_t panel_stride, size_t m,
                   size_t n, size_t k, bool accumulate)
{
    const size_t steps = gemm_steps(k);
#ifdef CPU_TILES
    const size_t whole = steps / TILE_FACTORS * TILE_FACTORS;
    if (whole || (steps == 0 && !accumulate)) {
        tiles_configure(TILE_FACTORS);
        multiply_factors(c, c_stride, a, panels, panel_stride, m, n, whole, accumulate);
    }
    if (steps > whole) {
        tiles_configure(steps - whole);
        a.data += whole;
        multiply_factors(c, c_stride, a, panels + whole * GEMM_COLUMNS, panel_stride, m, n, steps - whole,
                         accumulate || whole > 0);
    }
    _tile_release();
#else
    multiply_factors(c, c_stride, a, panels, panel_stride, m, n, steps, accumulate);
#endif
}

/* The factor of column i of numbers stored [k, columns]: of a row, and of that below it (NULL: none, zeros). */
static inline factor factor_at(const number *first, const number *second, size_t i)
{
#ifdef CPU_PAIRS
    return (factor)first[i] | (second ? (factor)second[i] << 16 : 0);
#else
    (void)second;
    return first[i];
#endif
}

/* A row of factors of `columns` columns. */
static inline __attribute__((always_inline)) void interleave(factor *to, const number *first, const number *second,
                                                             size_t columns)
{
#ifdef CPU_PAIRS
    for (size_t i = 0; i < columns; i++)
        to[i] = factor_at(first, second, i);
#else
    (void)second;
    memcpy(to, first, columns * sizeof *to); /* of a constant size where it counts: two or three moves */
#endif
}

/* The second row of a factor, if it is there: `left` rows are. */
static inline const number *second_row(const number *first, size_t stride, size_t left)
{
    return CPU_PAIRED && left > 1 ? first + stride : NULL;
}

/* One panel of `columns` columns, `count` rows of numbers. */
static inline void pack_panel(factor *panel, const number *b, size_t stride, size_t count, size_t columns)
{
    for (size_t p = 0; p < count; p += FACTOR_DEPTH, panel += GEMM_COLUMNS, b += FACTOR_DEPTH * stride) {
        const number *second = second_row(b, stride, count - p);
        if (columns < GEMM_COLUMNS)
            for (size_t i = 0; i < GEMM_COLUMNS; i++)
                panel[i] = i < columns ? factor_at(b, second, i) : (factor)0;
        else if (second) /* known in each call: no test in the loops */
            interleave(panel, b, second, GEMM_COLUMNS);
        else
            interleave(panel, b, NULL, GEMM_COLUMNS);
    }
}

void gemm_pack_rows(factor *panels, size_t panel_stride, const number *b, size_t stride, size_t k, size_t n)
{
    enum {
        ROWS = 8 * FACTOR_DEPTH
    }; /* of memory that are cut up together: a panel's width of one row alone is a single cache line */
    for (size_t p = 0; p < k; p += ROWS) {
        size_t count = k - p < ROWS ? k - p : ROWS;
        for (size_t j = 0; j < n; j += GEMM_COLUMNS)
            pack_panel(panels + j / GEMM_COLUMNS * panel_stride + p / FACTOR_DEPTH * GEMM_COLUMNS, b + p * stride + j,
                       stride, count, n - j < GEMM_COLUMNS ? n - j : GEMM_COLUMNS);
    }
}

#if defined(__AVX2__)
/* 8 rows of 8 factors, `stride` numbers apart, to 8 rows of 8 factors, `to_stride` factors apart, transposed. */
static inline void transpose(factor *to, size_t to_stride, const number *from, size_t stride)
{
    __m256 r[8], t[8];
    for (int i = 0; i < 8; i++)
        r[i] = _mm256_loadu_ps((const float *)(const void *)(from + (size_t)i * stride));
    for (int i = 0; i < 8; i += 2) {
        t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) {
        r[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
        r[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xee);
        r[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
        r[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xee);
    }
    for (int i = 0; i < 4; i++) {
        float *upper = (float *)(void *)(to + (size_t)i * to_stride);
        float *lower = (float *)(void *)(to + (size_t)(i + 4) * to_stride);
        _mm256_storeu_ps(upper, _mm256_permute2f128_ps(r[i], r[i + 4], 0x20));
        _mm256_storeu_ps(lower, _mm256_permute2f128_ps(r[i], r[i + 4], 0x31));
    }
}
enum { TRANSPOSE = 8 };
#else
static inline void transpose(factor *to, size_t to_stride, const number *from, size_t stride)
{
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < 4; j++)
            to[i * to_stride + j] = factor_of(from + j * stride + i * FACTOR_DEPTH, FACTOR_DEPTH);
}
enum { TRANSPOSE = 4 };
#endif

/* `count` numbers along k of one panel, from `columns` rows of b; in whole squares where there are such. */
static inline void pack_square(factor *panel, const number *b, size_t stride, size_t count, size_t columns)
{
    for (size_t i = 0; i < GEMM_COLUMNS; i += TRANSPOSE) {
        if (count == TRANSPOSE * FACTOR_DEPTH && i + TRANSPOSE <= columns) {
            transpose(panel + i, GEMM_COLUMNS, b + i * stride, stride);
            continue;
        }
        for (size_t p = 0; p < count; p += FACTOR_DEPTH)
            for (size_t q = i; q < i + TRANSPOSE; q++)
                panel[p / FACTOR_DEPTH * GEMM_COLUMNS + q] =
                    q < columns ? factor_of(b + q * stride + p, count - p) : (factor)0;
    }
}

void gemm_pack_columns(factor *panels, size_t panel_stride, const number *b, size_t stride, size_t k, size_t n)
{
    enum { DEPTH = TRANSPOSE * FACTOR_DEPTH };
    for (size_t j = 0; j < n; j += GEMM_COLUMNS) {
        factor *panel = panels + j / GEMM_COLUMNS * panel_stride;
        for (size_t p = 0; p < k; p += DEPTH)
            pack_square(panel + p / FACTOR_DEPTH * GEMM_COLUMNS, b + j * stride + p, stride,
                        k - p < DEPTH ? k - p : DEPTH, n - j < GEMM_COLUMNS ? n - j : GEMM_COLUMNS);
    }
}

/* Packed A: a cache line and more behind each row or group, so that they do not begin at the same cache set. */
static struct gemm_a packed_rows(const factor *room, size_t k)
{
    const size_t row = (gemm_steps(k) + 15) / 16 * 16 + 16; /* whole lines */
    return (struct gemm_a){room, row, 1, GEMM_ROWS * row};
}

struct gemm_a gemm_copy_a(factor *room, const number *a, size_t stride, size_t m, size_t k)
{
    const struct gemm_a packed = packed_rows(room, k);
    for (size_t i = 0; i < m; i++) {
        factor *to = room + i * packed.row;
        if (k % FACTOR_DEPTH)
            to[k / FACTOR_DEPTH] = factor_of(a + i * stride + k / FACTOR_DEPTH * FACTOR_DEPTH, 1);
        memcpy(to, a + i * stride, k / FACTOR_DEPTH * sizeof *to);
    }
    return packed;
}

#ifdef CPU_TILES
/* A panel's width of rows at a time: as a panel, which is then transposed. */
struct gemm_a gemm_pack_a(factor *room, const number *a, size_t stride, size_t k, size_t m)
{
    enum { DEPTH = 2 * TILE_FACTORS }; /* numbers along k of a panel */
    const struct gemm_a packed = packed_rows(room, k);
    factor panel[TILE_FACTORS * GEMM_COLUMNS];
    for (size_t i = 0; i < m; i += GEMM_COLUMNS)
        for (size_t p = 0; p < k; p += DEPTH) {
            const size_t count = Q_MIN(k - p, (size_t)DEPTH);
            if (count < DEPTH)
                memset(panel, 0, sizeof panel);
            pack_panel(panel, a + p * stride + i, stride, count, Q_MIN(m - i, (size_t)GEMM_COLUMNS));
            for (size_t y = 0; y < GEMM_COLUMNS; y += TRANSPOSE)
                for (size_t x = 0; x < TILE_FACTORS; x += TRANSPOSE)
                    transpose(room + (i + y) * packed.row + p / FACTOR_DEPTH + x, packed.row,
                              (const number *)(const void *)(panel + x * GEMM_COLUMNS + y),
                              GEMM_COLUMNS * FACTOR_DEPTH);
        }
    return packed;
}
#else
/* `rows` columns of A, `count` rows of numbers, into one group. */
static inline __attribute__((always_inline)) void pack_group(factor *to, const number *a, size_t stride, size_t count,
                                                             size_t rows)
{
    for (size_t p = 0; p < count; p += FACTOR_DEPTH, a += FACTOR_DEPTH * stride, to += GEMM_ROWS)
        interleave(to, a, second_row(a, stride, count - p), rows);
}

struct gemm_a gemm_pack_a(factor *room, const number *a, size_t stride, size_t k, size_t m)
{
    enum { ROWS = 16 * FACTOR_DEPTH }; /* of memory that are cut up together, while they are in the first cache */
    const size_t groups = m / GEMM_ROWS, rest = m % GEMM_ROWS, group = GEMM_ROWS * gemm_steps(k) + 16;
    for (size_t p = 0; p < k; p += ROWS) {
        size_t count = k - p < ROWS ? k - p : ROWS, at = p / FACTOR_DEPTH * GEMM_ROWS;
        const number *rows = a + p * stride;
        for (size_t g = 0; g < groups; g++)
            pack_group(room + g * group + at, rows + g * GEMM_ROWS, stride, count, GEMM_ROWS);
        pack_group(room + groups * group + at, rows + groups * GEMM_ROWS, stride, count, rest);
    }
    return (struct gemm_a){room, 1, GEMM_ROWS, group};
}
#endif
