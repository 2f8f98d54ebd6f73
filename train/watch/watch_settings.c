#include "train/watch/watch_settings.h"

#include <stddef.h>

static const struct q_setting rows[] = {
    {.name = "experts_every",
     .type = Q_SETTING_COUNT,
     .tag = Q_TAG_OPERATIONAL,
     .offset = offsetof(struct watch_settings, experts_every),
     .unit = "steps",
     .standard = "100",
     .max = 1e9,
     .meaning = "steps between lines of experts.jsonl (every expert's load by source); one is written at the end too; "
                "0: none, and nothing is counted"},
    {.name = "tensorboard",
     .type = Q_SETTING_BOOL,
     .tag = Q_TAG_OPERATIONAL,
     .offset = offsetof(struct watch_settings, tensorboard),
     .standard = "true",
     .meaning = "write the same numbers as TensorBoard event files too"},
    {.name = "peak_flop_per_s",
     .type = Q_SETTING_DOUBLE,
     .tag = Q_TAG_OPERATIONAL,
     .offset = offsetof(struct watch_settings, peak_flop_per_s),
     .unit = "FLOP/s",
     .standard = "0",
     .max = 1e24,
     .meaning = "what the speed is set against, of all machines of the run together; 0: the backend's product of "
                "matrices, measured for a tenth of a second at every start and half as long every minute, the best "
                "counts"},
    {0}};

const struct q_settings_table watch_settings_table = {"watch", rows, sizeof(struct watch_settings)};
