/* How fast a backend's operations are at a model's shapes. */
#include "base/check.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/threads.h"
#include "train/bfloat16.h"
#include "train/model/model_config.h"
#include "train/op_ways.h"
#include "train/ops_check/ops_cases.h"
#include "train/ops_check/ops_check.h"

#include <stdlib.h>

enum { DRAWN_MAX = 1000003, SAMPLES_MAX = 200, SAMPLES_MIN = 3, QUEUED_MAX = 256 };
static const double slow_seconds = 0.5;    /* a call that takes longer is made twice, and the second one counts */
static const double sample_seconds = 2e-3; /* calls of one sample come to so much, where a single one is shorter */

struct bench {
    const struct op_table *table;
    struct q_pool *pool;
    struct op_context *context;
};

/* A case with its tensors in the backend's memory; a number of the host's is there. */
struct timed_case {
    struct ops_case c;
    char shape[OPS_SHAPE_MAX];
    void *data[OPS_TENSORS_MAX];
    double sum; /* of sum_squares */
};

static size_t element_bytes(const struct bench *bench, enum ops_type type)
{
    return ops_element_bytes(type, bench->table->real_bytes);
}

/* Numbers as they were drawn, as the backend has them: in `room`, or where they are. */
static const void *narrow_drawn(const struct bench *bench, enum ops_type type, const void *drawn, size_t count,
                                void *room)
{
    const double *from = drawn;
    if (type != OPS_REAL && type != OPS_ACC)
        return drawn;
    for (size_t i = 0; i < count; i++)
        if (element_bytes(bench, type) == sizeof(uint16_t))
            ((uint16_t *)room)[i] = bfloat16_of_float((float)from[i]);
        else
            ((float *)room)[i] = (float)from[i];
    return room;
}

/* What another operation leaves it makes itself; a norm's factor is about one. */
static void draw(const struct timed_case *timed, size_t i, size_t count, void *out)
{
    const struct ops_tensor *t = &timed->c.tensors[i];
    if (timed->c.kind == OPS_ROPE && t->fill == OPS_DERIVED) {
        void *data[OPS_TENSORS_MAX] = {0};
        data[i] = out;
        ops_derive_numbers(&timed->c, data);
    } else if (timed->c.kind == OPS_RMSNORM_BACKWARD && t->fill == OPS_DERIVED) {
        for (size_t j = 0; j < count; j++)
            ((double *)out)[j] = 1;
    } else {
        ops_fill(&timed->c, i, count, out);
    }
}

/* Random numbers, of large tensors the same again and again. */
static q_status fill(const struct bench *bench, const struct timed_case *timed, size_t i)
{
    const struct ops_tensor *t = &timed->c.tensors[i];
    const bool whole = t->fill == OPS_CHOSEN || (timed->c.kind == OPS_ROPE && t->fill == OPS_DERIVED);
    const size_t bytes = element_bytes(bench, t->type), drawn = whole ? t->count : Q_MIN(t->count, (size_t)DRAWN_MAX);
    double *numbers;
    Q_TRY(q_alloc(2 * drawn, sizeof *numbers, &numbers));
    draw(timed, i, drawn, numbers);
    const void *given = narrow_drawn(bench, t->type, numbers, drawn, numbers + drawn);
    for (size_t done = 0; done < t->count; done += drawn)
        bench->table->copy_in(bench->context, (char *)timed->data[i] + done * bytes, given,
                              Q_MIN(drawn, t->count - done) * bytes);
    q_release(numbers);
    return Q_OK;
}

static q_status timed_create(const struct bench *bench, const struct ops_case *shape, struct timed_case *timed)
{
    *timed = (struct timed_case){.c = *shape};
    ops_describe(&timed->c, bench->table->real_bytes);
    ops_format_shape(&timed->c, timed->shape);
    for (size_t i = 0; i < timed->c.tensor_count; i++) {
        const struct ops_tensor *t = &timed->c.tensors[i];
        if (t->type == OPS_DOUBLE) {
            timed->data[i] = &timed->sum;
            continue;
        }
        Q_TRY(bench->table->memory_create(bench->context, t->count * element_bytes(bench, t->type), &timed->data[i]));
        Q_TRY(fill(bench, timed, i));
    }
    ops_derive_float(&timed->c, bench->table, bench->context, timed->data);
    return bench->table->synchronize(bench->context);
}

static void timed_release(const struct bench *bench, struct timed_case *timed)
{
    for (size_t i = 0; i < timed->c.tensor_count; i++)
        if (timed->c.tensors[i].type != OPS_DOUBLE)
            bench->table->memory_release(bench->context, timed->data[i]);
}

