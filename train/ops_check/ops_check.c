#include "train/ops_check/ops_check.h"

#include "base/check.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/threads.h"
#include "train/bfloat16.h"
#include "train/op_ways.h"
#include "train/ops_check/ops_cases.h"
#include "train/plain/plain_ops.h"

#include <math.h>
#include <stdlib.h>

enum { GUARD = 64, GUARD_BYTE = 0x5a, VIEW_BYTES = 4 };

/* The plain operations with double, as a pointer to a table whose type is another one here: only ops_calls.c, compiled with double, looks into it. */
struct plain_oracle {
    struct op_table *table;
    struct op_context *context;
};

/* A backend with many threads and with one, the oracle, and what it is compared with besides. */
struct bench {
    const struct op_table *table;
    struct q_pool *pools[2];
    struct op_context *contexts[2];
    struct plain_oracle plain;
    struct bench *against; /* NULL: nothing */
};

/* A case being run: the numbers in double, and a copy for the backend between guard bands, in its memory while it computes. */
struct run {
    struct ops_case c;
    size_t real_bytes; /* of the backend */
    char shape[OPS_SHAPE_MAX];
    void *expect[OPS_TENSORS_MAX]; /* double, int32_t or int64_t */
    char *memory[OPS_TENSORS_MAX]; /* guard, data, guard */
    void *data[OPS_TENSORS_MAX];   /* inside memory */
    char *there[OPS_TENSORS_MAX];  /* the backend's memory, as `memory`; numbers of the host have none */
    char *before[OPS_TENSORS_MAX]; /* the data as given, to give it again and to see that inputs stay */
};

static size_t element_bytes(const struct run *run, size_t i)
{
    return ops_element_bytes(run->c.tensors[i].type, run->real_bytes);
}

static size_t tensor_bytes(const struct run *run, size_t i)
{
    return run->c.tensors[i].count * element_bytes(run, i);
}

static bool is_narrow(const struct run *run, size_t i)
{
    return run->c.tensors[i].type == OPS_REAL && run->real_bytes == sizeof(uint16_t);
}

static void run_release(struct run *run, const struct bench *bench)
{
    for (size_t i = 0; i < run->c.tensor_count; i++) {
        if (run->there[i])
            bench->table->memory_release(bench->contexts[0], run->there[i]);
        q_release(run->expect[i]);
        q_release(run->memory[i]);
        q_release(run->before[i]);
    }
}

/* The oracle's numbers become what the backend is given, and the oracle gets those, so that both see the same. */
static void round_tensor(struct run *run, size_t i)
{
    const struct ops_tensor *t = &run->c.tensors[i];
    double *expect = run->expect[i];
    if (t->type != OPS_REAL && t->type != OPS_ACC) {
        memcpy(run->before[i], expect, tensor_bytes(run, i));
        return;
    }
    for (size_t j = 0; j < t->count; j++)
        if (is_narrow(run, i)) {
            uint16_t *given = (uint16_t *)(void *)run->before[i] + j;
            *given = bfloat16_of_float((float)expect[j]);
            expect[j] = (double)bfloat16_to_float(*given);
        } else {
            float *given = (float *)(void *)run->before[i] + j;
            *given = (float)expect[j];
            expect[j] = (double)*given;
        }
}

static bool is_of_host(const struct run *run, size_t i)
{
    return run->c.tensors[i].type == OPS_DOUBLE;
}

static q_status run_create(const struct ops_case *shape, const struct bench *bench, struct run *run)
{
    const struct op_table *table = bench->table;
    *run = (struct run){.c = *shape, .real_bytes = table->real_bytes};
    ops_describe(&run->c, table->real_bytes);
    ops_format_shape(&run->c, run->shape);
    for (size_t i = 0; i < run->c.tensor_count; i++) {
        const struct ops_tensor *t = &run->c.tensors[i];
        size_t bytes = tensor_bytes(run, i);
        Q_TRY(q_alloc(t->count, sizeof(double), &run->expect[i]));
        Q_TRY(q_alloc_aligned(1, bytes + 2 * GUARD, &run->memory[i]));
        Q_TRY(q_alloc_aligned(1, bytes, &run->before[i]));
        if (!is_of_host(run, i))
            Q_TRY(table->memory_create(bench->contexts[0], bytes + 2 * GUARD, &run->there[i]));
        run->data[i] = run->memory[i] + GUARD + (run->c.views && t->strided ? VIEW_BYTES : 0);
        ops_fill(&run->c, i, t->count, run->expect[i]);
        round_tensor(run, i);
    }
    ops_derive_numbers(&run->c, run->expect);
    ops_derive_double(&run->c, bench->plain.table, bench->plain.context, run->expect);
    for (size_t i = 0; i < run->c.tensor_count; i++)
        round_tensor(run, i);
    return Q_OK;
}

