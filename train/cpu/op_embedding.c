/* embed: rows copied; the gradient by ranges of the vocabulary, each looking at all tokens in order, so that a row's sum has one order. */
#include "train/cpu/cpu_ops.h"
#include "train/cpu/cpu_real.h"

#include "base/check.h"

enum { TOKENS = 128, RANGES = 16 };

struct job {
    real *out;
    float *dtable;
    const real *from; /* the table, or dout */
    const int32_t *ids;
    size_t tokens, hidden, vocabulary;
};

static void embed_rows(void *context, unsigned worker, size_t block)
{
    (void)worker;
    const struct job *job = context;
    size_t end = Q_MIN((block + 1) * TOKENS, job->tokens);
    for (size_t i = block * TOKENS; i < end; i++)
        memcpy(job->out + i * job->hidden, job->from + (size_t)job->ids[i] * job->hidden, job->hidden * sizeof(real));
}

static void embed(struct op_context *context, op_real *out, const op_real *table, const int32_t *ids, size_t tokens,
                  size_t hidden)
{
    struct job job = {.out = reals_out(out), .from = reals(table), .ids = ids, .tokens = tokens, .hidden = hidden};
    q_pool_for(context->pool, (size_t)q_ceil_div(tokens, TOKENS), embed_rows, &job);
}

static void scatter_range(void *context, unsigned worker, size_t range)
{
    (void)worker;
    const struct job *job = context;
    size_t first = job->vocabulary * range / RANGES, end = job->vocabulary * (range + 1) / RANGES;
    for (size_t i = 0; i < job->tokens; i++) {
        size_t id = (size_t)job->ids[i];
        if (id < first || id >= end)
            continue;
        float *row = job->dtable + id * job->hidden;
        const real *dout = job->from + i * job->hidden;
        for (size_t j = 0; j < job->hidden; j++)
            row[j] += real_float(dout[j]);
    }
}

static void embed_backward(struct op_context *context, float *dtable, const op_real *dout, const int32_t *ids,
                           size_t tokens, size_t hidden, size_t vocabulary)
{
    struct job job = {.dtable = dtable,
                      .from = reals(dout),
                      .ids = ids,
                      .tokens = tokens,
                      .hidden = hidden,
                      .vocabulary = vocabulary};
    q_pool_for(context->pool, RANGES, scatter_range, &job);
}

void CPU_NAME(op_embedding)(struct op_table *table)
{
    table->embed = embed;
    table->embed_backward = embed_backward;
}
