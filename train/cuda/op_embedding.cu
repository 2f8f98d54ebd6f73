/* embed: rows by id. Its backward adds the rows of equal ids in order: the first token of an id finds the others. */
#include "train/cuda/cuda_device.cuh"
#include "train/cuda/cuda_ops.h"

#include "base/check.h"

template <int N>
static __global__ void __launch_bounds__(CUDA_ROW_THREADS_MAX)
    embed_rows(real *out, const real *table, const int32_t *ids, size_t tokens, size_t hidden)
{
    const size_t row = row_index();
    if (row >= tokens)
        return;
    const real *from = table + (size_t)ids[row] * hidden;
    for (size_t i = threadIdx.x * N; i < hidden; i += blockDim.x * N) {
        float x[N];
        load<N>(x, from + i);
        store<N>(out + row * hidden + i, x);
    }
}

static void embed(struct op_context *context, op_real *out, const op_real *table, const int32_t *ids, size_t tokens,
                  size_t hidden)
{
    const bool packed = cuda_is_packed(out, hidden, hidden) && cuda_is_packed(table, hidden, hidden);
    launch(context, "embed", cuda_plan_rows(tokens, hidden, packed ? CUDA_PACK : 1),
           packed ? embed_rows<CUDA_PACK> : embed_rows<1>, reals_out(out), reals(table), ids, tokens, hidden);
}

static __global__ void forget_first(int32_t *first, const int32_t *ids, size_t tokens)
{
    for (size_t i = item_index(); i < tokens; i += item_step())
        first[ids[i]] = INT32_MAX;
}

static __global__ void find_first(int32_t *first, const int32_t *ids, size_t tokens)
{
    for (size_t i = item_index(); i < tokens; i += item_step())
        atomicMin(&first[ids[i]], (int32_t)i); /* the least, whoever comes first */
}

enum {
    SCAN = 256,  /* tokens whose ids are looked at together */
    COLUMNS = 4, /* columns of a thread */
    SPAN = SCAN * COLUMNS
};

/* Calls with_column(j, n) for each column j that this thread has, its nth. */
template <class F> static __device__ inline void each_column(size_t hidden, const F &with_column)
{
#pragma unroll
    for (unsigned n = 0; n < COLUMNS; n++) {
        const size_t j = (size_t)blockIdx.y * SPAN + n * SCAN + threadIdx.x;
        if (j < hidden)
            with_column(j, n);
    }
}

/* A block for each token and SPAN columns; only the first of an id has something to do: it goes over all later ones, SCAN at a time, and adds the rows of
 * those that are the same. The table is floats or reals. */
template <class T>
static __global__ void embed_backward_rows(void *dtable, const real *dout, const int32_t *ids, const int32_t *first,
                                           size_t tokens, size_t hidden)
{
    __shared__ int32_t seen[SCAN];
    const size_t token = blockIdx.x;
    const int32_t id = ids[token];
    if (first[id] != (int32_t)token)
        return;
    T *to = (T *)dtable + (size_t)id * hidden;
    float sum[COLUMNS];
    each_column(hidden, [&](size_t j, unsigned n) { sum[n] = widen(to[j]); });
    for (size_t start = token; start < tokens; start += SCAN) {
        __syncthreads();
        if (threadIdx.x < SCAN)
            seen[threadIdx.x] = start + threadIdx.x < tokens ? ids[start + threadIdx.x] : -1;
        __syncthreads();
        for (int i = 0; i < SCAN; i++) /* the same for all threads of the block */
            if (seen[i] == id)
                each_column(hidden,
                            [&](size_t j, unsigned n) { sum[n] += widen(dout[(start + (size_t)i) * hidden + j]); });
    }
    each_column(hidden, [&](size_t j, unsigned n) { narrow_to(&to[j], sum[n]); });
}

static void embed_backward(struct op_context *context, void *dtable, bool narrow, const op_real *dout,
                           const int32_t *ids, size_t tokens, size_t hidden, size_t vocabulary)
{
    struct cuda_plan rows = cuda_plan_blocks(tokens, SCAN);
    size_t used = 0;
    int32_t *first = (int32_t *)cuda_take(context, &used, vocabulary, sizeof(int32_t));
    if (tokens == 0)
        return;
    launch(context, "embed backward, ids", cuda_plan_items(tokens), forget_first, first, ids, tokens);
    launch(context, "embed backward, first", cuda_plan_items(tokens), find_first, first, ids, tokens);
    rows.grid_y = (unsigned)q_ceil_div(hidden, SPAN);
    launch(context, "embed backward", rows, narrow ? embed_backward_rows<real> : embed_backward_rows<float>, dtable,
           reals(dout), ids, first, tokens, hidden);
}

void CUDA_NAME(op_embedding)(struct op_table *table)
{
    table->embed = embed;
    table->embed_backward = embed_backward;
}
