/* What the tests' cuBLASLt (emulated_cublaslt.c) takes from NVIDIA's: numbers, sizes and calls, as version 13 has them. cublasLt.h in this folder is made of
 * these; where the toolkit is, toolkit_facts.c compares them with its own. */
#ifndef QUERN_TESTS_CUBLASLT_FACTS_H
#define QUERN_TESTS_CUBLASLT_FACTS_H

#define CUBLAS_STATUSES(C)                                                                                             \
    C(CUBLAS_STATUS_SUCCESS, 0)                                                                                        \
    C(CUBLAS_STATUS_NOT_INITIALIZED, 1)                                                                                \
    C(CUBLAS_STATUS_ALLOC_FAILED, 3)                                                                                   \
    C(CUBLAS_STATUS_INVALID_VALUE, 7)                                                                                  \
    C(CUBLAS_STATUS_EXECUTION_FAILED, 13)                                                                              \
    C(CUBLAS_STATUS_INTERNAL_ERROR, 14)                                                                                \
    C(CUBLAS_STATUS_NOT_SUPPORTED, 15)
#define CUBLAS_TURNS(C)                                                                                                \
    C(CUBLAS_OP_N, 0)                                                                                                  \
    C(CUBLAS_OP_T, 1)
#define CUBLAS_COMPUTE_TYPES(C) C(CUBLAS_COMPUTE_32F, 68)
#define CUDA_DATA_TYPES(C)                                                                                             \
    C(CUDA_R_32F, 0)                                                                                                   \
    C(CUDA_R_16BF, 14)
#define CUBLASLT_OPERATION_ATTRIBUTES(C)                                                                               \
    C(CUBLASLT_MATMUL_DESC_TRANSA, 3)                                                                                  \
    C(CUBLASLT_MATMUL_DESC_TRANSB, 4)
#define CUBLASLT_PREFERENCE_ATTRIBUTES(C)                                                                              \
    C(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, 1)                                                                     \
    C(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, 3)                                                                   \
    C(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, 5)                                                                   \
    C(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, 6)                                                                   \
    C(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, 7)                                                                   \
    C(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, 8)
#define CUBLASLT_REDUCTIONS(C)                                                                                         \
    C(CUBLASLT_REDUCTION_SCHEME_NONE, 0)                                                                               \
    C(CUBLASLT_REDUCTION_SCHEME_INPLACE, 1)                                                                            \
    C(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE, 2)                                                                       \
    C(CUBLASLT_REDUCTION_SCHEME_OUTPUT_TYPE, 4)                                                                        \
    C(CUBLASLT_REDUCTION_SCHEME_MASK, 7)
#define CUBLASLT_CONSTANTS(C)                                                                                          \
    CUBLAS_STATUSES(C)                                                                                                 \
    CUBLAS_TURNS(C)                                                                                                    \
    CUBLAS_COMPUTE_TYPES(C)                                                                                            \
    CUDA_DATA_TYPES(C)                                                                                                 \
    CUBLASLT_OPERATION_ATTRIBUTES(C)                                                                                   \
    CUBLASLT_PREFERENCE_ATTRIBUTES(C)                                                                                  \
    CUBLASLT_REDUCTIONS(C)                                                                                             \
    C(sizeof(cublasLtMatmulAlgo_t), 64)                                                                                \
    C(sizeof(cublasLtMatmulHeuristicResult_t), 96)                                                                     \
    C(offsetof(cublasLtMatmulHeuristicResult_t, algo), 0)                                                              \
    C(offsetof(cublasLtMatmulHeuristicResult_t, workspaceSize), 64)                                                    \
    C(offsetof(cublasLtMatmulHeuristicResult_t, state), 72)

/* Each returns a cublasStatus_t. */
#define CUBLASLT_CALLS(F)                                                                                              \
    F(cublasLtCreate, cublasLtHandle_t *)                                                                              \
    F(cublasLtDestroy, cublasLtHandle_t)                                                                               \
    F(cublasLtMatmul, cublasLtHandle_t, cublasLtMatmulDesc_t, const void *, const void *, cublasLtMatrixLayout_t,      \
      const void *, cublasLtMatrixLayout_t, const void *, const void *, cublasLtMatrixLayout_t, void *,                \
      cublasLtMatrixLayout_t, const cublasLtMatmulAlgo_t *, void *, size_t, cudaStream_t)                              \
    F(cublasLtMatmulAlgoGetHeuristic, cublasLtHandle_t, cublasLtMatmulDesc_t, cublasLtMatrixLayout_t,                  \
      cublasLtMatrixLayout_t, cublasLtMatrixLayout_t, cublasLtMatrixLayout_t, cublasLtMatmulPreference_t, int,         \
      cublasLtMatmulHeuristicResult_t *, int *)                                                                        \
    F(cublasLtMatmulDescCreate, cublasLtMatmulDesc_t *, cublasComputeType_t, cudaDataType_t)                           \
    F(cublasLtMatmulDescDestroy, cublasLtMatmulDesc_t)                                                                 \
    F(cublasLtMatmulDescSetAttribute, cublasLtMatmulDesc_t, cublasLtMatmulDescAttributes_t, const void *, size_t)      \
    F(cublasLtMatmulPreferenceCreate, cublasLtMatmulPreference_t *)                                                    \
    F(cublasLtMatmulPreferenceDestroy, cublasLtMatmulPreference_t)                                                     \
    F(cublasLtMatmulPreferenceSetAttribute, cublasLtMatmulPreference_t, cublasLtMatmulPreferenceAttributes_t,          \
      const void *, size_t)                                                                                            \
    F(cublasLtMatrixLayoutCreate, cublasLtMatrixLayout_t *, cudaDataType_t, uint64_t, uint64_t, int64_t)               \
    F(cublasLtMatrixLayoutDestroy, cublasLtMatrixLayout_t)

#endif
