/* Products of BF16 by the matrix units (mma), and tiles in dynamic shared memory as these take them (ldmatrix), filled behind the threads' back (cp.async):
 * Ampere's way, for every GPU from then on. A place in shared memory is a number of bytes from its beginning.
 *
 * A row of a tile has a multiple of 64 numbers: whole lines of 8 chunks of 16 bytes, which are all of the 32 banks. Chunk c of row r lies where chunk
 * c ^ (r % 8) would lie without the exchange. ldmatrix takes 8 rows at a time, from a multiple of 8 on, at one c: 8 values of r % 8, hence 8 chunks in
 * different banks, one pass. Copies write a line by 8 neighbouring threads: the same 8 chunks in another order. */
#ifndef QUERN_TRAIN_CUDA_TILE_CUH
#define QUERN_TRAIN_CUDA_TILE_CUH

#include "train/cuda/cuda_device.cuh"

enum { TILE_CHUNK_BYTES = 16, TILE_LINE = 8 /* chunks */ };

template <unsigned COLUMNS> static __device__ inline uint32_t tile_at(uint32_t tile, unsigned row, unsigned chunk)
{
    static_assert(COLUMNS % (TILE_LINE * CUDA_PACK) == 0, "whole lines");
    return tile + row * COLUMNS * (uint32_t)sizeof(__nv_bfloat16) + (chunk ^ row % TILE_LINE) * TILE_CHUNK_BYTES;
}

/* D[16,8] += A[16,16] B[16,8], sums in FP32 (PTX ISA, mma.m16n8k16). With g = lane / 4 and t = 2 (lane % 4) a lane has, two numbers of k in a word each:
 *   a   rows g, g + 8, g, g + 8 at k = t, t, t + 8, t + 8
 *   b   column g at k = t, t + 8
 *   d   row g at columns t, t + 1, then row g + 8 */
static __device__ inline void mma(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2])
{
#ifdef __CUDACC__
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
                 "{%0, %1, %2, %3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
    emulated_mma(d, a, b);
#endif
}

#ifdef __CUDACC__
static __device__ inline uint32_t shared_address(uint32_t at)
{
    return (uint32_t)__cvta_generic_to_shared(shared_floats()) + at;
}
#else
static inline char *shared_address(uint32_t at)
{
    return (char *)shared_floats() + at;
}
#endif

/* threadIdx.x, read anew: the compiler would keep the addresses that follow from it for all tiles of a block, in registers that sums need. */
static __device__ inline unsigned thread_here(void)
{
#ifdef __CUDACC__
    unsigned x;
    asm volatile("mov.u32 %0, %%tid.x;" : "=r"(x));
    return x;
#else
    return threadIdx.x;
#endif
}

/* Four matrices of 8 x 8: lane 8 i + r gives where row r of matrix i lies. x[i] of lane l: numbers 2 (l % 4) and the next one of row l / 4 of matrix i, or
 * of its transpose (PTX ISA, ldmatrix). All lanes of the warp come here. */
template <bool TURNED> static __device__ inline void ldmatrix(uint32_t *x, uint32_t at)
{
#ifdef __CUDACC__
    if constexpr (TURNED)
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                     : "=r"(x[0]), "=r"(x[1]), "=r"(x[2]), "=r"(x[3])
                     : "r"(shared_address(at))
                     : "memory");
    else
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                     : "=r"(x[0]), "=r"(x[1]), "=r"(x[2]), "=r"(x[3])
                     : "r"(shared_address(at))
                     : "memory");
#else
    emulated_ldmatrix(x, shared_address(at), TURNED);
#endif
}

/* cp.async of 16 bytes, around the L1 cache, or of one float; zeros where it is not `there`. `from` is aligned to as much. */
static __device__ inline void copy_chunk(uint32_t to, const void *from, bool there)
{
#ifdef __CUDACC__
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;"
                 :
                 : "r"(shared_address(to)), "l"(__cvta_generic_to_global(from)), "r"(there ? 16 : 0)
                 : "memory");
#else
    emulated_copy(shared_address(to), from, 16, there);
#endif
}

static __device__ inline void copy_float(uint32_t to, const float *from, bool there)
{
#ifdef __CUDACC__
    asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;"
                 :
                 : "r"(shared_address(to)), "l"(__cvta_generic_to_global(from)), "r"(there ? 4 : 0)
                 : "memory");
#else
    emulated_copy(shared_address(to), from, 4, there);
#endif
}

/* The copies that this thread has begun since the last call are a group of their own. */
static __device__ inline void copies_commit(void)
{
#ifdef __CUDACC__
    asm volatile("cp.async.commit_group;" : : : "memory");
#else
    emulated_copies_commit();
#endif
}

/* Until what all threads of the block have committed, but for each one's last LEFT groups, is there for all of them; and whatever they have read before is
 * read. */
template <unsigned LEFT = 0> static __device__ inline void copies_arrive(void)
{
#ifdef __CUDACC__
    asm volatile("cp.async.wait_group %0;" : : "n"(LEFT) : "memory");
#else
    emulated_copies_wait(LEFT);
#endif
    __syncthreads();
}

/* Begins the copies of a tile: number (row, column) is *from(row, column), zero from row `rows` and from column `columns` on. columns is a multiple of
 * CUDA_PACK; from is asked for whole packs alone, at least one of which is there. */
