#include "shards/shards_settings.h"

static const struct q_setting rows[] = {
    {.name = "sequence_tokens",
     .type = Q_SETTING_U64,
     .tag = Q_TAG_IDENTITY,
     .offset = offsetof(struct shards_settings, sequence_tokens),
     .unit = "tokens",
     .standard = "4096",
     .min = 1,
     .max = 4194304,
     .meaning = "inputs of a training sequence (and its targets): T"},
    {.name = "frame_bytes",
     .type = Q_SETTING_BYTES,
     .tag = Q_TAG_IDENTITY,
     .offset = offsetof(struct shards_settings, frame_bytes),
     .unit = "bytes",
     .standard = "16KiB",
     .min = 1,
     .max = 33554432,
     .meaning = "plain size of a frame: as many whole sequences as fit, at least one; a random read decompresses one "
                "frame, a larger one packs better"},
    {.name = "level",
     .type = Q_SETTING_I64,
     .tag = Q_TAG_IDENTITY,
     .offset = offsetof(struct shards_settings, level),
     .standard = "6",
     .min = 1,
     .max = 19,
     .meaning = "level of zstd"},
    {.name = "fim_rate",
     .type = Q_SETTING_DOUBLE,
     .tag = Q_TAG_IDENTITY,
     .offset = offsetof(struct shards_settings, fim_rate),
     .unit = "share of documents",
     .standard = "0",
     .min = 0,
     .max = 1,
     .meaning = "training documents rearranged to prefix, suffix, middle (fill in the middle; 0.1 in DeepSeek-V3); "
                "held-out ones never are"},
    {0},
};

const struct q_settings_table shards_settings_table = {"shards", rows, sizeof(struct shards_settings)};
