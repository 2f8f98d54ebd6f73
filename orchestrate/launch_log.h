/* The log of a child: its standard error as text, without the redrawing of progress bars. */
#ifndef QUERN_ORCHESTRATE_LAUNCH_LOG_H
#define QUERN_ORCHESTRATE_LAUNCH_LOG_H

#include "base/memory.h"
#include "base/status.h"

#include <stdbool.h>

struct launch_log {
    const char *path;
    int fd;
    struct q_buffer line; /* the line that has not ended yet, as a terminal would show it */
    bool returned;        /* a carriage return was the last byte */
    int escape;           /* where in an escape sequence the stream stands: 0 outside, 1 behind ESC, 2 inside ESC [ */
};

/* Opens for appending, made where absent. `path` must outlive the log. */
q_status launch_log_open(struct launch_log *log, const char *path) Q_MUST_USE;
/* Adds bytes of the stream; whole lines are written: what a carriage return wiped, and escape sequences, are left out.
 * A log that cannot be written to is given up silently: it must not stop the work. */
void launch_log_add(struct launch_log *log, q_string bytes);
void launch_log_close(struct launch_log *log);

#endif
