#include "train/op_timing.h"

#include "base/check.h"

#include <string.h>

/* Calls whose time is not known yet: call i is between marks 2 i and 2 i + 1. A device goes on meanwhile; it is waited for when there are no marks left. */
enum { CALLS_MAX = OP_MARKS / 2 };

struct timed_call {
    size_t row;
    double flop;
};

static const struct op_table *real;
static struct op_table timed;
static struct op_context *context; /* of the calls */
static struct timed_call calls[CALLS_MAX];
static size_t call_count;

/* The kinds, with the operation that each is a row of. */
#define KINDS(ROW)                                                                                                     \
    ROW(embed, "embed")                                                                                                \
    ROW(embed_backward, "embed backward")                                                                              \
    ROW(rmsnorm, "rmsnorm")                                                                                            \
    ROW(rmsnorm_backward, "rmsnorm backward")                                                                          \
    ROW(matmul, "matmul NT")                                                                                           \
    ROW(matmul_nn, "matmul NN")                                                                                        \
    ROW(matmul_tn, "matmul TN")                                                                                        \
    ROW(grouped, "grouped NT")                                                                                         \
    ROW(grouped_nn, "grouped NN")                                                                                      \
    ROW(grouped_tn, "grouped TN")                                                                                      \
    ROW(rope, "rope")                                                                                                  \
    ROW(attention, "attention")                                                                                        \
    ROW(attention_backward, "attention backward")                                                                      \
    ROW(swiglu, "swiglu")                                                                                              \
    ROW(swiglu_backward, "swiglu backward")                                                                            \
    ROW(router, "router")                                                                                              \
    ROW(router_backward, "router backward")                                                                            \
    ROW(balance, "balance")                                                                                            \
    ROW(route, "route")                                                                                                \
    ROW(gather, "gather")                                                                                              \
    ROW(gather_backward, "gather backward")                                                                            \
    ROW(combine, "combine")                                                                                            \
    ROW(combine_backward, "combine backward")                                                                          \
    ROW(cross_entropy, "cross-entropy")                                                                                \
    ROW(sum_squares, "sum of squares")                                                                                 \
    ROW(adamw, "adamw")                                                                                                \
    ROW(narrow, "narrow")                                                                                              \
    ROW(bias_update, "bias update")                                                                                    \
    ROW(zero, "zero")                                                                                                  \
    ROW(copy_out, "copy out")

#define ROW_NUMBER(kind, text) ROW_##kind,
enum { KINDS(ROW_NUMBER) ROWS };
#define ROW_START(kind, text) [ROW_##kind] = {.name = text},
static const struct op_timing start[ROWS] = {KINDS(ROW_START)};
static struct op_timing rows[ROWS];

static void settle(void)
{
    for (size_t i = 0; i < call_count; i++) {
        const struct timed_call *call = &calls[i];
        rows[call->row].calls++;
        rows[call->row].seconds += real->mark_seconds(context, 2 * i, 2 * i + 1);
        rows[call->row].flop += call->flop;
    }
    call_count = 0;
}

static void begin(struct op_context *c)
{
    if (call_count == CALLS_MAX || c != context)
        settle();
    context = c;
    real->mark(context, 2 * call_count);
}

static void end(size_t row, double flop)
{
    real->mark(context, 2 * call_count + 1);
    calls[call_count++] = (struct timed_call){row, flop};
}

/* --- what an operation computes ----------------------------------------------------------------------------------------------------- */

static double product_flop(double rows_of_c, double n, double k)
{
    return 2 * rows_of_c * n * k;
}

/* Products of one head over the pairs of a query and a key at or before it: `widths` is the sum of their depths. */
static double attention_flop(const struct op_attention *a, double widths)
{
    double pairs = (double)a->sequence * ((double)a->sequence + 1) / 2;
    return 2 * (double)a->batch * (double)a->heads * pairs * widths;
}

/* --- the wrappers ------------------------------------------------------------------------------------------------------------------- */

