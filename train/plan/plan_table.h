/* The plan of a run as a table to read: what it takes of memory, of what there is, and what would take less (quern-train plan; docs/memory.md). */
#ifndef QUERN_TRAIN_PLAN_TABLE_H
#define QUERN_TRAIN_PLAN_TABLE_H

#include "train/plan/preflight.h"

/* What there is, in bytes; 0: not known, and not said. */
struct plan_room {
    uint64_t host, device;
};

/* `name` is the run's. Appended to `out`. */
q_status plan_table(const char *name, const struct preflight *plan, const struct plan_room *room,
                    struct q_buffer *out) Q_MUST_USE;

#endif
