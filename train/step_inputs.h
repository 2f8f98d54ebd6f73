/* What training and evaluation have in common: one step, made by one task, and what they say of their inputs in their identities. */
#ifndef QUERN_TRAIN_STEP_INPUTS_H
#define QUERN_TRAIN_STEP_INPUTS_H

#include "base/manifest.h"
#include "base/options.h"
#include "train/model/model_config.h"

/* Adds the inputs `shards` (the hash of its manifest) and `tokenizer` (the hash of FOLDER/tokenizer.json: what else its step wrote does not matter here).
 * Q_ERR_USAGE where the shards were not encoded with that tokenizer. */
q_status step_add_data(struct q_step *step, const struct q_manifest *shards, const char *tokenizer_folder) Q_MUST_USE;

/* Adds the input `from`: what a run of the model `config` begins with (Q_ERR_USAGE where it is another model: model_config_check_source). */
q_status step_add_weights(struct q_step *step, const struct model_config *config, const char *model_folder) Q_MUST_USE;
/* Its hash: that of the lines "NAME<tab>BYTES<tab>HASH" of the folder's files of weights, sorted by name, as docs/steps.md has it for sources; every byte
 * is read, and compared with the hashes that the folder itself has. */
q_status step_weights_hash(const char *model_folder, q_hash *out) Q_MUST_USE;

/* --step names the step "run", the only one; --task leaves nothing to others (Q_ERR_USAGE). */
q_status step_check_whole(const struct q_common *common) Q_MUST_USE;

#endif
