/* Counting what the experts get: by source since the last map, and over a window of the newest tokens.
 *
 *     begin_step -> { add, per micro-batch and router } -> end_step: the step's counts join the map and the window
 *
 * A step that is begun again (a guard reruns it) counts once. Counts are [routers, experts], of a map [sources, routers, experts]; what is added is this
 * rank's, and so is the map until it is summed.
 */
#ifndef QUERN_TRAIN_EXPERT_LOAD_H
#define QUERN_TRAIN_EXPERT_LOAD_H

#include "train/comm/comm.h"

#include <stddef.h>
#include <stdint.h>

struct expert_load_shape {
    size_t routers, experts, top_k, sources;
    uint64_t window_tokens; /* of the window, at least 1 */
};

struct expert_load;

q_status expert_load_create(const struct expert_load_shape *shape, struct expert_load **out) Q_MUST_USE;
void expert_load_release(struct expert_load *load);

void expert_load_begin_step(struct expert_load *load);
/* What one router chose in a micro-batch: chosen [sequences, length, K] in [0, experts); sources [sequences] in [0, sources). */
void expert_load_add(struct expert_load *load, size_t router, const int32_t *chosen, const uint32_t *sources,
                     size_t sequences, size_t length);
/* counts [routers, experts]: of the step's whole batch, for the window. */
void expert_load_end_step(struct expert_load *load, const int64_t *counts, uint64_t tokens);

/* The map since it was last cleared, [sources, routers, experts]; and the tokens of a source in it. */
const int64_t *expert_load_map(const struct expert_load *load);
uint64_t expert_load_map_tokens(const struct expert_load *load, size_t source);
void expert_load_clear_map(struct expert_load *load);
/* The map becomes that of all ranks together. */
q_status expert_load_sum_map(struct expert_load *load, struct comm *comm) Q_MUST_USE;

/* Sum over the newest steps that hold window_tokens together, or over all of them while there are fewer. Steps are kept in stretches of a sixteenth
 * of the window, * so that it may hold a sixteenth (or one step) more than it must. *tokens: how many it is. */
void expert_load_window(const struct expert_load *load, int64_t *counts, uint64_t *tokens);

/* Largest load of an expert over the mean, minus 1: 0 where each got the same ("MaxVio", Wang et al., arXiv 2408.15664). 0 where nobody got
 * anything. */
double expert_load_violation(const int64_t *counts, size_t experts);

/* Entropy of the router's scores, normalised to sum 1, of a token: mean over every `stride`-th of the tokens, in nats; from 0 (one expert has it
 * all) to ln E (all * alike). scores [tokens, experts] > 0. */
double expert_load_entropy(const float *scores, size_t tokens, size_t experts, size_t stride);

#endif
