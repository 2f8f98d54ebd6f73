/* grouped on Hopper: products of BF16 by warpgroups (wgmma), their operands brought by the copy engine (TMA).
 *
 * As many blocks as the GPU has multiprocessors go round over the tiles of C, 128 x 256 of them. A block is three warpgroups: one thread of the last one
 * produces, that is, has TMA bring 64 of k of both operands at a time into one of four stages; the first two consume, each with 64 x 256 sums in its
 * registers. A stage goes round between them by two barriers:
 *
 *     full    1 arrival, the producer's, and the bytes: consumers multiply
 *     empty   8 arrivals, one of each consumer warp whose products of the stage are over: the producer loads again
 *
 * While a tile is written the producer is ahead with the next tile's first stages.
 *
 * Two blocks are a cluster: they make neighbouring tiles of the same expert, stage for stage. What both want, B where the one tile is below the other, A
 * where they are side by side, comes from the L2 cache once: each producer brings half of it to both blocks. So a stage is empty when the consumers of
 * both have released it, 16 arrivals; `full` remains each block's own, and is told of bytes whoever asked for them. At its end a producer waits for the
 * arrivals that are still to come, so that no block is gone when they do. A block by itself
 * (QUERN_CUDA_WITHOUT=clusters, or a GPU of one multiprocessor) is a cluster of one.
 *
 * What the operands are (cuda_wgmma.cuh):
 *
 *     NT   A [rows, k]  K-major    B_e [n, k]   K-major
 *     NN   A [rows, k]  K-major    B_e [k, n]   MN-major
 *     TN   A [rows, m]  MN-major   B [rows, n]  MN-major; k runs over the expert's rows
 *
 * A stage holds A's two pieces of 64 rows, then B's, 8 KiB for each 64 of C's rows or columns, whichever way they lie.
 *
 * Nothing outside of a run gets into it. NT, NN: the last tile of a run multiplies rows of the next one too, and leaves them unwritten; a row of C comes of
 * its own row of A alone. TN: the last stage of a run may hold rows of the next one. They are set to zero in both operands: in one would not do, since zero
 * times infinity is NaN. A tensor map for each expert would do it too, but the host does not know where runs end. Beyond the tensors TMA writes zeros.
 *
 * A sum goes along k in order, whichever block makes it: the bits do not depend on the number of multiprocessors. */
#include "train/cuda/cuda_ops.h"

#include "train/cuda/cuda_grouped.cuh"
#include "train/cuda/cuda_tensor_map.h"
#include "train/cuda/cuda_wgmma.cuh"

#include "base/check.h"

enum {
    ROWS = HOPPER_ROWS,
    COLUMNS = HOPPER_COLUMNS,
    DEPTH = HOPPER_DEPTH,
    STAGES = HOPPER_STAGES,
    CONSUMERS = ROWS / WGMMA_ROWS, /* warpgroups */
    THREADS = HOPPER_THREADS,
    PIECE_BYTES = BOX_NUMBERS * DEPTH * 2, /* 64 of C's rows or columns by 64 of k */
    PIECES = (ROWS + COLUMNS) / BOX_NUMBERS,
    STAGE_BYTES = HOPPER_STAGE_BYTES,
    A_PIECES = ROWS / BOX_NUMBERS,
    B_PIECES = COLUMNS / BOX_NUMBERS,
    PRODUCER_REGISTERS = 40,  /* 128 x 40 + 256 x 232 are 64,512, what 384 threads have of 168 each */
    CONSUMER_REGISTERS = 232, /* 128 of them sums */
    TAIL_BARRIER = 1,
};
static_assert(STAGE_BYTES == PIECES * PIECE_BYTES, "a stage is its pieces");
static_assert(THREADS == (CONSUMERS + 1) * WARPGROUP, "one warpgroup produces");

struct product {
    struct grouped_shape shape;
    size_t expert_stride; /* TN: of c; else 0 */
    void *c;
    bool accumulate, narrow; /* narrow: c of TN is reals */
};

