/* Kernels with defects, for test_cuda_emulated: what the emulated device must see. */
#ifndef QUERN_TESTS_CUDA_DEFECTS_H
#define QUERN_TESTS_CUDA_DEFECTS_H

#include "train/cuda/cuda_context.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Each on the context's stream, with one block of 64 threads; out[64]. */
void sum_neighbours(struct op_context *context, float *out,
                    bool barrier);           /* out[i] = i + (i + 1) % 64, by shared memory; without a barrier a race */
void wait_apart(struct op_context *context); /* half of the threads come to a barrier, the others end */
void read_unwritten(struct op_context *context,
                    float *out);                 /* out[i] = i + what a template's shared memory begins with */
void exchange_apart(struct op_context *context); /* lanes exchange numbers with some that are not there */

#ifdef __cplusplus
}
#endif
#endif
