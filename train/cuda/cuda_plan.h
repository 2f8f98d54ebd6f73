/* How kernels are launched: pure functions of shapes, in C, so that they can be printed and tested where there is no GPU. No sum depends on the chip: the
 * sums of these kernels have one order on every GPU. */
#ifndef QUERN_TRAIN_CUDA_PLAN_H
#define QUERN_TRAIN_CUDA_PLAN_H

#include "train/ops.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    CUDA_WARP = 32,
    CUDA_PACK = 8,               /* elements that a thread moves at a time: 16 bytes of BF16, twice 16 of FP32 */
    CUDA_THREADS = 256,          /* of a block, where nothing asks for another number */
    CUDA_ROW_THREADS_MAX = 1024, /* of a row */
    CUDA_ITEM_BLOCKS = 4096      /* at most, where threads go round over items: some waves of the largest GPU */
};

struct cuda_plan {
    unsigned grid_x, grid_y;       /* blocks */
    unsigned threads_x, threads_y; /* of a block: a multiple of CUDA_WARP in all */
    size_t shared;                 /* bytes of dynamic shared memory */
    unsigned cluster;              /* blocks side by side along x that share operands, on Hopper; 0: none */
};

/* Threads go round over `items` in steps of the whole grid. */
struct cuda_plan cuda_plan_items(size_t items);

/* A row of `width` elements belongs to threads_x threads, each taking `pack` elements at a time (1 or CUDA_PACK): a warp where that is enough, with rows
 * side by side in a block (threads_y), else up to a whole block. A row is blockIdx.x * threads_y + threadIdx.y. */
struct cuda_plan cuda_plan_rows(size_t rows, size_t width, unsigned pack);

/* A warp for each row. */
struct cuda_plan cuda_plan_warps(size_t rows);

/* The same, each warp with so many floats of shared memory: as many warps in a block as find room in CUDA_SHARED_BYTES, what a kernel has without asking
 * for more. At least one must. */
enum { CUDA_SHARED_BYTES = 48 << 10 };
struct cuda_plan cuda_plan_room(size_t rows, size_t floats);

/* So many blocks of so many threads. */
struct cuda_plan cuda_plan_blocks(size_t blocks, unsigned threads);

/* Attention by the matrix units (cuda_flash.cuh) has kernels for some sizes of a head: the first of cuda_flash_sizes that holds key and value, padded with
 * zeros; CUDA_FLASH_SIZES where none does. What is summed over keys stays in registers: 8 warps where 4 would not have room for it. */
struct cuda_flash {
    unsigned key, v;
    unsigned warps; /* forward */
};
enum { CUDA_FLASH_SIZES = 4 };
extern const struct cuda_flash cuda_flash_sizes[CUDA_FLASH_SIZES];
unsigned cuda_flash_size(size_t key, size_t v);

/* Forward: a block for each CUDA_FLASH_QUERIES queries of a head, which meet CUDA_FLASH_KEYS keys at a time. Its queries, those keys and their values are
 * in shared memory.
 * Backward: a block for each CUDA_FLASH_OWN keys, or queries, of a head, which meet CUDA_FLASH_OTHER of the others at a time; those are there twice, one
 * tile to read and one that comes, and beside each tile of queries two floats for each of them. */
enum {
    CUDA_FLASH_QUERIES = 128,
    CUDA_FLASH_KEYS = 64,
    CUDA_FLASH_OWN = 64,
    CUDA_FLASH_OTHER = 32,
    CUDA_FLASH_OWN_WARPS = CUDA_FLASH_OWN / 16
};
struct cuda_plan cuda_plan_flash(unsigned size, size_t heads, size_t sequence); /* heads of all sequences */
struct cuda_plan cuda_plan_flash_backward(unsigned size, size_t heads, size_t sequence);

/* Sums of columns over rows: blocks of 32 columns (x) by chunks of rows (y), 8 rows at a time in a block. Each chunk's sums are written for themselves
 * and added in order behind. */
enum { CUDA_CHUNKS_MAX = 64, CUDA_CHUNK_ROWS_MIN = 32, CUDA_CHUNK_THREADS = 8 };
struct cuda_plan cuda_plan_columns(size_t rows, size_t width);
size_t cuda_chunk_rows(size_t rows); /* of each chunk but the last */

/* Blocks of a sum over all elements (sum_squares), each over CUDA_SUM_ITEMS of them. */
enum { CUDA_SUM_ITEMS = 1 << 16 };

/* How far rows of logits are apart: whatever the vocabulary, they begin at a multiple of 64 numbers, since cuBLASLt has its best algorithms where rows can be
 * moved 16 bytes at a time. What is between the rows is not read. */
size_t cuda_logits_stride(size_t vocabulary);

/* Tokens whose logits are in the workspace together: as many as fit in CUDA_LOGITS_BYTES, at least CUDA_LOGITS_ROWS_MIN. */
#define CUDA_LOGITS_BYTES ((size_t)256 << 20)
enum { CUDA_LOGITS_ROWS_MIN = 128 };
size_t cuda_logits_rows(size_t tokens, size_t vocabulary, size_t real_bytes);

/* How many logits that can be, for these and for any fewer tokens and smaller vocabularies: rows are whole, so that a smaller vocabulary may have more. */
size_t cuda_logits_max(size_t tokens, size_t vocabulary, size_t real_bytes);

/* Bytes of workspace for cuBLASLt: what NVIDIA advises for Hopper. */
enum { CUDA_BLAS_WORKSPACE = 32 << 20 };

