/* Metrics of a training run: RUN/metrics.jsonl, one JSON line per logged step, and RUN/experts.jsonl, what each expert got, at an interval *
 * (docs/formats/metrics.md). What a step came to is a list of named numbers, made here once: the lines, the event files (tensorboard.h) and the
 * report * show the same. */
#ifndef QUERN_TRAIN_METRICS_H
#define QUERN_TRAIN_METRICS_H

#include "base/json.h"
#include "train/checkpoint/checkpoint.h"
#include "train/schedule.h"

#include <stddef.h>
#include <stdint.h>

struct metrics_source {
    const char *name;
    double loss; /* sum over its targets in this step */
    uint64_t targets;
};

/* How uneven the experts' load is: see expert_load_violation. */
struct metrics_violation {
    double mean;     /* over the routers */
    double worst;    /* of the router where it is largest */
    int worst_layer; /* that one's layer; -1: there is no router */
};

/* What a step came to; position is the place behind it. A number that there is not is NaN. */
struct metrics_step {
    struct train_position position;
    struct schedule_point point;
    double loss;          /* mean over the targets, nats */
    double mtp_loss;      /* the same of the MTP modules, before their weight */
    double z_loss;        /* with its weight, mean over the targets; 0 where there is none */
    double balance_loss;  /* mean over sequences, summed over layers */
    double gradient_norm; /* before clipping */
    double seconds;
    double tokens_per_s, flop_per_s, flop_share; /* over the steps since the line before; share of the measured peak */
    const struct metrics_source *sources;
    size_t source_count;

    size_t routers;                            /* MoE layers in order, MTP's behind them unless they rest */
    const double *violations;                  /* [routers], of this step */
    const double *entropies;                   /* [routers], nats: expert_load_entropy */
    const double *bias_norms;                  /* [routers]: Euclidean norm of the routing biases behind this step */
    struct metrics_violation violation;        /* of this step */
    struct metrics_violation window_violation; /* over the newest window_tokens */
    uint64_t window_tokens;
};

/* A named number of a step. digits: behind the point, as it is written; METRICS_SHORTEST: as many as tell it from all others. */
enum { METRICS_SHORTEST = -1, METRICS_SCALARS_MAX = 32 };
struct metrics_scalar {
    const char *name;
    double value;
    int digits;
};
/* Those of a step that there are, but for its place and the losses by source; METRICS_SCALARS_MAX suffice. */
size_t metrics_scalars(const struct metrics_step *step, struct metrics_scalar *out);

/* One line of metrics.jsonl, appended. */
q_status metrics_put_step(struct q_buffer *line, const struct metrics_step *step) Q_MUST_USE;

/* What the experts got since the map before. */
struct metrics_map {
    struct train_position position;
    size_t routers, experts, source_count;
    const int *layers;             /* [routers] */
    const char *const *sources;    /* [source_count] */
    const uint64_t *source_tokens; /* [source_count] */
    const int64_t *counts;         /* [source_count, routers, experts] */
};
/* One line of experts.jsonl, appended. */
q_status metrics_put_map(struct q_buffer *line, const struct metrics_map *map) Q_MUST_USE;

/* layers [routers]. NaN and -1 where there is no router. */
struct metrics_violation metrics_violation_of(const double *violations, const int *layers, size_t routers);

#endif
