/* What train/cuda/ uses of CUDA's driver API, and Hopper's instructions (train/cuda/cuda_wgmma.cuh), on the processor.
 *
 * What is asynchronous happens as late, or as early, as the PTX ISA allows, so that what counts on its luck gives other numbers:
 *
 *                  on streams that run forwards                              on those that run backwards
 *     TMA          writes when it is told to: into a stage that is read      writes when no thread can go on without it: who does not wait
 *                  still, maybe                                              reads what was there before
 *     products     read shared memory, and add to their sums, when their     read at once: what other threads have not written by then is
 *                  thread waits for them and no other can go on: what was    not seen
 *                  overwritten until then is wrong
 *
 * They read what the descriptor says, through the swizzle. An mbarrier counts arrivals, bytes and phases; too many of them, a wait that nobody ends, products
 * or loads that nobody has waited for, end the program. A thread that waits lets the others run.
 *
 * Not to be seen here: proxy_fence, the visibility of memory altogether, setmaxnreg. */
#ifndef QUERN_TESTS_CUDA_H
#define QUERN_TESTS_CUDA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef uint32_t cuuint32_t;
typedef uint64_t cuuint64_t;
typedef enum { CUDA_SUCCESS = 0, CUDA_ERROR_INVALID_VALUE = 1 } CUresult;
typedef enum { CU_TENSOR_MAP_DATA_TYPE_BFLOAT16 = 9 } CUtensorMapDataType;
typedef enum { CU_TENSOR_MAP_INTERLEAVE_NONE = 0 } CUtensorMapInterleave;
typedef enum { CU_TENSOR_MAP_SWIZZLE_128B = 3 } CUtensorMapSwizzle;
typedef enum { CU_TENSOR_MAP_L2_PROMOTION_L2_256B = 3 } CUtensorMapL2promotion;
typedef enum { CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE = 0 } CUtensorMapFloatOOBfill;

/* CUDA's has 128 bytes at a multiple of 64. */
typedef struct CUtensorMap {
    const uint16_t *base;
    uint64_t size[3], stride[2];
    uint32_t box[3];
} CUtensorMap;

CUresult cuTensorMapEncodeTiled(CUtensorMap *map, CUtensorMapDataType type, cuuint32_t rank, void *base,
                                const cuuint64_t *size, const cuuint64_t *stride, const cuuint32_t *box,
                                const cuuint32_t *element_stride, CUtensorMapInterleave interleave,
                                CUtensorMapSwizzle swizzle, CUtensorMapL2promotion promotion,
                                CUtensorMapFloatOOBfill fill);

uint32_t emulated_shared_address(const void *at);
void emulated_mbarrier_init(uint32_t barrier, unsigned arrivals);
void emulated_mbarrier_arrive(uint32_t barrier, unsigned bytes);
void emulated_mbarrier_arrive_at(uint32_t barrier,
                                 unsigned block); /* the one at the same place of that block of the cluster */
void emulated_mbarrier_wait(uint32_t barrier, unsigned parity);
void emulated_tensor_load(uint32_t to, const CUtensorMap *map, int x, int y, int z, uint32_t barrier);
/* To the same place of all these blocks of the cluster, a bit each, telling the barrier there. */
void emulated_tensor_load_to(uint32_t to, const CUtensorMap *map, int x, int y, int z, uint32_t barrier,
                             unsigned blocks);
void emulated_bulk_load(uint32_t to, const void *from, unsigned bytes, uint32_t barrier);
void emulated_named_barrier(unsigned name, unsigned threads);
void emulated_cluster_barrier(void);
void emulated_wgmma_fence(void);
void emulated_wgmma(float *d, uint64_t a, uint64_t b, bool mn_a, bool mn_b);
void emulated_wgmma_shared(float *d, uint64_t a, uint64_t b, unsigned columns, bool add);
/* A's registers are read when shared memory is. */
void emulated_wgmma_registers(float *d, const uint32_t *a, uint64_t b, unsigned columns);
void emulated_wgmma_commit(void);
void emulated_wgmma_wait(unsigned groups);

#ifdef __cplusplus
}
#endif
#endif