#ifndef WGMMA_MISSING
/* The stages in shared memory, and their barriers behind them. */
struct stages {
    char *memory;
    uint32_t address;
};

static __device__ inline uint32_t full_barrier(const struct stages &stages, unsigned stage)
{
    return stages.address + STAGES * STAGE_BYTES + stage * 8;
}

static __device__ inline uint32_t empty_barrier(const struct stages &stages, unsigned stage)
{
    return full_barrier(stages, STAGES + stage);
}

/* Producer and consumers each count the stages for themselves: the parity changes with each round. */
struct pipeline_state {
    unsigned stage, parity;
};

static __device__ inline void advance(struct pipeline_state &state)
{
    state.stage = (state.stage + 1) % STAGES;
    state.parity ^= state.stage == 0;
}

/* PIECES times 64 rows or columns of C from i on, 64 of k from k on, of an operand: pieces one after the other. Of what is shared this block brings its part
 * to all blocks of the cluster. */
template <int PIECES, bool MN, int CLUSTER>
static __device__ inline void load_operand(uint32_t to, const CUtensorMap *map, int i, int k, int z, uint32_t barrier,
                                           bool shared)
{
    const int rank = (int)blockIdx.x % CLUSTER;
#pragma unroll
    for (int piece = 0; piece < PIECES; piece++) {
        const int at = i + piece * BOX_NUMBERS, x = MN ? at : k, y = MN ? k : at;
        if (CLUSTER == 1 || !shared)
            tensor_load(to + piece * PIECE_BYTES, map, x, y, z, barrier);
        else if (piece / (PIECES / CLUSTER) == rank)
            tensor_load_to(to + piece * PIECE_BYTES, map, x, y, z, barrier, (1U << CLUSTER) - 1);
    }
}

template <enum op_product KIND, int CLUSTER>
static __device__ inline void produce(const struct product &g, const CUtensorMap *a, const CUtensorMap *b,
                                      const struct stages &stages)
{
    struct tile_scheduler scheduler = {};
    struct pipeline_state state = {};
    struct c_tile tile;
    for (int at = (int)blockIdx.x / CLUSTER; next_tile<KIND, ROWS, COLUMNS, CLUSTER>(g.shape, scheduler, at, tile);
         at += (int)gridDim.x / CLUSTER)
        for (int k = tile.k; k < tile.k_end; k += DEPTH, advance(state)) {
            const uint32_t to = stages.address + state.stage * STAGE_BYTES, full = full_barrier(stages, state.stage);
            mbarrier_wait(empty_barrier(stages, state.stage), state.parity ^ 1);
            mbarrier_expect(full, STAGE_BYTES);
            load_operand<A_PIECES, KIND == OP_TN, CLUSTER>(to, a, tile.row, k, 0, full, tile.shares_a);
            load_operand<B_PIECES, KIND != OP_NT, CLUSTER>(to + A_PIECES * PIECE_BYTES, b, tile.column, k,
                                                           KIND == OP_TN ? 0 : tile.expert, full, !tile.shares_a);
        }
    /* A block does not end before all that the other one sends to its shared memory is there: bytes its consumers have waited for, arrivals it waits for
     * here. Stages that were never used are empty. */
    for (unsigned i = 0; CLUSTER > 1 && i < STAGES; i++, advance(state))
        mbarrier_wait(empty_barrier(stages, state.stage), state.parity ^ 1);
}

/* A consumer's warp does not read the stage any more: all producers that load into it are told, each by a lane. */
template <int CLUSTER> static __device__ inline void consumer_release(const struct stages &stages, unsigned stage)
{
    const unsigned lane = threadIdx.x % CUDA_WARP;
    if (CLUSTER == 1 && lane == 0)
        mbarrier_arrive(empty_barrier(stages, stage));
    else if (CLUSTER > 1 && lane < CLUSTER)
        mbarrier_arrive_at(empty_barrier(stages, stage), lane);
}

