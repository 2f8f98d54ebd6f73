/* grouped by `mma`: products of BF16 on GPUs whose matrix units read registers, which are all from Ampere on.
 *
 * A block for each multiprocessor goes round over the tiles of C, 128 x 256 of them, with 8 warps, each of which has 64 x 64 sums in its registers:
 *
 *     warps   0 1 2 3    each 64 x 64 of C: 4 x 8 products of 16 x 8, four times for 64 of k
 *             4 5 6 7
 *
 * Both operands come by cp.async, 64 of k at a time, to one of three stages (two where there is no room), which go round: while one is multiplied the others
 * are on their way, of the next tile too where this one ends, so that they come while it is written. Fragments come by ldmatrix, those of the next 16 of k
 * while these are multiplied. So the warps meet once a stage, where the last fragments of it are fetched:
 *
 *     step of a stage   0             1        2                      3
 *     is fetched        1             2        3    what comes next   0, of the next stage
 *     is copied         second half                 has arrived       first half of what comes to this stage, which is read
 *
 * An operand lies in a stage as it does in memory, whichever way that is; ldmatrix turns what is not contiguous along k:
 *
 *     NT   A [rows, k]                 B_e [n, k]
 *     NN   A [rows, k]                 B_e [k, n]   turned
 *     TN   A [rows, m]   turned        B [rows, n]  turned; k runs over the expert's rows
 *
 * What is not of the run, or behind the end of a row, is not read and is zero in the stage. In TN that is so of both operands behind the run's end: zero times
 * infinity would be NaN. A warp without a row or a column of C multiplies nothing, and copies as all do; so in steps behind the end of k.
 *
 * A sum goes along k in order, whichever block makes it: the bits do not depend on the number of multiprocessors. */
#include "train/cuda/cuda_ops.h"

#include "train/cuda/cuda_grouped.cuh"

enum {
    ROWS = MMA_ROWS,
    COLUMNS = MMA_COLUMNS,
    DEPTH = MMA_DEPTH,
    THREADS = MMA_THREADS,
    STAGE_BYTES = MMA_STAGE_BYTES, /* A's tile, then B's */
    A_BYTES = ROWS * DEPTH * sizeof(real),
    WARP_ROWS = 64,
    WARP_COLUMNS = 64,
    WARPS_ACROSS = COLUMNS / WARP_COLUMNS,
    ROW_PIECES = WARP_ROWS / 16,
    COLUMN_PIECES = WARP_COLUMNS / 8,
    STEPS = DEPTH / 16,
    PARTS = 2 * ROW_PIECES, /* of a stage's copies: one behind each row of products of two steps */
};
static_assert(ROWS / WARP_ROWS * WARPS_ACROSS * CUDA_WARP == THREADS, "the warps are all of the tile");

struct product {
    struct grouped_shape shape;
    size_t expert_stride; /* of b; TN: of c */
    const real *a, *b;
    void *c; /* numbers of type C */
    bool accumulate;
    unsigned stages;
};

/* A warp's part of the tile's sums, and where it begins in the tile. */
typedef float warp_sums[ROW_PIECES][COLUMN_PIECES][4];

static __device__ inline unsigned warp_row(void)
{
    return threadIdx.x / CUDA_WARP / WARPS_ACROSS * WARP_ROWS;
}

static __device__ inline unsigned warp_column(void)
{
    return threadIdx.x / CUDA_WARP % WARPS_ACROSS * WARP_COLUMNS;
}

/* A thread's part of an operand's tile in memory: where its first pack is, and which of its packs are of C's rows or columns that are there, a bit each. */
struct operand {
    const real *from;
    unsigned there;
};

/* Which packs these are: of SIZE rows of A, or columns of B, by DEPTH of k. MN: those are contiguous in memory, rows of the tile are k; else k is contiguous.
 * A thread has a pack in every STEP-th row. */
template <unsigned SIZE, bool MN> struct packs_of {
    static constexpr unsigned NUMBERS = MN ? SIZE : (unsigned)DEPTH, CHUNKS = NUMBERS / CUDA_PACK,
                              STEP = THREADS / CHUNKS, SHARES = SIZE * DEPTH / CUDA_PACK / THREADS;
};

