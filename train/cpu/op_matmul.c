/* matmul: B is packed once by all threads into the shared buffer, then tiles of C are computed.
 *
 * Where reals are not floats, numbers of A and B are made of them block by block, and a tile of C that is reals is summed over the whole depth in the
 * worker's room. An A of floats (`wide`) that has to become BF16 is multiplied as the sum of three, each the rest that the one before left: no bit of it is
 * lost. */
#include "train/cpu/cpu_gemm.h"
#include "train/cpu/cpu_ops.h"

#include "base/check.h"

enum {
    TILES_WANTED = 8,  /* for balance between a few threads; smaller tiles only where C has too few */
    PACK_COLUMNS = 64, /* of B that are packed together: whole panels of any instruction set */
};

struct tiling {
    size_t rows, columns;
};

/* The tile of C, from the shape alone, so that bits do not depend on threads (nor would they: k is cut alike in every tile): whole groups of rows of the
 * kernel. A gradient of a weight has a small C and a deep k: its tiles are wide and low, because each of them packs its rows of A. */
static struct tiling choose_tiling(enum op_product kind, size_t m, size_t n)
{
    enum {
        HIGH = GEMM_TILED ? 128 : 120,
        MIDDLE = HIGH / 2,
        LOW = GEMM_TILED ? 32 : 24,
        LOWEST = LOW / 2,
    };
    static const struct tiling usual[] = {{HIGH, CPU_TILE_COLUMNS}, {HIGH, 128}, {MIDDLE, 128}, {LOW, 64}};
    static const struct tiling deep[] = {
        {HIGH, CPU_DEEP_COLUMNS}, {MIDDLE, 256}, {MIDDLE, 128}, {LOW, 128}, {LOWEST, 128}};
    const struct tiling *choices = kind == OP_TN ? deep : usual;
    size_t last = (kind == OP_TN ? Q_COUNT_OF(deep) : Q_COUNT_OF(usual)) - 1, i = 0;
    while (i < last && q_ceil_div(m, choices[i].rows) * q_ceil_div(n, choices[i].columns) < TILES_WANTED)
        i++;
    return choices[i];
}

struct job {
    const struct op_context *context;
    const struct op_matmul *product;
    struct tiling tiling;
    size_t n0, n; /* columns of C in this pass: as many as the shared buffer holds */
    size_t k0, k; /* depth of this pass */
    size_t row_tiles;
    bool accumulate;
    factor *panels;
};

static void pack_part(void *context, unsigned worker, size_t part)
{
    const struct job *job = context;
    const struct op_matmul *p = job->product;
    size_t j = part * PACK_COLUMNS, columns = Q_MIN((size_t)PACK_COLUMNS, job->n - j), first = job->n0 + j;
    size_t stride = gemm_panel(job->k), step = CPU_WIDENED ? (size_t)CPU_DEPTH : job->k;
    factor *to = job->panels + j / GEMM_COLUMNS * stride;
    const bool columnwise = p->kind == OP_NT;
    for (size_t k = 0; k < job->k; k += step) {
        size_t at = columnwise ? first * p->b_stride + job->k0 + k : (job->k0 + k) * p->b_stride + first;
        gemm_pack_reals(to + k / FACTOR_DEPTH * GEMM_COLUMNS, stride, reals(p->b) + at, p->b_stride, columnwise,
                        Q_MIN(step, job->k - k), columns, cpu_scratch(job->context, worker));
    }
}

/* A worker's room: a block of A as numbers; behind it that block packed; behind it a tile of C. */
struct room {
    void *numbers;
    factor *packed;
    float *sums;
};

static struct room room_of(float *floats)
{
    enum { BLOCK = CPU_TILE_ROWS * (CPU_DEPTH + 32), SUMS = CPU_TILE_ROWS * CPU_DEEP_COLUMNS };
    _Static_assert(2 * BLOCK + SUMS <= CPU_GROUP_PANELS + CPU_GROUP_A + CPU_GROUP_NUMBERS + CPU_GROUP_SUMS,
                   "a worker has room for it");
    return (struct room){floats, (factor *)(void *)(floats + BLOCK), floats + 2 * BLOCK};
}

#ifdef CPU_PAIRS
/* What parts of floats are numbers, the first ones of which are the floats themselves. */
enum { PARTS = 3 };

/* A vector's part: rounded, what that left rounded, and so on. Of an infinity nothing is left. */
static inline vec part_of(vec x, size_t part)
{
    real rounded[VEC_LANES];
    for (size_t i = 0; i < part; i++) {
        vec_store_bf16(rounded, x);
        x -= vec_load_bf16(rounded);
        x = (vec)((vec_bits)x & (vec_bits)(x == x));
    }
    return x;
}

static struct cpu_numbers numbers_of_part(const float *from, size_t stride, size_t rows, size_t columns, size_t part,
                                          real *room)
{
    for (size_t row = 0; row < rows; row++)
        for (size_t i = 0; i < columns; i += VEC_LANES) {
            const float *at = from + row * stride + i;
            const size_t count = Q_MIN(columns - i, (size_t)VEC_LANES);
            const vec x = count == VEC_LANES ? vec_load(at) : vec_load_part(at, count, 0);
            real_store_part(room + row * columns + i, part_of(x, part), count);
        }
    return (struct cpu_numbers){room, columns};
}
#else
enum { PARTS = 1 };

