/* route, gather and combine: slots sorted by expert, rows there and back.
 *
 * route is a counting sort in three steps: how often each chunk of slots has each expert; where each chunk's slots of an expert begin; and each slot
 * behind those before it in its chunk. */
#include "train/cuda/cuda_device.cuh"
#include "train/cuda/cuda_ops.h"
#include "train/cuda/cuda_workspace.h"

#include "base/check.h"

/* counts[chunk][e]. A block for each chunk; a thread counts the experts e, e + 256 ... */
static __global__ void count_chunk(int32_t *counts, const int32_t *chosen, size_t slots, size_t experts)
{
    __shared__ int32_t mine[CUDA_ROUTE_SLOTS];
    const size_t first = (size_t)blockIdx.x * CUDA_ROUTE_SLOTS;
    for (unsigned i = threadIdx.x; i < CUDA_ROUTE_SLOTS; i += blockDim.x)
        mine[i] = first + i < slots ? chosen[first + i] : -1;
    __syncthreads();
    for (size_t e = threadIdx.x; e < experts; e += blockDim.x) {
        int32_t count = 0;
        for (int i = 0; i < CUDA_ROUTE_SLOTS; i++)
            count += mine[i] == (int32_t)e;
        counts[blockIdx.x * experts + e] = count;
    }
}

/* One block: counts become the first rows of each chunk within its expert, and offsets those of the experts. */
static __global__ void scan_counts(int32_t *counts, int32_t *offsets, size_t chunks, size_t experts)
{
    for (size_t e = threadIdx.x; e < experts; e += blockDim.x) {
        int32_t sum = 0;
        for (size_t chunk = 0; chunk < chunks; chunk++) {
            const int32_t count = counts[chunk * experts + e];
            counts[chunk * experts + e] = sum;
            sum += count;
        }
        offsets[e + 1] = sum;
    }
    __syncthreads();
    if (threadIdx.x > 0)
        return;
    offsets[0] = 0;
    for (size_t e = 0; e < experts; e++) /* some hundred */
        offsets[e + 1] += offsets[e];
}

static __global__ void place_chunk(struct op_route r, const int32_t *counts, size_t slots)
{
    __shared__ int32_t mine[CUDA_ROUTE_SLOTS];
    const size_t first = (size_t)blockIdx.x * CUDA_ROUTE_SLOTS;
    for (unsigned i = threadIdx.x; i < CUDA_ROUTE_SLOTS; i += blockDim.x)
        mine[i] = first + i < slots ? r.chosen[first + i] : -1;
    __syncthreads();
    for (unsigned i = threadIdx.x; i < CUDA_ROUTE_SLOTS && first + i < slots; i += blockDim.x) {
        const int32_t e = mine[i];
        int32_t row = r.offsets[e] + counts[blockIdx.x * r.experts + (size_t)e];
        for (unsigned j = 0; j < i; j++)
            row += mine[j] == e;
        r.position[first + i] = row;
        r.source[row] = (int32_t)((first + i) / r.top_k);
        if (r.choice)
            r.choice[row] = (int32_t)(first + i);
    }
}

static void route(struct op_context *context, const struct op_route *r)
{
    const size_t slots = r->tokens * r->top_k, chunks = cuda_route_chunks(slots);
    size_t used = 0;
    int32_t *counts = (int32_t *)cuda_take(context, &used, chunks * r->experts, sizeof(int32_t));
    const struct cuda_plan each = cuda_plan_blocks(chunks, CUDA_THREADS);
    launch(context, "route, counts", each, count_chunk, counts, r->chosen, slots, r->experts);
    launch(context, "route, offsets", cuda_plan_blocks(1, CUDA_THREADS), scan_counts, counts, r->offsets, chunks,
           r->experts);
    launch(context, "route", each, place_chunk, *r, (const int32_t *)counts, slots);
}

/* Rows as moves of T. */
template <class T>
static __global__ void __launch_bounds__(CUDA_ROW_THREADS_MAX)
    gather_rows(T *out, const T *x, const int32_t *source, size_t slots, size_t width)
{
    const size_t row = row_index();
    if (row >= slots)
        return;
    const T *from = x + (size_t)source[row] * width;
    for (size_t i = threadIdx.x; i < width; i += blockDim.x)
        out[row * width + i] = from[i];
}

template <class T>
static void gather_by(struct op_context *context, void *out, const void *x, const int32_t *source, size_t slots,
                      size_t row_bytes)
{
    const size_t width = row_bytes / sizeof(T);
    launch(context, "gather", cuda_plan_rows(slots, width, 1), gather_rows<T>, (T *)out, (const T *)x, source, slots,
           width);
}

static void gather(struct op_context *context, void *out, const void *x, const int32_t *source, size_t slots,
                   size_t row_bytes)
{
    const size_t all = (size_t)(uintptr_t)out | (size_t)(uintptr_t)x | row_bytes;
    if (all % sizeof(uint4) == 0)
        gather_by<uint4>(context, out, x, source, slots, row_bytes);
    else if (all % sizeof(uint32_t) == 0)
        gather_by<uint32_t>(context, out, x, source, slots, row_bytes);
    else
        gather_by<uint8_t>(context, out, x, source, slots, row_bytes);
}