template <unsigned SIZE, bool MN>
static __device__ inline struct operand begin_operand(const real *from, int width, int i, int i_end, int k)
{
    using packs = packs_of<SIZE, MN>;
    const int row = (int)(threadIdx.x / packs::CHUNKS), column = (int)(threadIdx.x % packs::CHUNKS * CUDA_PACK);
    struct operand x = {from + (size_t)((MN ? k : i) + row) * (size_t)width + ((MN ? i : k) + column), 0};
    for (unsigned share = 0; share < packs::SHARES; share++)
        x.there |= (unsigned)((MN ? i + column : i + row + (int)(share * packs::STEP)) < i_end) << share;
    return x;
}

/* Of pack number `share`, where `left` of k are left. What is not there is not read, wherever that would be. */
template <unsigned SIZE, bool MN>
static __device__ inline void copy_share(uint32_t to, const struct operand &x, int width, int left, unsigned share)
{
    using packs = packs_of<SIZE, MN>;
    const unsigned row = threadIdx.x / packs::CHUNKS + share * packs::STEP, chunk = threadIdx.x % packs::CHUNKS;
    const bool there = x.there >> share & 1 && (int)(MN ? row : chunk * CUDA_PACK) < left;
    copy_chunk(tile_at<packs::NUMBERS>(to, row, chunk), x.from + (int64_t)width * (int)(share * packs::STEP), there);
}

/* What is copied next, and to which stage: `left` of k of tile number `at`, which is not the one that is multiplied where that ends. Behind the last tile
 * nothing is there. */
struct loader {
    uint32_t stage;
    struct tile_scheduler scheduler;
    int at, left;
    struct operand a, b;
};

/* Whether C's rows or columns are contiguous in an operand, not k, and how wide the operand's rows are. */
template <enum op_product KIND> struct layout_of {
    static constexpr bool MN_A = KIND == OP_TN, MN_B = KIND != OP_NT;
    static __device__ inline int width_a(const struct product &g)
    {
        return MN_A ? g.shape.m : g.shape.k;
    }
    static __device__ inline int width_b(const struct product &g)
    {
        return MN_B ? g.shape.n : g.shape.k;
    }
};

/* Where the thread's packs of the loader's next tile are. */
template <enum op_product KIND> static __device__ inline void begin_tile(const struct product &g, struct loader &loader)
{
    using layout = layout_of<KIND>;
    struct c_tile tile = {};
    (void)next_tile<KIND, ROWS, COLUMNS, 1>(g.shape, loader.scheduler, loader.at, tile);
    const real *b = KIND == OP_TN ? g.b : g.b + (size_t)tile.expert * g.expert_stride;
    loader.left = tile.k_end - tile.k;
    loader.a = begin_operand<ROWS, layout::MN_A>(g.a, layout::width_a(g), tile.row, tile.row_end, tile.k);
    loader.b = begin_operand<COLUMNS, layout::MN_B>(b, layout::width_b(g), tile.column, g.shape.n, tile.k);
}

/* One of PARTS of the stage's copies: a pack of B's, and one of A's in every other part. */
template <enum op_product KIND>
static __device__ inline void copy_part(const struct product &g, const struct loader &loader, unsigned part)
{
    using layout = layout_of<KIND>;
    static_assert(packs_of<COLUMNS, layout::MN_B>::SHARES == PARTS && packs_of<ROWS, layout::MN_A>::SHARES == PARTS / 2,
                  "each part has as much to copy");
    if (part % 2 == 0)
        copy_share<ROWS, layout::MN_A>(loader.stage, loader.a, layout::width_a(g), loader.left, part / 2);
    copy_share<COLUMNS, layout::MN_B>(loader.stage + A_BYTES, loader.b, layout::width_b(g), loader.left, part);
}

