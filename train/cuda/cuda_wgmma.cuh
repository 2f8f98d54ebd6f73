/* Hopper's instructions (sm_90a): products by a warpgroup (wgmma), tiles brought by the copy engine (TMA), and the barriers in shared memory (mbarrier) by
 * which both meet. Each function is one instruction; the section of the PTX ISA that it is of stands beside it. On other architectures nothing of this
 * exists (WGMMA_MISSING): a kernel leaves its body out there, and is not launched.
 *
 * How an operand lies in shared memory (PTX ISA, "Asynchronous Warpgroup Level Matrix Shared Memory Layout", 128-byte swizzle; T = 8 numbers of BF16 are
 * 16 bytes). Operand (i, p): i is a row of A or a column of B, p runs along k.
 *
 *     box         64 numbers, 128 bytes, of the direction that is contiguous in memory (the major one), by rows of the other one: what one TMA load
 *                 brings. Row r of a box lies at 128 r.
 *     swizzle     TMA writes, and wgmma reads, the 16 bytes of address x at x ^ ((x / 128 % 8) * 16): bits 4-6 are changed by bits 7-9. Addresses count from
 *                 the beginning of shared memory, so boxes begin at multiples of 1,024 (the descriptor's base offset is 0 then). 8 rows by 128 bytes are
 *                 an atom.
 *     K-major     p contiguous: rows of a box are i. (i, p) at (i / 8) * SBO + (i % 8) * 128 + 2 p: SBO = 1,024, LBO is not read.
 *                 16 of k further: 32 bytes further.
 *     MN-major    i contiguous: rows of a box are p. (i, p) at (i / 64) * LBO + 2 (i % 64) + (p / 8) * SBO + (p % 8) * 128: SBO = 1,024, LBO the bytes from
 *                 one box of 64 i to the next. 16 of k further: 2,048 bytes further.
 *     descriptor  bits 0-13 address / 16, 16-29 LBO / 16, 32-45 SBO / 16, 49-51 base offset, 62-63 swizzle (1: 128 bytes); addresses have 18 bits
 *                 (PTX ISA, "Matrix Descriptor Format").
 *     D           64 x 256, of the 128 threads of a warpgroup: d[4 x + 2 h + c] of lane l of warp w is row 16 w + l / 4 + 8 h, column 8 x + 2 (l % 4) + c
 *                 (PTX ISA, "Matrix Fragments for wgmma.mma_async.m64nNk16"). Of fewer columns: d[x][2 h + c].
 *     A           may be in registers instead, 64 x 16: half c of word h + 2 x is row 16 w + l / 4 + 8 h, column 8 x + 2 (l % 4) + c (same section). So a
 *                 thread's sums of 16 columns are, narrowed, its part of an A whose k are those columns.
 */
#ifndef QUERN_TRAIN_CUDA_WGMMA_CUH
#define QUERN_TRAIN_CUDA_WGMMA_CUH

#include "train/cuda/cuda_device.cuh"

#include <cuda.h>

#if defined(__CUDA_ARCH__) && !defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define WGMMA_MISSING
#endif

enum {
    WARPGROUP = 128, /* threads */
    WGMMA_ROWS = 64,
    WGMMA_COLUMNS = 256,
    WGMMA_DEPTH = 16,
    WGMMA_SUMS = WGMMA_ROWS * WGMMA_COLUMNS / WARPGROUP, /* of a thread */
    BOX_NUMBERS = 64,                                    /* contiguous ones: 128 bytes */
    BOX_ROW_BYTES = 128,
    ATOM_BYTES = 1024,
};

/* Where `at` is in the shared memory of the block ("cvta"). */
static __device__ inline uint32_t shared_address(const void *at)
{
#ifdef __CUDACC__
    return (uint32_t)__cvta_generic_to_shared(at);
#else
    return emulated_shared_address(at);
#endif
}

/* mbarrier.init: a barrier of 8 bytes. A phase of it is over when `arrivals` have come and the bytes that were told are there. */
static __device__ inline void mbarrier_init(uint32_t barrier, unsigned arrivals)
{
#ifdef __CUDACC__
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(barrier), "r"(arrivals) : "memory");
#else
    emulated_mbarrier_init(barrier, arrivals);
#endif
}

/* mbarrier.arrive: what this thread did before is seen by those who wait for the phase. */
static __device__ inline void mbarrier_arrive(uint32_t barrier)
{
#ifdef __CUDACC__
    asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(barrier) : "memory");
#else
    emulated_mbarrier_arrive(barrier, 0);
#endif
}

/* The same on the mbarrier at that place of a block of the cluster ("mapa"), this one among them. For what has been read, as products have when they are
 * waited for: what this thread wrote is not promised to be seen there, since .release.cluster would wait for all of its memory each time (MEMBAR.ALL.GPU). */
