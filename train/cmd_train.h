/* The verbs of quern-train, one file each. */
#ifndef QUERN_TRAIN_CMD_TRAIN_H
#define QUERN_TRAIN_CMD_TRAIN_H

#include "base/options.h"

enum { TRAIN_OUTPUT_VERSION = 4 };

struct train_run_options {
    struct q_common common;
    const char *shards;
    const char *tokenizer;
    const char *ranks;
    uint64_t gpu_memory; /* of plan; 0: not given */
};

extern const struct q_option train_run_table[], train_plan_table[];

q_status train_run(void *options, const char *const *arguments, size_t count);
q_status train_plan(void *options, const char *const *arguments, size_t count);
/* The length of sequences that the recipe's shards will have. Q_ERR_USAGE where it is 0. */
struct q_recipe;
q_status train_sequence_length(const struct q_recipe *recipe, uint64_t *length) Q_MUST_USE;
q_status train_schedule(void *options, const char *const *arguments, size_t count);
q_status train_report(void *options, const char *const *arguments, size_t count);
/* The same of several runs: cmd_train_report_runs.c. */
struct q_report_options;
q_status train_report_runs(const struct q_report_options *options, const char *const *arguments, size_t count);
struct train_verify_options {
    struct q_common common;
    const char *against;
};

extern const struct q_option train_verify_table[];
q_status train_verify(void *options, const char *const *arguments, size_t count);

struct train_bench_options {
    struct q_common common;
    const char *model, *recompute, *precision, *gradients, *backend, *block;
    uint64_t batch, sequence, steps;
    double seconds, skew;
    bool by_operation, no_graphs, no_deterministic;
};

struct train_ops_options {
    struct q_common common;
    const char *backend, *against, *operation, *model;
    uint64_t batch, sequence;
    double seconds;
    bool perf, large;
};

struct train_forward_options {
    struct q_common common;
    const char *batch;
    bool gradients;
};

extern const struct q_option train_forward_table[];
q_status train_forward(void *options, const char *const *arguments, size_t count);

struct train_export_options {
    struct q_common common;
    const char *dtype;
    bool ema, mtp;
};

extern const struct q_option train_export_table[];
q_status train_export(void *options, const char *const *arguments, size_t count);

struct train_inspect_options {
    struct q_common common;
    bool tensors;
};

extern const struct q_option train_inspect_table[];
q_status train_inspect(void *options, const char *const *arguments, size_t count);

extern const struct q_option train_ops_table[];
q_status train_ops(void *options, const char *const *arguments, size_t count);

extern const struct q_option train_bench_table[];
q_status train_bench(void *options, const char *const *arguments, size_t count);

#endif
