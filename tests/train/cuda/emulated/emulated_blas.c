/* train/cuda/cuda_blas.h by loops, on the emulated device. */
#include "train/cuda/cuda_blas.h"

#include "base/memory.h"
#include "train/bfloat16.h"

struct cuda_blas {
    int unused;
};

q_status cuda_blas_create(struct cuda_blas **out)
{
    return q_alloc_zero(1, sizeof **out, out);
}

void cuda_blas_release(struct cuda_blas *blas)
{
    q_release(blas);
}

static float number_at(const void *numbers, bool narrow, size_t i)
{
    return narrow ? bfloat16_to_float(((const uint16_t *)numbers)[i]) : ((const float *)numbers)[i];
}

static float sum_at(const struct cuda_product *p, size_t i, size_t j)
{
    float sum = 0;
    for (size_t k = 0; k < p->k; k++)
        sum += number_at(p->a, p->narrow, p->kind == OP_TN ? k * p->a_stride + i : i * p->a_stride + k) *
               number_at(p->b, p->narrow, p->kind == OP_NT ? j * p->b_stride + k : k * p->b_stride + j);
    return sum;
}

cudaError_t cuda_blas_multiply(struct cuda_blas *blas, cudaStream_t stream, void *workspace,
                               const struct cuda_product *product)
{
    (void)blas;
    (void)stream;
    (void)workspace;
    emulated_begin();
    for (size_t i = 0; i < product->m; i++)
        for (size_t j = 0; j < product->n; j++) {
            const size_t at = i * product->c_stride + j;
            float sum = sum_at(product, i, j);
            if (product->accumulate)
                sum += number_at(product->c, product->narrow_c, at);
            if (product->narrow_c)
                ((uint16_t *)product->c)[at] = bfloat16_of_float(sum);
            else
                ((float *)product->c)[at] = sum;
        }
    emulated_end();
    return cudaSuccess;
}
