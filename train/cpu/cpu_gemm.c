/* The micro-kernel: GEMM_ROWS x GEMM_COLUMNS of C in registers, one row of a panel and one column of A per step of k (Goto and van
 * de Geijn, "Anatomy of high-performance matrix multiplication", 2008). Beside OpenBLAS: `bench/run products`. */
#include "train/cpu/cpu_gemm.h"

/* `rows` is a constant in each caller below: the loops, whose bounds are constants too, unroll, the tests on i fold away and the
 * accumulators stay in registers, with gcc and with clang. */
static inline __attribute__((always_inline)) void micro(size_t rows, float *c, size_t c_stride, struct gemm_a a,
                                                        const float *b, size_t k, bool accumulate)
{
    vec sum[GEMM_ROWS][2];
#pragma GCC unroll 12
    for (size_t i = 0; i < GEMM_ROWS; i++)
        sum[i][0] = sum[i][1] = vec_zero();
    const float *a_column = a.data;
    for (size_t p = 0; p < k; p++, a_column += a.column, b += GEMM_COLUMNS) {
        vec b0 = vec_load(b), b1 = vec_load(b + VEC_LANES);
#pragma GCC unroll 12
        for (size_t i = 0; i < GEMM_ROWS; i++) {
            if (i >= rows)
                break;
            vec x = vec_set(a_column[i * a.row]);
            sum[i][0] = vec_fma(x, b0, sum[i][0]);
            sum[i][1] = vec_fma(x, b1, sum[i][1]);
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

static void micro_rows(size_t rows, float *c, size_t c_stride, struct gemm_a a, const float *b, size_t k,
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

/* A micro-tile that ends inside a panel: computed whole into a buffer, the columns that exist copied out. */
static void micro_edge(size_t rows, size_t columns, float *c, size_t c_stride, struct gemm_a a, const float *b,
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

void gemm_multiply(float *c, size_t c_stride, struct gemm_a a, const float *panels, size_t panel_stride, size_t m,
                   size_t n, size_t k, bool accumulate)
{
    for (size_t j = 0; j < n; j += GEMM_COLUMNS) { /* a panel stays in the first cache while all rows of A pass by */
        const float *panel = panels + j / GEMM_COLUMNS * panel_stride;
        size_t columns = n - j < GEMM_COLUMNS ? n - j : GEMM_COLUMNS;
        for (size_t i = 0; i < m; i += GEMM_ROWS) {
            size_t rows = m - i < GEMM_ROWS ? m - i : GEMM_ROWS;
            struct gemm_a part = a;
            part.data += i / GEMM_ROWS * a.group;
            if (columns == GEMM_COLUMNS)
                micro_rows(rows, c + i * c_stride + j, c_stride, part, panel, k, accumulate);
            else
                micro_edge(rows, columns, c + i * c_stride + j, c_stride, part, panel, k, accumulate);
        }
    }
}

/* `rows` columns of A, `count` steps of k, into one group. */
static inline __attribute__((always_inline)) void pack_group(float *to, const float *a, size_t stride, size_t count,
                                                             size_t rows)
{
    for (size_t p = 0; p < count; p++, a += stride, to += GEMM_ROWS)
        memcpy(to, a, rows * sizeof(float)); /* of a constant size where it counts: two or three moves */
}

void gemm_pack_a(float *to, const float *a, size_t stride, size_t k, size_t m)
{
    enum { STEPS = 16 }; /* rows of memory that are cut up together, while they are in the first cache */
    size_t groups = m / GEMM_ROWS, rest = m % GEMM_ROWS, group = gemm_a_group(k);
    for (size_t p = 0; p < k; p += STEPS) {
        size_t count = k - p < STEPS ? k - p : STEPS;
        const float *rows = a + p * stride;
        for (size_t g = 0; g < groups; g++)
            pack_group(to + g * group + p * GEMM_ROWS, rows + g * GEMM_ROWS, stride, count, GEMM_ROWS);
        pack_group(to + groups * group + p * GEMM_ROWS, rows + groups * GEMM_ROWS, stride, count, rest);
    }
}

/* One panel of `columns` columns, `count` steps of k. */
static inline void pack_panel(float *panel, const float *b, size_t stride, size_t count, size_t columns)
{
    for (size_t p = 0; p < count; p++, panel += GEMM_COLUMNS, b += stride) {
        if (columns == GEMM_COLUMNS) {
            vec_store(panel, vec_load(b));
            vec_store(panel + VEC_LANES, vec_load(b + VEC_LANES));
        } else {
            for (size_t i = 0; i < GEMM_COLUMNS; i++)
                panel[i] = i < columns ? b[i] : 0.0F;
        }
    }
}

void gemm_pack_rows(float *panels, size_t panel_stride, const float *b, size_t stride, size_t k, size_t n)
{
    enum {
        STEPS = 8
    }; /* rows of memory that are cut up together: a panel's width of one row alone is a single cache line */
    for (size_t p = 0; p < k; p += STEPS) {
        size_t count = k - p < STEPS ? k - p : STEPS;
        for (size_t j = 0; j < n; j += GEMM_COLUMNS)
            pack_panel(panels + j / GEMM_COLUMNS * panel_stride + p * GEMM_COLUMNS, b + p * stride + j, stride, count,
                       n - j < GEMM_COLUMNS ? n - j : GEMM_COLUMNS);
    }
}

#if defined(__AVX2__)
/* 8 rows of 8 floats, `stride` apart, to 8 rows of 8 floats, GEMM_COLUMNS apart, transposed. */
static inline void transpose8(float *to, const float *from, size_t stride)
{
    __m256 r[8], t[8];
    for (int i = 0; i < 8; i++)
        r[i] = _mm256_loadu_ps(from + (size_t)i * stride);
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
        _mm256_storeu_ps(to + (size_t)i * GEMM_COLUMNS, _mm256_permute2f128_ps(r[i], r[i + 4], 0x20));
        _mm256_storeu_ps(to + (size_t)(i + 4) * GEMM_COLUMNS, _mm256_permute2f128_ps(r[i], r[i + 4], 0x31));
    }
}
enum { TRANSPOSE = 8 };
#else
static inline void transpose8(float *to, const float *from, size_t stride)
{
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < 4; j++)
            to[i * GEMM_COLUMNS + j] = from[j * stride + i];
}
enum { TRANSPOSE = 4 };
#endif

/* `count` steps of k of one panel, from `columns` rows of b; in whole squares where there are such. */
static inline void pack_square(float *panel, const float *b, size_t stride, size_t count, size_t columns)
{
    for (size_t i = 0; i < GEMM_COLUMNS; i += TRANSPOSE) {
        if (count == TRANSPOSE && i + TRANSPOSE <= columns) {
            transpose8(panel + i, b + i * stride, stride);
            continue;
        }
        for (size_t p = 0; p < count; p++)
            for (size_t q = i; q < i + TRANSPOSE; q++)
                panel[p * GEMM_COLUMNS + q] = q < columns ? b[q * stride + p] : 0.0F;
    }
}

void gemm_pack_columns(float *panels, size_t panel_stride, const float *b, size_t stride, size_t k, size_t n)
{
    for (size_t j = 0; j < n; j += GEMM_COLUMNS) {
        float *panel = panels + j / GEMM_COLUMNS * panel_stride;
        for (size_t p = 0; p < k; p += TRANSPOSE)
            pack_square(panel + p * GEMM_COLUMNS, b + j * stride + p, stride, k - p < TRANSPOSE ? k - p : TRANSPOSE,
                        n - j < GEMM_COLUMNS ? n - j : GEMM_COLUMNS);
    }
}
