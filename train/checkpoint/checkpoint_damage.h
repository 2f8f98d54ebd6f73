/* Damage to a checkpoint's files, told by the names of tensors. For checkpoint.c. */
#ifndef QUERN_TRAIN_CHECKPOINT_DAMAGE_H
#define QUERN_TRAIN_CHECKPOINT_DAMAGE_H

#include "base/hash.h"
#include "base/json.h"
#include "train/files/model_files.h"

/* The member `tensors` of a file's entry in trainer.json: name to hash. New reference; none (*out = NULL) for files without tensors. */
q_status checkpoint_tensors_json(const struct model_file_tensors *tensors, json_t **out) Q_MUST_USE;

/* One entry of trainer.json's list of files: there, of its size, and of its hash. Q_ERR_INPUT says which tensor was damaged, or is missing. */
q_status checkpoint_check_file(const char *folder, const json_t *entry, struct q_arena *arena) Q_MUST_USE;

#endif
