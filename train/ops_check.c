#include "train/ops_check.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/threads.h"
#include "train/bfloat16.h"
#include "train/ops_cases.h"
#include "train/plain/plain_ops.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { GUARD = 64, GUARD_BYTE = 0x5a, CALLS_MAX = 10000 };

/* The plain operations with double, as a pointer to a table whose type is another one here: only ops_calls.c, compiled with double, looks into it. */
struct plain_oracle {
    struct op_table *table;
    struct op_context *context;
};

/* The backend under test with many threads and with one, and the oracle. */
struct bench {
    const struct op_table *table;
    struct q_pool *pools[2];
    struct op_context *contexts[2];
    struct plain_oracle plain;
};

/* A case being run: the numbers in double, and a copy for the backend between guard bands, in its memory while it computes. */
struct run {
    struct ops_case c;
    size_t real_bytes; /* of the backend */
    char shape[96];
    void *expect[OPS_TENSORS_MAX]; /* double, int32_t or int64_t */
    char *memory[OPS_TENSORS_MAX]; /* guard, data, guard */
    void *data[OPS_TENSORS_MAX];   /* inside memory */
    char *there[OPS_TENSORS_MAX];  /* the backend's memory, as `memory`; numbers of the host have none */
    char *before[OPS_TENSORS_MAX]; /* the data as given, to give it again and to see that inputs stay */
};

/* Of an element of tensor i as the backend has it; the oracle's op_real and op_acc are double. */
static size_t element_bytes(const struct run *run, size_t i)
{
    switch (run->c.tensors[i].type) {
    case OPS_REAL:
        return run->real_bytes;
    case OPS_ACC:
        return sizeof(float);
    case OPS_BF16:
        return sizeof(uint16_t);
    case OPS_I32:
        return sizeof(int32_t);
    default:
        return sizeof(int64_t);
    }
}

static size_t tensor_bytes(const struct run *run, size_t i)
{
    return run->c.tensors[i].count * element_bytes(run, i);
}

static bool is_narrow(const struct run *run, size_t i)
{
    return run->c.tensors[i].type == OPS_REAL && run->real_bytes == sizeof(uint16_t);
}

static void format_shape(struct run *run)
{
    size_t used = 0, last = OPS_SIZES;
    while (last > 1 && run->c.size[last - 1] == 0)
        last--;
    for (size_t i = 0; i < last; i++)
        used += (size_t)snprintf(run->shape + used, sizeof(run->shape) - used, i ? " %zu" : "%zu", run->c.size[i]);
}

/* K different experts for each token: a random start and step through a permutation. */
static void fill_chosen(int32_t *out, size_t slots, size_t experts, size_t top_k, q_random_key key)
{
    for (size_t slot = 0; slot < slots; slot++) {
        bool used = true;
        for (uint64_t try = 0; used; try++) {
            out[slot] = (int32_t)q_random_below(key, slot * 1000 + try, experts);
            used = false;
            for (size_t k = slot / top_k * top_k; k < slot; k++)
                used = used || out[k] == out[slot];
        }
    }
}

static double draw_real(enum ops_fill fill, q_random_key key, size_t i)
{
    double x = q_random_normal(key, i);
    if (fill == OPS_NEAR_ONE)
        x = 1.0 + 0.1 * x;
    if (fill == OPS_SQUARES)
        x = 0.01 * x * x;
    if (fill == OPS_COARSE)
        x = fmin(8, fmax(-8, floor(8 * x) / 8));
    return x;
}

static void fill_tensor(const struct ops_case *c, size_t index, void *to)
{
    const struct ops_tensor *t = &c->tensors[index];
    q_random_key key = q_random_key_of(7, t->name, c->kind, c->size[0] * 1000 + c->size[1]);
    if (t->fill == OPS_CHOSEN) {
        fill_chosen(to, t->count, t->bound, c->kind == OPS_GROUPED ? c->size[6] : c->size[2], key);
        return;
    }
    for (size_t i = 0; i < t->count; i++)
        switch (t->type) {
        case OPS_I32: {
            bool none = t->fill == OPS_TARGETS && i % 5 == 3;
            ((int32_t *)to)[i] = none ? -1 : t->bound ? (int32_t)q_random_below(key, i, t->bound) : 0;
            break;
        }
        case OPS_I64:
            ((int64_t *)to)[i] = (int64_t)q_random_below(key, i, 7);
            break;
        case OPS_BF16:
            ((uint16_t *)to)[i] = bfloat16_of_float((float)draw_real(t->fill, key, i));
            break;
        default:
            ((double *)to)[i] = draw_real(t->fill, key, i);
        }
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
    format_shape(run);
    for (size_t i = 0; i < run->c.tensor_count; i++) {
        const struct ops_tensor *t = &run->c.tensors[i];
        size_t bytes = tensor_bytes(run, i);
        Q_TRY(q_alloc(t->count, sizeof(double), &run->expect[i]));
        Q_TRY(q_alloc_aligned(1, bytes + 2 * GUARD, &run->memory[i]));
        Q_TRY(q_alloc_aligned(1, bytes, &run->before[i]));
        if (!is_of_host(run, i))
            Q_TRY(table->memory_create(bench->contexts[0], bytes + 2 * GUARD, &run->there[i]));
        run->data[i] = run->memory[i] + GUARD;
        fill_tensor(&run->c, i, run->expect[i]);
        round_tensor(run, i);
    }
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
        data[i] = run->there[i] ? run->there[i] + GUARD : run->data[i];
    ops_call_float(&run->c, table, context, data);
}

