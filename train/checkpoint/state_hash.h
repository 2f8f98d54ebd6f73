/* Hashes of a run's state: two runs that should be the same are compared by them, at every step where both have one.
 *
 * A hash is XXH3-128 over numbers as FP32, little endian, tensor by tensor in the order of the parameter table (model.h): of `parameters` all tensors,
 * biases included; of `moments` for every trained tensor its mean, then its square; of `ema`, where there is one, every trained tensor's average.
 * Types narrower than FP32 are widened first, so the hash is that of the values and the same whether it is taken of memory or of a checkpoint's files.
 */
#ifndef QUERN_TRAIN_STATE_HASH_H
#define QUERN_TRAIN_STATE_HASH_H

#include "base/hash.h"
#include "base/json.h"
#include "train/model/model.h"
#include "train/optimizer.h"

struct state_hashes {
    q_hash parameters, moments, ema;
    bool has_ema;
    const char *
        not_finite; /* of memory: the first tensor that has, itself, in its moments or in its average, a number that is not finite; its name is the
                             * model's. NULL: none */
};

/* Of memory. Needs room for the largest tensor (Q_ERR_MEMORY). Over several ranks all of them call it, and what rank 0 gets is the hash. */
q_status state_hash(const struct model *model, const struct optimizer *optimizer, struct state_hashes *out) Q_MUST_USE;
/* Of the files of a checkpoint, piece by piece: `outline` is a model of its shape, of which only the table is read. Q_ERR_INPUT where a tensor is missing. */
q_status state_hash_files(const char *folder, const struct model *outline, struct state_hashes *out) Q_MUST_USE;

/* Members "parameters" and "moments" of an object, and "ema" where there is one: 32 hex digits each. Reading: *found = false where there are none. */
q_status state_hashes_put(const struct state_hashes *hashes, json_t *object) Q_MUST_USE;
q_status state_hashes_read(const json_t *object, const char *name, struct state_hashes *out, bool *found) Q_MUST_USE;
/* The member that differs, NULL where none does; that only one of them has an EMA is no difference. */
const char *state_hashes_differ(const struct state_hashes *a, const struct state_hashes *b);

#endif
