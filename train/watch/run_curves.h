/* A training run's files read back for looking at (docs/formats/metrics.md): the course of each number, thinned, and the newest map of the experts'
 * load.
 *
 * metrics.jsonl is read a line at a time into columns, one per number: a member `loss` is the column "loss", a member `x` of `loss_by_source` is
 * "loss_by_source/x", item i of a list `violation_by_layer` is "violation_by_layer/i". A column has a point per stretch of lines, the mean of those
 * that have the number, NaN where none has; stretches are joined in pairs when there are too many, so that memory does not grow with the run. A line
 * that a kill cut short, and what stands behind it, is left out. */
#ifndef QUERN_TRAIN_RUN_CURVES_H
#define QUERN_TRAIN_RUN_CURVES_H

#include "base/json.h"

struct run_curves;

/* points_max: even, at least 2. Q_ERR_INPUT where there is no metrics.jsonl. */
q_status run_curves_read(const char *run_folder, size_t points_max, struct run_curves **out) Q_MUST_USE;
void run_curves_release(struct run_curves *curves);

size_t run_curves_points(const struct run_curves *curves);
/* Its values [points]; NULL: no line has such a number. */
const double *run_curves_column(const struct run_curves *curves, const char *name);
/* How many columns there are, and the name of one, in the order in which the lines brought them. */
size_t run_curves_columns(const struct run_curves *curves);
const char *run_curves_name(const struct run_curves *curves, size_t column);
/* The last line's number; NaN where it has none. */
double run_curves_last(const struct run_curves *curves, const char *name);

/* What the experts got at the end of a run, in shares of their fair part (1: as many as the mean). */
struct run_experts {
    struct q_arena arena;
    size_t routers, experts, source_count;
    int *layers;           /* [routers] */
    const char **sources;  /* [source_count], by falling tokens */
    double *source_tokens; /* [source_count] */
    double *shares;        /* [source_count, routers, experts] */
    double *all;           /* [routers, experts]: over all sources */
    double tokens;         /* that it counts */
};

/* The newest lines of experts.jsonl that count `tokens` together (at most the last sixteen). An absent or empty file: routers 0. */
q_status run_experts_read(const char *run_folder, double tokens, struct run_experts *out) Q_MUST_USE;
void run_experts_release(struct run_experts *experts);

/* How differently a router serves the sources: the mean over sources, weighted by tokens, of half the sum over experts of |share of the source -
 * share of all| / experts, from 0 (alike) to nearly 1 (each source has experts of its own). */
double run_experts_specialisation(const struct run_experts *experts, size_t router);

#endif
