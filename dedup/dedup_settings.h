/* The recipe's section `dedup`: docs/settings/dedup.md is printed from this table. */
#ifndef QUERN_DEDUP_DEDUP_SETTINGS_H
#define QUERN_DEDUP_DEDUP_SETTINGS_H

#include "base/settings.h"

/* Which document of a cluster stays; every rule ends with the smaller key (XXH3-128 of the id), so that arrival
 * never decides. */
enum dedup_survivor {
    DEDUP_SURVIVOR_QUALITY, /* the highest quality (none counts least), then the longest text */
    DEDUP_SURVIVOR_LONGEST, /* the most bytes of text */
    DEDUP_SURVIVOR_NEWEST,  /* the latest date (none counts least), then the longest text */
};

/* Bits of the steps that a setting matters to. */
enum { DEDUP_SIGN = 1 << 0, DEDUP_GROUP = 1 << 1, DEDUP_FILTER = 1 << 2 };

struct dedup_settings {
    bool exact, near;
    uint64_t words; /* in a shingle */
    uint64_t bands, rows;
    double jaccard;
    int survivor; /* enum dedup_survivor */
    uint64_t compare_max;
    uint64_t memory; /* bytes */
};

extern const struct q_settings_table dedup_settings_table;

#endif
