/* libcublasLt.so.13 over the emulated device: the calls that train/cuda/cuda_blas.c makes, as cuBLASLt's manual defines them, by loops. D = alpha op(A)
 * op(B) + beta C, all matrices column-major. Stricter than NVIDIA's: what that may leave undefined (a row beyond the stride, memory of the host, an address
 * less aligned than was said, an algorithm of another product) is CUBLAS_STATUS_INVALID_VALUE here. Of the workspace it spoils what its algorithm asked
 * for; and where the mask allows sums in place, every second product adds from the other end, so that its bits change. */
#include "base/check.h"
#include "emulated_blas.h"
#include "emulated_graph.h"
#include "train/bfloat16.h"

enum { RUBBISH_BYTES_MAX = 16 << 10 }; /* pages that were touched make mprotect slow */

#define EXPORT __attribute__((visibility("default")))

/* The first member of everything that is handed out. */
enum tag { HANDLE = 0x48414e44, OPERATION, LAYOUT, PREFERENCE, ALGORITHM };

struct emulated_handle {
    enum tag tag;
};

struct emulated_operation {
    enum tag tag;
    cublasComputeType_t compute;
    cudaDataType_t scale;
    cublasOperation_t turns[2]; /* of A and B */
};

struct emulated_layout {
    enum tag tag;
    cudaDataType_t type;
    uint64_t rows, columns;
    int64_t stride;
};

struct emulated_preference {
    enum tag tag;
    uint64_t workspace;
    uint32_t reductions;
    uint32_t alignment[4]; /* of A, B, C and D */
};

/* What one computes, and the algorithm that was found for it. */
struct problem {
    struct emulated_operation operation;
    struct emulated_layout layouts[4]; /* of A, B, C and D */
};

struct algorithm {
    enum tag tag;
    bool in_place;
    uint32_t alignment[4];
    uint64_t workspace, problem; /* its hash */
};
static_assert(sizeof(struct algorithm) <= sizeof(cublasLtMatmulAlgo_t), "an algorithm is 64 bytes");

static cublasStatus_t next_call(void)
{
    if (emulated_blas.fail_at && --emulated_blas.fail_at == 0)
        return emulated_blas.fail_with;
    return CUBLAS_STATUS_SUCCESS;
}

/* A copy of the object, counted; it begins with its tag. */
static cublasStatus_t create(void *out, const void *object, size_t bytes)
{
    const cublasStatus_t status = next_call();
    void *copy = NULL;
    if (status)
        return status;
    if (!out || !(copy = malloc(bytes)))
        return CUBLAS_STATUS_INVALID_VALUE;
    memcpy(copy, object, bytes);
    memcpy(out, &copy, sizeof copy);
    emulated_blas.alive++;
    return CUBLAS_STATUS_SUCCESS;
}

static bool is_a(const void *object, enum tag tag)
{
    return object && memcmp(object, &tag, sizeof tag) == 0;
}

static cublasStatus_t destroy(void *object, enum tag tag)
{
    if (!is_a(object, tag))
        return CUBLAS_STATUS_INVALID_VALUE;
    free(object);
    emulated_blas.alive--;
    return CUBLAS_STATUS_SUCCESS;
}

EXPORT cublasStatus_t cublasLtCreate(cublasLtHandle_t *handle)
{
    const struct emulated_handle new = {HANDLE};
    return create(handle, &new, sizeof new);
}

EXPORT cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle)
{
    return destroy(handle, HANDLE);
}

EXPORT cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *operation, cublasComputeType_t compute,
                                               cudaDataType_t scale)
{
    const struct emulated_operation new = {OPERATION, compute, scale, {CUBLAS_OP_N, CUBLAS_OP_N}};
    return create(operation, &new, sizeof new);
}

EXPORT cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t operation)
{
    return destroy(operation, OPERATION);
}

EXPORT cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t operation,
                                                     cublasLtMatmulDescAttributes_t attribute, const void *value,
                                                     size_t bytes)
{
    const cublasStatus_t status = next_call();
    const bool known = attribute == CUBLASLT_MATMUL_DESC_TRANSA || attribute == CUBLASLT_MATMUL_DESC_TRANSB;
    int32_t turn;
    if (status)
        return status;
    if (!is_a(operation, OPERATION) || !known || !value || bytes != sizeof turn)
        return CUBLAS_STATUS_INVALID_VALUE;
    memcpy(&turn, value, sizeof turn);
    operation->turns[attribute - CUBLASLT_MATMUL_DESC_TRANSA] = (cublasOperation_t)turn;
    return CUBLAS_STATUS_SUCCESS;
}

