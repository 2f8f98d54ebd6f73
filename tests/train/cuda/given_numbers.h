/* Numbers for operations on an emulated device, and how they get there. */
#ifndef QUERN_TESTS_TRAIN_CUDA_GIVEN_NUMBERS_H
#define QUERN_TESTS_TRAIN_CUDA_GIVEN_NUMBERS_H

#include "base/random.h"
#include "tests/base/cmocka_all.h"
#include "train/bfloat16.h"
#include "train/ops.h"

/* Normal ones, of a seed and a name. */
static inline void fill(uint16_t *to, size_t count, uint64_t seed, const char *name)
{
    const q_random_key key = q_random_key_of(seed, name, count, 0);
    for (size_t i = 0; i < count; i++)
        to[i] = bfloat16_of_float((float)q_random_normal(key, i));
}

/* A copy in the device's memory. */
static inline void *give(const struct op_table *table, struct op_context *context, const void *from, size_t bytes)
{
    void *there;
    assert_ok(table->memory_create(context, bytes, &there));
    table->copy_in(context, there, from, bytes);
    return there;
}

#endif
