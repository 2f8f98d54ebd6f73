/* The verbs of `quern`, one file each: cmd_run.c, cmd_status.c, cmd_verify.c, cmd_plan.c. */
#ifndef QUERN_ORCHESTRATE_CMD_QUERN_H
#define QUERN_ORCHESTRATE_CMD_QUERN_H

#include "base/options.h"

extern const struct q_verb quern_run_verb, quern_status_verb, quern_verify_verb, quern_plan_verb;

/* The verb of quern-submit lives in slurm/; `quern submit` becomes that program, like every other quern-X. */

#endif
