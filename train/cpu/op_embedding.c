/* embed: rows copied; the gradient by ranges of the vocabulary, row by row: the tokens of an id are a list, in their order. */
#include "train/cpu/cpu_ops.h"
#include "train/cpu/cpu_real.h"

#include "base/check.h"

enum { TOKENS = 128, RANGES = 16 };

struct job {
    struct op_context *context;
    real *out;
    void *dtable;
    bool narrow;
    const real *from; /* the table, or dout */
    const int32_t *ids;
    size_t tokens, hidden, vocabulary;
    int32_t *first, *next; /* [V], [N]: an id's first token, and the next one of the same id; NONE */
};

enum { NONE = -1 };

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

static void list_tokens(const struct job *job, size_t first, size_t end)
{
    for (size_t id = first; id < end; id++)
        job->first[id] = NONE;
    for (size_t i = job->tokens; i-- > 0;) {
        const size_t id = (size_t)job->ids[i];
        if (id < first || id >= end)
            continue;
        job->next[i] = job->first[id];
        job->first[id] = (int32_t)i;
    }
}

static void add_tokens(const struct job *job, size_t id, float *room)
{
    const size_t hidden = job->hidden, bytes = job->narrow ? sizeof(real) : sizeof(float);
    const struct cpu_sum sum =
        cpu_sum_gradient((char *)job->dtable + id * hidden * bytes, job->narrow, hidden, 1, hidden, room);
    for (int32_t i = job->first[id]; i != NONE; i = job->next[i]) {
        const real *dout = job->from + (size_t)i * hidden;
        for (size_t j = 0; j < hidden; j++)
            sum.data[j] += real_float(dout[j]);
    }
    cpu_sum_end(&sum);
}

static void add_range(void *context, unsigned worker, size_t range)
{
    const struct job *job = context;
    const size_t first = job->vocabulary * range / RANGES, end = job->vocabulary * (range + 1) / RANGES;
    list_tokens(job, first, end);
    for (size_t id = first; id < end; id++)
        if (job->first[id] != NONE)
            add_tokens(job, id, cpu_scratch(job->context, worker));
}

static void embed_backward(struct op_context *context, void *dtable, bool narrow, const op_real *dout,
                           const int32_t *ids, size_t tokens, size_t hidden, size_t vocabulary)
{
    int32_t *lists = (int32_t *)(void *)context->shared;
    struct job job = {.context = context,
                      .dtable = dtable,
                      .narrow = narrow,
                      .from = reals(dout),
                      .ids = ids,
                      .tokens = tokens,
                      .hidden = hidden,
                      .vocabulary = vocabulary,
                      .first = lists,
                      .next = lists + vocabulary};
    q_check(vocabulary + tokens <= context->shared_floats);
    q_pool_for(context->pool, RANGES, add_range, &job);
}

void CPU_NAME(op_embedding)(struct op_table *table)
{
    table->embed = embed;
    table->embed_backward = embed_backward;
}
