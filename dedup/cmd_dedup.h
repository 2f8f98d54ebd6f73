/* quern-dedup: what its verbs' files share. */
#ifndef QUERN_DEDUP_CMD_DEDUP_H
#define QUERN_DEDUP_CMD_DEDUP_H

#include "base/options.h"
#include "dedup/dedup_settings.h"

struct dedup_build_options {
    struct q_common common;
    const char *work; /* NULL: the folder `work` in the result's */
};

/* The section `dedup` of --recipe (or of none) with the --set overrides. Texts live in the arena. */
q_status dedup_settings_read(const struct q_common *common, struct q_arena *arena,
                             struct dedup_settings *settings) Q_MUST_USE;

q_status cmd_dedup_build(void *options, const char *const *arguments, size_t count);
q_status cmd_dedup_plan(void *options, const char *const *arguments, size_t count);
q_status cmd_dedup_pairs(void *options, const char *const *arguments, size_t count);
q_status cmd_dedup_report(void *options, const char *const *arguments, size_t count);

#endif
