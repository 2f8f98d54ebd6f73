/* How the tests' cuBLASLt (emulated_cublaslt.c) behaves, and what it has seen. The program has it; the library finds it there. */
#ifndef QUERN_TESTS_EMULATED_BLAS_H
#define QUERN_TESTS_EMULATED_BLAS_H

#include "cublasLt.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The ways in which it has no algorithm for a product: as a status, none found, one whose state says so, and when it is to run. */
enum emulated_refusal { REFUSES_NOTHING, REFUSES_BY_STATUS, REFUSES_BY_COUNT, REFUSES_BY_STATE, REFUSES_TO_RUN };

struct emulated_blas {
    enum emulated_refusal refusal;
    unsigned fail_at; /* the k-th call from now that can fail gives fail_with (0: none does) */
    cublasStatus_t fail_with;
    size_t alive; /* handles, descriptors and preferences that were not destroyed */
    size_t searched, multiplied;
    size_t in_place; /* of these: parts may be added in C, in any order */
};
extern struct emulated_blas emulated_blas;

#ifdef __cplusplus
}
#endif
#endif