/* The stage's copies are all begun: they are a group. */
template <enum op_product KIND>
static __device__ inline void finish_copies(const struct product &g, struct loader &loader)
{
    using layout = layout_of<KIND>;
    copies_commit();
    loader.left -= DEPTH;
    loader.a.from += (layout::MN_A ? (int64_t)layout::width_a(g) : 1) * DEPTH;
    loader.b.from += (layout::MN_B ? (int64_t)layout::width_b(g) : 1) * DEPTH;
    if (loader.left > 0)
        return;
    loader.at += (int)gridDim.x;
    begin_tile<KIND>(g, loader);
}

/* A warp's factors, 16 of k. */
struct fragments {
    uint32_t left[ROW_PIECES][4], right[COLUMN_PIECES][2];
};

/* Those of 16 rows and 16 columns, from 16 `step` of k on. */
template <enum op_product KIND>
static __device__ inline void fetch(struct fragments &f, uint32_t stage, unsigned step, unsigned piece)
{
    const unsigned lane = threadIdx.x % CUDA_WARP, row = warp_row() + 16 * piece, column = warp_column() + 16 * piece;
    const uint32_t b = stage + A_BYTES;
    if constexpr (KIND == OP_TN)
        ldmatrix<true>(f.left[piece],
                       tile_at<ROWS>(stage, 16 * step + lane / 16 * 8 + lane % 8, row / CUDA_PACK ^ lane / 8 % 2));
    else
        ldmatrix<false>(f.left[piece], tile_at<DEPTH>(stage, row + lane % 16, 2 * step ^ lane / 16));
    if constexpr (KIND == OP_NT)
        ldmatrix<false>(f.right[2 * piece],
                        tile_at<DEPTH>(b, column + lane / 16 * 8 + lane % 8, 2 * step ^ lane / 8 % 2));
    else
        ldmatrix<true>(f.right[2 * piece], tile_at<COLUMNS>(b, 16 * step + lane % 16, column / CUDA_PACK ^ lane / 16));
}

/* 16 of k: while these fragments are multiplied those of `step` of the stage are fetched, and between(i) is called behind each row of products. */
template <enum op_product KIND, class Between>
static __device__ inline void multiply_step(warp_sums &sums, const struct fragments &now, struct fragments &next,
                                            uint32_t stage, unsigned step, const Between &between)
{
#pragma unroll
    for (unsigned y = 0; y < ROW_PIECES; y++) {
        fetch<KIND>(next, stage, step, y);
#pragma unroll
        for (unsigned x = 0; x < COLUMN_PIECES; x++)
            mma(sums[y][x], now.left[y], now.right[x]);
        between(y);
    }
}

/* What this thread and the others have copied to the next stage is there; and what they have fetched so far is fetched. */
static __device__ inline void await_stage(const struct product &g)
{
    if (g.stages > 2)
        copies_arrive<MMA_STAGES_MAX - 2>();
    else
        copies_arrive();
}

static __device__ inline uint32_t stage_behind(const struct product &g, uint32_t stage)
{
    return stage == (g.stages - 1) * STAGE_BYTES ? 0 : stage + STAGE_BYTES;
}

/* The products of a stage, `left` of k of them, and the copies beside them. stage: that stage, then the one behind it, whose first fragments have been
 * fetched. */
template <enum op_product KIND>
static __device__ inline void multiply_stage(warp_sums &sums, struct fragments (&fragments)[2], const struct product &g,
                                             struct loader &loader, uint32_t &stage, int left)
{
#pragma unroll
    for (unsigned step = 0; step < STEPS; step++) {
        const bool first = step == 0, last = step == STEPS - 1;
        const auto copy = [&](unsigned i) {
            if (first || last)
                copy_part<KIND>(g, loader, last ? i : ROW_PIECES + i);
        };
        if (last) {
            await_stage(g);
            loader.stage = stage;
            stage = stage_behind(g, stage);
        }
        if ((int)(16 * step) < left)
            multiply_step<KIND>(sums, fragments[step % 2], fragments[1 - step % 2], stage, last ? 0 : step + 1, copy);
        else
            for (unsigned i = 0; i < ROW_PIECES; i++)
                copy(i);
        if (first)
            finish_copies<KIND>(g, loader);
    }
}