static struct cpu_numbers numbers_of_part(const float *from, size_t stride, size_t rows, size_t columns, size_t part,
                                          real *room)
{
    (void)part;
    return cpu_numbers_of_floats(from, stride, rows, columns, room, columns);
}
#endif

static bool is_wide_a(const struct op_matmul *p)
{
    return p->wide && p->kind != OP_NT;
}

/* A of a tile from depth k on. */
static struct gemm_a tile_a(const struct op_matmul *p, size_t row, size_t rows, size_t k, size_t depth, size_t part,
                            const struct room *room)
{
    const bool columnwise = p->kind == OP_TN;
    const size_t at = columnwise ? k * p->a_stride + row : row * p->a_stride + k;
    const size_t height = columnwise ? depth : rows, width = columnwise ? rows : depth;
    const struct cpu_numbers a =
        is_wide_a(p) ? numbers_of_part((const float *)p->a + at, p->a_stride, height, width, part, room->numbers)
                     : cpu_numbers((const real *)p->a + at, p->a_stride, height, width, room->numbers);
    return columnwise ? gemm_pack_a(room->packed, a.data, a.stride, depth, rows)
                      : gemm_a_of_rows(a.data, a.stride, rows, depth, room->packed);
}

static bool sums_are_reals(const struct op_matmul *p)
{
    return p->kind == OP_NN || (p->kind == OP_NT ? !p->wide : p->narrow);
}

static void multiply_tile(void *context, unsigned worker, size_t tile)
{
    const struct job *job = context;
    const struct op_matmul *p = job->product;
    size_t i = tile % job->row_tiles * job->tiling.rows, j = tile / job->row_tiles * job->tiling.columns;
    size_t rows = Q_MIN(job->tiling.rows, p->m - i), columns = Q_MIN(job->tiling.columns, job->n - j);
    size_t panel_stride = gemm_panel(job->k), at = i * p->c_stride + job->n0 + j;
    const struct room room = room_of(cpu_scratch(job->context, worker));
    const size_t parts = is_wide_a(p) ? PARTS : 1;
    struct cpu_sum c = sums_are_reals(p)
                           ? cpu_sum_begin((real *)p->c + at, p->c_stride, rows, columns, job->accumulate, room.sums)
                           : cpu_sum_of((float *)p->c + at, p->c_stride);
    for (size_t k = 0; k < job->k; k += CPU_DEPTH)
        for (size_t part = 0; part < parts; part++) {
            size_t depth = Q_MIN((size_t)CPU_DEPTH, job->k - k);
            struct gemm_a a = tile_a(p, i, rows, job->k0 + k, depth, part, &room);
            const factor *panels = job->panels + j / GEMM_COLUMNS * panel_stride + k / FACTOR_DEPTH * GEMM_COLUMNS;
            gemm_multiply(c.data, c.stride, a, panels, panel_stride, rows, columns, depth,
                          job->accumulate || k > 0 || part > 0);
        }
    cpu_sum_end(&c);
}

void CPU_NAME(cpu_matmul)(struct op_context *context, const struct op_matmul *product)
{
    enum { K_PASS = 1 << 12 }; /* so that a panel of the full depth fits many times */
    size_t m = product->m, n = product->n, k = product->k;
    const size_t k_pass = CPU_NARROW && sums_are_reals(product) ? Q_MAX(k, (size_t)1) : (size_t)K_PASS;
    q_check(n > 0 && (k > 0 || product->accumulate));
    if (m == 0)
        return;
    struct job job = {.context = context, .product = product, .panels = (factor *)(void *)context->pack};
    for (size_t k0 = 0; k0 < k; k0 += k_pass) {
        job.k0 = k0;
        job.k = Q_MIN(k_pass, k - k0);
        job.accumulate = product->accumulate || k0 > 0;
        size_t pass = context->pack_floats / gemm_panel(job.k) * GEMM_COLUMNS;
        if (pass >= CPU_DEEP_COLUMNS) /* it ends at a multiple of the widest tile: its tiles are those of one pass */
            pass = pass / CPU_DEEP_COLUMNS * CPU_DEEP_COLUMNS;
        q_check(pass > 0);
        for (size_t n0 = 0; n0 < n; n0 += pass) {
            job.n0 = n0;
            job.n = Q_MIN(pass, n - n0);
            job.tiling = choose_tiling(product->kind, m, job.n);
            job.row_tiles = (size_t)q_ceil_div(m, job.tiling.rows);
            q_check(gemm_panels(job.n) * gemm_panel(job.k) <= context->pack_floats);
            q_pool_for(context->pool, q_ceil_div(job.n, PACK_COLUMNS), pack_part, &job);
            q_pool_for(context->pool, job.row_tiles * (size_t)q_ceil_div(job.n, job.tiling.columns), multiply_tile,
                       &job);
        }
    }
}

void CPU_NAME(op_matmul)(struct op_table *table)
{
    table->matmul = CPU_NAME(cpu_matmul);
}