template <int N>
static __global__ void __launch_bounds__(CUDA_ROW_THREADS_MAX)
    gather_backward_rows(real *dx, const real *dout, const int32_t *position, size_t tokens, size_t top_k,
                         size_t hidden)
{
    const size_t row = row_index();
    if (row >= tokens)
        return;
    for (size_t i = threadIdx.x * N; i < hidden; i += blockDim.x * N) {
        float sum[N], d[N];
        load<N>(sum, dx + row * hidden + i);
        for (size_t k = 0; k < top_k; k++) {
            load<N>(d, dout + (size_t)position[row * top_k + k] * hidden + i);
            for (int j = 0; j < N; j++)
                sum[j] += d[j];
        }
        store<N>(dx + row * hidden + i, sum);
    }
}

static void gather_backward(struct op_context *context, op_real *dx, const op_real *dout, const int32_t *position,
                            size_t tokens, size_t top_k, size_t hidden)
{
    const bool packed = cuda_is_packed(dx, hidden, hidden) && cuda_is_packed(dout, hidden, hidden);
    launch(context, "gather backward", cuda_plan_rows(tokens, hidden, packed ? CUDA_PACK : 1),
           packed ? gather_backward_rows<CUDA_PACK> : gather_backward_rows<1>, reals_out(dx), reals(dout), position,
           tokens, top_k, hidden);
}

template <int N>
static __global__ void __launch_bounds__(CUDA_ROW_THREADS_MAX)
    combine_rows(real *out, const real *base, const real *y, const int32_t *position, const float *weights,
                 size_t tokens, size_t top_k, size_t hidden)
{
    const size_t row = row_index();
    if (row >= tokens)
        return;
    for (size_t i = threadIdx.x * N; i < hidden; i += blockDim.x * N) {
        float sum[N] = {0}, part[N];
        if (base)
            load<N>(sum, base + row * hidden + i);
        for (size_t k = 0; k < top_k; k++) {
            load<N>(part, y + (size_t)position[row * top_k + k] * hidden + i);
            for (int j = 0; j < N; j++)
                sum[j] += weights[row * top_k + k] * part[j];
        }
        store<N>(out + row * hidden + i, sum);
    }
}

static void combine(struct op_context *context, op_real *out, const op_real *base, const op_real *y,
                    const int32_t *position, const op_acc *weights, size_t tokens, size_t top_k, size_t hidden)
{
    const bool packed = cuda_is_packed(out, hidden, hidden) && cuda_is_packed(base, hidden, hidden) &&
                        cuda_is_packed(y, hidden, hidden);
    launch(context, "combine", cuda_plan_rows(tokens, hidden, packed ? CUDA_PACK : 1),
           packed ? combine_rows<CUDA_PACK> : combine_rows<1>, reals_out(out), reals(base), reals(y), position, weights,
           tokens, top_k, hidden);
}

/* A row is a slot. */
template <int N>
static __global__ void __launch_bounds__(CUDA_ROW_THREADS_MAX)
    combine_backward_rows(float *dweights, real *dinner, real *inner, const int32_t *position, const float *weights,
                          size_t slots, size_t width)
{
    const size_t slot = row_index();
    if (slot >= slots)
        return;
    real *d = dinner + (size_t)position[slot] * width, *x = inner + (size_t)position[slot] * width;
    const float weight = weights[slot];
    float sum = 0, a[N], b[N];
    for (size_t i = threadIdx.x * N; i < width; i += blockDim.x * N) {
        load<N>(a, d + i);
        load<N>(b, x + i);
        for (int j = 0; j < N; j++) {
            sum += a[j] * b[j];
            a[j] *= weight;
            b[j] *= weight;
        }
        store<N>(d + i, a);
        store<N>(x + i, b);
    }
    sum = row_sum(sum);
    if (threadIdx.x == 0)
        dweights[slot] = sum;
}

static void combine_backward(struct op_context *context, op_acc *dweights, op_real *dinner, op_real *inner,
                             const int32_t *position, const op_acc *weights, size_t tokens, size_t top_k, size_t width)
{
    const bool packed = cuda_is_packed(dinner, width, width) && cuda_is_packed(inner, width, width);
    launch(context, "combine backward", cuda_plan_rows(tokens * top_k, width, packed ? CUDA_PACK : 1),
           packed ? combine_backward_rows<CUDA_PACK> : combine_backward_rows<1>, dweights, reals_out(dinner),
           reals_out(inner), position, weights, tokens * top_k, width);
}

void CUDA_NAME(op_permutation)(struct op_table *table)
{
    table->route = route;
    table->gather = gather;
    table->gather_backward = gather_backward;
    table->combine = combine;
    table->combine_backward = combine_backward;
}