static __device__ inline void mbarrier_arrive_at(uint32_t barrier, unsigned block)
{
#ifdef __CUDACC__
    asm volatile("{\n\t.reg .b32 there;\n\t"
                 "mapa.shared::cluster.u32 there, %0, %1;\n\t"
                 "mbarrier.arrive.shared::cluster.b64 _, [there];\n\t}" ::"r"(barrier),
                 "r"(block)
                 : "memory");
#else
    emulated_mbarrier_arrive_at(barrier, block);
#endif
}

/* mbarrier.arrive.expect_tx: arrives, and tells of so many bytes that TMA will bring in this phase. */
static __device__ inline void mbarrier_expect(uint32_t barrier, unsigned bytes)
{
#ifdef __CUDACC__
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(barrier), "r"(bytes) : "memory");
#else
    emulated_mbarrier_arrive(barrier, bytes);
#endif
}

/* mbarrier.try_wait.parity: until the phase of this parity is over. Phases count from 0; the one before the first, of parity 1, is over from the beginning. */
static __device__ inline void mbarrier_wait(uint32_t barrier, unsigned parity)
{
#ifdef __CUDACC__
    unsigned over = 0;
    while (!over)
        asm volatile("{\n\t.reg .pred over;\n\t"
                     "mbarrier.try_wait.parity.shared::cta.b64 over, [%1], %2;\n\t"
                     "selp.u32 %0, 1, 0, over;\n\t}"
                     : "=r"(over)
                     : "r"(barrier), "r"(parity)
                     : "memory");
#else
    emulated_mbarrier_wait(barrier, parity);
#endif
}

/* cp.async.bulk.tensor: one thread has TMA bring the map's box that begins at (x, y, z), x contiguous, to `to`. What lies outside of the tensor is written as
 * zero, and counts among the bytes that `barrier` is told of. */
static __device__ inline void tensor_load(uint32_t to, const CUtensorMap *map, int x, int y, int z, uint32_t barrier)
{
#ifdef __CUDACC__
    asm volatile("cp.async.bulk.tensor.3d.shared::cluster.global.tile.mbarrier::complete_tx::bytes "
                 "[%0], [%1, {%2, %3, %4}], [%5];" ::"r"(to),
                 "l"(map), "r"(x), "r"(y), "r"(z), "r"(barrier)
                 : "memory");
#else
    emulated_tensor_load(to, map, x, y, z, barrier);
#endif
}

/* .multicast::cluster: likewise to the same place of all these blocks of the cluster, a bit each; of each the barrier at that place is told. */
static __device__ inline void tensor_load_to(uint32_t to, const CUtensorMap *map, int x, int y, int z, uint32_t barrier,
                                             unsigned blocks)
{
#ifdef __CUDACC__
    asm volatile("cp.async.bulk.tensor.3d.shared::cluster.global.tile.mbarrier::complete_tx::bytes.multicast::cluster "
                 "[%0], [%1, {%2, %3, %4}], [%5], %6;" ::"r"(to),
                 "l"(map), "r"(x), "r"(y), "r"(z), "r"(barrier), "h"((uint16_t)blocks)
                 : "memory");
#else
    emulated_tensor_load_to(to, map, x, y, z, barrier, blocks);
#endif
}

/* cp.async.bulk: likewise so many bytes that lie one after the other. All three are multiples of 16. */
static __device__ inline void bulk_load(uint32_t to, const void *from, unsigned bytes, uint32_t barrier)
{
#ifdef __CUDACC__
    asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(to),
                 "l"(__cvta_generic_to_global(from)), "r"(bytes), "r"(barrier)
                 : "memory");
#else
    emulated_bulk_load(to, from, bytes, barrier);
#endif
}

/* fence.proxy.async: what this thread wrote to shared memory by ordinary stores (barriers too) is seen by TMA and wgmma. */
static __device__ inline void proxy_fence(void)
{
#ifdef __CUDACC__
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
#endif
}

/* barrier.sync: of so many threads of the block, by a name (1 to 15; 0 is that of __syncthreads). */
static __device__ inline void named_barrier(unsigned name, unsigned threads)
{
#ifdef __CUDACC__
    asm volatile("barrier.sync %0, %1;" ::"r"(name), "r"(threads) : "memory");
#else
    emulated_named_barrier(name, threads);
#endif
}

/* fence.mbarrier_init: barriers that this thread has made are there for the cluster, once it has passed cluster_barrier. */
static __device__ inline void mbarrier_init_fence(void)
{
#ifdef __CUDACC__
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
#endif
}

/* barrier.cluster: of all threads of the blocks. Of what they wrote it hands over barriers alone (mbarrier_init_fence): .relaxed waits for no memory. */
static __device__ inline void cluster_barrier(void)
{
#ifdef __CUDACC__
    asm volatile("barrier.cluster.arrive.relaxed;\n\tbarrier.cluster.wait.acquire;" ::: "memory");
#else
    emulated_cluster_barrier();
#endif
}

