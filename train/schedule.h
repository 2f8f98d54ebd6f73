/* Schedules: learning rate, batch size, bias step, balance loss and weight of MTP as pure functions of the tokens consumed, so that a run's place in them is
 * part of its one integer. The warm-up alone is counted in steps, as the DeepSeek-V3 report counts it (arXiv 2412.19437, section 4.2).
 */
#ifndef QUERN_TRAIN_SCHEDULE_H
#define QUERN_TRAIN_SCHEDULE_H

#include "train/train_settings.h"

#include <stdint.h>

/* What one optimizer step uses. */
struct schedule_point {
    double rate;        /* learning rate */
    uint64_t sequences; /* batch */
    double gamma;       /* step of the routing bias; 0: it stays */
    double alpha;       /* weight of the balance loss */
    double lambda;      /* weight of the MTP modules' losses; says nothing where the model has none */
};

/* The step numbered `step` (from 0), which begins after `tokens` tokens; sequences of `sequence_tokens` targets. */
struct schedule_point schedule_at(const struct train_settings *settings, uint64_t sequence_tokens, uint64_t step,
                                  uint64_t tokens);

/* Learning rate alone: in the warm-up (step + 1) / warmup_steps of the peak, later the segment that `tokens` lies in. */
double schedule_rate(const struct train_settings *settings, uint64_t step, uint64_t tokens);

/* Sequences in the step that begins at `tokens`: linear from `from` to `sequences` over `ramp` tokens, rounded down. */
uint64_t schedule_batch(const struct train_settings *settings, uint64_t tokens);

/* Takes steps from a place until *tokens >= until or *step = steps_end: O(sizes of the batch on the way), however many steps that are. */
void schedule_advance(const struct train_settings *settings, uint64_t sequence_tokens, uint64_t until,
                      uint64_t steps_end, uint64_t *step, uint64_t *tokens);

/* Steps and tokens that are still to come for a run that stands at `from` tokens (0: all of it): steps are taken until settings->tokens are reached. Counted
 * from where it stands, since what lies behind it may have been taken under another schedule. */
void schedule_length(const struct train_settings *settings, uint64_t sequence_tokens, uint64_t from,
                     uint64_t *out_steps, uint64_t *out_tokens);

#endif