/* The inputs as they were given. */
static q_status run_once(struct run *run, const struct op_table *table, struct op_context *context)
{
    restore(run);
    give(run, table, context);
    call(run, table, context);
    take_back(run, table, context);
    return table->synchronize(context);
}

static bool guards_stand(const struct run *run, size_t i)
{
    size_t bytes = tensor_bytes(run, i);
    for (size_t j = 0; j < GUARD; j++)
        if (run->memory[i][j] != GUARD_BYTE || run->memory[i][GUARD + bytes + j] != GUARD_BYTE)
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

/* Largest difference, beyond the rounding of what is written as BF16, over the largest expected number; infinite where a number is not written or not
 * finite. */
static double difference_of(const struct run *run, size_t i)
{
    const struct ops_tensor *t = &run->c.tensors[i];
    const double rounding = is_narrow(run, i) ? 0x1p-8 : 0; /* half of the last of 8 bits, at most */
    double distance = 0, largest = 0;
    if (t->type == OPS_BF16)
        return difference_of_bf16(run->data[i], run->expect[i], t->count);
    for (size_t j = 0; j < t->count; j++) {
        double expect, ours;
        if (t->type == OPS_REAL || t->type == OPS_ACC) {
            expect = ((const double *)run->expect[i])[j];
            ours = number_of(run, i, j);
        } else if (t->type == OPS_DOUBLE) {
            expect = ((const double *)run->expect[i])[j];
            ours = ((const double *)run->data[i])[j];
        } else {
            const size_t bytes = element_bytes(run, i), at = j * bytes;
            bool equal = memcmp((const char *)run->expect[i] + at, (const char *)run->data[i] + at, bytes) == 0;
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

/* What the tensors of a case may differ by: see rounds_factors. */
static double difference_max(const struct run *run, const struct op_table *table)
{
    const enum ops_kind kind = run->c.kind;
    const bool factors = kind == OPS_ATTENTION || kind == OPS_ATTENTION_BACKWARD || kind == OPS_CROSS_ENTROPY;
    return table->rounds_factors && factors ? OPS_DIFFERENCE_ROUNDED_MAX : OPS_DIFFERENCE_MAX;
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
        double difference = difference_of(run, i);
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

/* Workspace for the largest of the cases: simply the largest of every size. */
static const struct op_limits limits = {.batch = 8,
                                        .sequence = 1024,
                                        .hidden = 1024,
                                        .vocabulary = 4096,
                                        .heads = 4,
                                        .nope = 64,
                                        .rope = 64,
                                        .v = 64,
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
    q_status status;
    Q_TRY_GOTO(done, run_create(shape, bench, &run));
    struct ops_result result = {
        .operation = run.c.operation, .shape = run.shape, .passed = true, .what = "", .tensor = ""};
    Q_TRY_GOTO(done, run_once(&run, bench->table, bench->contexts[0]));
    ops_call_double(&run.c, bench->plain.table, bench->plain.context, run.expect);
    judge(&run, difference_max(&run, bench->table), &result);
    Q_TRY_GOTO(done, judge_bits(&run, bench->table, bench->contexts[1], &result));
    *failed += !result.passed;
    report(context, &result);
done:
    run_release(&run, bench);
    return status;
}

q_status ops_check(const struct op_table *table, unsigned threads, ops_report *report, void *context, size_t *failed)
{
    struct bench bench;
    q_status status = bench_create(table, threads, &bench);
    *failed = 0;
    for (const struct ops_case *c = ops_check_cases; status == Q_OK && c->kind != OPS_KINDS; c++)
        status = check_case(&bench, c, report, context, failed);
    bench_release(&bench);
    return status;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static q_status time_case(struct bench *bench, const struct ops_case *shape, double seconds, ops_report *report,
                          void *context)
{
    struct run run;
    q_status status;
    double *times = NULL, end = q_seconds() + seconds;
    size_t calls = 0;
    Q_TRY_GOTO(done, run_create(shape, bench, &run));
    Q_TRY_GOTO(done, q_alloc(CALLS_MAX, sizeof(double), &times));
    restore(&run);
    give(&run, bench->table, bench->contexts[0]);
    while (calls < 3 ||
           (q_seconds() < end && calls < CALLS_MAX)) { /* the first call, with cold caches, is one of many */
        double start = q_seconds();
        call(&run, bench->table, bench->contexts[0]);
        Q_TRY_GOTO(done, bench->table->synchronize(bench->contexts[0]));
        times[calls++] = q_seconds() - start;
    }
    qsort(times, calls, sizeof(double), compare_doubles);
    struct ops_result result = {.operation = run.c.operation,
                                .shape = run.shape,
                                .passed = true,
                                .what = "",
                                .tensor = "",
                                .seconds = times[calls / 2],
                                .flop = run.c.flop,
                                .bytes = run.c.bytes};
    report(context, &result);
done:
    run_release(&run, bench);
    q_release(times);
    return status;
}

q_status ops_perf(const struct op_table *table, unsigned threads, double seconds, ops_report *report, void *context)
{
    struct bench bench;
    q_status status = bench_create(table, threads, &bench);
    for (const struct ops_case *c = ops_perf_cases; status == Q_OK && c->kind != OPS_KINDS; c++)
        status = time_case(&bench, c, seconds, report, context);
    bench_release(&bench);
    return status;
}
