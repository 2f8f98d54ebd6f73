/* The trainer: the loop of optimizer steps around model, feed, schedules, checkpoints, metrics and journal.
 *
 *     create (model and optimizer, fresh by the seed or from the latest checkpoint) -> run -> { finished | stopped, state saved }
 *
 * A run's place is its position; everything else is a function of it and of the recipe. So a run that was stopped or killed, and gone on with from its
 * last checkpoint, with any number of threads, ends with the same bytes.
 *
 * Over several ranks each takes its share of a step's sequences; losses, counts and gradients are summed, and all of them decide the same. Some may share the
 * experts of each layer (train.expert_parallel): they are data parallel all the same. Rank 0 alone writes journal, metrics and checkpoints. The bits are those
 * of the layout; a checkpoint holds the whole state, and any layout goes on from it.
 */
#ifndef QUERN_TRAIN_TRAINER_H
#define QUERN_TRAIN_TRAINER_H

#include "base/recipe.h"
#include "train/checkpoint/checkpoint.h"
#include "train/comm/comm.h"
#include "train/model/model_config.h"
#include "train/train_settings.h"

struct trainer_setup {
    const struct q_recipe *recipe;
    const struct train_settings *settings;
    const struct model_config *config;
    const char *shards_folder;
    const char *tokenizer_folder; /* for the checkpoints' copies; NULL: none */
    const char *from_folder;      /* whose weights a fresh run begins with; NULL: random ones */
    const char *run_folder;       /* exists */
    q_hash run;                   /* of the step's identity: what its checkpoints belong to */
    struct comm *comm;            /* borrowed; of all ranks, which make the same calls. NULL: one rank */
    bool force;                   /* checkpoints of another run in the folder are removed instead of refused */
    unsigned threads;
};

struct trainer;

/* Q_ERR_USAGE where model and data do not fit each other, Q_ERR_MEMORY with the figures where the model does not fit the machine. */
q_status trainer_create(const struct trainer_setup *setup, struct trainer **out) Q_MUST_USE;
void trainer_release(struct trainer *trainer);

/* Trains up to settings->tokens. Q_STOPPED behind a checkpoint when a stop was asked for; Q_ERR_INPUT where the loss is no number any more (the
 * last checkpoint stands). */
q_status trainer_run(struct trainer *trainer) Q_MUST_USE;

struct trainer_summary {
    struct train_position position;
    double first_loss,
        last_loss;       /* means over the first and the last tenth of the steps that this process took, nats a token */
    double tokens_per_s; /* of this process; 0 where it took no step */
    uint64_t steps_here;
};
void trainer_summary(const struct trainer *trainer, struct trainer_summary *out);
/* This rank's. */
const struct model *trainer_model(const struct trainer *trainer);

#endif