EXPORT cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *layout, cudaDataType_t type, uint64_t rows,
                                                 uint64_t columns, int64_t stride)
{
    const struct emulated_layout new = {LAYOUT, type, rows, columns, stride};
    return create(layout, &new, sizeof new);
}

EXPORT cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout)
{
    return destroy(layout, LAYOUT);
}

EXPORT cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *preference)
{
    const struct emulated_preference new = {PREFERENCE, 0, CUBLASLT_REDUCTION_SCHEME_MASK, {256, 256, 256, 256}};
    return create(preference, &new, sizeof new);
}

EXPORT cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference)
{
    return destroy(preference, PREFERENCE);
}

EXPORT cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
                                                           cublasLtMatmulPreferenceAttributes_t attribute,
                                                           const void *value, size_t bytes)
{
    const cublasStatus_t status = next_call();
    if (status)
        return status;
    if (!is_a(preference, PREFERENCE) || !value)
        return CUBLAS_STATUS_INVALID_VALUE;
    const unsigned matrix = (unsigned)attribute - CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES;
    size_t wanted = sizeof(uint32_t);
    void *to = matrix < 4 ? &preference->alignment[matrix] : &preference->reductions;
    if (attribute == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES) {
        to = &preference->workspace;
        wanted = sizeof(uint64_t);
    } else if (matrix >= 4 && attribute != CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK) {
        return CUBLAS_STATUS_INVALID_VALUE;
    }
    if (bytes != wanted)
        return CUBLAS_STATUS_INVALID_VALUE;
    memcpy(to, value, bytes);
    return CUBLAS_STATUS_SUCCESS;
}

static size_t element_bytes(cudaDataType_t type)
{
    return type == CUDA_R_16BF ? sizeof(uint16_t) : sizeof(float);
}

/* Its bytes, from the first column's first number to the last one's last. */
static size_t bytes_of(const struct emulated_layout *layout)
{
    return ((layout->columns - 1) * (size_t)layout->stride + layout->rows) * element_bytes(layout->type);
}

/* Rows and columns of op(X). */
static uint64_t rows_of(const struct problem *p, int i)
{
    return p->operation.turns[i] == CUBLAS_OP_T ? p->layouts[i].columns : p->layouts[i].rows;
}

static uint64_t columns_of(const struct problem *p, int i)
{
    return p->operation.turns[i] == CUBLAS_OP_T ? p->layouts[i].rows : p->layouts[i].columns;
}

static bool is_matrix(const struct emulated_layout *layout)
{
    return (layout->type == CUDA_R_32F || layout->type == CUDA_R_16BF) && layout->rows > 0 && layout->columns > 0 &&
           layout->stride > 0 && (uint64_t)layout->stride >= layout->rows;
}

/* Sums in FP32 of FP32, or of BF16 into either; whether the four matrices fit together. */
static bool is_sound(const struct problem *p)
{
    const struct emulated_layout *a = &p->layouts[0], *b = &p->layouts[1], *c = &p->layouts[2], *d = &p->layouts[3];
    if (p->operation.compute != CUBLAS_COMPUTE_32F || p->operation.scale != CUDA_R_32F)
        return false;
    for (int i = 0; i < 2; i++)
        if (p->operation.turns[i] != CUBLAS_OP_N && p->operation.turns[i] != CUBLAS_OP_T)
            return false;
    for (int i = 0; i < 4; i++)
        if (!is_matrix(&p->layouts[i]))
            return false;
    return a->type == b->type && (a->type == CUDA_R_16BF || d->type == CUDA_R_32F) && c->type == d->type &&
           c->stride == d->stride && c->rows == d->rows && c->columns == d->columns && rows_of(p, 0) == d->rows &&
           columns_of(p, 0) == rows_of(p, 1) && columns_of(p, 1) == d->columns;
}

/* By hand: the structures have holes. */
static uint64_t hash_of(const struct problem *p)
{
    uint64_t hash = (uint64_t)p->operation.turns[0] * 2 + (uint64_t)p->operation.turns[1];
    for (int i = 0; i < 4; i++) {
        const struct emulated_layout *layout = &p->layouts[i];
        const uint64_t each[] = {layout->type, layout->rows, layout->columns, (uint64_t)layout->stride};
        for (size_t j = 0; j < Q_COUNT_OF(each); j++)
            hash = (hash ^ each[j]) * 0x9e3779b97f4a7c15U;
    }
    return hash;
}

