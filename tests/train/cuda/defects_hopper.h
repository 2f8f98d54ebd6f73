/* A kernel of Hopper's instructions with one defect at a time, for test_cuda_emulated: what the emulation must see. */
#ifndef QUERN_TESTS_CUDA_DEFECTS_HOPPER_H
#define QUERN_TESTS_CUDA_DEFECTS_HOPPER_H

#include "train/cuda/cuda_context.h"

#ifdef __cplusplus
extern "C" {
#endif

enum hopper_defect {
    HOPPER_RIGHT,
    HOPPER_NO_WAIT_FOR_TMA,
    HOPPER_NO_WAIT_FOR_PRODUCTS,
    HOPPER_OVERWRITTEN, /* the stage is loaded again while products read it */
    HOPPER_TOO_FEW_BYTES,
    HOPPER_TOO_MANY_BYTES,
    HOPPER_NO_FENCE,
    HOPPER_NOT_MADE,    /* an mbarrier without init */
    HOPPER_APART_FIRST, /* blocks of a cluster that do not meet before they reach into each other */
    HOPPER_APART_LAST,  /* a block that does not wait for all that the other one sends it */
};

/* out[64,256], floats = X[64,16] Y[256,16]^T: X and Y are the first rows and columns of x[512,64], BF16, from its rows 0 and 64. */
void hopper_multiply(struct op_context *context, float *out, const void *x, enum hopper_defect defect);

/* Two blocks of a cluster each bring half of x's first 64 rows to both. */
void hopper_share(struct op_context *context, const void *x, enum hopper_defect defect);

#ifdef __cplusplus
}
#endif
#endif