/* setmaxnreg: the warpgroup gives registers back, or waits for more: COUNT a thread, a multiple of 8. */
template <unsigned COUNT> static __device__ inline void registers_give_back(void)
{
#ifdef __CUDACC__
    asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(COUNT));
#endif
}

template <unsigned COUNT> static __device__ inline void registers_take(void)
{
#ifdef __CUDACC__
    asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(COUNT));
#endif
}

/* wgmma.fence: before the first product, and after registers of sums were touched by others. */
static __device__ inline void wgmma_fence(void)
{
#ifdef __CUDACC__
    asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
#else
    emulated_wgmma_fence();
#endif
}

/* wgmma.commit_group: the products since the last one are a group. */
static __device__ inline void wgmma_commit(void)
{
#ifdef __CUDACC__
    asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
#else
    emulated_wgmma_commit();
#endif
}

/* wgmma.wait_group: until at most GROUPS of this warp's are under way. Sums and shared memory belong to a product until then. */
template <unsigned GROUPS> static __device__ inline void wgmma_wait(void)
{
#ifdef __CUDACC__
    asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(GROUPS) : "memory");
#else
    emulated_wgmma_wait(GROUPS);
#endif
}

/* An operand that begins at `address`; boxes of 64 i are `leading` bytes apart where it is MN-major. */
static __device__ inline uint64_t wgmma_descriptor(uint32_t address, unsigned leading)
{
    const uint64_t swizzle_128 = 1;
    return (address & 0x3ffff) >> 4 | (uint64_t)(leading >> 4) << 16 | (uint64_t)(ATOM_BYTES >> 4) << 32 |
           swizzle_128 << 62;
}

/* What a descriptor grows by to 16 of k further on: its address is in units of 16 bytes. */
static constexpr __device__ inline uint64_t wgmma_step(bool mn_major)
{
    return (mn_major ? WGMMA_DEPTH * BOX_ROW_BYTES : WGMMA_DEPTH * 2) >> 4;
}

#ifdef __CUDACC__
#define SUMS_8(d, i)                                                                                                   \
    "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3]), "+f"(d[i + 4]), "+f"(d[i + 5]), "+f"(d[i + 6]),        \
        "+f"(d[i + 7])
#define SUMS_64(d, i)                                                                                                  \
    SUMS_8(d, i), SUMS_8(d, i + 8), SUMS_8(d, i + 16), SUMS_8(d, i + 24), SUMS_8(d, i + 32), SUMS_8(d, i + 40),        \
        SUMS_8(d, i + 48), SUMS_8(d, i + 56)
#endif

/* wgmma.mma_async.m64n256k16: D[64,256] += A[64,16] B[16,256] by the 128 threads of a warpgroup, some time before wgmma_wait says so. */
template <bool MN_A, bool MN_B> static __device__ inline void wgmma(float (&d)[WGMMA_SUMS], uint64_t a, uint64_t b)
{
#ifdef __CUDACC__
    asm volatile("wgmma.mma_async.sync.aligned.m64n256k16.f32.bf16.bf16 {"
                 "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
                 "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
                 "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
                 "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, "
                 "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, "
                 "%80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95, "
                 "%96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, "
                 "%112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127}, "
                 "%128, %129, 1, 1, 1, %130, %131;"
                 : SUMS_64(d, 0), SUMS_64(d, 64)
                 : "l"(a), "l"(b), "n"(MN_A), "n"(MN_B));
#else
    emulated_wgmma(d, a, b, MN_A, MN_B);
#endif
}

/* The same for fewer columns: D[64, 8 FOURS], by fours of a thread's sums. */
#ifdef __CUDACC__
#define FOUR(how, d) how((d)[0]), how((d)[1]), how((d)[2]), how((d)[3])
#define FOURS_4(how, d, i) FOUR(how, (d)[i]), FOUR(how, (d)[i + 1]), FOUR(how, (d)[i + 2]), FOUR(how, (d)[i + 3])
#define FOURS_8(how, d) FOURS_4(how, d, 0), FOURS_4(how, d, 4)
#define FOURS_12(how, d) FOURS_8(how, d), FOURS_4(how, d, 8)
#define FOURS_16(how, d) FOURS_12(how, d), FOURS_4(how, d, 12)
#define FOURS_24(how, d) FOURS_16(how, d), FOURS_4(how, d, 16), FOURS_4(how, d, 20)
#define TO_31                                                                                                          \
    "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "                                           \
    "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
#define TO_47 TO_31 ", %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47"
#define TO_63 TO_47 ", %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
#define TO_95                                                                                                          \
    TO_63 ", %64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, "                         \
          "%80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95"
