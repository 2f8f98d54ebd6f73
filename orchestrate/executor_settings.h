/* The settings of the recipe's section `executor` (docs/settings/executor.md): where and how the steps run, never what
 * comes out. All are operational.
 */
#ifndef QUERN_ORCHESTRATE_EXECUTOR_SETTINGS_H
#define QUERN_ORCHESTRATE_EXECUTOR_SETTINGS_H

#include "base/options.h"
#include "base/settings.h"

struct executor_local {
    uint64_t threads;      /* given to every program as -j; 0: each takes all cores */
    uint64_t memory_bytes; /* bound on a program's data; 0: none */
};

/* What differs for the steps that are gangs (train, eval). Absent texts and zeros: as for the other steps. */
struct executor_gang {
    const char *partition;
    const char *time;
    const char *constraint;
    uint64_t cpus_per_task;
    uint64_t memory_bytes;
    uint64_t nodes;
    uint64_t gpus_per_node;
};

struct executor_slurm {
    const char *partition, *account, *qos; /* NULL: the cluster's standard */
    const char *time;                      /* as sbatch takes it: "04:00:00", "2-00" */
    const char *constraint, *exclude;
    uint64_t tasks;     /* of a map step; never more than it has parts */
    uint64_t max_array; /* the cluster's MaxArraySize: indices run below it */
    uint64_t cpus_per_task;
    uint64_t memory_bytes;   /* of a task; 0: the cluster's standard */
    uint64_t signal_seconds; /* how long before the end of its time a job is told to save */
    uint64_t requeues_max;   /* a job that stopped with its work saved goes on at most so often */
    struct executor_gang gang;
};

struct executor_settings {
    struct executor_local local;
    struct executor_slurm slurm;
};

extern const struct q_settings_table executor_settings_table;

#endif
