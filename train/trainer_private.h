/* Inside the trainer: the run as trainer.c makes it and goes on with it, trainer_step.c takes its steps, and trainer_place.c writes down where it stands. For
 * these three files only. */
#ifndef QUERN_TRAIN_TRAINER_PRIVATE_H
#define QUERN_TRAIN_TRAINER_PRIVATE_H

#include "base/journal.h"
#include "base/threads.h"
#include "train/checkpoint/checkpoint_writer.h"
#include "train/feed.h"
#include "train/guard.h"
#include "train/model/model.h"
#include "train/optimizer.h"
#include "train/schedule.h"
#include "train/trainer.h"
#include "train/watch/watch.h"

struct trainer {
    struct trainer_setup setup;
    unsigned rank, ranks;
    bool leads; /* rank 0, or the only one: writes journal, metrics and checkpoints */
    struct comm_groups groups;
    bool failed; /* others may wait for this rank: it does not wait for them */
    struct q_arena arena;
    struct shards *shards;
    struct feed feed;
    struct q_pool *pool;
    const struct op_table *ops;
    struct op_context *context;
    struct model *model;
    struct optimizer *optimizer;
    struct q_journal *journal;
    struct watch *watch;
    bool background;                  /* checkpoints are written while training goes on */
    double stall_seconds;             /* how long training stood still for the newest checkpoint */
    struct checkpoint_writer *writer; /* NULL: they are not */

    struct train_position position;
    struct guard_window window;
    struct skips skips;
    uint64_t steps_total,
        tokens_total;    /* where the run ends: the present position and what the schedule asks for from there */
    uint64_t saved_step; /* of the newest checkpoint */
    uint64_t
        refused_at; /* samples at the place whose state was not finite and so became no checkpoint; UINT64_MAX: none */

    /* One micro-batch: B sequences of T. */
    int32_t *ids, *targets; /* [B, T] */
    uint32_t *sources;      /* [B] */
    op_acc *losses;         /* [B, T] */
    /* One step. */
    struct metrics_source *source_sums;
    int64_t *counts;   /* [routers, experts] */
    double *rank_sums; /* [4 + 2 * sources]: what ranks sum of a step in one message */

    /* Of this process alone. */
    struct train_position first; /* where it began */
    double seconds;              /* in trainer_run */
    double *step_losses;         /* [steps_total - first.step]: all that this process takes */
};

/* --- trainer.c ----------------------------------------------------------------------------------------------------------------------- */

/* That the data have for the run, from where it stands, without those that are skipped. */
uint64_t trainer_sequences_left(const struct trainer *trainer);

/* --- trainer_place.c: where the run stands, outside of this process ------------------------------------------------------------------ */

/* A failure of one rank is one of all, told alike. */
q_status trainer_agree(const struct trainer *trainer, q_status status) Q_MUST_USE;

/* {"step", "samples", "tokens"}: a place, for the journal; new reference. */
q_status trainer_place_json(const struct train_position *at, json_t **out) Q_MUST_USE;
/* All lines of the journal go through here: those of the rank that leads are written. Takes the fields. */
q_status trainer_journal_line(struct trainer *trainer, const char *event, json_t *fields) Q_MUST_USE;
/* A line with the present place; with the hashes of the state there. */
q_status trainer_note(struct trainer *trainer, const char *event) Q_MUST_USE;
q_status trainer_note_hashes(struct trainer *trainer) Q_MUST_USE;

/* Fresh parameters by the seed, or the latest checkpoint of this run; opens the journal and says so there. */
q_status trainer_begin(struct trainer *trainer) Q_MUST_USE;
/* Back to the last checkpoint, or to the beginning where there is none yet; metrics behind it go. *to: the samples up to which the trouble reaches; where
 * the checkpoint under way turns out to be refused, those of that place, so that it does not matter when that was noticed. */
q_status trainer_go_back(struct trainer *trainer, uint64_t *to) Q_MUST_USE;
/* The watch anew: what is written of the steps behind the present place is cut off. */
q_status trainer_create_watch(struct trainer *trainer) Q_MUST_USE;

/* The thread that writes checkpoints and the copy it writes them from, on the rank that leads and where the memory is there. */
q_status trainer_create_writer(struct trainer *trainer) Q_MUST_USE;
/* Begins to save the present place; the step before which it is done collects it. */
q_status trainer_save(struct trainer *trainer) Q_MUST_USE;
/* What became of a checkpoint under way: only what is known to be whole goes into the journal. With `wait` none is under way behind it. */
q_status trainer_collect_checkpoint(struct trainer *trainer, bool wait) Q_MUST_USE;
/* As trainer_agree, of what writing a checkpoint came to: refused_at too is the same on all ranks behind it, where the rule is back. */
q_status trainer_agree_written(struct trainer *trainer, q_status status) Q_MUST_USE;
/* Saves the present place and has it saved behind Q_OK: at the end and on a stop. Over ranks the moments come together in the writer's copy. */
q_status trainer_save_now(struct trainer *trainer) Q_MUST_USE;

/* --- trainer_step.c --------------------------------------------------------------------------------------------------------------- */

/* What forward and backward of a step's whole batch came to. */
struct step_result {
    double loss;     /* mean over its targets */
    double mtp_loss; /* mean over the MTP modules of the means over theirs; NaN where there are none, or they rest */
    double z_loss;   /* with its weight, mean over the targets; 0 where there is none */
    double balance_loss; /* mean over its sequences */
    double norm;         /* of the gradients */
    uint64_t samples;    /* the place in the data order behind its samples */
    bool stopped;        /* a stop was asked for between two micro-batches: the attempt is forgotten */
};

/* One attempt at the step that the run stands before: behind it gradients and counts are there, summed over the ranks; parameters, moments and biases are as
 * before. attempt: 0, then 1 where it is run again. A rank alone heeds a stop between micro-batches: a step may last for hours. */
q_status trainer_attempt_step(struct trainer *trainer, const struct schedule_point *point, unsigned attempt,
                              struct step_result *result) Q_MUST_USE;
/* Looks at the attempt in *result. Where it is not to be believed the step is run again. *taken = false: the run stands at another place now, or
 * is stopped. */
q_status trainer_look_at(struct trainer *trainer, const struct schedule_point *point, struct step_result *result,
                         bool *taken) Q_MUST_USE;
/* Behind a failure `status`: where the state was not finite at a checkpoint and the rule is back, the run goes back, and Q_OK. Else `status`. */
q_status trainer_leave_refused(struct trainer *trainer, q_status status) Q_MUST_USE;

#endif
