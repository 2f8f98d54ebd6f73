/* The feed: which sequences a position of the run stands for, read into batches. A pure function of (shards, seed, weights, position, skips). */
#ifndef QUERN_TRAIN_FEED_H
#define QUERN_TRAIN_FEED_H

#include "base/recipe.h"
#include "shards/mixture.h"
#include "shards/shards.h"
#include "train/skips.h"

#include <stdint.h>

struct feed {
    const struct shards *shards;
    struct mixture *mixture;
    struct shards_cursor *cursor;
    uint32_t *sequence; /* T + 1 ids */
};

/* Weights of the sources come from the recipe's inputs of the same names; a source that is no input of the recipe has weight 1. `shards` is borrowed. */
q_status feed_create(const struct shards *shards, const struct q_recipe *recipe, struct feed *out) Q_MUST_USE;
void feed_release(struct feed *feed);

/* The next `count` samples at or behind *position that are not skipped: ids and targets [count, T], sources [count] (indices into shards->sources).
 * *position becomes the place behind the last of them. */
q_status feed_read(struct feed *feed, const struct skips *skips, uint64_t *position, size_t count, int32_t *ids,
                   int32_t *targets, uint32_t *sources) Q_MUST_USE;

/* Inputs to T ids and targets to the T that follow them. ids may not overlap `sequence` [T + 1]. */
void feed_split(const uint32_t *sequence, size_t sequence_tokens, int32_t *ids, int32_t *targets);

#endif
