/* A model on disk: a Hugging Face model folder, and the optimizer's state in the same manner (docs/formats/checkpoint.md).
 *
 * Tensors go to files in the order of the parameter table; a file is closed by the first tensor that takes it over MODEL_FILE_BYTES. So the cut
 * depends on the model alone, never on ranks or threads.
 */
#ifndef QUERN_TRAIN_MODEL_FILES_H
#define QUERN_TRAIN_MODEL_FILES_H

#include "base/manifest.h"
#include "train/files/tensor_set.h"
#include "train/model/model.h"
#include "train/optimizer.h"

enum { MODEL_FILE_BYTES = 1 << 30 };

/* The tensors of a file, in its order. */
struct model_file_tensors {
    const char **names;
    q_hash *hashes; /* XXH3-128 of their data */
    size_t count;   /* 0 of other files */
};

/* What was written, for a manifest or a checkpoint's list. Names and arrays live in the arena. */
struct model_file_list {
    struct q_part_file *files;
    struct model_file_tensors *tensors; /* one for each file */
    size_t count, capacity;
};

/* config.json, generation_config.json, model-*.safetensors and their index into the folder (which must exist), each published. What MTP modules share with the
 * model is written under their names too, since readers of released weights look for it there (model_copies). */
q_status model_files_write(const struct model *model, const char *folder, struct q_arena *arena,
                           struct model_file_list *list) Q_MUST_USE;
/* The tensors of FOLDER into a model of the same shape: every parameter must be there once, with its shape, and finite (Q_ERR_INPUT). What FOLDER's
 * own config.json calls MTP modules is left alone where the model has none; a tensor of any other layer is none of the model's. A second name of a
 * shared tensor may be missing; where it is there, it must hold the same numbers: this trainer has no others. Of as many ids, FOLDER may have more or
 * fewer rows of padding, or none; those it has are left alone then, and the model's are zero. */
q_status model_files_read(struct model *model, const char *folder) Q_MUST_USE;

/* A folder as another, tensor by tensor: one of them at a time is in memory. Of `outline` (model_outline will do) only the table is read. The set is "model",
 * or "ema" for the average that a checkpoint may hold (Q_ERR_USAGE where it has none), and is checked as model_files_read does before anything is written.
 * For other readers: without rows of padding, with vocab_size the number of ids, since they would take every row for a token.
 * Tensors come out as `type` (F32 or BF16, rounded to the nearest); routing biases stay F32, as their readers want them. Close the set also after a failure. */
q_status model_files_open(const struct model *outline, const char *folder, const char *stem,
                          struct tensor_set *set) Q_MUST_USE;
q_status model_files_copy(const struct model *outline, const struct tensor_set *set, enum safetensors_type type,
                          const char *folder, struct q_arena *arena, struct model_file_list *list) Q_MUST_USE;

/* optimizer-*.safetensors: NAME.mean and NAME.square of every trained parameter, in the type that the moments have. Where there is an EMA, it is a set of its
 * own, ema-*.safetensors, of the model's names; the routing biases in it are the model's. Reading leaves an EMA of the files alone where the optimizer has
 * none, and begins it as the parameters, which must have been read, where the files have none. */
q_status optimizer_files_write(const struct model *model, const struct optimizer *optimizer, const char *folder,
                               struct q_arena *arena, struct model_file_list *list) Q_MUST_USE;
q_status optimizer_files_read(const struct model *model, struct optimizer *optimizer, const char *folder) Q_MUST_USE;

/* Copies the files of another folder that a model's readers want beside it; those that are absent there are left out. */
q_status model_files_copy_tokenizer(const char *tokenizer_folder, const char *folder, struct q_arena *arena,
                                    struct model_file_list *list) Q_MUST_USE;

/* Appends to a list; the name is copied. */
q_status model_file_list_add(struct model_file_list *list, struct q_arena *arena, const char *name,
                             struct q_file_identity identity) Q_MUST_USE;

#endif