/* TN: rows of k from `from` on of all pieces of a stage become zero. All consumers come here. Rows are 128 bytes, swizzled or not. */
static __device__ inline void zero_tail(char *stage, unsigned from)
{
    const unsigned packs = (DEPTH - from) * (BOX_ROW_BYTES / 16);
    for (unsigned i = threadIdx.x; i < PIECES * packs; i += CONSUMERS * WARPGROUP)
        *(uint4 *)(void *)(stage + i / packs * PIECE_BYTES + from * BOX_ROW_BYTES + i % packs * 16) = uint4{0, 0, 0, 0};
    proxy_fence();
    named_barrier(TAIL_BARRIER, CONSUMERS * WARPGROUP);
}

/* The products of one stage, as a group that is under way behind it. */
template <enum op_product KIND>
static __device__ inline void multiply_stage(float (&sums)[WGMMA_SUMS], uint32_t stage, unsigned group)
{
    constexpr bool MN_A = KIND == OP_TN, MN_B = KIND != OP_NT;
    const uint64_t a = wgmma_descriptor(stage + group * PIECE_BYTES, PIECE_BYTES);
    const uint64_t b = wgmma_descriptor(stage + A_PIECES * PIECE_BYTES, PIECE_BYTES);
    wgmma_fence();
#pragma unroll
    for (unsigned i = 0; i < DEPTH / WGMMA_DEPTH; i++)
        wgmma<MN_A, MN_B>(sums, a + i * wgmma_step(MN_A), b + i * wgmma_step(MN_B));
    wgmma_commit();
}

/* A warpgroup's sums of a tile. Products of one stage run while those of the next are issued: a stage is released one step later. */
template <enum op_product KIND, int CLUSTER>
static __device__ inline void multiply_tile(float (&sums)[WGMMA_SUMS], const struct c_tile &tile,
                                            const struct stages &stages, struct pipeline_state &state, unsigned group)
{
    unsigned before = 0;
#pragma unroll
    for (unsigned i = 0; i < WGMMA_SUMS; i++)
        sums[i] = 0;
    for (int k = tile.k; k < tile.k_end; k += DEPTH, advance(state)) {
        mbarrier_wait(full_barrier(stages, state.stage), state.parity);
        if (KIND == OP_TN && k + DEPTH > tile.k_end)
            zero_tail(stages.memory + state.stage * STAGE_BYTES, (unsigned)(tile.k_end - k));
        multiply_stage<KIND>(sums, stages.address + state.stage * STAGE_BYTES, group);
        wgmma_wait<1>();
        if (k > tile.k)
            consumer_release<CLUSTER>(stages, before);
        before = state.stage;
    }
    wgmma_wait<0>();
    wgmma_settle(sums);
    consumer_release<CLUSTER>(stages, before);
}

/* The stages of a tile of which this warpgroup has nothing to write. */
template <int CLUSTER>
static __device__ inline void pass_tile(const struct c_tile &tile, const struct stages &stages,
                                        struct pipeline_state &state)
{
    for (int k = tile.k; k < tile.k_end; k += DEPTH, advance(state)) {
        mbarrier_wait(full_barrier(stages, state.stage), state.parity);
        consumer_release<CLUSTER>(stages, state.stage);
    }
}

/* A half of this thread's sums: a row of C from the tile's first column on, and how many of its columns are to be written, none where it is not of the run;
 * a multiple of 8. */
struct half_row {
    size_t at; /* in c */
    int columns;
};

static __device__ inline struct half_row half_of(const struct product &g, const struct c_tile &tile, unsigned group,
                                                 unsigned half)
{
    const unsigned warp = threadIdx.x % WARPGROUP / CUDA_WARP, lane = threadIdx.x % CUDA_WARP;
    const int row = tile.row + (int)(group * WGMMA_ROWS + warp * 16 + lane / 4 + half * 8);
    return {(size_t)tile.expert * g.expert_stride + (size_t)row * (size_t)g.shape.n + (size_t)tile.column,
            row < tile.row_end ? g.shape.n - tile.column : 0};
}

