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

/* Copies 64 rows of 16 bytes to shared memory behind the threads' back (cp.async), and takes them back by ldmatrix: out[i], as in, are the 8 numbers of row i, of each 8 of rows turned where
 * asked for. A thread reads what others have copied: without `wait` before the barrier, or without the barrier, what it finds is rubbish. */
struct copy_defects {
    bool turned, wait, barrier;
};
void copy_through(struct op_context *context, uint16_t *out, const uint16_t *in, struct copy_defects how);
void leave_a_copy(struct op_context *context); /* that nobody waits for */
/* Copies COPY_GROUPS times 64 rows of 16 bytes likewise, each time a group, and waits until all but the last group are there: out is what is there then. */
enum { COPY_GROUPS = 3 };
void copy_groups(struct op_context *context, uint16_t *out, const uint16_t *in);
void read_same_banks(struct op_context *context); /* ldmatrix of rows that are 64 bytes apart */
void copy_askew(struct op_context *context);      /* to an address that is not a multiple of its 16 bytes */
void copy_outside(struct op_context *context);    /* from an address that is in no piece of memory */

#ifdef __cplusplus
}
#endif
#endif
