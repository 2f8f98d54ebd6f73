/* Checkpoints of a training run (docs/formats/checkpoint.md): written beside, renamed whole, `latest` moved last.
 *
 *     RUN/checkpoints/step-00000400.partial/   --files, trainer.json last-->  renamed to step-00000400  -->  RUN/latest
 *
 * A kill at any moment leaves the old checkpoint or the new one; what is named .partial is thrown away by the next start.
 */
#ifndef QUERN_TRAIN_CHECKPOINT_H
#define QUERN_TRAIN_CHECKPOINT_H

#include "base/hash.h"
#include "base/memory.h"
#include "base/status.h"
#include "train/checkpoint/state_hash.h"
#include "train/guard.h"
#include "train/model/model.h"
#include "train/optimizer.h"

#include <stdbool.h>
#include <stdint.h>

/* The place of a run. */
struct train_position {
    uint64_t step;    /* optimizer steps taken */
    uint64_t samples; /* of the data order gone by: sequences trained on, and those that were skipped (skips.h) */
    uint64_t tokens;  /* targets trained on */
    q_hash
        shown; /* of the order of the data up to `samples` (mixture_hash): set where a place is saved, zero where it is not known */
};

/* The step in a checkpoint's name, "step-00000400"; false for any other name, also for that of one being written. */
bool checkpoint_step_of(const char *name, uint64_t *step);

/* A run's state: what a checkpoint holds. All is borrowed. */
struct checkpoint_state {
    const struct model *model;
    const struct optimizer *optimizer;
    const struct guard_window *window; /* NULL: empty */
    struct train_position position;
    q_hash run;                   /* of the step's identity */
    const char *tokenizer_folder; /* whose files are copied beside the model; NULL: none */
};

struct checkpoint_keep {
    uint64_t last;  /* the newest that stay, at least 1 */
    uint64_t every; /* multiples of this step stay for ever; 0: none */
};

/* What checkpoint_write has done. */
struct checkpoint_written {
    uint64_t bytes;             /* of the files that it wrote; 0 where the state was there already */
    struct state_hashes hashes; /* behind a refusal too: their not_finite says whether it was for that */
};

/* Writes the checkpoint of this state and moves `latest` to it, then removes those that need not be kept. Where `latest` names a whole
 * checkpoint of the same step already, nothing is written; any other one of that step is replaced. A state that holds a number that is not finite is
 * Q_ERR_INPUT: nothing is written or removed. *written may be NULL. */
q_status checkpoint_write(const char *run_folder, const struct checkpoint_state *state,
                          const struct checkpoint_keep *keep, struct checkpoint_written *written) Q_MUST_USE;

/* Removes the checkpoints up to the step `present` that need not be kept: checkpoint_write does it at its end, a run that goes on at its beginning, for a kill
 * may have come between a checkpoint and the removal of older ones. */
q_status checkpoint_prune(const char *run_folder, uint64_t present, const struct checkpoint_keep *keep) Q_MUST_USE;

/* The folder of the checkpoint that `latest` names. */
q_status checkpoint_latest(const char *run_folder, struct q_arena *arena, const char **out) Q_MUST_USE;
/* Whether the run has a checkpoint to go on from; of the one that `latest` names, only trainer.json is read. Also clears away what a kill left behind, and
 * where that was killed before it named the run's first checkpoint, names it. Q_ERR_INPUT, with what is whole and how to go on from it, where there are
 * checkpoints, but `latest` is missing or names none, or its trainer.json is missing or damaged; or where it is of another run. anew: without a `latest`,
 * or of another run, they are removed instead, and there is none. */
q_status checkpoint_find(const char *run_folder, q_hash run, bool anew, bool *found) Q_MUST_USE;
/* Reads `latest` into model, optimizer and window (NULL: left out): every file's hash is compared first. One of another run is Q_ERR_INPUT. */
q_status checkpoint_read(const char *run_folder, struct model *model, struct optimizer *optimizer, q_hash run,
                         struct train_position *position, struct guard_window *window) Q_MUST_USE;
/* Checks a checkpoint's folder: every listed file, its size and its hash; nothing missing. */
q_status checkpoint_verify(const char *folder, struct train_position *position, q_hash *run) Q_MUST_USE;
/* The same, and the hashes of its state that it was written with (*hashed = false: none; state_hash.h). */
q_status checkpoint_hashes(const char *folder, struct train_position *position, struct state_hashes *hashes,
                           bool *hashed) Q_MUST_USE;

#endif
