/* The order in which training sees sequences: a pure function of (seed, position), so a run's place is one integer.
 *
 * One pass of the mixture shows source s weight_s * sequences_s times a sequence of it (rounded to a whole number, at least 1). A pass is cut into blocks
 * of about 64 samples in each of which every source has its share, in a random order (a bijection computed per index: no permutation is stored, any
 * place is reached in O(sources), the batch size may change at any time). A source goes on in the next pass where it stopped in this one; when it is
 * through, it begins again in another order (its next epoch). Where every weight is 1 a pass is exactly one epoch of everything. epochs_max > 0 ends a
 * source for good after so many epochs.
 *
 *     position --/ % per pass--> (pass, slot) --> (block, place) --order of the block--> (source, draw) --/ %--> (epoch, k) --order of the epoch--> sequence
 *
 * Weights may change at a position: from the next block on, in a new pass. Since a block holds its sources' next draws and nothing else, no sequence is then
 * skipped or shown again, and what came before does not depend on the change: it may be decided while a run is under way.
 *
 * Passes are alike until a bounded source ends or the weights change. The stretches of like passes are a short table (mixture.c).
 */
#ifndef QUERN_SHARDS_MIXTURE_H
#define QUERN_SHARDS_MIXTURE_H

#include "base/hash.h"
#include "base/settings.h"
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
/* Other weights (one for each source) from the first block on that begins at `position` or behind it, and for ever; positions before it show what they
 * showed. Errors as above, and Q_ERR_INPUT where every source has ended before; then the mixture is good for nothing but to be released. */
q_status mixture_change(struct mixture *mixture, uint64_t position, const double *weights) Q_MUST_USE;
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
/* Two mixtures of the same shards, seed and bounds with the same hash show the same at every position before this one. */
q_hash mixture_hash(const struct mixture *mixture, uint64_t position);

/* --- out of a recipe (mixture_recipe.c) -------------------------------------------------------------------------------------------- */

/* A piece of a recipe's 'train.mixture': weights that hold from so many tokens on, up to where the next piece begins. */
struct mixture_piece {
    uint64_t from;         /* tokens */
    struct q_node *tree;   /* as it is written: a mapping of inputs' names to weights */
    const double *weights; /* of each of the recipe's inputs: what the piece says, else the input's own */
};
extern const struct q_settings_table mixture_piece_table;

/* The pieces, in the arena. Q_ERR_USAGE with file and line where `from` does not ascend, a name is none of the recipe's inputs, a weight no number
 * of the range. */
struct q_recipe;
q_status mixture_pieces(const struct q_recipe *recipe, struct q_arena *arena, struct mixture_piece **out,
                        size_t *count) Q_MUST_USE;

/* mixture_create with the recipe's seed and its inputs' weights and epochs_max, then a change for each piece, at from / sequence_tokens rounded up. A source
 * belongs to the input of its name, and counts once where the recipe has none of that name. */
q_status mixture_from_recipe(const struct shards *shards, const struct q_recipe *recipe,
                             struct mixture **out) Q_MUST_USE;

#endif
