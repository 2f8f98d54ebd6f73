/* A finished model, opened for looking at it: no gradients, one micro-batch of memory. */
#ifndef QUERN_TRAIN_EVAL_MODEL_H
#define QUERN_TRAIN_EVAL_MODEL_H

#include "base/threads.h"
#include "tokenizer/tokenizer.h"
#include "train/model/model.h"

struct eval_model {
    struct model_config config;
    struct q_pool *pool;
    const struct op_table *ops;
    struct op_context *context;
    struct model *model;
    struct model_shape shape;
};

/* The model of FOLDER (config.json and its tensors) for micro-batches of batch x sequence tokens. sequence 0: the model's own maximum.
 * A finished training's folder and a checkpoint are read and compared with their hashes first; damage is Q_ERR_INPUT. */
q_status eval_model_open(const char *folder, size_t batch, size_t sequence, unsigned threads,
                         struct eval_model *out) Q_MUST_USE;
void eval_model_close(struct eval_model *model);

/* bytes[id] for every id below `vocabulary`: what it adds to a text; special and unused ids add nothing. */
void eval_token_bytes(const struct tokenizer *tokenizer, uint32_t vocabulary, uint32_t *bytes);

#endif
