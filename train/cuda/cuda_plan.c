#include "train/cuda/cuda_plan.h"

#include "base/check.h"

struct cuda_plan cuda_plan_items(size_t items)
{
    const size_t blocks = Q_MAX((size_t)1, (size_t)q_ceil_div(items, CUDA_THREADS));
    return (struct cuda_plan){.grid_x = (unsigned)Q_MIN(blocks, (size_t)CUDA_ITEM_BLOCKS),
                              .grid_y = 1,
                              .threads_x = CUDA_THREADS,
                              .threads_y = 1};
}

struct cuda_plan cuda_plan_rows(size_t rows, size_t width, unsigned pack)
{
    enum { EACH = 4 }; /* packs of a thread before a row gets more threads */
    unsigned threads = CUDA_WARP;
    while (threads < CUDA_ROW_THREADS_MAX && (size_t)threads * pack * EACH < width)
        threads *= 2;
    const unsigned side = threads == CUDA_WARP ? CUDA_THREADS / CUDA_WARP : 1;
    return (struct cuda_plan){
        .grid_x = (unsigned)q_ceil_div(rows, side), .grid_y = 1, .threads_x = threads, .threads_y = side};
}

struct cuda_plan cuda_plan_warps(size_t rows)
{
    return cuda_plan_rows(rows, 0, 1);
}

struct cuda_plan cuda_plan_room(size_t rows, size_t floats)
{
    enum { WARPS_MAX = CUDA_THREADS / CUDA_WARP };
    const size_t bytes = floats * sizeof(float), warps = Q_MIN(CUDA_SHARED_BYTES / bytes, (size_t)WARPS_MAX);
    q_check(warps > 0);
    return (struct cuda_plan){.grid_x = (unsigned)q_ceil_div(rows, warps),
                              .grid_y = 1,
                              .threads_x = CUDA_WARP,
                              .threads_y = (unsigned)warps,
                              .shared = warps * bytes};
}

struct cuda_plan cuda_plan_blocks(size_t blocks, unsigned threads)
{
    return (struct cuda_plan){.grid_x = (unsigned)blocks, .grid_y = 1, .threads_x = threads, .threads_y = 1};
}

size_t cuda_chunk_rows(size_t rows)
{
    return Q_MAX((size_t)CUDA_CHUNK_ROWS_MIN, (size_t)q_ceil_div(rows, CUDA_CHUNKS_MAX));
}

struct cuda_plan cuda_plan_columns(size_t rows, size_t width)
{
    return (struct cuda_plan){.grid_x = (unsigned)q_ceil_div(width, CUDA_WARP),
                              .grid_y = (unsigned)q_ceil_div(rows, cuda_chunk_rows(rows)),
                              .threads_x = CUDA_WARP,
                              .threads_y = CUDA_CHUNK_THREADS};
}

size_t cuda_logits_rows(size_t tokens, size_t vocabulary, size_t real_bytes)
{
    const size_t row = Q_MAX(vocabulary, (size_t)1) * (sizeof(float) + real_bytes);
    return Q_MIN(Q_MAX(tokens, (size_t)1), Q_MAX(CUDA_LOGITS_BYTES / row, (size_t)CUDA_LOGITS_ROWS_MIN));
}

bool cuda_is_packed(const void *address, size_t width, size_t stride)
{
    return (uintptr_t)address % 16 == 0 && width % CUDA_PACK == 0 && stride % CUDA_PACK == 0;
}
