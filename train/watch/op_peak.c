#include "train/watch/op_peak.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/random.h"

enum { SIDE_MIN = 512, SIDE_MAX = 8192, PERIOD = 1 << 20 };
enum { COPY_MIN = 1 << 24, COPY_MAX = 1 << 30, ROW_BYTES = 1 << 12 };

struct peak {
    const struct op_table *ops;
    struct op_context *context;
    op_real *a, *b; /* [side, side] */
    void *c;        /* the product; first the numbers that a and b are made of */
};

struct copying {
    const struct op_table *ops;
    struct op_context *context;
    char *from, *to;
    int32_t *rows; /* 0, 1, .. */
    size_t bytes;
};

/* Begins over every PERIOD elements. Not zeros or ones: some machines are quicker with them. */
static void fill_random(float *numbers, size_t count)
{
    const size_t drawn = Q_MIN(count, (size_t)PERIOD);
    q_random_normal_floats(q_random_key_of(1, "peak", 0, 0), 0, 1, numbers, drawn);
    for (size_t i = drawn; i < count; i++)
        numbers[i] = numbers[i - PERIOD];
}

static q_status fill(struct peak *peak, size_t side)
{
    op_acc *numbers;
    size_t count = side * side;
    Q_TRY(peak->ops->memory_create(peak->context, count * peak->ops->real_bytes, &peak->a));
    Q_TRY(peak->ops->memory_create(peak->context, count * peak->ops->real_bytes, &peak->b));
    Q_TRY(peak->ops->memory_create(peak->context, count * sizeof(op_acc), &peak->c));
    Q_TRY(q_alloc(count, sizeof *numbers, &numbers));
    fill_random(numbers, count);
    peak->ops->copy_in(peak->context, peak->c, numbers, count * sizeof(op_acc));
    peak->ops->narrow(peak->context, peak->a, peak->c, count);
    peak->ops->narrow(peak->context, peak->b, peak->c, count);
    q_release(numbers);
    return peak->ops->synchronize(peak->context);
}

static void empty(struct peak *peak)
{
    peak->ops->memory_release(peak->context, peak->a);
    peak->ops->memory_release(peak->context, peak->b);
    peak->ops->memory_release(peak->context, peak->c);
    peak->a = peak->b = peak->c = NULL;
}

/* Seconds of one product, the best up to `until`: two by two, since a device that stands still waits for the first. */
static q_status best_of(struct peak *peak, size_t side, double until, double *best)
{
    const struct op_table *ops = peak->ops;
    const struct op_matmul product = {.kind = OP_NT,
                                      .m = side,
                                      .n = side,
                                      .k = side,
                                      .a = peak->a,
                                      .a_stride = side,
                                      .b = peak->b,
                                      .b_stride = side,
                                      .c = peak->c,
                                      .c_stride = side};
    *best = 1e300;
    do {
        ops->mark(peak->context, 0);
        ops->matmul(peak->context, &product);
        ops->mark(peak->context, 1);
        ops->matmul(peak->context, &product);
        ops->mark(peak->context, 2);
        for (size_t i = 0; i < 2; i++)
            *best = Q_MIN(*best, ops->mark_seconds(peak->context, i, i + 1));
        Q_TRY(ops->synchronize(peak->context));
    } while (q_seconds() < until);
    return Q_OK;
}

/* A product that takes less than an eighth of the time is too small to fill the machine: the side doubles. */
static q_status measure(struct peak *peak, double seconds, double *flop_per_s)
{
    const struct op_limits limits = {
        .batch = 1, .sequence = 1, .hidden = 1, .vocabulary = 1, .width = SIDE_MAX, .parameters = 1};
    double until = q_seconds() + seconds, best = 0;
    Q_TRY(peak->ops->reserve(peak->context, &limits));
    *flop_per_s = 0;
    for (size_t side = SIDE_MIN; side <= SIDE_MAX; side *= 2) {
        q_status status = fill(peak, side);
        if (!status)
            status = best_of(peak, side, 0, &best);
        bool last = side == SIDE_MAX || best * 8 * 8 > seconds;
        if (!status && last)
            status = best_of(peak, side, until, &best);
        empty(peak);
        Q_TRY(status);
        *flop_per_s = Q_MAX(*flop_per_s, 2 * (double)side * (double)side * (double)side / Q_MAX(best, 1e-9));
        if (last)
            break;
    }
    return Q_OK;
}

