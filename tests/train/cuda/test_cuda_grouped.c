/* Grouped products of BF16 by wgmma (op_grouped_hopper.cu) and by mma (op_grouped_mma.cu), on an emulated device: against sums in double, for runs that are
 * empty, of one row, of many tiles; beside rows of NaN, which must stay where they are; with the same bits on another number of multiprocessors, in clusters,
 * with less shared memory, and where threads run backwards. */
#include "base/check.h"
#include "base/memory.h"
#include "tests/train/cuda/given_numbers.h"
#include "tests/train/cuda/ways_taken.h"
#include "train/bfloat16.h"
#include "train/cuda/cuda_ops.h"

#include <cuda_runtime_api.h>
#include <math.h>
#include <string.h>

enum { SEED = 11, EXPERTS_MAX = 40, UNTOUCHED = 0x5a, GPUS = 4 };

/* Rows behind the runs, `spare` of them, are NaN; so are those of expert `nan` (-1: of none). */
struct shape {
    enum op_product kind;
    size_t experts, m, n, k; /* m of TN, k of NT and NN */
    bool accumulate;
    int nan;
    size_t spare;
    int32_t runs[EXPERTS_MAX];
};

/* A case's tensors: reals but for C of TN, which is floats where it is not narrow. Numbers of the host. */
struct fixture {
    const struct shape *shape;
    bool narrow;
    int32_t offsets[EXPERTS_MAX + 1];
    size_t rows, a_count, b_count, c_count, c_bytes;
    uint16_t *a, *b;
    char *c, *ours[GPUS];
};

/* The rows from `first` to `end` of [rows, width]. */
static void fill_nan(uint16_t *to, size_t width, size_t first, size_t end)
{
    for (size_t i = first * width; i < end * width; i++)
        to[i] = 0x7fc0;
}

static bool is_of_floats(const struct fixture *f)
{
    return f->shape->kind == OP_TN && !f->narrow;
}

static void fill_rows(struct fixture *f, uint16_t *to, size_t width, const char *name)
{
    const struct shape *s = f->shape;
    fill(to, f->rows * width, SEED, name);
    fill_nan(to, width, (size_t)f->offsets[s->experts], f->rows);
    if (s->nan >= 0)
        fill_nan(to, width, (size_t)f->offsets[s->nan], (size_t)f->offsets[s->nan + 1]);
}

static void set_up(struct fixture *f, const struct shape *s, bool narrow)
{
    const bool weights = s->kind == OP_TN;
    *f = (struct fixture){.shape = s, .narrow = narrow, .rows = s->spare};
    for (size_t e = 0; e < s->experts; e++) {
        f->offsets[e + 1] = f->offsets[e] + s->runs[e];
        f->rows += (size_t)s->runs[e];
    }
    f->a_count = f->rows * (weights ? s->m : s->k);
    f->b_count = weights ? f->rows * s->n : s->experts * s->n * s->k;
    f->c_count = weights ? s->experts * s->m * s->n : f->rows * s->n;
    f->c_bytes = f->c_count * (is_of_floats(f) ? sizeof(float) : sizeof(uint16_t));
    assert_ok(q_alloc(f->a_count, sizeof *f->a, &f->a));
    assert_ok(q_alloc(f->b_count, sizeof *f->b, &f->b));
    assert_ok(q_alloc(f->c_bytes, 1, &f->c));
    for (int i = 0; i < GPUS; i++)
        assert_ok(q_alloc(f->c_bytes, 1, &f->ours[i]));
    fill_rows(f, f->a, weights ? s->m : s->k, "a");
    fill(f->b, f->b_count, SEED, "b");
    if (weights)
        fill_rows(f, f->b, s->n, "b");
    memset(f->c, UNTOUCHED, f->c_bytes); /* of BF16 and of floats a large number */
    if (is_of_floats(f))
        for (size_t i = 0; i < f->c_count; i++)
            ((float *)(void *)f->c)[i] = (float)(i % 7);
    else if (s->accumulate)
        fill((uint16_t *)(void *)f->c, f->c_count, SEED, "c");
}

static void tear_down(struct fixture *f)
{
    q_release(f->a);
    q_release(f->b);
    q_release(f->c);
    for (int i = 0; i < GPUS; i++)
        q_release(f->ours[i]);
}

