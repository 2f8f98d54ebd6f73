/* The recipe's section `shards`: docs/settings/shards.md is made from this table. */
#ifndef QUERN_SHARDS_SHARDS_SETTINGS_H
#define QUERN_SHARDS_SHARDS_SETTINGS_H

#include "base/settings.h"

struct shards_settings {
    uint64_t sequence_tokens;
    uint64_t frame_bytes;
    int64_t level;
    double fim_rate;
    double bpe_dropout;
    double boundary_split;
};

extern const struct q_settings_table shards_settings_table;

#endif