/* Inputs as given, outputs poisoned (all bits set: NaN, -1), guards on both sides. */
static void restore(struct run *run)
{
    for (size_t i = 0; i < run->c.tensor_count; i++) {
        const struct ops_tensor *t = &run->c.tensors[i];
        size_t bytes = tensor_bytes(run, i);
        memset(run->memory[i], GUARD_BYTE, bytes + 2 * GUARD);
        if (t->role == OPS_OUT)
            memset(run->data[i], 0xff, bytes);
        else
            memcpy(run->data[i], run->before[i], bytes);
    }
}

/* All tensors, guards too, to the backend's memory, or back from it. */
static void give(const struct run *run, const struct op_table *table, struct op_context *context)
{
    for (size_t i = 0; i < run->c.tensor_count; i++)
        if (run->there[i])
            table->copy_in(context, run->there[i], run->memory[i], tensor_bytes(run, i) + 2 * GUARD);
}

static void take_back(const struct run *run, const struct op_table *table, struct op_context *context)
{
    for (size_t i = 0; i < run->c.tensor_count; i++)
        if (run->there[i])
            table->copy_out(context, run->memory[i], run->there[i], tensor_bytes(run, i) + 2 * GUARD);
}

static void call(const struct run *run, const struct op_table *table, struct op_context *context)
{
    void *data[OPS_TENSORS_MAX];
    for (size_t i = 0; i < run->c.tensor_count; i++)
        data[i] = run->there[i] ? run->there[i] + ((char *)run->data[i] - run->memory[i]) : run->data[i];
    ops_call_float(&run->c, table, context, data);
}

/* The inputs as they were given. */
static q_status run_once(struct run *run, const struct op_table *table, struct op_context *context)
{
    restore(run);
    give(run, table, context);
    call(run, table, context);
    Q_TRY(table->synchronize(context)); /* what the operation did wrong is not said of the copy */
    take_back(run, table, context);
    return table->synchronize(context);
}

static bool guards_stand(const struct run *run, size_t i)
{
    const size_t bytes = tensor_bytes(run, i), before = (size_t)((char *)run->data[i] - run->memory[i]);
    for (size_t j = 0; j < before; j++)
        if (run->memory[i][j] != GUARD_BYTE)
            return false;
    for (size_t j = before + bytes; j < bytes + 2 * GUARD; j++)
        if (run->memory[i][j] != GUARD_BYTE)
            return false;
    return true;
}

/* Where the last digits of FP32 decide, a number is rounded to the next BF16: one in some ten thousand. */
static double difference_of_bf16(const uint16_t *ours, const uint16_t *expect, size_t count)
{
    size_t neighbours = 0;
    for (size_t i = 0; i < count; i++) {
        const int apart = abs((int)ours[i] - (int)expect[i]);
        if (apart > 1 || !isfinite(bfloat16_to_float(ours[i])))
            return INFINITY;
        neighbours += apart > 0;
    }
    return neighbours > count / 1000 ? INFINITY : 0;
}

/* A number that the backend wrote as op_real or op_acc. */
static double number_of(const struct run *run, size_t i, size_t j)
{
    if (is_narrow(run, i))
        return (double)bfloat16_to_float(((const uint16_t *)run->data[i])[j]);
    return (double)((const float *)run->data[i])[j];
}

/* Largest difference from what is expected, which is as run->expect[i], beyond so many roundings of what is written as BF16, over the largest expected
 * number; infinite where a number is not written or not finite. */
static double difference_of(const struct run *run, size_t i, const void *expected, unsigned roundings)
{
    const struct ops_tensor *t = &run->c.tensors[i];
    const double rounding = is_narrow(run, i) ? roundings * 0x1p-8 : 0; /* half of the last of 8 bits, at most */
    double distance = 0, largest = 0;
    if (t->type == OPS_BF16)
        return difference_of_bf16(run->data[i], expected, t->count);
    for (size_t j = 0; j < t->count; j++) {
        double expect, ours;
        if (t->type == OPS_REAL || t->type == OPS_ACC) {
            expect = ((const double *)expected)[j];
            ours = number_of(run, i, j);
        } else if (t->type == OPS_DOUBLE) {
            expect = ((const double *)expected)[j];
            ours = ((const double *)run->data[i])[j];
        } else {
            const size_t bytes = element_bytes(run, i), at = j * bytes;
            bool equal = memcmp((const char *)expected + at, (const char *)run->data[i] + at, bytes) == 0;
            expect = 1;
            ours = equal ? 1 : INFINITY;
        }
        if (!isfinite(ours) || !isfinite(expect))
            return INFINITY;
        distance = fmax(distance, fabs(ours - expect) - rounding * fabs(expect));
        largest = fmax(largest, fabs(expect));
    }
    return largest > 0 ? distance / largest : distance;
}