#define SUMS_IN_OUT(x) "+f"(x)
#define SUMS_OUT(x) "=f"(x)
#define WGMMA_OF(columns, names) "wgmma.mma_async.sync.aligned.m64n" #columns "k16.f32.bf16.bf16 {" names "}, "
#define DEFINE_WGMMA_SHARED(fours, columns, names, a_name, b_name)                                                     \
    template <bool ADD> static __device__ inline void wgmma_shared(float(&d)[fours][4], uint64_t a, uint64_t b)        \
    {                                                                                                                  \
        if constexpr (ADD)                                                                                             \
            asm volatile(WGMMA_OF(columns, names) a_name ", " b_name ", 1, 1, 1, 0, 0;"                                \
                         : FOURS_##fours(SUMS_IN_OUT, d)                                                               \
                         : "l"(a), "l"(b));                                                                            \
        else                                                                                                           \
            asm volatile(WGMMA_OF(columns, names) a_name ", " b_name ", 0, 1, 1, 0, 0;"                                \
                         : FOURS_##fours(SUMS_OUT, d)                                                                  \
                         : "l"(a), "l"(b));                                                                            \
    }
#define DEFINE_WGMMA_REGISTERS(fours, columns, names, a_names, b_name)                                                 \
    static __device__ inline void wgmma_registers(float(&d)[fours][4], const uint32_t(&a)[4], uint64_t b)              \
    {                                                                                                                  \
        asm volatile(WGMMA_OF(columns, names) a_names ", " b_name ", 1, 1, 1, 1;"                                      \
                     : FOURS_##fours(SUMS_IN_OUT, d)                                                                   \
                     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b));                                            \
    }
#else
#define DEFINE_WGMMA_SHARED(fours, columns, names, a_name, b_name)                                                     \
    template <bool ADD> static inline void wgmma_shared(float(&d)[fours][4], uint64_t a, uint64_t b)                   \
    {                                                                                                                  \
        emulated_wgmma_shared(d[0], a, b, columns, ADD);                                                               \
    }
#define DEFINE_WGMMA_REGISTERS(fours, columns, names, a_names, b_name)                                                 \
    static inline void wgmma_registers(float(&d)[fours][4], const uint32_t(&a)[4], uint64_t b)                         \
    {                                                                                                                  \
        emulated_wgmma_registers(d[0], a, b, columns);                                                                 \
    }
#endif

/* Both operands K-major in shared memory: D += A[64,16] B[16,columns], or D = where it does not ADD: what was in D's registers is not kept for that. */
DEFINE_WGMMA_SHARED(8, 64, TO_31, "%32", "%33")
DEFINE_WGMMA_SHARED(12, 96, TO_47, "%48", "%49")
DEFINE_WGMMA_SHARED(16, 128, TO_63, "%64", "%65")

/* D += A B, A in registers and B MN-major. A's registers belong to the product as its sums do. */
DEFINE_WGMMA_REGISTERS(16, 128, TO_63, "{%64, %65, %66, %67}", "%68")
DEFINE_WGMMA_REGISTERS(24, 192, TO_95, "{%96, %97, %98, %99}", "%100")

/* Behind wgmma_wait: the compiler, to which a product is over when it is issued, neither reads these sums before nor gives these registers of A away. */
template <unsigned N> static __device__ inline void wgmma_settle(float (&d)[N][4])
{
#ifdef __CUDACC__
#pragma unroll
    for (unsigned i = 0; i < N; i++)
        asm volatile("" : FOUR(SUMS_IN_OUT, d[i])::"memory");
#else
    (void)d;
#endif
}

template <unsigned N> static __device__ inline void wgmma_settle(float (&d)[N])
{
#ifdef __CUDACC__
#pragma unroll
    for (unsigned i = 0; i < N; i++)
        asm volatile("" : "+f"(d[i])::"memory");
#else
    (void)d;
#endif
}

template <unsigned N> static __device__ inline void wgmma_settle(uint32_t (&a)[N][4])
{
#ifdef __CUDACC__
#pragma unroll
    for (unsigned i = 0; i < N; i++)
        asm volatile("" : "+r"(a[i][0]), "+r"(a[i][1]), "+r"(a[i][2]), "+r"(a[i][3])::"memory");
#else
    (void)a;
#endif
}

/* red.add of two floats that lie beside each other at a multiple of 8 bytes: to[0] += x, to[1] += y, each rounded once, numbers below 2^-126 as zero. Where no
 * other thread adds to them that is an addition whose answer nobody waits for. */
static __device__ inline void add_pair(float *to, float x, float y)
{
#ifdef __CUDACC__
    asm volatile("red.relaxed.gpu.global.add.v2.f32 [%0], {%1, %2};" ::"l"(to), "f"(x), "f"(y) : "memory");
#else
    to[0] += x;
    to[1] += y;
#endif
}

#endif