static bool take_problem(cublasLtMatmulDesc_t operation, const cublasLtMatrixLayout_t *layouts, struct problem *out)
{
    if (!is_a(operation, OPERATION))
        return false;
    out->operation = *operation;
    for (int i = 0; i < 4; i++) {
        if (!is_a(layouts[i], LAYOUT))
            return false;
        out->layouts[i] = *layouts[i];
    }
    return is_sound(out);
}

/* One that adds parts of k in the workspace, where it may and there is room for them; a stride must be aligned as the addresses are. */
static bool find_algorithm(const struct problem *p, const struct emulated_preference *preference,
                           struct algorithm *algorithm)
{
    const uint64_t parts = p->layouts[3].rows * p->layouts[3].columns * sizeof(float);
    *algorithm = (struct algorithm){.tag = ALGORITHM,
                                    .in_place = preference->reductions & CUBLASLT_REDUCTION_SCHEME_INPLACE,
                                    .problem = hash_of(p)};
    if (preference->reductions & CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE && parts <= preference->workspace)
        algorithm->workspace = parts;
    for (int i = 0; i < 4; i++) {
        const uint32_t alignment = preference->alignment[i];
        const size_t element = element_bytes(p->layouts[i].type);
        if (alignment < element || alignment & (alignment - 1) ||
            (size_t)p->layouts[i].stride * element % alignment != 0)
            return false;
        algorithm->alignment[i] = alignment;
    }
    return true;
}

EXPORT cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t operation,
                                                     cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                                     cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                                     cublasLtMatmulPreference_t preference, int wanted,
                                                     cublasLtMatmulHeuristicResult_t *results, int *count)
{
    const cublasLtMatrixLayout_t layouts[] = {a, b, c, d};
    const cublasStatus_t status = next_call();
    struct problem problem;
    struct algorithm algorithm;
    if (status)
        return status;
    if (!is_a(handle, HANDLE) || !is_a(preference, PREFERENCE) || wanted < 1 || !results || !count ||
        !take_problem(operation, layouts, &problem) || !find_algorithm(&problem, preference, &algorithm))
        return CUBLAS_STATUS_INVALID_VALUE;
    emulated_blas.searched++;
    if (emulated_blas.refusal == REFUSES_BY_STATUS)
        return CUBLAS_STATUS_NOT_SUPPORTED;
    *count = emulated_blas.refusal == REFUSES_BY_COUNT ? 0 : 1;
    if (*count == 0)
        return CUBLAS_STATUS_SUCCESS;
    *results = (cublasLtMatmulHeuristicResult_t){.workspaceSize = algorithm.workspace};
    memcpy(&results->algo, &algorithm, sizeof algorithm);
    results->state = emulated_blas.refusal == REFUSES_BY_STATE ? CUBLAS_STATUS_NOT_SUPPORTED : CUBLAS_STATUS_SUCCESS;
    return CUBLAS_STATUS_SUCCESS;
}

static float number_at(const void *matrix, cudaDataType_t type, size_t i)
{
    return type == CUDA_R_16BF ? bfloat16_to_float(((const uint16_t *)matrix)[i]) : ((const float *)matrix)[i];
}

/* op(X) as floats without holes between columns; NULL where there is no memory. */
static float *widened(const struct problem *p, int which, const void *matrix)
{
    const uint64_t rows = rows_of(p, which), columns = columns_of(p, which);
    const size_t stride = (size_t)p->layouts[which].stride;
    const bool turned = p->operation.turns[which] == CUBLAS_OP_T;
    float *out = malloc(rows * columns * sizeof *out);
    for (size_t j = 0; out && j < columns; j++)
        for (size_t i = 0; i < rows; i++)
            out[j * rows + i] = number_at(matrix, p->layouts[which].type, turned ? i * stride + j : j * stride + i);
    return out;
}

/* C is not read where beta is 0. */
static void write_column(const struct emulated_layout *layout, size_t j, const float *sums, float alpha, float beta,
                         const void *c, void *d)
{
    for (size_t i = 0; i < layout->rows; i++) {
        const size_t at = j * (size_t)layout->stride + i;
        const float x = alpha * sums[i] + (beta != 0 ? beta * number_at(c, layout->type, at) : 0);
        if (layout->type == CUDA_R_16BF)
            ((uint16_t *)d)[at] = bfloat16_of_float(x);
        else
            ((float *)d)[at] = x;
    }
}

