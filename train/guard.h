/* Guards: whether a step's result is to be believed, looked at before a parameter changes.
 *
 *     loss, norm --guard_check--> fine            the step is taken, guard_accept
 *                             \-> not fine        the step is run again on the same samples
 *                                   -> fine       it was the machine (or rounding, where train.deterministic is false): the step is taken, the journal says so
 *                                   -> not fine   it is the data or the model: the recipe's rule (train.guard.rule)
 *
 *     stop   the run ends with Q_ERR_INPUT; the last checkpoint stands
 *     skip   the step's samples are left out (train/skips.h), and the step is taken with those behind them
 *     back   the run goes back to its last checkpoint and leaves out all samples from there up to behind the spike; so it does where the state that a
 *            checkpoint would hold is not finite (checkpoint_write)
 *
 * Going back past a spike and leaving out the batches around it is what was done for PaLM (Chowdhery et al., arXiv 2204.02311, section 5.1); to leave
 * out a step whose loss or gradient norm lies more than 6 standard deviations above the mean of the last 128 is OLMo-core's SkipStepOptimizer
 * (used for OLMo 2, arXiv 2501.00656). Other than there, what was not believed does not enter the window: one NaN cannot poison it, and a loss that
 * stays high ends the run after train.guard.skips_max instead of becoming the new normal.
 *
 * The window is a part of a run's state and stands in its checkpoints, so that a run gone on with decides as one left alone.
 */
#ifndef QUERN_TRAIN_GUARD_H
#define QUERN_TRAIN_GUARD_H

#include "base/json.h"
#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

enum { GUARD_WINDOW_MAX = 4096 };

enum guard_rule { GUARD_STOP, GUARD_SKIP, GUARD_BACK };

struct guard_settings {
    int rule;          /* enum guard_rule */
    uint64_t window;   /* steps, 2..GUARD_WINDOW_MAX */
    double deviations; /* a spike lies this many standard deviations above the window's mean; 0: none is looked for */
    double norm_max;   /* bound of the gradient's norm before clipping; 0: none */
    uint64_t skips_max;
};

/* Loss and gradient norm of the newest believed steps, oldest first. Ready when zeroed. */
struct guard_window {
    size_t count;
    double losses[GUARD_WINDOW_MAX], norms[GUARD_WINDOW_MAX];
};

enum guard_verdict { GUARD_FINE, GUARD_NOT_FINITE, GUARD_NORM_BOUND, GUARD_LOSS_SPIKE, GUARD_NORM_SPIKE };

/* A step's mean loss (nats) and the global norm of its gradients. Of the window the newest settings->window steps count; spikes are looked for once half
 * of them (at least 2) are there. A pure function. */
enum guard_verdict guard_check(const struct guard_settings *settings, const struct guard_window *window, double loss,
                               double norm);
/* "the loss is a spike": for texts and the journal. */
const char *guard_verdict_text(enum guard_verdict verdict);

/* Takes a believed step into the window, the oldest beyond settings->window out. */
void guard_accept(const struct guard_settings *settings, struct guard_window *window, double loss, double norm);

/* {"losses": [...], "norms": [...]}, exact. Reading one that is absent (json NULL) gives an empty window; Q_ERR_INPUT where it is malformed. */
q_status guard_window_json(const struct guard_window *window, json_t **out) Q_MUST_USE;
q_status guard_window_read(const json_t *json, const char *name, struct guard_window *out) Q_MUST_USE;

/* For tests alone, as q_fs_replace is: a machine that errs. Called behind the backward pass of every attempt at a step (attempt 0, then 1): it may
 * change the gradients or the loss. NULL: none. Replaced before a run starts. */
struct model;
struct guard_fault {
    void *context;
    void (*behind_backward)(void *context, struct model *model, uint64_t step, uint64_t samples, unsigned attempt,
                            double *loss);
};
const struct guard_fault *guard_fault(void);
void guard_fault_replace(const struct guard_fault *fault);

#endif
