/* A log of a run's steps: JSON lines with a member `step` that rises, appended. On a restart the lines behind the checkpoint, and a torn last one,
 * are cut off, so that each step is there once. Only ever for looking at: flushed to the disk with each checkpoint alone, so that what stands before one is
 * there as long as it is. */
#ifndef QUERN_TRAIN_STEP_LOG_H
#define QUERN_TRAIN_STEP_LOG_H

#include "base/memory.h"

struct step_log;

/* Opens RUN/NAME for going on behind `step`; it is made where it is absent. */
q_status step_log_open(const char *run_folder, const char *name, uint64_t step, struct step_log **out) Q_MUST_USE;
void step_log_close(struct step_log *log);
/* Flushes RUN/NAME to the disk, whoever writes to it; absence is not a failure. */
q_status step_log_flush(const char *run_folder, const char *name) Q_MUST_USE;
/* Appends one line, its end included. */
q_status step_log_append(struct step_log *log, const struct q_buffer *line) Q_MUST_USE;

#endif
