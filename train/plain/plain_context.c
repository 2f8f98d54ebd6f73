#include "train/plain/plain_ops.h"

#include "base/memory.h"
#include "train/op_host.h"

struct op_context {
    struct op_host host; /* no threads, no workspace */
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

void plain_context(struct op_table *table)
{
    table->create = create;
    table->release = release;
    table->reserve = reserve;
    table->workspace_bytes = workspace_bytes;
    table->workspace_plan = workspace_plan;
    op_host_install(table);
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