/* Seconds of a call, of so many between two marks. */
static q_status sample(const struct bench *bench, const struct timed_case *timed, size_t calls, double *seconds)
{
    const struct op_table *table = bench->table;
    table->mark(bench->context, 0);
    for (size_t i = 0; i < calls; i++)
        ops_call_float(&timed->c, table, bench->context, timed->data);
    table->mark(bench->context, 1);
    *seconds = table->mark_seconds(bench->context, 0, 1) / (double)calls;
    return table->synchronize(bench->context);
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* The median; the first calls warm up and say how many go into a sample. */
static q_status time_calls(const struct bench *bench, const struct timed_case *timed, double seconds, double *median)
{
    double samples[SAMPLES_MAX], one;
    const double end = q_seconds() + seconds;
    size_t count = 0;
    Q_TRY(sample(bench, timed, 1, &one));
    if (one < slow_seconds)
        Q_TRY(sample(bench, timed, 1, &one));
    const size_t least = one < slow_seconds ? SAMPLES_MIN : 1;
    const double wanted = sample_seconds / Q_MAX(one, 1e-7);
    const size_t calls = wanted < 1 ? 1 : wanted < QUEUED_MAX ? (size_t)wanted : QUEUED_MAX;
    while (count < least || (q_seconds() < end && count < SAMPLES_MAX))
        Q_TRY(sample(bench, timed, calls, &samples[count++]));
    qsort(samples, count, sizeof *samples, compare_doubles);
    *median = samples[count / 2];
    return Q_OK;
}

static q_status time_case(const struct bench *bench, const struct ops_case *shape, double seconds, ops_report *report,
                          void *context)
{
    struct timed_case timed;
    struct op_ways_seen seen = {0};
    struct ops_result result = {.passed = true, .what = "", .tensor = ""};
    q_status status = timed_create(bench, shape, &timed);
    op_ways_since(bench->table, bench->context, &seen, result.way); /* of what the tensors were derived by */
    if (!status)
        status = time_calls(bench, &timed, seconds, &result.seconds);
    if (!status) {
        op_ways_since(bench->table, bench->context, &seen, result.way);
        result.operation = timed.c.operation;
        result.shape = timed.shape;
        result.flop = timed.c.flop;
        result.bytes = timed.c.bytes;
        report(context, &result);
    }
    timed_release(bench, &timed);
    return status;
}

/* Workspace for all of them. */
static struct op_limits limits_of(const struct model_config *c, size_t batch, size_t sequence)
{
    const size_t heads = c->num_attention_heads, key = model_config_qk_head_dim(c);
    size_t width = Q_MAX(c->hidden_size, 2 * Q_MAX(c->intermediate_size, c->moe_intermediate_size));
    width = Q_MAX(width, 2 * c->moe_intermediate_size * Q_MAX(c->n_shared_experts, (uint64_t)1));
    width = Q_MAX(width, heads * Q_MAX(key, c->qk_nope_head_dim + c->v_head_dim));
    width = Q_MAX(width, c->q_lora_rank + c->kv_lora_rank + c->qk_rope_head_dim);
    return (struct op_limits){.batch = batch,
                              .sequence = sequence,
                              .hidden = c->hidden_size,
                              .vocabulary = model_config_ids(c),
                              .heads = heads,
                              .nope = c->qk_nope_head_dim,
                              .rope = c->qk_rope_head_dim,
                              .v = c->v_head_dim,
                              .experts = c->n_routed_experts,
                              .top_k = c->num_experts_per_tok,
                              .width = width,
                              .parameters = (size_t)model_config_parameters(c)};
}

static q_status time_all(const struct bench *bench, const struct ops_wanted *wanted, const struct model_config *config,
                         size_t batch, size_t sequence, double seconds, ops_report *report, void *context)
{
    struct ops_case cases[OPS_MODEL_CASES_MAX];
    const struct op_limits limits = limits_of(config, batch, sequence);
    const size_t count = ops_model_cases(config, batch, sequence, cases);
    Q_TRY(bench->table->reserve(bench->context, &limits));
    for (size_t i = 0; i < count; i++)
        if (ops_is_named(&cases[i], wanted->operation))
            Q_TRY(time_case(bench, &cases[i], seconds, report, context));
    return Q_OK;
}

q_status ops_perf(const struct ops_wanted *wanted, const struct model_config *config, size_t batch, size_t sequence,
                  double seconds, ops_report *report, void *context)
{
    struct bench bench = {.table = wanted->table};
    Q_TRY(op_table_check(bench.table));
    Q_TRY(q_pool_create(wanted->threads, &bench.pool));
    q_status status = bench.table->create(bench.pool, &bench.context);
    if (!status)
        status = time_all(&bench, wanted, config, batch, sequence, seconds, report, context);
    bench.table->release(bench.context);
    q_pool_release(bench.pool);
    return status;
}
