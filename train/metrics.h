/* Metrics of a training run: one JSON line per logged step in RUN/metrics.jsonl (docs/formats/metrics.md). On a restart the lines behind the
 * checkpoint are cut off, so that each step is there once.
 */
#ifndef QUERN_TRAIN_METRICS_H
#define QUERN_TRAIN_METRICS_H

#include "base/status.h"
#include "train/checkpoint.h"
#include "train/schedule.h"

#include <stddef.h>
#include <stdint.h>

struct metrics_source {
    const char *name;
    double loss; /* sum over its targets in this step */
    uint64_t targets;
};

/* What a step came to; position is the place behind it. */
struct metrics_step {
    struct train_position position;
    struct schedule_point point;
    double loss;          /* mean over the targets, nats */
    double balance_loss;  /* mean over sequences, summed over layers */
    double gradient_norm; /* before clipping */
    double seconds;
    const struct metrics_source *sources;
    size_t source_count;
    const int64_t *counts; /* [layers, experts]: tokens of each expert in this step */
    size_t layers, experts;
};

struct metrics;

/* Opens RUN/metrics.jsonl for going on behind `step`: later lines, and a torn one, are cut off. */
q_status metrics_open(const char *run_folder, uint64_t step, struct metrics **out) Q_MUST_USE;
void metrics_close(struct metrics *metrics);
/* Appends one line; not flushed to the disk, since the lines behind a checkpoint are only ever for looking at. */
q_status metrics_write(struct metrics *metrics, const struct metrics_step *step) Q_MUST_USE;

/* Largest load over mean load, minus 1, averaged over the layers: 0 where every expert got the same ("MaxVio", Wang et al., arXiv 2408.15664). */
double metrics_violation(const int64_t *counts, size_t layers, size_t experts);

#endif
