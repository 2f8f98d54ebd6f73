/* swiglu: element by element; the backward computes the sigmoid again rather than reading it back. */
#include "train/cpu/cpu_ops.h"
#include "train/cpu/cpu_real.h"

#include "base/check.h"

enum { ROWS = 32 }; /* of a tile */

struct job {
    real *out;
    const real *dout, *gate_up;
    size_t rows, inner;
};

static inline vec forward_lanes(vec gate, vec up)
{
    return gate * vec_sigmoid(gate) * up;
}

static void forward_rows(void *context, unsigned worker, size_t block)
{
    (void)worker;
    const struct job *job = context;
    size_t inner = job->inner, end = Q_MIN((block + 1) * ROWS, job->rows);
    for (size_t row = block * ROWS; row < end; row++) {
        const real *gate = job->gate_up + row * 2 * inner, *up = gate + inner;
        real *out = job->out + row * inner;
        size_t i = 0;
        for (; i + VEC_LANES <= inner; i += VEC_LANES)
            real_store(out + i, forward_lanes(real_load(gate + i), real_load(up + i)));
        if (i < inner)
            real_store_part(out + i,
                            forward_lanes(real_load_part(gate + i, inner - i), real_load_part(up + i, inner - i)),
                            inner - i);
    }
}

/* d gate = dout up s (1 + gate (1 - s)), d up = dout gate s, with s = sigmoid(gate). */
static inline void backward_lanes(vec gate, vec up, vec dout, vec *dgate, vec *dup)
{
    vec s = vec_sigmoid(gate), one = vec_set(1.0F);
    *dgate = dout * up * s * (one + gate * (one - s));
    *dup = dout * gate * s;
}

static void backward_rows(void *context, unsigned worker, size_t block)
{
    (void)worker;
    const struct job *job = context;
    size_t inner = job->inner, end = Q_MIN((block + 1) * ROWS, job->rows);
    for (size_t row = block * ROWS; row < end; row++) {
        const real *gate = job->gate_up + row * 2 * inner, *up = gate + inner, *dout = job->dout + row * inner;
        real *dgate = job->out + row * 2 * inner, *dup = dgate + inner;
        vec a, b;
        size_t i = 0;
        for (; i + VEC_LANES <= inner; i += VEC_LANES) {
            backward_lanes(real_load(gate + i), real_load(up + i), real_load(dout + i), &a, &b);
            real_store(dgate + i, a);
            real_store(dup + i, b);
        }
        if (i < inner) {
            size_t rest = inner - i;
            backward_lanes(real_load_part(gate + i, rest), real_load_part(up + i, rest), real_load_part(dout + i, rest),
                           &a, &b);
            real_store_part(dgate + i, a, rest);
            real_store_part(dup + i, b, rest);
        }
    }
}

static void swiglu(struct op_context *context, op_real *out, const op_real *gate_up, size_t rows, size_t inner)
{
    struct job job = {.out = reals_out(out), .gate_up = reals(gate_up), .rows = rows, .inner = inner};
    q_pool_for(context->pool, (size_t)q_ceil_div(rows, ROWS), forward_rows, &job);
}

static void swiglu_backward(struct op_context *context, op_real *dgate_up, const op_real *dout, const op_real *gate_up,
                            size_t rows, size_t inner)
{
    struct job job = {
        .out = reals_out(dgate_up), .dout = reals(dout), .gate_up = reals(gate_up), .rows = rows, .inner = inner};
    q_pool_for(context->pool, (size_t)q_ceil_div(rows, ROWS), backward_rows, &job);
}

void CPU_NAME(op_swiglu)(struct op_table *table)
{
    table->swiglu = swiglu;
    table->swiglu_backward = swiglu_backward;
}
