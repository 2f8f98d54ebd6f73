/* A run on a terminal: a few lines above the bar (base/progress.h), redrawn as it goes.
 *
 *     step 230 of 401   loss 5.248  ▇▇▆▅▄▃▃▂▂▁▁
 *     rate 1.2e-3   batch 32   gradient norm 0.834   balance loss 1.3e-4
 *     4.88 K tokens/s   12.3 GFLOP/s, 41% of the measured peak
 *     load violation 0.31 (layer 3: 0.44), over 1.00 M tokens 0.12 (layer 2: 0.20)
 */
#ifndef QUERN_TRAIN_TRAIN_VIEW_H
#define QUERN_TRAIN_TRAIN_VIEW_H

#include "base/memory.h"
#include "train/watch/metrics.h"

enum { TRAIN_VIEW_CELLS = 32 };

/* The course of the loss in few numbers: means over stretches of `stride` steps, twice as many steps each time there are too many of them. Ready
 * when zeroed. */
struct train_view {
    double losses[2 * TRAIN_VIEW_CELLS]; /* the last one grows: a sum over `part` steps */
    size_t count, stride, part;
    uint64_t steps_total;
};

void train_view_add_loss(struct train_view *view, double loss);
/* The curve, appended: up to TRAIN_VIEW_CELLS characters, from the least (low) to the greatest loss (high); nothing before the second loss. */
q_status train_view_put_curve(const struct train_view *view, bool utf8, struct q_buffer *out) Q_MUST_USE;
/* The lines, appended, without a line end behind the last; what the step has no number for is left out. */
q_status train_view_put(const struct train_view *view, const struct metrics_step *step, bool utf8,
                        struct q_buffer *out) Q_MUST_USE;

#endif
