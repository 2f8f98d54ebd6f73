/* The verbs of quern-eval. */
#ifndef QUERN_TRAIN_CMD_EVAL_H
#define QUERN_TRAIN_CMD_EVAL_H

#include "base/options.h"

enum { EVAL_OUTPUT_VERSION = 2, EVAL_BATCH = 8 };

struct eval_options {
    struct q_common common;
    const char *model, *shards, *tokenizer;
    bool fragment;
    const char *prompt;
    uint64_t tokens, seed, window;
    double temperature, top_p;
};

extern const struct q_option eval_run_table[];
q_status eval_run(void *options, const char *const *arguments, size_t count);
q_status eval_plan(void *options, const char *const *arguments, size_t count);
q_status eval_bpb(void *options, const char *const *arguments, size_t count);
/* How many tokens the model is opened for: --window, else its positions, WINDOW_USUAL and `enough` at most. */
q_status eval_window(const struct eval_options *options, uint64_t enough, size_t *out) Q_MUST_USE;
q_status eval_report(void *options, const char *const *arguments, size_t count);

#endif
