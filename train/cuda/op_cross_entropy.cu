/* cross_entropy: logits of a block of tokens into the workspace, a row for a block of threads, their gradient in the same place (as reals
 * beside it, where those are BF16), and its two products. */
#include "train/cuda/cuda_ops.h"
#include "train/cuda/cuda_product.cuh"

#include "base/check.h"

struct rows {
    const float *logits;
    real *dlogits; /* NULL: losses only */
    const int32_t *targets;
    float *losses, *log_z;
    size_t rows, vocabulary, stride;
    float grad_scale, z_loss;
};

static __global__ void __launch_bounds__(CUDA_ROW_THREADS_MAX) cross_entropy_rows(struct rows r)
{
    const size_t row = row_index();
    if (row >= r.rows)
        return;
    const float *logits = r.logits + row * r.stride;
    const int32_t target = r.targets[row];
    const float chosen =
        target < 0 ? 0.0F
                   : logits[target]; /* before the sums: behind them dlogits is written, which may be the logits */
    float max = -INFINITY, sum = 0;
    for (size_t v = threadIdx.x; v < r.vocabulary; v += blockDim.x)
        max = fmaxf(max, logits[v]);
    max = row_max(max);
    for (size_t v = threadIdx.x; v < r.vocabulary; v += blockDim.x)
        sum += expf(logits[v] - max);
    sum = row_sum(sum);
    const float log_z = max + logf(sum);
    if (threadIdx.x == 0) {
        r.losses[row] = target < 0 ? 0.0F : log_z - chosen;
        if (r.log_z)
            r.log_z[row] = target < 0 ? 0.0F : log_z;
    }
    if (!r.dlogits)
        return;
    const float scale = target < 0 ? 0.0F : r.grad_scale;
    const float factor = (1.0F + 2.0F * r.z_loss * log_z) * scale / sum;
    for (size_t v = threadIdx.x; v < r.vocabulary; v += blockDim.x) {
        const float d = expf(logits[v] - max) * factor - ((size_t)target == v ? scale : 0.0F);
        narrow_to(&r.dlogits[row * r.stride + v], target < 0 ? 0.0F : d);
    }
}

/* The block of tokens from `first` on. */
static void block(struct op_context *context, const struct op_cross_entropy *l, size_t first, size_t count, void *room,
                  float *logits, real *dlogits)
{
    const real *x = reals(l->x) + first * l->hidden;
    struct cuda_product product = {};
    product.kind = OP_NT;
    product.m = count;
    product.n = l->vocabulary;
    product.k = l->hidden;
    product.a = x;
    product.b = l->weight;
    product.c = logits;
    product.a_stride = product.b_stride = l->hidden;
    product.c_stride = cuda_logits_stride(l->vocabulary);
    product.narrow = CUDA_NARROW;
    CUDA_NAME(cuda_multiply)(context, room, &product, "cross-entropy, logits");
    const struct rows rows = {logits,
                              l->dx ? dlogits : NULL,
                              l->targets + first,
                              l->losses + first,
                              l->log_z ? l->log_z + first : NULL,
                              count,
                              l->vocabulary,
                              cuda_logits_stride(l->vocabulary),
                              l->grad_scale,
                              l->z_loss};
    launch(context, "cross-entropy", cuda_plan_rows(count, l->vocabulary, 1), cross_entropy_rows, rows);
    if (!l->dx || context->error)
        return;
    product.kind = OP_NN;
    product.n = l->hidden;
    product.k = l->vocabulary;
    product.a = dlogits;
    product.c = reals_out(l->dx) + first * l->hidden;
    product.a_stride = cuda_logits_stride(l->vocabulary);
    product.c_stride = l->hidden;
    product.narrow_c = CUDA_NARROW;
    CUDA_NAME(cuda_multiply)(context, room, &product, "cross-entropy, dx");
    product.kind = OP_TN;
    product.m = l->vocabulary;
    product.k = count;
    product.b = x;
    product.c = l->dweight;
    product.narrow_c = CUDA_NARROW && l->narrow;
    product.accumulate = true;
    CUDA_NAME(cuda_multiply)(context, room, &product, "cross-entropy, dweight");
}

static void cross_entropy(struct op_context *context, const struct op_cross_entropy *l)
{
    const size_t each = cuda_logits_rows(l->tokens, l->vocabulary, sizeof(real));
    size_t used = 0;
    void *room = cuda_take(context, &used, CUDA_BLAS_WORKSPACE, 1);
    const size_t count = each * cuda_logits_stride(l->vocabulary);
    float *logits = (float *)cuda_take(context, &used, count, sizeof(float));
    real *dlogits = CUDA_NARROW ? (real *)cuda_take(context, &used, count, sizeof(real)) : (real *)(void *)logits;
    for (size_t first = 0; first < l->tokens && !context->error; first += each)
        block(context, l, first, Q_MIN(each, l->tokens - first), room, logits, dlogits);
}

void CUDA_NAME(op_cross_entropy)(struct op_table *table)
{
    table->cross_entropy = cross_entropy;
}
