/* What kernels of grouped products have whose blocks go round over the tiles of C: which tile comes when, and how a warp's sums become packs of 16 bytes. */
#ifndef QUERN_TRAIN_CUDA_GROUPED_CUH
#define QUERN_TRAIN_CUDA_GROUPED_CUH

#include "train/cuda/cuda_tile.cuh"

/* An op_grouped's numbers. */
struct grouped_shape {
    int experts, m, n, k;
    const int32_t *offsets;
};

/* A tile of C, and what of k its sums go over. Rows from row_end on are not to be written: of all rows (NT, NN), or of the expert's m (TN). */
struct c_tile {
    int expert;
    int row, row_end, column;
    int k, k_end;
    bool shares_a; /* with the cluster's other tile; else they share B */
};

/* Where a thread is among the pairs of tiles (of a cluster of one: among the tiles): those of the experts before this one. */
struct tile_scheduler {
    int expert, before;
};

/* A cluster of two makes pairs. They are one below the other. Of an odd number of rows the last one's are side by side. */
template <int CLUSTER> static __device__ inline int count_pairs(int row_tiles, int column_tiles)
{
    return row_tiles / CLUSTER * column_tiles + row_tiles % CLUSTER * ((column_tiles + CLUSTER - 1) / CLUSTER);
}

/* This block's tile of number i of an expert's pairs: band by band, in each column after column, so that what runs at one time shares operands in the L2
 * cache. A band is 16 rows of tiles: of 128 x 256 numbers, 16 x 8 tiles at a time read as much of A as of B. Of an odd number of columns the last pair of a
 * row side by side has a tile that is not there. */
template <int ROWS, int COLUMNS, int CLUSTER>
static __device__ inline void place_tile(struct c_tile &tile, int i, int row_tiles, int column_tiles)
{
    enum { BAND = 16 };
    const int rank = (int)blockIdx.x % CLUSTER, pairs = row_tiles / CLUSTER, full = BAND / CLUSTER;
    const int band = i / (full * column_tiles), at = i % (full * column_tiles);
    const int height = pairs - band * full < full ? pairs - band * full : full;
    tile.shares_a = i >= pairs * column_tiles;
    if (tile.shares_a) {
        tile.row = (row_tiles - 1) * ROWS;
        tile.column = ((i - pairs * column_tiles) * CLUSTER + rank) * COLUMNS;
    } else {
        tile.row = ((band * full + at % height) * CLUSTER + rank) * ROWS;
        tile.column = at / height * COLUMNS;
    }
}

/* This block's tile of pair number `at`, which rises from call to call; false behind the last one. All threads of a cluster find the same pair. */
template <enum op_product KIND, int ROWS, int COLUMNS, int CLUSTER>
static __device__ inline bool next_tile(const struct grouped_shape &g, struct tile_scheduler &scheduler, int at,
                                        struct c_tile &tile)
{
    const int column_tiles = (g.n + COLUMNS - 1) / COLUMNS;
    for (; scheduler.expert < g.experts; scheduler.expert++) {
        const int first = g.offsets[scheduler.expert], end = g.offsets[scheduler.expert + 1];
        const int rows = KIND != OP_TN ? end - first : first < end ? g.m : 0;
        const int row_tiles = (rows + ROWS - 1) / ROWS, tiles = count_pairs<CLUSTER>(row_tiles, column_tiles);
        if (at < scheduler.before + tiles) {
            place_tile<ROWS, COLUMNS, CLUSTER>(tile, at - scheduler.before, row_tiles, column_tiles);
            tile.expert = scheduler.expert;
            tile.row += KIND == OP_TN ? 0 : first;
            tile.row_end = KIND == OP_TN ? g.m : end;
            tile.k = KIND == OP_TN ? first : 0;
            tile.k_end = KIND == OP_TN ? end : g.k;
            return true;
        }
        scheduler.before += tiles;
    }
    return false;
}

/* Lane t of four has words[j] = number t of pack j; it gets all four numbers of pack t. Two exchanges: with the neighbour, then with the other pair. It
 * undoes itself. */
static __device__ inline uint4 transpose_quad(const uint32_t (&words)[4], unsigned t)
{
    const bool odd = t & 1, high = t & 2;
    uint32_t even_of[2], odd_of[2]; /* of packs t % 2 and t % 2 + 2: the even and the odd lane's of this pair */
#pragma unroll
    for (unsigned i = 0; i < 2; i++) {
        const uint32_t mine = odd ? words[2 * i + 1] : words[2 * i];
        const uint32_t other = __shfl_xor_sync(ALL_LANES, odd ? words[2 * i] : words[2 * i + 1], 1);
        even_of[i] = odd ? other : mine;
        odd_of[i] = odd ? mine : other;
    }
    const uint32_t even = __shfl_xor_sync(ALL_LANES, high ? even_of[0] : even_of[1], 2);
    const uint32_t uneven = __shfl_xor_sync(ALL_LANES, high ? odd_of[0] : odd_of[1], 2);
    return high ? uint4{even, uneven, even_of[1], odd_of[1]} : uint4{even_of[0], odd_of[0], even, uneven};
}

/* Pack t of four, of a lane that has two numbers of each: sum(j, c) is number c of pack j, rounded here. */
template <class Sum> static __device__ inline uint4 narrow_quad(unsigned t, const Sum &sum)
{
    uint32_t words[4];
#pragma unroll
    for (unsigned j = 0; j < 4; j++)
        words[j] = narrow_pair(sum(j, 0), sum(j, 1));
    return transpose_quad(words, t);
}

/* The way back: a pack that was written so joins the sums. */
template <class Sum> static __device__ inline void add_quad(uint4 pack, unsigned t, const Sum &sum)
{
    const uint32_t words[4] = {pack.x, pack.y, pack.z, pack.w};
    const uint4 back = transpose_quad(words, t); /* which undoes itself */
    const uint32_t old[4] = {back.x, back.y, back.z, back.w};
#pragma unroll
    for (unsigned j = 0; j < 4; j++)
#pragma unroll
        for (unsigned c = 0; c < 2; c++)
            sum(j, c) += widen_of(old[j], c);
}

/* ROWS rows of the tile from row `first` of it on come to the L2 cache, 128 bytes at a time by this thread of THREADS: what will be added to, while products
 * run. c: where C begins, of TN the expert's. */
template <int ROWS, int COLUMNS, int THREADS, class C>
static __device__ inline void fetch_tile(const struct grouped_shape &g, const struct c_tile &tile, const C *c,
                                         int first, int thread)
{
    enum { LINE = 128 / sizeof(C), LINES = COLUMNS / LINE };
    for (int i = thread; i < ROWS * LINES; i += THREADS) {
        const int row = tile.row + first + i / LINES, column = tile.column + i % LINES * LINE;
        if (row < tile.row_end && column < g.n)
            fetch_to_l2(c + ((size_t)row * (size_t)g.n + (size_t)column));
    }
}

#endif
