/* attention and its gradient, a query at a time. */
#include "train/plain/plain_ops.h"

#include <math.h>

/* Places of head h of token n. */
static size_t query_at(const struct op_attention *a, size_t n, size_t h)
{
    return (n * a->heads + h) * (a->nope + a->rope);
}

static size_t key_at(const struct op_attention *a, size_t n, size_t h)
{
    return (n * a->heads + h) * (a->nope + a->v);
}

static size_t value_at(const struct op_attention *a, size_t n, size_t h)
{
    return key_at(a, n, h) + a->nope;
}

static size_t out_at(const struct op_attention *a, size_t n, size_t h)
{
    return (n * a->heads + h) * a->v;
}

/* scale * q.k of query token n and key token m. */
static op_acc score(const struct op_attention *a, size_t n, size_t m, size_t h)
{
    op_acc sum = 0;
    for (size_t i = 0; i < a->nope; i++)
        sum += reals(a->q)[query_at(a, n, h) + i] * reals(a->kv)[key_at(a, m, h) + i];
    for (size_t i = 0; i < a->rope; i++)
        sum += reals(a->q)[query_at(a, n, h) + a->nope + i] * reals(a->k_rope)[m * a->k_rope_stride + i];
    return sum * a->scale;
}

static void attend(const struct op_attention *a, size_t b, size_t t, size_t h)
{
    size_t first = b * a->sequence, n = first + t;
    op_acc max = -INFINITY, sum = 0;
    for (size_t m = first; m <= n; m++)
        max = (op_acc)fmax((double)max, (double)score(a, n, m, h));
    for (size_t i = 0; i < a->v; i++)
        reals_out(a->out)[out_at(a, n, h) + i] = 0;
    for (size_t m = first; m <= n; m++) {
        op_acc p = (op_acc)exp((double)(score(a, n, m, h) - max));
        sum += p;
        for (size_t i = 0; i < a->v; i++)
            reals_out(a->out)[out_at(a, n, h) + i] += p * reals(a->kv)[value_at(a, m, h) + i];
    }
    for (size_t i = 0; i < a->v; i++)
        reals_out(a->out)[out_at(a, n, h) + i] /= sum;
    a->lse[(b * a->heads + h) * a->sequence + t] = max + (op_acc)log((double)sum);
}

static void attention(struct op_context *context, const struct op_attention *a)
{
    (void)context;
    for (size_t b = 0; b < a->batch; b++)
        for (size_t h = 0; h < a->heads; h++)
            for (size_t t = 0; t < a->sequence; t++)
                attend(a, b, t, h);
}

/* Query n with key m: probability p and its gradient dp give ds = p (dp - sum over keys of p dp) scale. */
static void attend_backward(const struct op_attention *a, size_t b, size_t t, size_t h)
{
    size_t first = b * a->sequence, n = first + t;
    const real *dout = reals(a->dout) + out_at(a, n, h);
    op_acc inner = 0;
    for (size_t i = 0; i < a->v; i++)
        inner += dout[i] * reals_out(a->out)[out_at(a, n, h) + i];
    for (size_t m = first; m <= n; m++) {
        op_acc p = (op_acc)exp((double)(score(a, n, m, h) - a->lse[(b * a->heads + h) * a->sequence + t])), dp = 0;
        for (size_t i = 0; i < a->v; i++) {
            dp += dout[i] * reals(a->kv)[value_at(a, m, h) + i];
            reals_out(a->dkv)[value_at(a, m, h) + i] += p * dout[i];
        }
        op_acc ds = p * (dp - inner) * a->scale;
        for (size_t i = 0; i < a->nope; i++) {
            reals_out(a->dq)[query_at(a, n, h) + i] += ds * reals(a->kv)[key_at(a, m, h) + i];
            reals_out(a->dkv)[key_at(a, m, h) + i] += ds * reals(a->q)[query_at(a, n, h) + i];
        }
        for (size_t i = 0; i < a->rope; i++) {
            reals_out(a->dq)[query_at(a, n, h) + a->nope + i] += ds * reals(a->k_rope)[m * a->k_rope_stride + i];
            reals_out(a->dk_rope)[m * a->dk_rope_stride + i] += ds * reals(a->q)[query_at(a, n, h) + a->nope + i];
        }
    }
}

static void attention_backward(struct op_context *context, const struct op_attention *a)
{
    (void)context;
    size_t tokens = a->batch * a->sequence;
    for (size_t i = 0; i < tokens * a->heads * (a->nope + a->rope); i++)
        reals_out(a->dq)[i] = 0;
    for (size_t i = 0; i < tokens * a->heads * (a->nope + a->v); i++)
        reals_out(a->dkv)[i] = 0;
    for (size_t n = 0; n < tokens; n++)
        for (size_t i = 0; i < a->rope; i++)
            reals_out(a->dk_rope)[n * a->dk_rope_stride + i] = 0;
    for (size_t b = 0; b < a->batch; b++)
        for (size_t h = 0; h < a->heads; h++)
            for (size_t t = 0; t < a->sequence; t++)
                attend_backward(a, b, t, h);
}

void plain_attention(struct op_table *table)
{
    table->attention = attention;
    table->attention_backward = attention_backward;
}