static void fail_result(struct ops_result *result, const char *what, const char *tensor)
{
    result->passed = false;
    result->what = what;
    result->tensor = tensor;
}

/* What the tensors of a case may differ by. */
static double difference_max(const struct run *run, const struct op_table *table)
{
    const enum ops_kind kind = run->c.kind;
    if (!table->rounds_factors)
        return OPS_DIFFERENCE_MAX;
    if (kind == OPS_ATTENTION || kind == OPS_ATTENTION_BACKWARD || kind == OPS_CROSS_ENTROPY)
        return OPS_DIFFERENCE_ROUNDED_MAX;
    return fmax(OPS_DIFFERENCE_MAX, OPS_DIFFERENCE_CUT * (double)ops_depth(&run->c));
}

static void judge(const struct run *run, double allowed, struct ops_result *result)
{
    for (size_t i = 0; i < run->c.tensor_count; i++) {
        const struct ops_tensor *t = &run->c.tensors[i];
        if (!guards_stand(run, i))
            fail_result(result, "wrote outside of a tensor", t->name);
        if (t->role == OPS_IN && memcmp(run->data[i], run->before[i], tensor_bytes(run, i)) != 0)
            fail_result(result, "changed an input", t->name);
        if (t->role == OPS_IN)
            continue;
        double difference = difference_of(run, i, run->expect[i], 1);
        if (!(difference <= result->difference)) {
            result->difference = difference;
            result->tensor = t->name;
        }
        if (!(difference <= allowed))
            fail_result(result,
                        isfinite(difference) ? "differs from the plain operation"
                                             : "left a number unwritten, not finite or wrong",
                        t->name);
    }
}

/* Calls again in another context: the same bits must come. */
static q_status judge_bits(struct run *run, const struct op_table *table, struct op_context *other,
                           struct ops_result *result)
{
    char *kept[OPS_TENSORS_MAX] = {0};
    q_status status = Q_OK;
    for (size_t i = 0; i < run->c.tensor_count; i++) {
        size_t bytes = tensor_bytes(run, i);
        Q_TRY_GOTO(done, q_alloc(1, bytes, &kept[i]));
        memcpy(kept[i], run->data[i], bytes);
    }
    Q_TRY_GOTO(done, run_once(run, table, other));
    for (size_t i = 0; i < run->c.tensor_count; i++)
        if (memcmp(kept[i], run->data[i], tensor_bytes(run, i)) != 0)
            fail_result(result, "gives other bits with one thread", run->c.tensors[i].name);
done:
    for (size_t i = 0; i < run->c.tensor_count; i++)
        q_release(kept[i]);
    return status;
}

/* Likewise where other bits may come: they are judged as the first ones. */
static q_status judge_again(struct run *run, const struct op_table *table, struct op_context *other, double allowed,
                            struct ops_result *result)
{
    if (!table->nondeterministic)
        return judge_bits(run, table, other, result);
    Q_TRY(run_once(run, table, other));
    judge(run, allowed, result);
    return Q_OK;
}

/* What the backend left of tensor i, as run->expect has it. */
static void widen(const struct run *run, size_t i, void *out)
{
    const struct ops_tensor *t = &run->c.tensors[i];
    if (t->type != OPS_REAL && t->type != OPS_ACC) {
        memcpy(out, run->data[i], tensor_bytes(run, i));
        return;
    }
    for (size_t j = 0; j < t->count; j++)
        ((double *)out)[j] = number_of(run, i, j);
}

/* The other backend on the same numbers: how far it is from the plain operation, and `ours`, widened, from it. */
static q_status judge_against(const struct ops_case *shape, const struct run *run, void *const *ours,
                              const struct bench *other, double allowed, struct ops_result *result)
{
    struct run theirs;
    q_status status;
    Q_TRY_GOTO(done, run_create(shape, other, &theirs));
    Q_TRY_GOTO(done, run_once(&theirs, other->table, other->contexts[0]));
    const double allowed_theirs = difference_max(&theirs, other->table);
    for (size_t i = 0; i < run->c.tensor_count; i++) {
        if (run->c.tensors[i].role == OPS_IN)
            continue;
        ops_keep_largest(&result->against, difference_of(&theirs, i, run->expect[i], 1) / allowed_theirs);
        ops_keep_largest(&result->apart, difference_of(&theirs, i, ours[i], 2) / Q_MAX(allowed, allowed_theirs));
        if (!(result->against <= 1) && result->passed)
            fail_result(result, "is right, but not the other backend's", run->c.tensors[i].name);
    }
done:
    run_release(&theirs, other);
    return status;
}