/* The tile's products: of `idle` warps none. `stage` is the tile's first one, which has arrived, and behind it the next tile's; what was fetched of that is
 * fetched again: registers are wanted for other things until then. */
template <enum op_product KIND>
static __device__ inline void multiply_tile(warp_sums &sums, const struct product &g, const struct c_tile &tile,
                                            struct loader &loader, uint32_t &stage, bool idle)
{
    struct fragments fragments[2];
#pragma unroll
    for (unsigned y = 0; y < ROW_PIECES; y++) {
        fetch<KIND>(fragments[0], stage, 0, y);
#pragma unroll
        for (unsigned x = 0; x < COLUMN_PIECES; x++)
            sums[y][x][0] = sums[y][x][1] = sums[y][x][2] = sums[y][x][3] = 0;
    }
    for (int k = tile.k; k < tile.k_end; k += DEPTH)
        multiply_stage<KIND>(sums, fragments, g, loader, stage, idle ? 0 : tile.k_end - k);
}

/* Where C begins: TN, the expert's. */
template <enum op_product KIND, class C>
static __device__ inline C *c_of(const struct product &g, const struct c_tile &tile)
{
    return (C *)g.c + (KIND == OP_TN ? (size_t)tile.expert * g.expert_stride : 0);
}

/* A lane's row of C, from the warp's first column on, and how many of its columns are to be written, a multiple of 8: none where it is not of the run. */
template <class C> struct c_row {
    C *at;
    int columns;
};

template <enum op_product KIND, class C>
static __device__ inline c_row<C> row_of(const struct product &g, const struct c_tile &tile, unsigned y, unsigned half)
{
    const int row = tile.row + (int)(warp_row() + 16 * y + 8 * half + threadIdx.x % CUDA_WARP / 4),
              column = tile.column + (int)warp_column(), n = g.shape.n;
    return {c_of<KIND, C>(g, tile) + ((size_t)row * (size_t)n + (size_t)column), row < tile.row_end ? n - column : 0};
}

/* Reals: 16 bytes a lane, 64 of a row by four lanes. Of each 16 rows what is to be added to is loaded before any of it is waited for. */
template <enum op_product KIND>
static __device__ inline void write_tile(warp_sums &sums, const struct product &g, const struct c_tile &tile, real *)
{
    const unsigned t = threadIdx.x % 4;
#pragma unroll
    for (unsigned y = 0; y < ROW_PIECES; y++) {
        uint4 old[2][COLUMN_PIECES / 4];
#pragma unroll
        for (unsigned half = 0; half < 2; half++) {
            const c_row<real> row = row_of<KIND, real>(g, tile, y, half);
#pragma unroll
            for (unsigned x = 0; x < COLUMN_PIECES; x += 4) {
                old[half][x / 4] = uint4{0, 0, 0, 0};
                if (g.accumulate && (int)(8 * (x + t)) < row.columns)
                    old[half][x / 4] = *(const uint4 *)(const void *)(row.at + 8 * (x + t));
            }
        }
#pragma unroll
        for (unsigned half = 0; half < 2; half++) {
            const c_row<real> row = row_of<KIND, real>(g, tile, y, half);
#pragma unroll
            for (unsigned x = 0; x < COLUMN_PIECES; x += 4) {
                const auto sum = [&](unsigned j, unsigned c) -> float & { return sums[y][x + j][2 * half + c]; };
                if (g.accumulate)
                    add_quad(old[half][x / 4], t, sum);
                const uint4 pack = narrow_quad(t, sum);
                if ((int)(8 * (x + t)) < row.columns)
                    *(uint4 *)(void *)(row.at + 8 * (x + t)) = pack;
            }
        }
    }
}