/* A column of C at a time, in order of k. */
static bool compute(const struct problem *p, bool backwards, float alpha, const void *a, const void *b, float beta,
                    const void *c, void *d)
{
    const size_t m = p->layouts[3].rows, n = p->layouts[3].columns, depth = columns_of(p, 0);
    float *left = widened(p, 0, a), *right = widened(p, 1, b), *sums = malloc(m * sizeof *sums);
    const bool good = left && right && sums;
    for (size_t j = 0; good && j < n; j++) {
        memset(sums, 0, m * sizeof *sums);
        for (size_t step = 0; step < depth; step++) {
            const size_t k = backwards ? depth - 1 - step : step;
            const float factor = right[j * depth + k];
            for (size_t i = 0; i < m; i++)
                sums[i] += left[k * m + i] * factor;
        }
        write_column(&p->layouts[3], j, sums, alpha, beta, c, d);
    }
    free(left);
    free(right);
    free(sums);
    return good;
}

/* Memory of the device, as aligned as was said. */
static bool are_matrices(const struct problem *p, const struct algorithm *algorithm, const void *const *matrices)
{
    for (int i = 0; i < 4; i++)
        if ((uintptr_t)matrices[i] % algorithm->alignment[i] != 0 ||
            !emulated_is_device(matrices[i], bytes_of(&p->layouts[i])))
            return false;
    return matrices[2] == matrices[3]; /* in place */
}

static bool is_workspace(const struct algorithm *algorithm, const void *workspace, size_t bytes)
{
    return bytes >= algorithm->workspace && (uintptr_t)workspace % 256 == 0 && emulated_is_device(workspace, bytes);
}

/* All that the device needs to know of one. */
struct product {
    struct problem problem;
    struct algorithm algorithm;
    float factors[2];
    const void *a, *b, *c;
    void *d, *workspace;
};

static cudaError_t multiply(void *what)
{
    const struct product *p = what;
    emulated_blas.multiplied++;
    emulated_begin();
    memset(p->workspace, 0xff, Q_MIN(p->algorithm.workspace, (uint64_t)RUBBISH_BYTES_MAX));
    emulated_blas.in_place += p->algorithm.in_place;
    const bool backwards = p->algorithm.in_place && emulated_blas.in_place % 2;
    const bool good = compute(&p->problem, backwards, p->factors[0], p->a, p->b, p->factors[1], p->c, p->d);
    emulated_end();
    return good ? cudaSuccess : cudaErrorMemoryAllocation;
}

EXPORT cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t operation, const void *alpha,
                                     const void *a, cublasLtMatrixLayout_t a_layout, const void *b,
                                     cublasLtMatrixLayout_t b_layout, const void *beta, const void *c,
                                     cublasLtMatrixLayout_t c_layout, void *d, cublasLtMatrixLayout_t d_layout,
                                     const cublasLtMatmulAlgo_t *algo, void *workspace, size_t workspace_bytes,
                                     cudaStream_t stream)
{
    const cublasLtMatrixLayout_t layouts[] = {a_layout, b_layout, c_layout, d_layout};
    const void *const matrices[] = {a, b, c, d};
    const cublasStatus_t status = next_call();
    struct problem problem;
    struct algorithm algorithm;
    float factors[2];
    if (status)
        return status;
    if (!is_a(handle, HANDLE) || !stream || !alpha || !beta || !is_a(algo, ALGORITHM) ||
        !take_problem(operation, layouts, &problem))
        return CUBLAS_STATUS_INVALID_VALUE;
    memcpy(&algorithm, algo, sizeof algorithm);
    memcpy(&factors[0], alpha, sizeof *factors);
    memcpy(&factors[1], beta, sizeof *factors);
    if (algorithm.problem != hash_of(&problem) || !are_matrices(&problem, &algorithm, matrices) ||
        !is_workspace(&algorithm, workspace, workspace_bytes))
        return CUBLAS_STATUS_INVALID_VALUE;
    if (emulated_blas.refusal == REFUSES_TO_RUN)
        return CUBLAS_STATUS_NOT_SUPPORTED;
    const struct product product = {problem, algorithm, {factors[0], factors[1]}, a, b, c, d, workspace};
    return emulated_submit(stream, multiply, &product, sizeof product) == cudaSuccess ? CUBLAS_STATUS_SUCCESS
                                                                                      : CUBLAS_STATUS_EXECUTION_FAILED;
}
