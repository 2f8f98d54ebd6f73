#include "train/eval/eval_settings.h"

#include <stddef.h>

#define AT(member) offsetof(struct eval_settings, member)

static const struct q_setting rows[] = {
    {.name = "sequences_max",
     .type = Q_SETTING_COUNT,
     .tag = Q_TAG_IDENTITY,
     .offset = AT(sequences_max),
     .unit = "sequences",
     .standard = "0",
     .max = 1e12,
     .meaning = "held-out sequences to measure bits per byte on, spread evenly over all of them; 0: every one"},
    {.name = "prompts",
     .type = Q_SETTING_TEXTS,
     .tag = Q_TAG_IDENTITY,
     .offset = AT(prompts),
     .meaning = "texts that the model is asked to go on from"},
    {.name = "prompt_tokens",
     .type = Q_SETTING_COUNT,
     .tag = Q_TAG_IDENTITY,
     .offset = AT(prompt_tokens),
     .unit = "tokens",
     .standard = "64",
     .min = 1,
     .max = 65536,
     .meaning = "length of a continuation"},
    {.name = "temperature",
     .type = Q_SETTING_DOUBLE,
     .tag = Q_TAG_IDENTITY,
     .offset = AT(temperature),
     .standard = "0",
     .max = 100,
     .meaning = "of sampling; 0: the likeliest token always"},
    {.name = "top_p",
     .type = Q_SETTING_DOUBLE,
     .tag = Q_TAG_IDENTITY,
     .offset = AT(top_p),
     .standard = "1",
     .max = 1,
     .meaning = "sampling from the likeliest tokens that together have this probability"},
    {0}};

const struct q_settings_table eval_settings_table = {"eval", rows, sizeof(struct eval_settings)};
