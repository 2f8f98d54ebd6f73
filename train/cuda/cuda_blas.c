#include "train/cuda/cuda_blas.h"

#include "base/check.h"
#include "base/memory.h"
#include "train/cuda/cuda_plan.h"

#include <cublasLt.h>
#include <dlfcn.h>
#include <string.h>

/* What is called of the library. */
#define FUNCTIONS(F)                                                                                                   \
    F(cublasLtCreate)                                                                                                  \
    F(cublasLtDestroy)                                                                                                 \
    F(cublasLtMatmul)                                                                                                  \
    F(cublasLtMatmulAlgoGetHeuristic)                                                                                  \
    F(cublasLtMatmulDescCreate)                                                                                        \
    F(cublasLtMatmulDescDestroy)                                                                                       \
    F(cublasLtMatmulDescSetAttribute)                                                                                  \
    F(cublasLtMatmulPreferenceCreate)                                                                                  \
    F(cublasLtMatmulPreferenceDestroy)                                                                                 \
    F(cublasLtMatmulPreferenceSetAttribute)                                                                            \
    F(cublasLtMatrixLayoutCreate)                                                                                      \
    F(cublasLtMatrixLayoutDestroy)

struct functions {
#define MEMBER(name) __typeof__(&name) name;
    FUNCTIONS(MEMBER)
#undef MEMBER
};

/* A shape that was seen, as the library has it: its matrices are column-major, so that ours are theirs transposed, and C^T = B^T A^T. The first matrix
 * is our B, the second our A. */
struct shape {
    struct cuda_product product; /* without addresses */
    uint32_t alignment[3];       /* of b, a and c, in bytes */
    cublasLtMatmulDesc_t operation;
    cublasLtMatrixLayout_t layouts[3]; /* of b, a and c */
    cublasLtMatmulAlgo_t algorithm;
    bool refused; /* there is none */
};

enum { SHAPES_MAX = 1024 };

struct cuda_blas {
    void *library;
    struct functions call;
    cublasLtHandle_t handle;
    bool deterministic;
    struct shape *shapes[SHAPES_MAX]; /* by hash, the next free place behind */
    size_t shape_count;
};

static q_status load_functions(struct cuda_blas *blas)
{
    static const char *const names[] = {"libcublasLt.so.13", "libcublasLt.so.12"}; /* another version calls otherwise */
    for (size_t i = 0; i < Q_COUNT_OF(names) && !blas->library; i++)
        blas->library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    if (!blas->library)
        return q_fail(Q_ERR_SYSTEM,
                      "there is no cuBLASLt (libcublasLt.so.13 or .12) to multiply matrices with; install cuBLAS, or "
                      "add its folder to LD_LIBRARY_PATH");
    const struct {
        const char *name;
        size_t offset;
    } wanted[] = {
#define WANTED(name) {#name, offsetof(struct functions, name)},
        FUNCTIONS(WANTED)
#undef WANTED
    };
    for (size_t i = 0; i < Q_COUNT_OF(wanted); i++) {
        void *function = dlsym(blas->library, wanted[i].name);
        if (!function)
            return q_fail(Q_ERR_SYSTEM, "the cuBLASLt that is installed lacks '%s'; install version 12 or 13",
                          wanted[i].name);
        memcpy((char *)&blas->call + wanted[i].offset, &function, sizeof function);
    }
    return Q_OK;
}

q_status cuda_blas_create(bool deterministic, struct cuda_blas **out)
{
    struct cuda_blas *blas;
    Q_TRY(q_alloc_zero(1, sizeof *blas, &blas));
    blas->deterministic = deterministic;
    q_status status = load_functions(blas);
    if (!status && blas->call.cublasLtCreate(&blas->handle) != CUBLAS_STATUS_SUCCESS) {
        blas->handle = NULL;
        status = q_fail(Q_ERR_SYSTEM, "cuBLASLt does not start on this GPU");
    }
    if (status)
        cuda_blas_release(blas);
    else
        *out = blas;
    return status;
}

static void shape_release(const struct cuda_blas *blas, struct shape *shape)
{
    if (shape->operation)
        (void)blas->call.cublasLtMatmulDescDestroy(shape->operation);
    for (size_t i = 0; i < Q_COUNT_OF(shape->layouts); i++)
        if (shape->layouts[i])
            (void)blas->call.cublasLtMatrixLayoutDestroy(shape->layouts[i]);
    q_release(shape);
}

static void forget_shapes(struct cuda_blas *blas)
{
    for (size_t i = 0; i < SHAPES_MAX; i++) {
        if (blas->shapes[i])
            shape_release(blas, blas->shapes[i]);
        blas->shapes[i] = NULL;
    }
    blas->shape_count = 0;
}

/* The library itself stays: its kernels would be loaded again for the next context. */
void cuda_blas_release(struct cuda_blas *blas)
{
    if (!blas)
        return;
    forget_shapes(blas);
    if (blas->handle)
        (void)blas->call.cublasLtDestroy(blas->handle);
    q_release(blas);
}