static void multiply(const struct fixture *f, const struct op_table *table, struct op_context *context, char *ours)
{
    const struct shape *s = f->shape;
    const bool weights = s->kind == OP_TN;
    void *there[] = {give(table, context, f->offsets, sizeof f->offsets), give(table, context, f->a, f->a_count * 2),
                     give(table, context, f->b, f->b_count * 2), give(table, context, f->c, f->c_bytes)};
    const struct op_grouped product = {.kind = s->kind,
                                       .experts = s->experts,
                                       .m = weights ? s->m : f->rows,
                                       .n = s->n,
                                       .k = weights ? f->rows : s->k,
                                       .offsets = there[0],
                                       .a = there[1],
                                       .b = there[2],
                                       .c = there[3],
                                       .expert_stride = weights ? s->m * s->n : s->n * s->k,
                                       .accumulate = s->accumulate,
                                       .narrow = f->narrow};
    table->grouped(context, &product);
    table->copy_out(context, ours, there[3], f->c_bytes);
    assert_ok(table->synchronize(context));
    for (size_t i = 0; i < Q_COUNT_OF(there); i++)
        table->memory_release(context, there[i]);
}

/* On GPUs of one multiprocessor, and of five, which are two clusters: forwards, backwards, and so on. Without Hopper's instructions there are small ones, of
 * less shared memory, too. */
static void multiply_on_all(const struct fixture *f, const char *way)
{
    static const unsigned multiprocessors[GPUS] = {1, 5, 5, 1};
    static const size_t shared_max[GPUS] = {227 << 10, 227 << 10, 99 << 10, 99 << 10};
    struct op_table table;
    struct op_context *contexts[GPUS];
    const struct emulated_device before = emulated_device;
    const bool wgmma = strcmp(way, "wgmma") == 0;
    cuda_table_bf16(&table);
    emulated_device.hopper = before.hopper || wgmma;
    for (int i = 0; i < GPUS; i++) {
        emulated_device.multiprocessors = multiprocessors[i];
        if (!emulated_device.hopper)
            emulated_device.shared_max = shared_max[i];
        assert_ok(table.create(NULL, &contexts[i]));
        multiply(f, &table, contexts[i], f->ours[i]);
        assert_int_equal(
            times_taken(table.ways(contexts[i]), "grouped", wgmma && multiprocessors[i] > 1 ? "wgmma clusters" : way),
            1);
    }
    for (int i = 0; i < GPUS; i++)
        table.release(contexts[i]);
    for (int i = 1; i < GPUS; i++)
        assert_memory_equal(f->ours[0], f->ours[i], f->c_bytes);
    emulated_device.hopper = before.hopper;
    emulated_device.shared_max = before.shared_max;
}

static double at(const uint16_t *numbers, size_t i)
{
    return (double)bfloat16_to_float(numbers[i]);
}

/* The sum of C[row, j] of NT and NN, row being of expert e, or of C_e[row, j] of TN; *scale: of the magnitudes of what is summed. */
static double sum_of(const struct fixture *f, size_t e, size_t row, size_t j, double *scale)
{
    const struct shape *s = f->shape;
    const bool weights = s->kind == OP_TN;
    const size_t first = weights ? (size_t)f->offsets[e] : 0, end = weights ? (size_t)f->offsets[e + 1] : s->k;
    double sum = 0;
    *scale = 0;
    for (size_t p = first; p < end; p++) {
        const double a = weights ? at(f->a, p * s->m + row) : at(f->a, row * s->k + p);
        const double b = weights            ? at(f->b, p * s->n + j)
                         : s->kind == OP_NT ? at(f->b, (e * s->n + j) * s->k + p)
                                            : at(f->b, (e * s->k + p) * s->n + j);
        sum += a * b;
        *scale += fabs(a * b);
    }
    return sum;
}

static double number_of(const struct fixture *f, const char *c, size_t i)
{
    return is_of_floats(f) ? (double)((const float *)(const void *)c)[i] : at((const uint16_t *)(const void *)c, i);
}

