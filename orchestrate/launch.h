/* Children: the stages' programs, started, watched and ended.
 *
 * launch_capture a short question ("plan"): what it prints comes back as bytes launch_run a long build: its standard
 * error goes to ours and to a log while it runs; a stop is handed on
 *
 * A child stands in a process group of its own, so that one Ctrl-C reaches it once (through us), and dies with us: the
 * kernel kills it when quern run itself is killed, so that a new run never meets the writer of the old one. Its
 * standard input is empty.
 */
#ifndef QUERN_ORCHESTRATE_LAUNCH_H
#define QUERN_ORCHESTRATE_LAUNCH_H

#include "base/memory.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

/* The path of a program of ours: in the folder QUERN_LIBEXEC where that is set, else beside the running program, else
 * in PATH. Q_ERR_SYSTEM where it is nowhere. In the arena. */
q_status launch_find(struct q_arena *arena, const char *name, const char **out_path) Q_MUST_USE;

/* How a child ended. */
struct launch_end {
    int code;   /* its exit code; 128 + signal where a signal ended it */
    int signal; /* 0: none */
};

/* Runs `arguments` ([0] is the path; NULL ends them) and appends what it writes to standard output and error. More than
 * 64 MiB of either is Q_ERR_SYSTEM. */
q_status launch_capture(const char *const *arguments, struct q_buffer *out, struct q_buffer *error,
                        struct launch_end *end) Q_MUST_USE;

struct launch_watch {
    const char *const *arguments;
    const char *log_path;  /* appended to; lines as a terminal would show them at last */
    uint64_t memory_bytes; /* bound on the child's data (RLIMIT_DATA); 0: none */
    int inherited_fd;      /* kept open in the child: the run's lock; -1: none */
    /* Called about ten times a second while the child runs; may be NULL. */
    void (*tick)(void *context);
    void *context;
};

/* Runs the child to its end. When a stop is requested (base/clock.h) the child gets one SIGTERM. Q_OK whatever its exit
 * code; a failure is one of ours. */
q_status launch_run(const struct launch_watch *watch, struct launch_end *end) Q_MUST_USE;

#endif
