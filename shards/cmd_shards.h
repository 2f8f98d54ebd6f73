/* The verbs of quern-shards, one or two to a file cmd_shards_*.c. */
#ifndef QUERN_SHARDS_CMD_SHARDS_H
#define QUERN_SHARDS_CMD_SHARDS_H

#include "base/options.h"
#include "shards/shards.h"
#include "tokenizer/tokenizer.h"

enum { SHARDS_INPUTS_MAX = 4096 }; /* folders of documents for one build */

struct shards_build_options {
    struct q_common common;
    const char *tokenizer;
};

/* For the verbs that show what is in shards; each has the options of its table. */
struct shards_show_options {
    struct q_common common;
    const char *tokenizer;
    const char *split;    /* "train" (standard) or "heldout" */
    const char *sequence; /* a number; NULL: all, or by position */
    uint64_t position, count;
    bool text, fragment;
    const char *format;
};

q_status cmd_shards_build(void *options, const char *const *arguments, size_t count);
q_status cmd_shards_plan(void *options, const char *const *arguments, size_t count);
q_status cmd_shards_info(void *options, const char *const *arguments, size_t count);
q_status cmd_shards_stats(void *options, const char *const *arguments, size_t count);
q_status cmd_shards_verify(void *options, const char *const *arguments, size_t count);
q_status cmd_shards_cat(void *options, const char *const *arguments, size_t count);
q_status cmd_shards_order(void *options, const char *const *arguments, size_t count);
q_status cmd_shards_trace(void *options, const char *const *arguments, size_t count);
q_status cmd_shards_export(void *options, const char *const *arguments, size_t count);
q_status cmd_shards_report(void *options, const char *const *arguments, size_t count);

/* "train" (also for NULL) or "heldout"; Q_ERR_USAGE. */
q_status cmd_shards_split(const char *name, enum shards_split *out) Q_MUST_USE;

/* Loads the tokenizer of a file or folder. Q_ERR_INPUT where it is not the one that made the ids, for another decodes them to nonsense. */
q_status cmd_shards_tokenizer(const char *path, q_hash wanted, struct tokenizer **out) Q_MUST_USE;

#endif