/* `call` is the operation's own name with its arguments; `flop` may use them. */
#define TIMED(row, parameters, call, flop)                                                                             \
    static void timed_##row parameters                                                                                 \
    {                                                                                                                  \
        begin(c);                                                                                                      \
        real->call;                                                                                                    \
        end(ROW_##row, flop);                                                                                          \
    }

TIMED(embed,
      (struct op_context * c, op_real *out, const op_real *table, const int32_t *ids, size_t tokens, size_t hidden),
      embed(c, out, table, ids, tokens, hidden), 0)
TIMED(embed_backward,
      (struct op_context * c, void *dtable, bool narrow, const op_real *dout, const int32_t *ids, size_t tokens,
       size_t hidden, size_t vocabulary),
      embed_backward(c, dtable, narrow, dout, ids, tokens, hidden, vocabulary), 0)
TIMED(rmsnorm,
      (struct op_context * c, op_real *out, op_acc *rstd, op_real *sum, const op_real *x, size_t x_stride,
       const op_real *delta, const op_acc *weight, size_t count, size_t width, double epsilon),
      rmsnorm(c, out, rstd, sum, x, x_stride, delta, weight, count, width, epsilon), 0)
TIMED(rmsnorm_backward,
      (struct op_context * c, op_real *dx, size_t dx_stride, bool accumulate, void *dweight, bool narrow,
       const op_real *dout, const op_real *x, size_t x_stride, const op_acc *rstd, const op_acc *weight, size_t count,
       size_t width),
      rmsnorm_backward(c, dx, dx_stride, accumulate, dweight, narrow, dout, x, x_stride, rstd, weight, count, width), 0)
TIMED(rope, (struct op_context * c, const struct op_rope *rope), rope(c, rope), 0)
TIMED(attention, (struct op_context * c, const struct op_attention *a), attention(c, a),
      attention_flop(a, (double)(a->nope + a->rope + a->v)))
TIMED(attention_backward, (struct op_context * c, const struct op_attention *a), attention_backward(c, a),
      attention_flop(a, 2 * (double)(a->nope + a->rope + a->v)))
TIMED(swiglu, (struct op_context * c, op_real *out, const op_real *gate_up, size_t count, size_t width),
      swiglu(c, out, gate_up, count, width), 0)
TIMED(swiglu_backward,
      (struct op_context * c, op_real *dgate_up, const op_real *dout, const op_real *gate_up, size_t count,
       size_t width),
      swiglu_backward(c, dgate_up, dout, gate_up, count, width), 0)
TIMED(router, (struct op_context * c, const struct op_router *r), router(c, r), 0)
TIMED(router_backward, (struct op_context * c, const struct op_router *r), router_backward(c, r), 0)
TIMED(balance, (struct op_context * c, const struct op_balance *b), balance(c, b), 0)
TIMED(route, (struct op_context * c, const struct op_route *r), route(c, r), 0)
TIMED(gather, (struct op_context * c, void *out, const void *x, const int32_t *source, size_t slots, size_t row_bytes),
      gather(c, out, x, source, slots, row_bytes), 0)
TIMED(gather_backward,
      (struct op_context * c, op_real *dx, const op_real *dout, const int32_t *position, size_t tokens, size_t top_k,
       size_t hidden),
      gather_backward(c, dx, dout, position, tokens, top_k, hidden), 0)
TIMED(combine,
      (struct op_context * c, op_real *out, const op_real *base, const op_real *y, const int32_t *position,
       const op_acc *weights, size_t tokens, size_t top_k, size_t hidden),
      combine(c, out, base, y, position, weights, tokens, top_k, hidden), 0)
TIMED(combine_backward,
      (struct op_context * c, op_acc *dweights, op_real *dinner, op_real *inner, const int32_t *position,
       const op_acc *weights, size_t tokens, size_t top_k, size_t width),
      combine_backward(c, dweights, dinner, inner, position, weights, tokens, top_k, width), 0)
TIMED(cross_entropy, (struct op_context * c, const struct op_cross_entropy *l), cross_entropy(c, l),
      product_flop((double)l->tokens, (double)l->vocabulary, (double)l->hidden) * (l->dx ? 3 : 1))
TIMED(sum_squares, (struct op_context * c, double *out, const void *x, bool narrow, size_t count),
      sum_squares(c, out, x, narrow, count), 0)
TIMED(adamw, (struct op_context * c, const struct op_adamw *a), adamw(c, a), 0)
TIMED(narrow, (struct op_context * c, op_real *out, const op_acc *x, size_t count), narrow(c, out, x, count), 0)
TIMED(bias_update, (struct op_context * c, op_acc *bias, const int64_t *counts, size_t experts, double gamma),
      bias_update(c, bias, counts, experts, gamma), 0)
TIMED(zero, (struct op_context * c, void *memory, size_t bytes), zero(c, memory, bytes), 0)
TIMED(copy_out, (struct op_context * c, void *host, const void *from, size_t bytes), copy_out(c, host, from, bytes), 0)

static void timed_matmul(struct op_context *c, const struct op_matmul *p)
{
    static const size_t row[] = {[OP_NT] = ROW_matmul, [OP_NN] = ROW_matmul_nn, [OP_TN] = ROW_matmul_tn};
    begin(c);
    real->matmul(c, p);
    end(row[p->kind], product_flop((double)p->m, (double)p->n, (double)p->k));
}

static void timed_grouped(struct op_context *c, const struct op_grouped *p)
{
    static const size_t row[] = {[OP_NT] = ROW_grouped, [OP_NN] = ROW_grouped_nn, [OP_TN] = ROW_grouped_tn};
    begin(c);
    real->grouped(c, p);
    end(row[p->kind], product_flop((double)p->m, (double)p->n, (double)p->k));
}

const struct op_table *op_timing_begin(const struct op_table *ops)
{
    real = ops;
    timed = *ops; /* what has no row is not timed */
    memcpy(rows, start, sizeof rows);
    context = NULL;
    call_count = 0;
#define WRAP(name) timed.name = timed_##name
    WRAP(embed), WRAP(embed_backward), WRAP(rmsnorm), WRAP(rmsnorm_backward), WRAP(matmul), WRAP(grouped);
    WRAP(rope), WRAP(attention), WRAP(attention_backward), WRAP(swiglu), WRAP(swiglu_backward);
    WRAP(router), WRAP(router_backward), WRAP(balance), WRAP(route), WRAP(gather), WRAP(gather_backward);
    WRAP(combine), WRAP(combine_backward), WRAP(cross_entropy), WRAP(sum_squares), WRAP(adamw), WRAP(narrow);
    WRAP(bias_update);
    WRAP(zero), WRAP(copy_out);
    timed.repeat = op_repeat_plainly; /* marks are made around each call */
    return &timed;
}

size_t op_timing_read(struct op_timing out[OP_TIMING_MAX])
{
    _Static_assert(ROWS <= (int)OP_TIMING_MAX, "every kind has its place");
    settle();
    memcpy(out, rows, sizeof rows);
    return ROWS;
}
