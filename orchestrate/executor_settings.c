#include "orchestrate/executor_settings.h"

#define FREE Q_TAG_OPERATIONAL

static const struct q_setting local_rows[] = {
    {.name = "threads",
     .type = Q_SETTING_U64,
     .tag = FREE,
     .offset = offsetof(struct executor_local, threads),
     .unit = "threads",
     .standard = "0",
     .min = 0,
     .max = 1024,
     .meaning = "threads of every program (its -j); 0: all cores"},
    {.name = "memory",
     .type = Q_SETTING_BYTES,
     .tag = FREE,
     .offset = offsetof(struct executor_local, memory_bytes),
     .unit = "bytes",
     .standard = "0",
     .min = 0,
     .max = 1125899906842624,
     .meaning = "bound on the data of one program; beyond it its allocations fail and it ends with exit 4; 0: none"},
    {0}};

static const struct q_settings_table local_table = {"executor.local", local_rows, sizeof(struct executor_local)};

#define GANG(NAME, TYPE, MEMBER, UNIT, STANDARD, MIN, MAX, MEANING)                                                    \
    {                                                                                                                  \
        .name = NAME, .type = TYPE, .tag = FREE, .offset = offsetof(struct executor_gang, MEMBER), .unit = UNIT,       \
        .standard = STANDARD, .min = MIN, .max = MAX, .meaning = MEANING                                               \
    }

static const struct q_setting gang_rows[] = {
    GANG("partition", Q_SETTING_TEXT, partition, NULL, NULL, 0, 0,
         "partition of train and eval; absent: slurm.partition"),
    GANG("time", Q_SETTING_TEXT, time, NULL, NULL, 0, 0, "time limit of train and eval; absent: slurm.time"),
    GANG("constraint", Q_SETTING_TEXT, constraint, NULL, NULL, 0, 0,
         "node features of train and eval; absent: slurm.constraint"),
    GANG("cpus_per_task", Q_SETTING_U64, cpus_per_task, "cores", "0", 0, 4096,
         "cores of a rank; 0: slurm.cpus_per_task"),
    GANG("memory", Q_SETTING_BYTES, memory_bytes, "bytes", "0", 0, 1125899906842624,
         "memory of a node; 0: slurm.memory"),
    GANG("nodes", Q_SETTING_U64, nodes, "nodes", "1", 1, 100000,
         "nodes of a gang; more than 1 is refused until ranks are built"),
    GANG("gpus_per_node", Q_SETTING_U64, gpus_per_node, "GPUs", "0", 0, 64, "GPUs of each node"),
    {0}};

static const struct q_settings_table gang_table = {"executor.slurm.gang", gang_rows, sizeof(struct executor_gang)};

#define SLURM(NAME, TYPE, MEMBER, UNIT, STANDARD, MIN, MAX, MEANING)                                                   \
    {                                                                                                                  \
        .name = NAME, .type = TYPE, .tag = FREE, .offset = offsetof(struct executor_slurm, MEMBER), .unit = UNIT,      \
        .standard = STANDARD, .min = MIN, .max = MAX, .meaning = MEANING                                               \
    }

static const struct q_setting slurm_rows[] = {
    SLURM("partition", Q_SETTING_TEXT, partition, NULL, NULL, 0, 0, "partition; absent: the cluster's standard"),
    SLURM("account", Q_SETTING_TEXT, account, NULL, NULL, 0, 0, "account that is charged"),
    SLURM("qos", Q_SETTING_TEXT, qos, NULL, NULL, 0, 0, "quality of service"),
    SLURM("time", Q_SETTING_TEXT, time, NULL, "04:00:00", 0, 0,
          "time limit of a job, as sbatch takes it; a job that reaches it saves and goes on in another"),
    SLURM("constraint", Q_SETTING_TEXT, constraint, NULL, NULL, 0, 0, "features a node must have"),
    SLURM("exclude", Q_SETTING_TEXT, exclude, NULL, NULL, 0, 0, "nodes not to be used, as sbatch takes them"),
    SLURM("tasks", Q_SETTING_U64, tasks, "tasks", "16", 1, 1000000,
          "tasks of a map step; never more than it has parts"),
    SLURM("max_array", Q_SETTING_U64, max_array, "tasks", "1001", 1, 4000001,
          "the cluster's MaxArraySize, which bounds the index; more tasks become several arrays"),
    SLURM("cpus_per_task", Q_SETTING_U64, cpus_per_task, "cores", "4", 1, 4096, "cores of a task, and its threads"),
    SLURM("memory", Q_SETTING_BYTES, memory_bytes, "bytes", "0", 0, 1125899906842624,
          "memory of a task; 0: the cluster's standard"),
    SLURM("signal_seconds", Q_SETTING_U64, signal_seconds, "s", "300", 1, 65535,
          "how long before its time limit a job is told to save; Slurm may be 60 s early"),
    SLURM("requeues_max", Q_SETTING_U64, requeues_max, "requeues", "100", 0, 100000,
          "a job that stopped with its work saved is queued again at most so often"),
    {.name = "gang",
     .type = Q_SETTING_SECTION,
     .tag = FREE,
     .offset = offsetof(struct executor_slurm, gang),
     .table = &gang_table,
     .meaning = "what differs for train and eval"},
    {0}};

static const struct q_settings_table slurm_table = {"executor.slurm", slurm_rows, sizeof(struct executor_slurm)};

static const struct q_setting rows[] = {{.name = "local",
                                         .type = Q_SETTING_SECTION,
                                         .tag = FREE,
                                         .offset = offsetof(struct executor_settings, local),
                                         .table = &local_table,
                                         .meaning = "on this machine (quern run)"},
                                        {.name = "slurm",
                                         .type = Q_SETTING_SECTION,
                                         .tag = FREE,
                                         .offset = offsetof(struct executor_settings, slurm),
                                         .table = &slurm_table,
                                         .meaning = "on a cluster (quern submit)"},
                                        {0}};

const struct q_settings_table executor_settings_table = {"executor", rows, sizeof(struct executor_settings)};
