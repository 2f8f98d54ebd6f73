/* A reference folder (config, weights, batch, expected values; tests/train/golden/reference.py says what lies where) and how far our model is from it. */
#ifndef QUERN_TESTS_TRAIN_GOLDEN_H
#define QUERN_TESTS_TRAIN_GOLDEN_H

#include "base/status.h"
#include "train/ops.h"

#include <stdbool.h>

/* The largest relative differences: of tensors |a - b| / |b| over the whole tensor in double, |a| where b is zero. */
struct golden_differences {
    double logits, gradient, after; /* of any tensor: step 0; behind all AdamW steps */
    double loss, norm;              /* of any step; norms before clipping */
    double first_norm;
    bool counts_equal; /* tokens of each expert of step 0 */
    char gradient_name[128], after_name[128];
};

/* Runs FOLDER's batch and its AdamW steps with the backend's table and so many threads. Every tensor that we train must be expected there. */
q_status golden_compare(const char *folder, const struct op_table *ops, unsigned threads,
                        struct golden_differences *out) Q_MUST_USE;

/* The same for what `quern-train forward --gradients` wrote to FILE on FOLDER's batch: logits, gradients and the loss of step 0. */
q_status golden_compare_output(const char *file, const char *folder, struct golden_differences *out) Q_MUST_USE;

/* Whether all of them are within the bounds: 1e-5 for logits, gradients and the first norm, 2e-6 for losses, 1e-4 for later norms (they see parameters that have gone apart by 3e-5), 1e-3 for
 * parameters behind ten steps. Two orders of summation in FP32 differ by 1e-6, 4e-7 and 4e-5. */
bool golden_within_bounds(const struct golden_differences *differences);
void golden_print(const char *folder, const struct golden_differences *differences);

#endif