template <unsigned ROWS, unsigned COLUMNS, unsigned THREADS, class From>
static __device__ inline void copy_tile(uint32_t tile, unsigned rows, unsigned columns, const From &from)
{
    const unsigned thread = thread_here(), row0 = thread / TILE_LINE, chunk0 = thread % TILE_LINE;
    static_assert(THREADS % (TILE_LINE * TILE_LINE) == 0 && ROWS % (THREADS / TILE_LINE) == 0, "equal shares");
#pragma unroll 1 /* its addresses would take registers that the sums need */
    for (unsigned y = 0; y < ROWS; y += THREADS / TILE_LINE)
#pragma unroll
        for (unsigned x = 0; x < COLUMNS / CUDA_PACK; x += TILE_LINE) {
            const unsigned row = row0 + y, chunk = chunk0 + x;
            const bool there = row < rows && chunk * CUDA_PACK < columns;
            copy_chunk(tile_at<COLUMNS>(tile, row, chunk), from(there ? row : 0, there ? chunk * CUDA_PACK : 0), there);
        }
}

/* d[y][x] += rows row0 + 16 y .. of tile A times rows 8 x .. of tile B, transposed: over the COLUMNS that both have. */
template <unsigned COLUMNS, unsigned Y, unsigned X>
static __device__ inline void multiply_rows(float (&d)[Y][X][4], uint32_t a, unsigned row0, uint32_t b)
{
    const unsigned lane = thread_here() % CUDA_WARP;
#pragma unroll 4 /* a line */
    for (unsigned k = 0; k < COLUMNS / CUDA_PACK; k += 2) {
        uint32_t left[Y][4], right[2][2];
#pragma unroll
        for (unsigned y = 0; y < Y; y++)
            ldmatrix<false>(left[y], tile_at<COLUMNS>(a, row0 + 16 * y + lane % 16, k ^ lane / 16));
#pragma unroll
        for (unsigned x = 0; x < X; x += 2) {
            ldmatrix<false>(right[0], tile_at<COLUMNS>(b, 8 * x + lane / 16 * 8 + lane % 8, k ^ lane / 8 % 2));
#pragma unroll
            for (unsigned y = 0; y < Y; y++) {
                mma(d[y][x], left[y], right[0]);
                mma(d[y][x + 1], left[y], right[1]);
            }
        }
    }
}

/* d[y][x] += A[y] times columns 8 x .. of tile B, A being fragments of 16 DEPTH columns and B having as many rows. */
template <unsigned COLUMNS, unsigned Y, unsigned X, unsigned DEPTH>
static __device__ inline void multiply_columns(float (&d)[Y][X][4], const uint32_t (&a)[Y][DEPTH][4], uint32_t b)
{
    const unsigned lane = thread_here() % CUDA_WARP;
#pragma unroll
    for (unsigned k = 0; k < DEPTH; k++)
#pragma unroll
        for (unsigned x = 0; x < X; x += 2) {
            uint32_t right[2][2];
            ldmatrix<true>(right[0], tile_at<COLUMNS>(b, 16 * k + lane % 16, x ^ lane / 16));
#pragma unroll
            for (unsigned y = 0; y < Y; y++) {
                mma(d[y][x], a[y][k], right[0]);
                mma(d[y][x + 1], a[y][k], right[1]);
            }
        }
}

/* Number i of the two in a word. */
static __device__ inline float widen_of(uint32_t word, unsigned i)
{
    const uint32_t bits = i ? word & 0xffff0000U : word << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Two numbers, rounded, the first one in the low half. */
static __device__ inline uint32_t narrow_pair(float low, float high)
{
#ifdef __CUDACC__
    uint32_t word;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
    return word;
#else
    const __nv_bfloat16 pair[2] = {__float2bfloat16_rn(low), __float2bfloat16_rn(high)};
    uint32_t word;
    memcpy(&word, pair, sizeof word);
    return word;
#endif
}

/* Sums become the left factor of the next product where they are: a lane's numbers of two neighbouring pieces of sums are those it has of a fragment of A
 * (see mma). */
template <unsigned Y, unsigned X>
static __device__ inline void narrow_sums(uint32_t (&a)[Y][X / 2][4], const float (&d)[Y][X][4])
{
#pragma unroll
    for (unsigned y = 0; y < Y; y++)
#pragma unroll
        for (unsigned x = 0; x < X; x++)
#pragma unroll
            for (unsigned half = 0; half < 2; half++)
                a[y][x / 2][x % 2 * 2 + half] = narrow_pair(d[y][x][2 * half], d[y][x][2 * half + 1]);
}

/* Calls change(row, column, number) for each of this lane's sums. */
template <unsigned Y, unsigned X, class Change>
static __device__ inline void each_sum(float (&d)[Y][X][4], const Change &change)
{
    const unsigned lane = threadIdx.x % CUDA_WARP;
#pragma unroll
    for (unsigned y = 0; y < Y; y++)
#pragma unroll
        for (unsigned x = 0; x < X; x++)
#pragma unroll
            for (unsigned i = 0; i < 4; i++)
                change(16 * y + lane / 4 + i / 2 * 8, 8 * x + lane % 4 * 2 + i % 2, d[y][x][i]);
}

/* d *= by, number by number. */
template <unsigned Y, unsigned X>
static __device__ inline void multiply_sums(float (&d)[Y][X][4], const float (&by)[Y][X][4])
{
#pragma unroll
    for (unsigned y = 0; y < Y; y++)
#pragma unroll
        for (unsigned x = 0; x < X; x++)
#pragma unroll
            for (unsigned i = 0; i < 4; i++)
                d[y][x][i] *= by[y][x][i];
}

#endif
