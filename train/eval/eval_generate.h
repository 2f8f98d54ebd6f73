/* Going on from a prompt, token by token. */
#ifndef QUERN_TRAIN_EVAL_GENERATE_H
#define QUERN_TRAIN_EVAL_GENERATE_H

#include "tokenizer/tokenizer.h"
#include "train/files/opened_model.h"

struct eval_sampling {
    uint64_t tokens;    /* at most so many new ones; the end token ends it */
    double temperature; /* 0: the likeliest token, ties to the smaller id */
    double top_p;       /* (0, 1]: only the likeliest tokens that together have this probability */
    uint64_t seed;      /* token i of the continuation is drawn by (seed, "generate", i) */
};

/* Appends the text that follows `prompt` (a begin token is put before it where the vocabulary has one). Longer texts than the model's window go on from
 * its last half. Broken characters at the end may be cut off by the caller. */
q_status eval_generate(struct opened_model *model, const struct tokenizer *tokenizer, q_string prompt,
                       const struct eval_sampling *sampling, struct q_buffer *out) Q_MUST_USE;

/* The token that is drawn from these logits [vocabulary] with a number in [0, 1). Exposed for tests. */
q_status eval_draw(const op_acc *logits, size_t vocabulary, const struct eval_sampling *sampling, double unit,
                   uint32_t *out) Q_MUST_USE;

#endif
