#include "train/op_peak.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/memory.h"

enum { SIDE_MIN = 512, SIDE_MAX = 8192 };

struct peak {
    const struct op_table *ops;
    struct op_context *context;
    op_real *a, *b; /* [side, side] */
    void *c;        /* the product; first the ones that a and b are made of */
};

static q_status fill(struct peak *peak, size_t side)
{
    op_acc *ones;
    size_t count = side * side;
    Q_TRY(peak->ops->memory_create(peak->context, count * peak->ops->real_bytes, &peak->a));
    Q_TRY(peak->ops->memory_create(peak->context, count * peak->ops->real_bytes, &peak->b));
    Q_TRY(peak->ops->memory_create(peak->context, count * sizeof(op_acc), &peak->c));
    Q_TRY(q_alloc(count, sizeof *ones, &ones));
    for (size_t i = 0; i < count; i++)
        ones[i] = 1; /* not zeros: some machines are quicker with them */
    peak->ops->copy_in(peak->context, peak->c, ones, count * sizeof(op_acc));
    peak->ops->narrow(peak->context, peak->a, peak->c, count);
    peak->ops->narrow(peak->context, peak->b, peak->c, count);
    q_release(ones);
    return peak->ops->synchronize(peak->context);
}

static void empty(struct peak *peak)
{
    peak->ops->memory_release(peak->context, peak->a);
    peak->ops->memory_release(peak->context, peak->b);
    peak->ops->memory_release(peak->context, peak->c);
    peak->a = peak->b = peak->c = NULL;
}

/* Seconds of one product, the best up to `until`; at least two, the first one warms up. */
static q_status best_of(struct peak *peak, size_t side, double until, double *best)
{
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
    for (size_t call = 0; call < 2 || q_seconds() < until; call++) {
        double started = q_seconds();
        peak->ops->matmul(peak->context, &product);
        Q_TRY(peak->ops->synchronize(peak->context));
        *best = Q_MIN(*best, q_seconds() - started);
    }
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
