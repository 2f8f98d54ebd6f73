/* The settings of a recipe's `eval` section (docs/settings/eval.md). */
#ifndef QUERN_TRAIN_EVAL_SETTINGS_H
#define QUERN_TRAIN_EVAL_SETTINGS_H

#include "base/settings.h"

#include <stdint.h>

struct eval_settings {
    uint64_t sequences_max; /* held-out sequences looked at; 0: all */
    struct q_texts prompts; /* texts to go on from */
    uint64_t prompt_tokens; /* length of each continuation */
    double temperature;     /* 0: the likeliest token always */
    double top_p;
};

extern const struct q_settings_table eval_settings_table;

#endif