static void assert_number(const struct fixture *f, size_t e, size_t row, size_t j)
{
    const bool weights = f->shape->kind == OP_TN;
    const size_t i = ((weights ? e * f->shape->m : 0) + row) * f->shape->n + j;
    double scale, expect = sum_of(f, e, row, j, &scale), ours = number_of(f, f->ours[0], i);
    if (weights || f->shape->accumulate) {
        expect += number_of(f, f->c, i);
        scale += fabs(number_of(f, f->c, i));
    }
    const double allowed = scale * 1e-6 + (is_of_floats(f) ? 0 : fabs(expect) * 0x1p-8);
    if (isnan(expect) ? !isnan(ours) : !(fabs(ours - expect) <= allowed))
        fail_msg("expert %zu, row %zu, column %zu: %g is %g", e, row, j, expect, ours);
}

static void assert_numbers(const struct fixture *f)
{
    const struct shape *s = f->shape;
    const size_t behind = (size_t)f->offsets[s->experts] * s->n * sizeof(uint16_t);
    for (size_t e = 0; e < s->experts; e++) {
        const size_t first = s->kind == OP_TN ? 0 : (size_t)f->offsets[e];
        const size_t end = s->kind == OP_TN ? s->m : (size_t)f->offsets[e + 1];
        for (size_t row = first; row < end; row++)
            for (size_t j = 0; j < s->n; j++)
                assert_number(f, e, row, j);
    }
    if (s->kind != OP_TN) /* rows behind the runs */
        assert_memory_equal(f->ours[0] + behind, f->c + behind, f->c_bytes - behind);
}

static void check(const struct shape *shape, bool narrow, const char *way)
{
    struct fixture f;
    set_up(&f, shape, narrow);
    multiply_on_all(&f, way);
    assert_numbers(&f);
    tear_down(&f);
}

static void check_all(const struct shape *shapes, size_t count, bool narrow)
{
    for (size_t i = 0; i < count; i++) {
        check(&shapes[i], narrow, "wgmma");
        check(&shapes[i], narrow, "mma");
    }
}

/* Tiles are 128 x 256, a stage is 64 of k, four of them or fewer, a band 16 tiles. */
static void forward_products(void **state)
{
    static const struct shape shapes[] = {
        {OP_NT, 5, 0, 520, 232, false, 2, 7, {130, 0, 64, 1, 200}},
        {OP_NT, 2, 0, 264, 64, true, -1, 1, {129, 65}},
        {OP_NT, 1, 0, 8, 584, false, -1, 0, {3}},
        {OP_NT, 1, 0, 264, 8, false, -1, 0, {2181}},
        {OP_NT, 40, 0, 16, 72, false, -1, 9, {[0] = 1, [37] = 300}},
    };
    (void)state;
    check_all(shapes, Q_COUNT_OF(shapes), false);
}

static void gradients_of_inputs(void **state)
{
    static const struct shape shapes[] = {
        {OP_NN, 4, 0, 328, 176, false, 0, 5, {70, 0, 257, 1}},
        {OP_NN, 2, 0, 72, 320, true, -1, 0, {1, 128}},
    };
    (void)state;
    check_all(shapes, Q_COUNT_OF(shapes), false);
}

/* Runs end at, before and behind a stage; the rows behind them are NaN in both operands. */
static void gradients_of_weights(void **state)
{
    static const struct shape shapes[] = {
        {OP_TN, 5, 200, 264, 0, true, 2, 5, {65, 0, 3, 1, 150}},
        {OP_TN, 4, 136, 72, 0, true, 1, 70, {63, 64, 192, 320}},
        {OP_TN, 2, 264, 520, 0, true, -1, 3, {70, 1}},
        {OP_TN, 40, 8, 16, 0, true, 36, 9, {[0] = 1, [36] = 2, [37] = 300}},
    };
    (void)state;
    check_all(shapes, Q_COUNT_OF(shapes), false);
    check_all(shapes, Q_COUNT_OF(shapes), true);
}

/* Rows that are no whole packs; without k there is nothing to bring. */
static void what_does_not_suit_goes_elsewhere(void **state)
{
    (void)state;
    static const struct shape odd = {OP_NT, 2, 0, 12, 24, false, -1, 1, {9, 4}},
                              empty = {OP_NN, 1, 0, 8, 0, false, -1, 0, {3}};
    for (int hopper = 0; hopper < 2; hopper++) {
        emulated_device.hopper = hopper;
        check(&odd, false, "plain");
        check(&empty, false, "plain");
    }
    emulated_device.hopper = false;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forward_products),
        cmocka_unit_test(gradients_of_inputs),
        cmocka_unit_test(gradients_of_weights),
        cmocka_unit_test(what_does_not_suit_goes_elsewhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
