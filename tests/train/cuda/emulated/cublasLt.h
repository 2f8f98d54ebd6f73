/* cuBLASLt's calls that train/cuda/cuda_blas.c makes, in place of NVIDIA's header (see cuda_runtime_api.h). */
#ifndef QUERN_TESTS_CUBLASLT_H
#define QUERN_TESTS_CUBLASLT_H

#include "cublaslt_facts.h"
#include "cuda_runtime_api.h"

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define ENUMERATOR(name, value) name = value,
typedef enum { CUBLAS_STATUSES(ENUMERATOR) } cublasStatus_t;
typedef enum { CUBLAS_TURNS(ENUMERATOR) } cublasOperation_t;
typedef enum { CUBLAS_COMPUTE_TYPES(ENUMERATOR) } cublasComputeType_t;
typedef enum { CUDA_DATA_TYPES(ENUMERATOR) } cudaDataType_t;
typedef enum { CUBLASLT_OPERATION_ATTRIBUTES(ENUMERATOR) } cublasLtMatmulDescAttributes_t;
typedef enum { CUBLASLT_PREFERENCE_ATTRIBUTES(ENUMERATOR) } cublasLtMatmulPreferenceAttributes_t;
enum { CUBLASLT_REDUCTIONS(ENUMERATOR) };
#undef ENUMERATOR

typedef struct emulated_handle *cublasLtHandle_t;
typedef struct emulated_operation *cublasLtMatmulDesc_t;
typedef struct emulated_layout *cublasLtMatrixLayout_t;
typedef struct emulated_preference *cublasLtMatmulPreference_t;
typedef struct {
    uint64_t data[8];
} cublasLtMatmulAlgo_t;
typedef struct {
    cublasLtMatmulAlgo_t algo;
    size_t workspaceSize;
    cublasStatus_t state;
    float wavesCount;
    int reserved[4];
} cublasLtMatmulHeuristicResult_t;

#define CALL(name, ...) cublasStatus_t name(__VA_ARGS__);
CUBLASLT_CALLS(CALL)
#undef CALL

#define HOLDS(name, value) static_assert((name) == (value), #name);
CUBLASLT_CONSTANTS(HOLDS)
#undef HOLDS

#endif