/* The largest power of two up to 256 that divides the address and the row's bytes. */
static uint32_t alignment_of(const void *address, size_t stride, bool narrow)
{
    const size_t both = (size_t)(uintptr_t)address | stride * (narrow ? 2 : 4) | 256;
    return (uint32_t)(both & (~both + 1));
}

/* Everything that decides on the algorithm, without addresses; all bytes are set. */
static void key_of(const struct cuda_product *product, struct shape *key)
{
    memset(key, 0, sizeof *key);
    key->product.kind = product->kind;
    key->product.m = product->m;
    key->product.n = product->n;
    key->product.k = product->k;
    key->product.a_stride = product->a_stride;
    key->product.b_stride = product->b_stride;
    key->product.c_stride = product->c_stride;
    key->product.narrow = product->narrow;
    key->product.narrow_c = product->narrow_c;
    key->product.accumulate = product->accumulate;
    key->alignment[0] = alignment_of(product->b, product->b_stride, product->narrow);
    key->alignment[1] = alignment_of(product->a, product->a_stride, product->narrow);
    key->alignment[2] = alignment_of(product->c, product->c_stride, product->narrow_c);
}

enum { KEY_BYTES = offsetof(struct shape, operation) };

static size_t hash_of(const struct shape *key)
{
    uint64_t hash = 0xcbf29ce484222325U; /* FNV-1a */
    for (size_t i = 0; i < KEY_BYTES; i++)
        hash = (hash ^ ((const unsigned char *)key)[i]) * 0x100000001b3U;
    return (size_t)(hash % SHAPES_MAX);
}

static cublasStatus_t describe_operation(const struct cuda_blas *blas, struct shape *shape)
{
    const struct cuda_product *p = &shape->product;
    const cublasOperation_t b = p->kind == OP_NT ? CUBLAS_OP_T : CUBLAS_OP_N,
                            a = p->kind == OP_TN ? CUBLAS_OP_T : CUBLAS_OP_N;
    cublasStatus_t status = blas->call.cublasLtMatmulDescCreate(&shape->operation, CUBLAS_COMPUTE_32F, CUDA_R_32F);
    if (!status)
        status = blas->call.cublasLtMatmulDescSetAttribute(shape->operation, CUBLASLT_MATMUL_DESC_TRANSA, &b, sizeof b);
    if (!status)
        status = blas->call.cublasLtMatmulDescSetAttribute(shape->operation, CUBLASLT_MATMUL_DESC_TRANSB, &a, sizeof a);
    return status;
}

static cublasStatus_t describe_matrices(const struct cuda_blas *blas, struct shape *shape)
{
    const struct cuda_product *p = &shape->product;
    const bool b_turned = p->kind == OP_NT, a_turned = p->kind == OP_TN;
    const struct {
        bool narrow;
        size_t rows, columns, stride; /* column-major */
    } each[] = {{p->narrow, b_turned ? p->k : p->n, b_turned ? p->n : p->k, p->b_stride},
                {p->narrow, a_turned ? p->m : p->k, a_turned ? p->k : p->m, p->a_stride},
                {p->narrow_c, p->n, p->m, p->c_stride}};
    cublasStatus_t status = CUBLAS_STATUS_SUCCESS;
    for (size_t i = 0; i < Q_COUNT_OF(each) && !status; i++)
        status = blas->call.cublasLtMatrixLayoutCreate(&shape->layouts[i], each[i].narrow ? CUDA_R_16BF : CUDA_R_32F,
                                                       each[i].rows, each[i].columns, (int64_t)each[i].stride);
    return status;
}

/* How the parts of a product whose depth is split may be added up. In FP32, so not as C's type where that is another, nor in place there, which is C. And in
 * place they come in whatever order: not where the same bits are wanted every time. */
static uint32_t reductions_of(const struct cuda_blas *blas, const struct shape *shape)
{
    const bool in_place = !blas->deterministic && !shape->product.narrow_c;
    return CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE | (in_place ? CUBLASLT_REDUCTION_SCHEME_INPLACE : 0);
}

static cublasStatus_t describe_preference(const struct cuda_blas *blas, const struct shape *shape,
                                          cublasLtMatmulPreference_t preference)
{
    const uint64_t workspace = CUDA_BLAS_WORKSPACE;
    const uint32_t reductions = reductions_of(blas, shape);
    const struct {
        cublasLtMatmulPreferenceAttributes_t attribute;
        const void *value;
        size_t bytes;
    } each[] = {{CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace, sizeof workspace},
                {CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &reductions, sizeof reductions},
                {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, &shape->alignment[0], sizeof(uint32_t)},
                {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, &shape->alignment[1], sizeof(uint32_t)},
                {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, &shape->alignment[2], sizeof(uint32_t)},
                {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, &shape->alignment[2], sizeof(uint32_t)}};
    cublasStatus_t status = CUBLAS_STATUS_SUCCESS;
    for (size_t i = 0; i < Q_COUNT_OF(each) && !status; i++)
        status = blas->call.cublasLtMatmulPreferenceSetAttribute(preference, each[i].attribute, each[i].value,
                                                                 each[i].bytes);
    return status;
}