/* What is in C joins the sums: loaded as store_tile stores, all of a half before any of it is waited for. */
static __device__ inline void add_old(float (&sums)[WGMMA_SUMS], const struct product &g, const struct c_tile &tile,
                                      unsigned group)
{
    const unsigned t = threadIdx.x % 4;
#pragma unroll
    for (unsigned half = 0; half < 2; half++) {
        const struct half_row row = half_of(g, tile, group, half);
        const real *from = (const real *)g.c + row.at + t * CUDA_PACK;
        uint4 packs[COLUMNS / 32];
#pragma unroll
        for (int x = 0; x < COLUMNS / 8; x += 4) {
            packs[x / 4] = uint4{0, 0, 0, 0};
            if ((x + (int)t) * 8 < row.columns)
                packs[x / 4] = *(const uint4 *)(const void *)(from + x * 8);
        }
#pragma unroll
        for (unsigned x = 0; x < COLUMNS / 8; x += 4)
            add_quad(packs[x / 4], t,
                     [&](unsigned j, unsigned c) -> float & { return sums[(x + j) * 4 + half * 2 + c]; });
    }
}

/* Reals: 16 bytes a lane, 64 of a row by four lanes. */
static __device__ inline void store_tile(const float (&sums)[WGMMA_SUMS], const struct product &g,
                                         const struct c_tile &tile, unsigned group)
{
    const unsigned t = threadIdx.x % 4;
#pragma unroll
    for (unsigned half = 0; half < 2; half++) {
        const struct half_row row = half_of(g, tile, group, half);
        real *to = (real *)g.c + row.at + t * CUDA_PACK;
#pragma unroll
        for (unsigned x = 0; x < COLUMNS / 8; x += 4) {
            const uint4 pack = narrow_quad(t, [&](unsigned j, unsigned c) { return sums[(x + j) * 4 + half * 2 + c]; });
            if ((int)((x + t) * 8) < row.columns)
                *(uint4 *)(void *)(to + x * 8) = pack;
        }
    }
}

/* TN into floats: four lanes add 32 bytes of a row. Each number is added to once, by one thread. */
static __device__ inline void add_tile(const float (&sums)[WGMMA_SUMS], const struct product &g,
                                       const struct c_tile &tile, unsigned group)
{
#pragma unroll
    for (unsigned half = 0; half < 2; half++) {
        const struct half_row row = half_of(g, tile, group, half);
        float *to = (float *)g.c + row.at + threadIdx.x % 4 * 2;
#pragma unroll
        for (int x = 0; x < COLUMNS / 8; x++)
            if (x * 8 < row.columns)
                add_pair(to + x * 8, sums[x * 4 + half * 2], sums[x * 4 + half * 2 + 1]);
    }
}

/* A warpgroup's part of a tile, from its first product to what is written. */
template <enum op_product KIND, int CLUSTER>
static __device__ inline void make_tile(float (&sums)[WGMMA_SUMS], const struct product &g, const struct c_tile &tile,
                                        const struct stages &stages, struct pipeline_state &state, unsigned group)
{
    if (KIND == OP_TN && g.narrow)
        fetch_tile<WGMMA_ROWS, COLUMNS, WARPGROUP>(g.shape, tile,
                                                   (const real *)g.c + (size_t)tile.expert * g.expert_stride,
                                                   (int)group * WGMMA_ROWS, (int)threadIdx.x % WARPGROUP);
    multiply_tile<KIND, CLUSTER>(sums, tile, stages, state, group);
    if (KIND == OP_TN && !g.narrow) {
        add_tile(sums, g, tile, group);
        return;
    }
    if (g.accumulate)
        add_old(sums, g, tile, group);
    store_tile(sums, g, tile, group);
}

/* TN: all consumers go through all stages of a tile that is there, since they zero its last one together. */
template <enum op_product KIND>
static __device__ inline bool has_part(const struct product &g, const struct c_tile &tile, unsigned group)
{
    return tile.column < g.shape.n && (KIND == OP_TN || tile.row + (int)group * WGMMA_ROWS < tile.row_end);
}

