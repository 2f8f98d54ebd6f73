#include "train/cpu/cpu_context.h"

#include "base/clock.h"
#include "base/memory.h"

#include <string.h>

size_t cpu_logits_rows(size_t vocabulary)
{
    size_t rows = CPU_LOGITS_FLOATS / Q_MAX(vocabulary, (size_t)1) / CPU_LOGITS_ROWS_MIN * CPU_LOGITS_ROWS_MIN;
    return Q_MIN((size_t)CPU_LOGITS_ROWS_MAX, Q_MAX(rows, (size_t)CPU_LOGITS_ROWS_MIN));
}

/* The backward needs more than the forward in every part: see `carve` in op_attention_backward.c. */
size_t cpu_attention_floats(size_t sequence, size_t nope, size_t rope, size_t v, bool narrow)
{
    size_t key = nope + rope, padded = cpu_round_up(sequence, CPU_PADDING);
    size_t wide_key = cpu_round_up(key, CPU_PADDING), wide_v = cpu_round_up(v, CPU_PADDING);
    size_t panels = padded * (key + v + wide_key + wide_v + 2);
    size_t block = (size_t)CPU_KEYS * (2 * key + wide_key + v + 2 * (CPU_SPAN + CPU_PADDING));
    size_t widened = narrow ? sequence * 3 * (key + v) : 0; /* q, kv, the shared key, out and dout; and dq */
    /* Where products take BF16: P, dS and their transpose, a block's keys and values. */
    size_t rounded = narrow ? (size_t)CPU_KEYS * (3 * (CPU_SPAN + 2 * CPU_PADDING) + key + v + 2 * CPU_PADDING) : 0;
    return panels + block + widened + rounded +
           16 * CPU_PADDING; /* each of some 20 pieces is rounded up to 16 floats */
}

static q_status create(struct q_pool *pool, bool narrow, struct op_context **out)
{
    struct op_context *context;
    Q_TRY(q_alloc_zero(1, sizeof(*context), &context));
    context->pool = pool;
    context->threads = q_pool_threads(pool);
    context->narrow = narrow;
    *out = context;
    return Q_OK;
}

static q_status create_fp32(struct q_pool *pool, struct op_context **out)
{
    return create(pool, false, out);
}

static q_status create_bf16(struct q_pool *pool, struct op_context **out)
{
    return create(pool, true, out);
}

static void workspace_release(struct op_context *context)
{
    q_release(context->workers);
    q_release(context->pack);
    q_release(context->shared);
    context->workers = NULL;
    context->pack = context->shared = NULL;
    context->bytes = 0;
}

static void context_release(struct op_context *context)
{
    if (!context)
        return;
    workspace_release(context);
    q_release(context);
}

/* Floats of one worker: attention, a packed block of a grouped product, rows of a norm's gradient, or a router's lists. */
static size_t worker_floats(const struct op_limits *l, bool narrow)
{
    const size_t narrowed = narrow ? CPU_GROUP_NUMBERS + CPU_GROUP_SUMS : 0;
    size_t floats = cpu_attention_floats(l->sequence, l->nope, l->rope, l->v, narrow);
    floats = Q_MAX(floats, CPU_GROUP_PANELS + CPU_GROUP_A + narrowed);
    floats = Q_MAX(floats, (narrow ? 4 : 1) * l->width + CPU_PADDING);
    return Q_MAX(floats, 4 * l->experts + CPU_PADDING);
}

/* A product into reals is summed over its whole depth, of a gradient of weights the tokens, before it is rounded, so that one panel of any instruction set
 * must be that deep. */
static size_t pack_floats(const struct op_limits *l, bool narrow)
{
    const size_t depth = Q_MAX(l->batch * l->sequence, Q_MAX(l->vocabulary, l->width));
    return narrow ? Q_MAX((size_t)CPU_PACK_FLOATS, CPU_PADDING * depth + 16) : (size_t)CPU_PACK_FLOATS;
}

/* Floats of the shared block: a block of logits, the partial gradients of a norm, the heads' parts of a rotary key, partial sums, or lists of an id's
 * tokens. */
static size_t shared_floats(const struct op_limits *l)
{
    size_t tokens = l->batch * l->sequence;
    size_t floats = cpu_logits_rows(l->vocabulary) * cpu_logits_stride(l->vocabulary);
    floats = Q_MAX(floats, (size_t)q_ceil_div(tokens, CPU_NORM_ROWS) * l->width);
    floats = Q_MAX(floats, tokens * l->heads * l->rope);
    floats = Q_MAX(floats, l->vocabulary + tokens);
    return Q_MAX(floats, 2 * (size_t)q_ceil_div(l->parameters, CPU_SUM_BLOCK));
}

static size_t worker_bytes(const struct op_limits *limits, bool narrow)
{
    return cpu_round_up(worker_floats(limits, narrow) * sizeof(float), 4096) + 64; /* + 64: not the same cache sets */
}

static size_t plan(const struct op_limits *limits, unsigned threads, bool narrow)
{
    return threads * worker_bytes(limits, narrow) +
           (pack_floats(limits, narrow) + shared_floats(limits)) * sizeof(float);
}

static size_t plan_fp32(const struct op_limits *limits, unsigned threads)
{
    return plan(limits, threads, false);
}

static size_t plan_bf16(const struct op_limits *limits, unsigned threads)
{
    return plan(limits, threads, true);
}

static q_status context_reserve(struct op_context *context, const struct op_limits *limits)
{
    workspace_release(context);
    context->limits = *limits;
    context->worker_bytes = worker_bytes(limits, context->narrow);
    context->pack_floats = pack_floats(limits, context->narrow);
    context->shared_floats = shared_floats(limits);
    Q_TRY(q_alloc_aligned(context->threads, context->worker_bytes, &context->workers));
    Q_TRY(q_alloc_aligned(context->pack_floats, sizeof(float), &context->pack));
    Q_TRY(q_alloc_aligned(context->shared_floats, sizeof(float), &context->shared));
    context->bytes = plan(limits, context->threads, context->narrow);
    return Q_OK;
}

static size_t workspace_bytes(const struct op_context *context)
{
    return context->bytes;
}

void cpu_context_install(struct op_table *table, bool narrow)
{
    table->create = narrow ? create_bf16 : create_fp32;
    table->release = context_release;
    table->reserve = context_reserve;
    table->workspace_bytes = workspace_bytes;
    table->workspace_plan = narrow ? plan_bf16 : plan_fp32;
    op_host_install(table);
}
