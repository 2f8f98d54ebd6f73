/* The tensors of a model folder, wherever its files are cut: what STEM.safetensors.index.json lists, or without it STEM.safetensors and
 * STEM-*.safetensors.
 *
 * Everything that headers can say is checked before a number is read: no tensor is there twice, none that the index lists is missing, and
 * quantised ones have their scales. FP8 weights (E4M3, as DeepSeek-V3's are published) have beside NAME a tensor NAME_scale_inv, F32
 * [ceil(rows / 128), ceil(columns / 128)]: the number by which a block of 128 x 128 is multiplied.
 */
#ifndef QUERN_TRAIN_TENSOR_SET_H
#define QUERN_TRAIN_TENSOR_SET_H

#include "train/files/safetensors.h"

#include <stdbool.h>

struct tensor_set_entry {
    const struct safetensors *file;
    const struct safetensors_tensor *tensor;
    const struct tensor_set_entry *scale; /* of an FP8 matrix; else NULL */
    bool is_scale;                        /* of another one: not a parameter by itself */
};

struct tensor_set {
    struct q_arena arena;
    struct safetensors *files;
    size_t file_count;
    struct tensor_set_entry *entries; /* by name */
    size_t count;
};

/* Opens every file of the set; where there is none, and no index, the set is empty. Q_ERR_INPUT names file and tensor. Close also after a
 * failure. */
q_status tensor_set_open(const char *folder, const char *stem, struct tensor_set *out) Q_MUST_USE;
void tensor_set_close(struct tensor_set *set);
/* NULL where there is none of that name. */
const struct tensor_set_entry *tensor_set_find(const struct tensor_set *set, const char *name);
/* All elements as floats: F32, BF16, F16, and F8_E4M3 times its scales. Q_ERR_INPUT for other types, and where a scale is not finite. */
q_status tensor_set_read(const struct tensor_set_entry *entry, float *out) Q_MUST_USE;

#endif
