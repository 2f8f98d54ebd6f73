/* The order in which training sees sequences: a pure function of (seed, position), so a run's place is one integer.
 *
 * One pass of the mixture shows source s weight_s * sequences_s times a sequence of it (rounded to a whole number, at least 1), in one random order over
 * all sources (a bijection computed per index: no permutation is stored, any place is reached in O(1), the batch size may change at any time). A
 * source goes on in the next pass where it stopped in this one; when it is through, it begins again in another order (its next epoch). Where every
 * weight is 1 a pass is exactly one epoch of everything. epochs_max > 0 ends a source for good after so many epochs.
 *
 *     position --/ % per pass--> (pass, slot) --order of the pass--> (source, j) --+ pass * draws--> draw --/ %--> (epoch, k) --order of the epoch--> sequence
 *
 * Passes are alike until a bounded source ends; from there on they are shorter. The stretches of like passes are a short table (mixture.c).
 */
#ifndef QUERN_SHARDS_MIXTURE_H
#define QUERN_SHARDS_MIXTURE_H

#include "base/status.h"
#include "shards/shards.h"

#include <stdint.h>

/* A bijection on [0, count), count > 0, index < count: a Feistel network over the next even number of bits with cycle walking, keyed by (seed, purpose,
 * epoch). order.h has it without the cost of its keys at every call. */
uint64_t order_index(uint64_t seed, const char *purpose, uint64_t epoch, uint64_t count, uint64_t index);

struct mixture_weight {
    double weight;     /* 0..2^20; 0 leaves the source out */
    double epochs_max; /* 0: no bound */
};

struct mixture;
/* weights[i] belongs to shards->sources[i] (NULL: all 1, no bound). `shards` must outlive the mixture. Q_ERR_USAGE for a weight out of range,
 * Q_ERR_INPUT where nothing is left to show. */
q_status mixture_create(const struct shards *shards, uint64_t seed, const struct mixture_weight *weights,
                        struct mixture **out) Q_MUST_USE;
/* The same with the recipe's seed, and the weights and epochs_max of its inputs: a source belongs to the input of its name, and counts once where the
 * recipe has none of that name. */
struct q_recipe;
q_status mixture_from_recipe(const struct shards *shards, const struct q_recipe *recipe,
                             struct mixture **out) Q_MUST_USE;
void mixture_release(struct mixture *mixture);

struct mixture_sample {
    uint64_t sequence; /* number in the shards */
    uint32_t source;
    uint64_t epoch; /* of that source */
};
/* The sample at `position` (0 is the first of the run). Q_ERR_INPUT where epochs_max has ended every source before it. */
q_status mixture_at(const struct mixture *mixture, uint64_t position, struct mixture_sample *out) Q_MUST_USE;

/* How many positions there are: UINT64_MAX where some source has no bound. */
uint64_t mixture_positions(const struct mixture *mixture);
/* Samples in the first pass, and of one source in it: what a mixture means in numbers. */
uint64_t mixture_pass(const struct mixture *mixture);
uint64_t mixture_pass_of(const struct mixture *mixture, uint32_t source);

#endif
