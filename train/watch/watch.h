/* Watching a run: everything that is written down and shown of a step besides the training itself. The trainer calls it at four places; no bit of the
 * model depends on it. Over ranks each has a watch, which sees its own micro-batches; what they saw is brought together when it is due, and rank 0 writes.
 *
 *     create -> { begin_step -> micro_batch... -> end_step } per step -> release
 */
#ifndef QUERN_TRAIN_WATCH_H
#define QUERN_TRAIN_WATCH_H

#include "train/model/model.h"
#include "train/train_settings.h"
#include "train/watch/metrics.h"

struct q_pool;

struct watch_setup {
    const char *run_folder; /* exists */
    const struct train_settings *settings;
    const struct model *model; /* for training; borrowed */
    struct q_pool *pool;
    struct comm *comm;          /* of all ranks, borrowed; NULL: one */
    const char *const *sources; /* names; borrowed */
    size_t source_count;
    size_t micro_batch, sequence;   /* the largest micro-batch, in sequences; tokens of each */
    struct train_position position; /* where the run stands: what is written of later steps is cut off */
    uint64_t steps_total;           /* the last step is always logged */
};

struct watch;

/* Measures the machine's peak unless the settings give it: that of all ranks at once, added up. All ranks call it, and watch_end_step. */
q_status watch_create(const struct watch_setup *setup, struct watch **out) Q_MUST_USE;
void watch_release(struct watch *watch);

/* Before the first micro-batch of the step that will be numbered `step` (from 1); also where it is begun again. */
void watch_begin_step(struct watch *watch, uint64_t step);
/* Behind model_forward_backward of `sequences` sequences; sources [sequences]: indices. */
void watch_micro_batch(struct watch *watch, const uint32_t *sources, size_t sequences);
/* Behind the bias update of a step that counts. Of `step` the caller fills position .. seconds and the sources; counts [routers, experts]: of the
 * whole batch. Writes what is due. */
q_status watch_end_step(struct watch *watch, const struct metrics_step *step, const int64_t *counts) Q_MUST_USE;

#endif
