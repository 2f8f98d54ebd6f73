/* The settings of a recipe's `train.watch`: what is written down of a run for those who watch it. All operational: no bit of the model depends on them. */
#ifndef QUERN_TRAIN_WATCH_SETTINGS_H
#define QUERN_TRAIN_WATCH_SETTINGS_H

#include "base/settings.h"

struct watch_settings {
    uint64_t experts_every; /* steps between lines of experts.jsonl; 0: none */
    bool tensorboard;       /* event files too */
    double peak_flop_per_s; /* what flop_share is a share of; 0: measured at the start */
};

extern const struct q_settings_table watch_settings_table;

#endif
