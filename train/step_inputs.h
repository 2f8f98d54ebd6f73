/* What training and evaluation say of their inputs in their identities. */
#ifndef QUERN_TRAIN_STEP_INPUTS_H
#define QUERN_TRAIN_STEP_INPUTS_H

#include "base/manifest.h"

/* Adds the inputs `shards` (the hash of its manifest) and `tokenizer` (the hash of FOLDER/tokenizer.json: what else its step wrote does not matter here).
 * Q_ERR_USAGE where the shards were not encoded with that tokenizer. */
q_status step_add_data(struct q_step *step, const struct q_manifest *shards, const char *tokenizer_folder) Q_MUST_USE;

#endif
