#include "train/plain/plain_ops.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/memory.h"

#include <string.h>

struct op_context {
    double marks[OP_MARKS]; /* no threads, no workspace */
};

static q_status create(struct q_pool *pool, struct op_context **out)
{
    (void)pool;
    return q_alloc_zero(1, sizeof(struct op_context), out);
}

static void release(struct op_context *context)
{
    q_release(context);
}

static q_status reserve(struct op_context *context, const struct op_limits *limits)
{
    (void)context;
    (void)limits;
    return Q_OK;
}

static size_t workspace_bytes(const struct op_context *context)
{
    (void)context;
    return 0;
}

static size_t workspace_plan(const struct op_limits *limits, unsigned threads)
{
    (void)limits;
    (void)threads;
    return 0;
}

static q_status memory_create(struct op_context *context, size_t bytes, void *out_pointer)
{
    (void)context;
    void *memory;
    Q_TRY(q_alloc_aligned(bytes, 1, &memory));
    memset(memory, 0, bytes);
    memcpy(out_pointer, &memory, sizeof(memory));
    return Q_OK;
}

static void memory_release(struct op_context *context, void *memory)
{
    (void)context;
    q_release(memory);
}

static q_status memory_room(struct op_context *context, size_t *free_bytes, size_t *all_bytes)
{
    (void)context;
    *free_bytes = *all_bytes = 0;
    return Q_OK;
}

static void copy(struct op_context *context, void *to, const void *from, size_t bytes)
{
    (void)context;
    if (bytes)
        memcpy(to, from, bytes);
}

static void zero(struct op_context *context, void *memory, size_t bytes)
{
    (void)context;
    if (bytes)
        memset(memory, 0, bytes);
}

static q_status synchronize(struct op_context *context)
{
    (void)context;
    return Q_OK;
}

/* Operations are through when they return. */
static void mark(struct op_context *context, size_t i)
{
    q_check(i < OP_MARKS);
    context->marks[i] = q_seconds();
}

static double mark_seconds(struct op_context *context, size_t from, size_t to)
{
    q_check(from < OP_MARKS && to < OP_MARKS);
    return context->marks[to] - context->marks[from];
}

void plain_context(struct op_table *table)
{
    table->create = create;
    table->release = release;
    table->reserve = reserve;
    table->workspace_bytes = workspace_bytes;
    table->workspace_plan = workspace_plan;
    table->memory_create = memory_create;
    table->memory_release = memory_release;
    table->memory_room = memory_room;
    table->copy_in = copy;
    table->copy_out = copy;
    table->zero = zero;
    table->synchronize = synchronize;
    table->mark = mark;
    table->mark_seconds = mark_seconds;
    table->repeat = op_repeat_plainly;
}

void plain_table(struct op_table *table)
{
    *table = (struct op_table){.name = "plain", .real_bytes = sizeof(real)};
    plain_context(table);
    plain_dense(table);
    plain_attention(table);
    plain_experts(table);
    plain_optimizer(table);
}
