/* The order in which training sees sequences: a pure function of (seed, position), so a run's place is one integer.
 *
 * One pass of the mixture shows source s about weight_s * sequences_s times its sequences, in one random order over all sources (a bijection computed per
 * index: no permutation is stored, any place is reached in O(1), the batch size may change at any time). A source goes on in
 * the next pass where it stopped in this one; when it is through, it begins again in another order (its next epoch). Where every weight is 1 a pass is
 * exactly one epoch of everything. epochs_max > 0 ends a source for good after so many epochs.
 */
#ifndef QUERN_SHARDS_MIXTURE_H
#define QUERN_SHARDS_MIXTURE_H

#include "base/status.h"
#include "shards/shards.h"

#include <stdint.h>

/* A bijection on [0, count): a Feistel network over the next even number of bits with cycle walking, keyed by (seed, purpose, epoch). */
uint64_t order_index(uint64_t seed, const char *purpose, uint64_t epoch, uint64_t count, uint64_t index);

struct mixture_weight {
    double weight;     /* > 0; 0 leaves the source out */
    double epochs_max; /* 0: no bound */
};

struct mixture;
/* weights[i] belongs to shards->sources[i]. Q_ERR_INPUT where nothing is left to show. */
q_status mixture_create(const struct shards *shards, uint64_t seed, const struct mixture_weight *weights, struct mixture **out) Q_MUST_USE;
void mixture_release(struct mixture *mixture);

struct mixture_sample {
    uint64_t sequence; /* number in the shards */
    uint32_t source;
    uint64_t epoch; /* of that source */
};
/* The sample at `position` (0 is the first of the run). Q_ERR_INPUT where epochs_max has ended every source before it. */
q_status mixture_at(const struct mixture *mixture, uint64_t position, struct mixture_sample *out) Q_MUST_USE;

#endif
