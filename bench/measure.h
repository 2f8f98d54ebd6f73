/* Measuring a command from outside: how long it takes, what it uses, and what it says of itself. */
#ifndef QUERN_BENCH_MEASURE_H
#define QUERN_BENCH_MEASURE_H

#include "base/memory.h"
#include "base/status.h"

#include <stdint.h>

struct measured_run {
    double seconds;      /* from start to end, by the wall's clock */
    double cpu_seconds;  /* user and system, of the command and of all it waited for */
    uint64_t peak_bytes; /* largest resident set of any of these processes */
};

/* Runs arguments[0] (looked for in PATH) with its arguments, NULL at the end; standard input is /dev/null, standard
 * error this program's. Standard output goes to `output` (cleared first, at most 16 MiB), or to /dev/null where that is
 * NULL. A command that cannot be started, fails or is killed is Q_ERR_SYSTEM. */
q_status measure_run(const char *const *arguments, struct q_buffer *output, struct measured_run *run) Q_MUST_USE;

#endif
