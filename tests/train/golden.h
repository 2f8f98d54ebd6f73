/* A reference folder made by transformers (config, weights, batch, expected values) loaded into our model. */
#ifndef QUERN_TESTS_TRAIN_GOLDEN_H
#define QUERN_TESTS_TRAIN_GOLDEN_H

#include "base/threads.h"
#include "train/model/model.h"
#include "train/safetensors.h"

struct golden {
    struct q_arena arena;
    const char *folder;
    struct model_config config;
    struct q_pool *pool;
    const struct op_table *ops;
    struct op_context *context;
    struct model *model;
    struct safetensors expect;
    json_t *numbers;
    size_t steps, batch, sequence;
    int32_t *ids, *targets; /* [steps, batch, sequence] */
};

/* Loads FOLDER with the backend's table and so many threads; the model is made for training. */
q_status golden_load(const char *folder, const struct op_table *ops, unsigned threads, struct golden *out) Q_MUST_USE;
void golden_release(struct golden *golden);
struct model_batch golden_batch(const struct golden *golden, size_t step);
/* PREFIX + name from expect.safetensors; the caller releases. */
q_status golden_expect(const struct golden *golden, const char *prefix, const char *name, uint64_t count,
                       float **out) Q_MUST_USE;

/* |a - b| / |b| over whole tensors, in double; |a| where b is zero. */
double golden_difference(const float *a, const float *b, size_t count);

#endif