/* Not supported where there is none: by the call, by their number, or by the one's own state. */
static cublasStatus_t choose_algorithm(const struct cuda_blas *blas, struct shape *shape)
{
    cublasLtMatmulHeuristicResult_t found = {.state = CUBLAS_STATUS_NOT_SUPPORTED};
    cublasLtMatmulPreference_t preference;
    int count = 0;
    cublasStatus_t status = blas->call.cublasLtMatmulPreferenceCreate(&preference);
    if (status)
        return status;
    status = describe_preference(blas, shape, preference);
    if (!status)
        status = blas->call.cublasLtMatmulAlgoGetHeuristic(blas->handle, shape->operation, shape->layouts[0],
                                                           shape->layouts[1], shape->layouts[2], shape->layouts[2],
                                                           preference, 1, &found, &count);
    (void)blas->call.cublasLtMatmulPreferenceDestroy(preference);
    if (!status)
        status = count == 1 ? found.state : CUBLAS_STATUS_NOT_SUPPORTED;
    shape->algorithm = found.algo;
    return status;
}

static cublasStatus_t describe(const struct cuda_blas *blas, struct shape *shape)
{
    cublasStatus_t status = describe_operation(blas, shape);
    if (!status)
        status = describe_matrices(blas, shape);
    if (!status)
        status = choose_algorithm(blas, shape);
    if (status == CUBLAS_STATUS_NOT_SUPPORTED) { /* kept, so that it is asked once */
        shape->refused = true;
        status = CUBLAS_STATUS_SUCCESS;
    }
    return status;
}

/* The key's place in the table: its shape's, or the free one where it belongs. */
static struct shape **place_of(struct cuda_blas *blas, const struct shape *key)
{
    size_t at = hash_of(key);
    while (blas->shapes[at] && memcmp(blas->shapes[at], key, KEY_BYTES) != 0)
        at = (at + 1) % SHAPES_MAX;
    return &blas->shapes[at];
}

/* The shape of the key: from the table, or new. */
static cublasStatus_t find_shape(struct cuda_blas *blas, const struct shape *key, struct shape **out)
{
    struct shape **place = place_of(blas, key), *shape;
    if ((*out = *place))
        return CUBLAS_STATUS_SUCCESS;
    if (blas->shape_count == SHAPES_MAX / 2) { /* a cache: it begins again */
        forget_shapes(blas);
        place = place_of(blas, key);
    }
    if (q_alloc_zero(1, sizeof *shape, &shape) != Q_OK)
        return CUBLAS_STATUS_ALLOC_FAILED;
    memcpy(shape, key, KEY_BYTES);
    const cublasStatus_t status = describe(blas, shape);
    if (status) {
        shape_release(blas, shape);
        return status;
    }
    blas->shape_count++;
    *out = *place = shape;
    return CUBLAS_STATUS_SUCCESS;
}

static cudaError_t error_of(cublasStatus_t status)
{
    switch (status) {
    case CUBLAS_STATUS_SUCCESS:
        return cudaSuccess;
    case CUBLAS_STATUS_NOT_SUPPORTED:
        return cudaErrorNotSupported;
    case CUBLAS_STATUS_ALLOC_FAILED:
        return cudaErrorMemoryAllocation;
    case CUBLAS_STATUS_INVALID_VALUE:
        return cudaErrorInvalidValue;
    case CUBLAS_STATUS_EXECUTION_FAILED:
        return cudaErrorLaunchFailure;
    default:
        return cudaErrorUnknown;
    }
}

cudaError_t cuda_blas_multiply(struct cuda_blas *blas, cudaStream_t stream, void *workspace,
                               const struct cuda_product *product)
{
    const float one = 1.0F, before = product->accumulate ? 1.0F : 0.0F;
    struct shape key, *shape;
    key_of(product, &key);
    cublasStatus_t status = find_shape(blas, &key, &shape);
    if (!status && shape->refused)
        status = CUBLAS_STATUS_NOT_SUPPORTED;
    if (!status) {
        status =
            blas->call.cublasLtMatmul(blas->handle, shape->operation, &one, product->b, shape->layouts[0], product->a,
                                      shape->layouts[1], &before, product->c, shape->layouts[2], product->c,
                                      shape->layouts[2], &shape->algorithm, workspace, CUDA_BLAS_WORKSPACE, stream);
        shape->refused = status == CUBLAS_STATUS_NOT_SUPPORTED;
    }
    return error_of(status);
}