static q_status compare(const struct ops_case *shape, const struct run *run, const struct bench *bench, double allowed,
                        struct ops_result *result)
{
    void *ours[OPS_TENSORS_MAX] = {0};
    q_status status = Q_OK;
    for (size_t i = 0; i < run->c.tensor_count; i++) {
        Q_TRY_GOTO(done, q_alloc(run->c.tensors[i].count, sizeof(double), &ours[i]));
        widen(run, i, ours[i]);
    }
    Q_TRY_GOTO(done, judge_against(shape, run, ours, bench->against, allowed, result));
done:
    for (size_t i = 0; i < run->c.tensor_count; i++)
        q_release(ours[i]);
    return status;
}

/* Workspace for the largest of the cases: simply the largest of every size. */
static const struct op_limits limits = {.batch = 8,
                                        .sequence = 1024,
                                        .hidden = 1024,
                                        .vocabulary = 4096,
                                        .heads = 4,
                                        .nope = 192,
                                        .rope = 80,
                                        .v = 256,
                                        .experts = 256,
                                        .top_k = 8,
                                        .width = 9000,
                                        .parameters = 3000000};

static void bench_release(struct bench *bench)
{
    for (int i = 0; i < 2; i++) {
        bench->table->release(bench->contexts[i]);
        if (bench->pools[i])
            q_pool_release(bench->pools[i]);
    }
    if (bench->plain.context)
        bench->plain.table->release(bench->plain.context);
    q_release(bench->plain.table);
}

static q_status bench_create(const struct op_table *table, unsigned threads, struct bench *bench)
{
    *bench = (struct bench){.table = table};
    Q_TRY(op_table_check(table));
    Q_TRY(q_alloc_zero(1, sizeof(struct op_table), &bench->plain.table));
    plain_table(bench->plain.table);
    Q_TRY(bench->plain.table->create(NULL, &bench->plain.context));
    for (int i = 0; i < 2; i++) {
        Q_TRY(q_pool_create(i ? 1 : threads, &bench->pools[i]));
        Q_TRY(table->create(bench->pools[i], &bench->contexts[i]));
        Q_TRY(table->reserve(bench->contexts[i], &limits));
    }
    return Q_OK;
}

static q_status check_case(struct bench *bench, const struct ops_case *shape, ops_report *report, void *context,
                           size_t *failed)
{
    struct run run;
    struct op_ways_seen seen = {0};
    q_status status;
    Q_TRY_GOTO(done, run_create(shape, bench, &run));
    q_log_debug("%s %s", run.c.operation, run.shape); /* what hangs or crashes is the last one said */
    const double allowed = difference_max(&run, bench->table);
    struct ops_result result = {
        .operation = run.c.operation, .shape = run.shape, .passed = true, .what = "", .tensor = ""};
    op_ways_since(bench->table, bench->contexts[0], &seen, result.way);
    Q_TRY_GOTO(done, run_once(&run, bench->table, bench->contexts[0]));
    op_ways_since(bench->table, bench->contexts[0], &seen, result.way);
    if (result.way[0])
        q_log_debug("%s %s, by %s", run.c.operation, run.shape, result.way);
    ops_call_double(&run.c, bench->plain.table, bench->plain.context, run.expect);
    judge(&run, allowed, &result);
    Q_TRY_GOTO(done, judge_again(&run, bench->table, bench->contexts[1], allowed, &result));
    result.error = result.difference / allowed;
    if (bench->against)
        Q_TRY_GOTO(done, compare(shape, &run, bench, allowed, &result));
    *failed += !result.passed;
    report(context, &result);
done:
    if (status)
        status = q_context(status, "%s %s", run.c.operation, run.shape);
    run_release(&run, bench);
    return status;
}

static q_status check_cases(struct bench *bench, const struct ops_case *cases, const char *operation,
                            ops_report *report, void *context, size_t *failed)
{
    for (const struct ops_case *c = cases; c->kind != OPS_KINDS; c++)
        if (ops_is_named(c, operation))
            Q_TRY(check_case(bench, c, report, context, failed));
    return Q_OK;
}

q_status ops_check(const struct ops_wanted *wanted, ops_report *report, void *context, size_t *failed)
{
    struct bench bench = {0}, other = {0};
    *failed = 0;
    if (wanted->against && wanted->against->real_bytes != wanted->table->real_bytes)
        return q_fail(Q_ERR_USAGE, "'%s' and '%s' compute with other numbers; compare backends of one precision",
                      wanted->table->name, wanted->against->name);
    q_status status = bench_create(wanted->table, wanted->threads, &bench);
    if (status == Q_OK && wanted->against) {
        status = bench_create(wanted->against, wanted->threads, &other);
        bench.against = &other;
    }
    if (status == Q_OK)
        status = check_cases(&bench, ops_check_cases, wanted->operation, report, context, failed);
    if (status == Q_OK && wanted->large)
        status = check_cases(&bench, ops_large_cases, wanted->operation, report, context, failed);
    if (bench.against)
        bench_release(&other);
    bench_release(&bench);
    return status;
}