/* Whether rows of `width` elements, `stride` apart, of which one begins at `address`, can be moved CUDA_PACK elements at a time. */
bool cuda_is_packed(const void *address, size_t width, size_t stride);

/* Grouped products by mma (op_grouped_mma.cu): tiles of C, of k a stage at a time, by 8 warps. */
enum {
    MMA_ROWS = 128,
    MMA_COLUMNS = 256,
    MMA_DEPTH = 64,
    MMA_STAGES_MAX = 3,
    MMA_THREADS = 8 * CUDA_WARP,
    MMA_STAGE_BYTES = (MMA_ROWS + MMA_COLUMNS) * MMA_DEPTH * 2
};

/* How many stages there are: two of them are 96 KiB, what every GPU from Ampere on has for a block. */
unsigned cuda_mma_stages(size_t shared_max);

/* A block for each multiprocessor, with so many stages. */
struct cuda_plan cuda_plan_mma(unsigned multiprocessors, unsigned stages);

/* Whether all rows can be moved CUDA_PACK elements at a time, and all shapes fit. */
bool cuda_suits_mma(const struct op_grouped *product);

/* Grouped products on Hopper (op_grouped_hopper.cu): tiles of C, of k a stage at a time, two warpgroups of consumers and one that produces. */
enum {
    HOPPER_ROWS = 128,
    HOPPER_COLUMNS = 256,
    HOPPER_DEPTH = 64,
    HOPPER_STAGES = 4,
    HOPPER_THREADS = 3 * 128,
    HOPPER_STAGE_BYTES = (HOPPER_ROWS + HOPPER_COLUMNS) * HOPPER_DEPTH * 2,
    HOPPER_CLUSTER = 2 /* blocks whose tiles are neighbours: what both want comes once for both */
};

/* A block for each multiprocessor, with the stages, 16 bytes of barriers for each, and what brings them to a multiple of 1,024. In clusters: HOPPER_CLUSTER
 * of them together, as many as can be. */
struct cuda_plan cuda_plan_hopper(unsigned multiprocessors, bool clusters);

/* Whether rows and starts are multiples of 16 bytes, as TMA wants them, and all shapes fit. */
bool cuda_suits_hopper(const struct op_grouped *product);

/* A tensor of BF16 in the device's memory, and what one load brings of it (cuTensorMapEncodeTiled): dimension 0 is contiguous, `stride` is in bytes, of
 * dimensions 1 and 2. */
struct cuda_box {
    const void *base;
    uint64_t size[3], stride[2];
    uint32_t box[3];
};

/* The operands as they lie in memory. Which rows an expert has is not in them. */
struct cuda_boxes {
    struct cuda_box a, b;
};
struct cuda_boxes cuda_hopper_boxes(const struct op_grouped *product);

/* Attention on Hopper (op_attention_hopper.cu): a block for each HOPPER_QUERIES queries of a head, two warpgroups of consumers and one that produces. Its
 * queries are in shared memory, keys and values as many at a time in each stage. */
enum {
    HOPPER_QUERIES = 128,
    HOPPER_KEYS = 128,
    HOPPER_VALUE = 128, /* numbers */
    HOPPER_KEY_STAGES = 2
};
struct cuda_plan cuda_plan_attention_hopper(size_t key, size_t heads, size_t sequence); /* heads of all sequences */

/* Whether there is a kernel for the head, key of 128 or 192 numbers and value of HOPPER_VALUE in parts of 64, and the rows are as TMA wants them. */
bool cuda_suits_attention_hopper(const struct op_attention *attention);

/* The tensors by token, so many queries (and their dout), or keys, of which one load brings. A sequence is a piece of its own, so that tokens behind its end
 * are zeros and not the next one's. */
struct cuda_token_boxes {
    struct cuda_box q, kv, k_rope, dout;
};
struct cuda_token_boxes cuda_attention_boxes(const struct op_attention *attention, uint32_t queries, uint32_t keys);

/* Attention's backward on Hopper (op_attention_backward_hopper.cu): a block for each HOPPER_OWN keys of a head, which meet HOPPER_MET_QUERIES queries at a
 * time, then one for each HOPPER_OWN queries, which meet HOPPER_MET_KEYS keys. Two warpgroups of consumers and one that produces. Both parts of a token, q
 * and dout, or key and value, are in one stage; so are two floats for each query that is met. What may be tuned, within 227 KiB of shared memory and 240
 * registers a thread: HOPPER_MET_KEYS is 64, 96 or 128. */
enum {
    HOPPER_OWN = 128,
    HOPPER_MET_QUERIES = 64,
    HOPPER_QUERY_STAGES = 3,
    HOPPER_MET_KEYS = 96,
    HOPPER_MET_KEY_STAGES = 2,
};
struct cuda_plan cuda_plan_hopper_keys(size_t key, size_t heads, size_t sequence); /* heads of all sequences */
struct cuda_plan cuda_plan_hopper_queries(size_t key, size_t heads, size_t sequence);
bool cuda_suits_attention_backward_hopper(const struct op_attention *attention);

/* Two floats for each query of each head, its lse and its delta (op_attention_backward: dout . out), of sequences that are filled up to a multiple of
 * HOPPER_OWN: so many floats. */
size_t cuda_attention_sums(size_t batch, size_t heads, size_t sequence);

#ifdef __cplusplus
}
#endif
#endif
