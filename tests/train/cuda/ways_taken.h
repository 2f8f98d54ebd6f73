/* What tests ask of op_ways. */
#ifndef QUERN_TESTS_TRAIN_CUDA_WAYS_TAKEN_H
#define QUERN_TESTS_TRAIN_CUDA_WAYS_TAKEN_H

#include "train/ops.h"

#include <string.h>

/* NULL: it was not taken. */
static inline const struct op_way *way_taken(const struct op_ways *ways, const char *operation, const char *way)
{
    for (size_t i = 0; i < ways->count; i++)
        if (strcmp(ways->rows[i].operation, operation) == 0 && strcmp(ways->rows[i].way, way) == 0)
            return &ways->rows[i];
    return NULL;
}

static inline uint64_t times_taken(const struct op_ways *ways, const char *operation, const char *way)
{
    const struct op_way *row = way_taken(ways, operation, way);
    return row ? row->times : 0;
}

#endif
