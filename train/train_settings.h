/* The settings of a recipe's `train` section (docs/settings/train.md). */
#ifndef QUERN_TRAIN_TRAIN_SETTINGS_H
#define QUERN_TRAIN_TRAIN_SETTINGS_H

#include "base/settings.h"
#include "train/guard.h"
#include "train/model/model.h"
#include "train/optimizer.h"
#include "train/watch/watch_settings.h"

#include <stdint.h>

enum balance_over { BALANCE_OVER_SEQUENCE, BALANCE_OVER_MICRO_BATCH };
enum moments_kind { MOMENTS_FP32, MOMENTS_BF16 };
enum rate_kind { RATE_CONSTANT, RATE_LINEAR, RATE_COSINE, RATE_ROOT };

/* One piece of the learning rate's course: from where the piece before ends to `until` tokens. A constant piece stands at `to` (where 0: at the
 * rate it begins with); a linear, cosine or root one goes from the rate it begins with to `to`. Root falls as 1 - sqrt(share of the piece): the decay of
 * warm-up, stable, decay runs that Haegele et al. found best (arXiv 2405.18392, section 3). */
struct rate_segment {
    uint64_t until; /* tokens consumed */
    int kind;       /* enum rate_kind */
    double to;      /* learning rate */
};

/* Whether checkpoints are written while training goes on: where memory allows it; always; never. */
enum checkpoint_background { CHECKPOINT_AUTO, CHECKPOINT_YES, CHECKPOINT_NO };

struct train_settings {
    uint64_t tokens;     /* targets to train on, rounded up to whole steps */
    int64_t micro_batch; /* sequences in one forward and backward, at most */

    struct {
        double peak;
        uint64_t warmup_steps;
        struct q_setting_list segments; /* of struct rate_segment, `until` ascending */
    } rate;

    struct {
        uint64_t sequences; /* per step, in the end */
        uint64_t from;      /* at the beginning; 0: no ramp */
        uint64_t ramp;      /* tokens over which the batch grows from one to the other */
    } batch;

    struct {
        double beta1, beta2, epsilon;
        double weight_decay;
        double clip; /* global norm; 0: none */
        bool decay_norms;
        int moments; /* enum moments_kind */
    } optimizer;

    struct {
        double decay; /* of the moving average of the parameters, by the step; 0: none */
        bool result;  /* whether it is what the finished run gives */
    } ema;

    struct {
        double rate;    /* gamma: step of the routing bias */
        uint64_t until; /* tokens; 0: always */
        double loss;    /* alpha of the balance loss */
        int loss_over;  /* enum balance_over */
    } balance;

    struct q_setting_list
        mixture; /* for its table and its place in the journal: who wants the pieces asks mixture_pieces (shards/mixture.h) */

    int backend;              /* enum op_device */
    bool deterministic;       /* the same bits each time, of a GPU's libraries too */
    int precision;            /* enum op_precision */
    int gradients;            /* enum op_precision: of weights */
    int recompute;            /* enum model_recompute */
    uint64_t expert_parallel; /* ranks that share the experts of each layer */
    double z_loss;            /* weight of the mean of log(Z)^2 */

    struct {
        double weight;  /* lambda */
        uint64_t until; /* tokens; 0: always */
        double later;   /* lambda from there on */
    } mtp;

    struct {
        uint64_t every;      /* steps */
        uint64_t keep_last;  /* checkpoints */
        uint64_t keep_every; /* steps: these are kept for ever; 0: none */
        int background;      /* enum checkpoint_background */
    } checkpoint;

    struct guard_settings guard;

    const char *from;    /* model folder whose weights the run begins with, relative to the recipe; NULL: random ones */
    uint64_t hash_every; /* steps between hashes of the state in the journal; 0: with checkpoints alone */
    uint64_t log_every;  /* steps between lines of metrics.jsonl */
    struct watch_settings watch;
};

extern const struct q_settings_table train_settings_table;

/* What the table cannot say: segments ascend, the ramp is consistent, betas below 1 and such as BF16 can follow, decay of the EMA below 1.
 * Gradients in BF16 want its precision. Q_ERR_USAGE with the recipe's name before the key. */
q_status train_settings_check(const struct train_settings *settings, const char *recipe) Q_MUST_USE;

/* Sequences in the largest forward and backward of a run: `micro_batch`, or a whole step's where these are fewer. */
size_t train_micro_batch(const struct train_settings *settings);

struct optimizer_settings train_optimizer_settings(const struct train_settings *settings);

#endif