/* Floats, which are always added to: 8 bytes a lane, 32 of a row by four lanes, which is a sector of memory. */
template <enum op_product KIND>
static __device__ inline void write_tile(warp_sums &sums, const struct product &g, const struct c_tile &tile, float *)
{
    const unsigned t = threadIdx.x % 4;
#pragma unroll
    for (unsigned y = 0; y < ROW_PIECES; y++) {
        uint64_t old[2][COLUMN_PIECES];
#pragma unroll
        for (unsigned half = 0; half < 2; half++) {
            const c_row<float> row = row_of<KIND, float>(g, tile, y, half);
#pragma unroll
            for (unsigned x = 0; x < COLUMN_PIECES; x++)
                old[half][x] =
                    (int)(8 * x) < row.columns ? *(const uint64_t *)(const void *)(row.at + 8 * x + 2 * t) : 0;
        }
#pragma unroll
        for (unsigned half = 0; half < 2; half++) {
            const c_row<float> row = row_of<KIND, float>(g, tile, y, half);
#pragma unroll
            for (unsigned x = 0; x < COLUMN_PIECES; x++) {
                float pair[2];
                uint64_t word;
                memcpy(pair, &old[half][x], sizeof pair);
                pair[0] += sums[y][x][2 * half];
                pair[1] += sums[y][x][2 * half + 1];
                memcpy(&word, pair, sizeof word);
                if ((int)(8 * x) < row.columns)
                    *(uint64_t *)(void *)(row.at + 8 * x + 2 * t) = word;
            }
        }
    }
}

/* The first stages, of the last of them the first half of the copies: multiply_tile begins with the second. */
template <enum op_product KIND>
static __device__ inline void begin_stages(const struct product &g, struct loader &loader)
{
    loader.at = (int)blockIdx.x;
    begin_tile<KIND>(g, loader);
    for (; loader.stage < (g.stages - 1) * STAGE_BYTES; loader.stage += STAGE_BYTES) {
        for (unsigned part = 0; part < PARTS; part++)
            copy_part<KIND>(g, loader, part);
        finish_copies<KIND>(g, loader);
    }
    for (unsigned part = 0; part < PARTS / 2; part++)
        copy_part<KIND>(g, loader, part);
}

template <enum op_product KIND, class C>
static __global__ void __launch_bounds__(THREADS, 1) multiply_mma(const __grid_constant__ struct product g)
{
    struct tile_scheduler scheduler = {};
    struct loader loader = {};
    struct c_tile tile;
    uint32_t stage = 0;
    warp_sums sums;
    begin_stages<KIND>(g, loader);
    await_stage(g);
    for (int at = (int)blockIdx.x; next_tile<KIND, ROWS, COLUMNS, 1>(g.shape, scheduler, at, tile);
         at += (int)gridDim.x) {
        const bool idle = tile.row + (int)warp_row() >= tile.row_end || tile.column + (int)warp_column() >= g.shape.n;
        if (g.accumulate)
            fetch_tile<ROWS, COLUMNS, THREADS>(g.shape, tile, c_of<KIND, C>(g, tile), 0, (int)threadIdx.x);
        multiply_tile<KIND>(sums, g, tile, loader, stage, idle);
        if (!idle)
            write_tile<KIND>(sums, g, tile, (C *)nullptr);
    }
    copies_commit(); /* the zeros behind the last tile */
    copies_arrive();
}

bool grouped_mma(struct op_context *context, const struct op_grouped *p)
{
    if (!cuda_way_open(context, CUDA_MMA_GROUPED) || !cuda_suits_mma(p))
        return false;
    const unsigned stages = cuda_mma_stages(context->shared_max);
    const struct product g = {{(int)p->experts, (int)p->m, (int)p->n, (int)p->k, p->offsets},
                              p->expert_stride,
                              reals(p->a),
                              reals(p->b),
                              p->c,
                              p->kind == OP_TN || p->accumulate,
                              stages};
    cuda_way_count(context, "grouped", "mma");
    launch(context, "grouped, mma", cuda_plan_mma(context->multiprocessors, stages),
           p->kind == OP_NT   ? multiply_mma<OP_NT, real>
           : p->kind == OP_NN ? multiply_mma<OP_NN, real>
           : p->narrow        ? multiply_mma<OP_TN, real>
                              : multiply_mma<OP_TN, float>,
           g);
    return true;
}
