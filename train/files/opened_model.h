/* A model folder, opened: config.json, the machine, and the tensors in it. What looks at a finished model begins here. */
#ifndef QUERN_TRAIN_OPENED_MODEL_H
#define QUERN_TRAIN_OPENED_MODEL_H

#include "base/threads.h"
#include "train/model/model.h"

struct opened_model {
    struct model_config config;
    struct q_pool *pool;
    const struct op_table *ops;
    struct op_context *context;
    struct model *model;
    struct model_shape shape;
};

/* The model of FOLDER (config.json and its tensors) for micro-batches of `shape`; a sequence longer than its positions is
 * Q_ERR_USAGE. MTP modules are left aside unless `shape` asks for them. A finished training's folder and a checkpoint are read and compared
 * with their hashes first; damage is Q_ERR_INPUT. */
q_status opened_model_open(const char *folder, const struct model_shape *shape, unsigned threads,
                           struct opened_model *out) Q_MUST_USE;
void opened_model_close(struct opened_model *model);

/* Compares the files of FOLDER with the hashes that its manifest.json or trainer.json has of them; a folder from elsewhere has neither and
 * passes. Q_ERR_INPUT. */
q_status opened_model_verify(const char *folder) Q_MUST_USE;

#endif