q_status op_peak(const struct op_table *ops, struct q_pool *pool, double seconds, double *flop_per_s)
{
    struct peak peak = {.ops = ops};
    Q_TRY(ops->create(pool, &peak.context));
    q_status status = measure(&peak, seconds, flop_per_s);
    ops->release(peak.context);
    return status;
}

static q_status fill_copy(struct copying *copy)
{
    const struct op_table *ops = copy->ops;
    const size_t rows = copy->bytes / ROW_BYTES, piece = Q_MIN(copy->bytes, PERIOD * sizeof(float));
    int32_t *order;
    float *numbers = NULL;
    Q_TRY(ops->memory_create(copy->context, copy->bytes, &copy->from));
    Q_TRY(ops->memory_create(copy->context, copy->bytes, &copy->to));
    Q_TRY(ops->memory_create(copy->context, rows * sizeof *order, &copy->rows));
    Q_TRY(q_alloc(rows, sizeof *order, &order));
    q_status status = q_alloc(piece, 1, &numbers);
    if (!status) {
        for (size_t i = 0; i < rows; i++)
            order[i] = (int32_t)i;
        fill_random(numbers, piece / sizeof *numbers);
        ops->copy_in(copy->context, copy->rows, order, rows * sizeof *order);
        for (size_t i = 0; i < copy->bytes; i += piece)
            ops->copy_in(copy->context, copy->from + i, numbers, piece);
        status = ops->synchronize(copy->context);
    }
    q_release(order);
    q_release(numbers);
    return status;
}

static void empty_copy(struct copying *copy)
{
    copy->ops->memory_release(copy->context, copy->from);
    copy->ops->memory_release(copy->context, copy->to);
    copy->ops->memory_release(copy->context, copy->rows);
    copy->from = copy->to = NULL;
    copy->rows = NULL;
}

static q_status best_copy(struct copying *copy, double until, double *best)
{
    const struct op_table *ops = copy->ops;
    *best = 1e300;
    do {
        ops->mark(copy->context, 0);
        ops->copy_in(copy->context, copy->to, copy->from, copy->bytes);
        ops->mark(copy->context, 1);
        ops->gather(copy->context, copy->to, copy->from, copy->rows, copy->bytes / ROW_BYTES, ROW_BYTES);
        ops->mark(copy->context, 2);
        for (size_t i = 0; i < 2; i++)
            *best = Q_MIN(*best, ops->mark_seconds(copy->context, i, i + 1));
        Q_TRY(ops->synchronize(copy->context));
    } while (q_seconds() < until);
    return Q_OK;
}

/* As large as it takes for some hundredths of a second: far larger than any cache. */
static q_status measure_copy(struct copying *copy, double seconds, double *bytes_per_s)
{
    double until = q_seconds() + seconds, best = 0;
    for (copy->bytes = COPY_MIN;; copy->bytes *= 4) {
        q_status status = fill_copy(copy);
        if (!status)
            status = best_copy(copy, 0, &best);
        bool last = copy->bytes >= COPY_MAX || best > Q_MIN(0.02, seconds / 8);
        if (!status && last)
            status = best_copy(copy, until, &best);
        empty_copy(copy);
        Q_TRY(status);
        if (last)
            break;
    }
    *bytes_per_s = 2 * (double)copy->bytes / Q_MAX(best, 1e-9);
    return Q_OK;
}

q_status op_peak_copy(const struct op_table *ops, struct q_pool *pool, double seconds, double *bytes_per_s)
{
    const struct op_limits limits = {
        .batch = 1, .sequence = 1, .hidden = 1, .vocabulary = 1, .width = 1, .parameters = 1};
    struct copying copy = {.ops = ops};
    Q_TRY(ops->create(pool, &copy.context));
    q_status status = ops->reserve(copy.context, &limits);
    if (!status)
        status = measure_copy(&copy, seconds, bytes_per_s);
    ops->release(copy.context);
    return status;
}
