/* attention: the softmax is kept online (Milakov and Gimelshein, arXiv 1805.02867).
 *
 * BF16 goes through cuDNN where that is wanted and has a way (op_attention_dnn.cu), else through the matrix units where its shapes suit them: Hopper's way on
 * Hopper (op_attention_hopper.cu), else Ampere's (cuda_flash.cuh), a block for each tile of queries. Else by the plain kernel, in floats, for any head sizes:
 * a warp for each query of a head, whose lanes take a key each, 32 at a time, and then a few columns of the values each. */
#include "train/cuda/cuda_flash.cuh"
#include "train/cuda/cuda_ops.h"

static __global__ void attention_rows(struct heads a)
{
    const struct place at = place_of(a, row_index());
    if (!at.inside)
        return;
    float *query = shared_floats() + threadIdx.y * (a.key + a.v), *sum = query + a.key;
    load_query(a, at, query);
    for (size_t i = threadIdx.x; i < a.v; i += CUDA_WARP)
        sum[i] = 0;
    __syncwarp();
    float max = -INFINITY, total = 0;
    for (size_t s0 = 0; s0 <= at.t; s0 += CUDA_WARP) {
        const size_t s = s0 + threadIdx.x;
        const float score = s <= at.t ? a.scale * score_of(a, at, query, s) : -INFINITY;
        const float higher = fmaxf(max, warp_max(score)), correction = expf(max - higher), p = expf(score - higher);
        total = total * correction + warp_sum(p);
        max = higher;
        add_values(a, at, sum, correction, p, s0);
    }
    for (size_t i = threadIdx.x; i < a.v; i += CUDA_WARP)
        narrow_to(&a.out[at.row * a.heads * a.v + at.head * a.v + i], sum[i] / total);
    if (threadIdx.x == 0)
        a.lse[(at.batch * a.heads + at.head) * a.sequence + at.t] = max + logf(total);
}

#ifdef CUDA_BF16
/* Scores become probabilities relative to the largest so far, and the sums are brought down to it. `unit`: what a score of 1 is as a power of two. The four
 * lanes of a row hold the same largest. No query is without a score: key 0 is in the first tile. */
template <unsigned PIECES, unsigned V, unsigned X>
static __device__ inline void online_softmax(struct softmax<PIECES, V> &sums, uint32_t (&p)[PIECES][X / 2][4],
                                             const float (&s)[PIECES][X][4], float unit)
{
#pragma unroll
    for (unsigned y = 0; y < PIECES; y++) {
#pragma unroll
        for (unsigned half = 0; half < 2; half++) {
            float max = sums.max[y][half], total = 0;
#pragma unroll
            for (unsigned x = 0; x < X; x++)
                max = fmaxf(max, fmaxf(s[y][x][2 * half], s[y][x][2 * half + 1]));
            max = fmaxf(max, __shfl_xor_sync(ALL_LANES, max, 1));
            max = fmaxf(max, __shfl_xor_sync(ALL_LANES, max, 2));
            const float correction = power_of_two((sums.max[y][half] - max) * unit), shift = -max * unit;
#pragma unroll
            for (unsigned x = 0; x < X; x++) {
                const float first = power_of_two(fmaf(s[y][x][2 * half], unit, shift)),
                            second = power_of_two(fmaf(s[y][x][2 * half + 1], unit, shift));
                total += first + second;
                p[y][x / 2][x % 2 * 2 + half] = narrow_pair(first, second);
            }
            sums.max[y][half] = max;
            sums.total[y][half] = sums.total[y][half] * correction + total;
#pragma unroll
            for (unsigned x = 0; x < V / 8; x++) {
                sums.out[y][x][2 * half] *= correction;
                sums.out[y][x][2 * half + 1] *= correction;
            }
        }
        __syncwarp(); /* one piece after the other: more at a time would want more registers than there are */
    }
}

/* One tile of keys and one of values: the values come while the scores are made, the next keys while values are weighed. */
template <unsigned KEY, unsigned V, unsigned WARPS>
static __global__ void __launch_bounds__(WARPS *CUDA_WARP) attention_tiles(struct heads a)
{
    constexpr unsigned THREADS = WARPS * CUDA_WARP, PIECES = CUDA_FLASH_QUERIES / 16 / WARPS, KEYS = CUDA_FLASH_KEYS;
    constexpr uint32_t queries = 0, keys = CUDA_FLASH_QUERIES * KEY * sizeof(real),
                       values = keys + KEYS * KEY * sizeof(real);
    const struct flash_place at = flash_place_of(a, CUDA_FLASH_QUERIES, true);
    const unsigned row0 = threadIdx.x / CUDA_WARP * 16 * PIECES, t0 = at.first + row0;
    const unsigned end = (unsigned)least(flash_length(a), at.first + CUDA_FLASH_QUERIES);
    struct softmax<PIECES, V> sums = softmax<PIECES, V>();
#pragma unroll
    for (unsigned y = 0; y < PIECES; y++)
        sums.max[y][0] = sums.max[y][1] = -INFINITY;
    copy_queries<CUDA_FLASH_QUERIES, KEY, THREADS>(a, at, queries, at.first);
    copy_keys<KEYS, KEY, THREADS>(a, at, keys, 0);
    copies_commit();
    for (unsigned s0 = 0; s0 < end; s0 += KEYS) {
        const bool seen = s0 < t0 + 16 * PIECES; /* by some of the warp's queries */
        float scores[PIECES][KEYS / 8][4] = {};
        copies_arrive(); /* the keys; and the values before are read */
        copy_values<KEYS, V, THREADS>(a, at, values, s0);
        copies_commit();
        if (seen)
            multiply_rows<KEY>(scores, queries, row0, keys);
        copies_arrive(); /* the values; and the keys are read */
        if (s0 + KEYS < end)
            copy_keys<KEYS, KEY, THREADS>(a, at, keys, s0 + KEYS);
        copies_commit();
        if (!seen)
            continue;
        if (s0 + KEYS > t0 + 1) /* the diagonal: its tile has keys behind the first query */
            each_sum(scores, [&](unsigned row, unsigned column, float &score) {
                if (s0 + column > t0 + row)
                    score = -INFINITY;
            });
        uint32_t weights[PIECES][KEYS / 16][4];
        online_softmax(sums, weights, scores, a.scale * LOG2_E);
        multiply_columns<V>(sums.out, weights, values);
    }
    write_out(a, at, sums, t0);
}

static void attention_flash(struct op_context *context, const struct heads &a)
{
    static void (*const kernels[CUDA_FLASH_SIZES])(struct heads) = {
        attention_tiles<64, 64, 4>, attention_tiles<128, 128, 4>, attention_tiles<192, 128, 4>,
        attention_tiles<256, 256, 8>};
    const unsigned size = cuda_flash_size(a.key, a.v);
    cuda_way_count(context, "attention", "mma");
    launch(context, "attention, mma", cuda_plan_flash(size, a.batch * a.heads, a.sequence), kernels[size], a);
}
#endif

static void attention(struct op_context *context, const struct op_attention *attention)
{
    const struct heads a = attention_of(attention);
#ifdef CUDA_BF16
    if (attention_dnn(context, attention) || attention_hopper(context, attention))
        return;
    if (suits_flash(context, attention, cuda_plan_flash)) {
        attention_flash(context, a);
        return;
    }
#endif
    cuda_way_count(context, "attention", "plain");
    launch(context, "attention", attention_plan(a, a.key + a.v), attention_rows, a);
}

void CUDA_NAME(op_attention)(struct op_table *table)
{
    table->attention = attention;
}
