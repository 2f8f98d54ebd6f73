/* rope: rows in parallel, pairs in place. */
#include "train/cpu/cpu_ops.h"
#include "train/cpu/cpu_real.h"

#include "base/check.h"

enum { ROWS = 64 }; /* of a tile */

static void rope_rows(void *context, unsigned worker, size_t block)
{
    (void)worker;
    const struct op_rope *rope = context;
    size_t end = Q_MIN((block + 1) * ROWS, rope->rows);
    for (size_t row = block * ROWS; row < end; row++) {
        const float *table = rope->table + row % rope->sequence * rope->rope;
        for (size_t group = 0; group < rope->groups; group++) {
            real *x = reals_out(rope->x) + row * rope->stride + group * rope->group_stride;
            for (size_t i = 0; i < rope->rope; i += 2) {
                float cosine = table[i], sine = rope->inverse ? -table[i + 1] : table[i + 1];
                float a = real_float(x[i]), b = real_float(x[i + 1]);
                x[i] = real_of(a * cosine - b * sine);
                x[i + 1] = real_of(a * sine + b * cosine);
            }
        }
    }
}

static void rope(struct op_context *context, const struct op_rope *rope)
{
    struct op_rope copy = *rope;
    q_pool_for(context->pool, (size_t)q_ceil_div(rope->rows, ROWS), rope_rows, &copy);
}

void CPU_NAME(op_rope)(struct op_table *table)
{
    table->rope = rope;
}