template <enum op_product KIND, int CLUSTER>
static __device__ inline void consume(const struct product &g, const struct stages &stages, unsigned group)
{
    struct tile_scheduler scheduler = {};
    struct pipeline_state state = {};
    struct c_tile tile;
    float sums[WGMMA_SUMS];
    for (int at = (int)blockIdx.x / CLUSTER; next_tile<KIND, ROWS, COLUMNS, CLUSTER>(g.shape, scheduler, at, tile);
         at += (int)gridDim.x / CLUSTER)
        if (has_part<KIND>(g, tile, group))
            make_tile<KIND, CLUSTER>(sums, g, tile, stages, state, group);
        else
            pass_tile<CLUSTER>(tile, stages, state);
}

/* The stages begin at a multiple of an atom, in all blocks at the same place; one thread makes the barriers. */
template <int CLUSTER> static __device__ inline struct stages prepare_stages(void)
{
    char *memory = (char *)(void *)shared_floats();
    const uint32_t address = shared_address(memory), ahead = (0 - address) % ATOM_BYTES;
    const struct stages stages = {memory + ahead, address + ahead};
    if (threadIdx.x == 0) {
        for (unsigned i = 0; i < STAGES; i++) {
            mbarrier_init(full_barrier(stages, i), 1);
            mbarrier_init(empty_barrier(stages, i), CLUSTER * CONSUMERS * WARPGROUP / CUDA_WARP);
        }
        mbarrier_init_fence();
        proxy_fence();
    }
    if (CLUSTER == 1)
        __syncthreads();
    else
        cluster_barrier(); /* before blocks reach into each other */
    return stages;
}
#endif

template <enum op_product KIND, int CLUSTER>
static __global__ void __launch_bounds__(THREADS, 1)
    multiply_hopper(const __grid_constant__ CUtensorMap a, const __grid_constant__ CUtensorMap b,
                    const __grid_constant__ struct product g)
{
#ifndef WGMMA_MISSING
    const struct stages stages = prepare_stages<CLUSTER>();
    const unsigned group = threadIdx.x / WARPGROUP;
    if (group == CONSUMERS) {
        registers_give_back<PRODUCER_REGISTERS>();
        if (threadIdx.x % WARPGROUP == 0)
            produce<KIND, CLUSTER>(g, &a, &b, stages);
    } else {
        registers_take<CONSUMER_REGISTERS>();
        consume<KIND, CLUSTER>(g, stages, group);
    }
#else
    __trap(); /* it is not launched: cuda_find_code */
#endif
}

typedef void multiply_kernel(const CUtensorMap, const CUtensorMap, const struct product);

template <int CLUSTER> static multiply_kernel *kernel_of(enum op_product kind)
{
    return kind == OP_NT   ? multiply_hopper<OP_NT, CLUSTER>
           : kind == OP_NN ? multiply_hopper<OP_NN, CLUSTER>
                           : multiply_hopper<OP_TN, CLUSTER>;
}

bool grouped_hopper(struct op_context *context, const struct op_grouped *p)
{
    CUtensorMap a, b;
    if (!context->encode_tiled || !cuda_way_open(context, CUDA_WGMMA_GROUPED) || !cuda_suits_hopper(p))
        return false;
    const struct cuda_boxes boxes = cuda_hopper_boxes(p);
    cuda_note(context, cuda_tensor_map(context->encode_tiled, &boxes.a, &a), "grouped, tensor map of a");
    cuda_note(context, cuda_tensor_map(context->encode_tiled, &boxes.b, &b), "grouped, tensor map of b");
    const struct product g = {{(int)p->experts, (int)p->m, (int)p->n, (int)p->k, p->offsets},
                              p->kind == OP_TN ? p->expert_stride : 0,
                              p->c,
                              p->accumulate,
                              p->narrow};
    const struct cuda_plan plan = cuda_plan_hopper(context->multiprocessors, cuda_way_open(context, CUDA_WAY_CLUSTERS));
    cuda_way_count(context, "grouped", plan.cluster ? "wgmma clusters" : "wgmma");
    launch(context, "grouped, wgmma", plan, plan.cluster ? kernel_of<HOPPER_CLUSTER>(p->kind) : kernel_of<1>(p->kind),
           a, b, g);
    return true;
}
