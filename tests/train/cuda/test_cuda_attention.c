/* Attention of BF16 on Hopper (op_attention_hopper.cu, op_attention_backward_hopper.cu), on an emulated device: against sums in double, for sequences of one
 * token, of whole tiles and of many; beside NaN that is none of a query's business; with the same bits where threads and blocks run backwards. */
#include "base/check.h"
#include "base/memory.h"
#include "tests/train/cuda/given_numbers.h"
#include "train/bfloat16.h"
#include "train/cuda/cuda_ops.h"

#include <cuda_runtime_api.h>
#include <math.h>
#include <string.h>

enum { SEED = 12, UNTOUCHED = 0x5a, SPARE = 130, NONE = -1, NAN_BITS = 0x7fc0 };

/* NaN: keys and values of one sequence, or of one head; the keys, or the values, of one token of each sequence. */
struct spoiled {
    int sequence, head, key, value;
};
static const struct spoiled nothing = {NONE, NONE, NONE, NONE};

struct shape {
    size_t batch, sequence, heads, nope, rope, v;
    size_t stride; /* of the rows of the shared key, NaN behind them, and of its gradient */
    float scale;
    struct spoiled spoiled;
};

/* A case's tensors, of the host, with SPARE tokens behind what is written. */
struct fixture {
    const struct shape *shape;
    size_t key, tokens, q_count, kv_count, rope_count, out_count, out_bytes, lse_bytes, dq_bytes, dkv_bytes,
        drope_bytes;
    uint16_t *q, *kv, *k_rope, *dout;
    char *untouched, *out[2], *lse[2], *dq[2], *dkv[2], *drope[2];
};

static void fill_nan(uint16_t *to, size_t count)
{
    for (size_t i = 0; i < count; i++)
        to[i] = NAN_BITS;
}

static bool is_one(int which, size_t i)
{
    return which >= 0 && (size_t)which == i;
}

static void spoil(struct fixture *f)
{
    const struct shape *s = f->shape;
    for (size_t row = 0; row < f->tokens; row++) {
        const bool all = is_one(s->spoiled.sequence, row / s->sequence);
        const bool key = all || is_one(s->spoiled.key, row % s->sequence);
        const bool value = all || is_one(s->spoiled.value, row % s->sequence);
        uint16_t *rope = f->k_rope + row * s->stride;
        fill_nan(f->q + row * s->heads * f->key, all ? s->heads * f->key : 0);
        fill_nan(f->dout + row * s->heads * s->v, all ? s->heads * s->v : 0);
        fill_nan(key ? rope : rope + s->rope, s->stride - (key ? 0 : s->rope));
        for (size_t head = 0; head < s->heads; head++) {
            uint16_t *kv = f->kv + (row * s->heads + head) * (s->nope + s->v);
            if (key || is_one(s->spoiled.head, head))
                fill_nan(kv, s->nope);
            if (value || is_one(s->spoiled.head, head))
                fill_nan(kv + s->nope, s->v);
        }
    }
}

static void set_up(struct fixture *f, const struct shape *s)
{
    *f = (struct fixture){.shape = s, .key = s->nope + s->rope, .tokens = s->batch * s->sequence};
    const size_t rows = f->tokens + SPARE;
    f->q_count = f->tokens * s->heads * f->key;
    f->kv_count = f->tokens * s->heads * (s->nope + s->v);
    f->rope_count = f->tokens * s->stride;
    f->out_count = f->tokens * s->heads * s->v;
    f->out_bytes = rows * s->heads * s->v * sizeof(uint16_t);
    f->lse_bytes = rows * s->heads * sizeof(float);
    f->dq_bytes = rows * s->heads * f->key * sizeof(uint16_t);
    f->dkv_bytes = rows * s->heads * (s->nope + s->v) * sizeof(uint16_t);
    f->drope_bytes = rows * s->stride * sizeof(uint16_t);
    const size_t largest = Q_MAX(Q_MAX(f->dq_bytes, f->dkv_bytes), f->drope_bytes);
    assert_ok(q_alloc(f->q_count, sizeof *f->q, &f->q));
    assert_ok(q_alloc(f->kv_count, sizeof *f->kv, &f->kv));
    assert_ok(q_alloc(f->rope_count, sizeof *f->k_rope, &f->k_rope));
    assert_ok(q_alloc(f->out_count, sizeof *f->dout, &f->dout));
    assert_ok(q_alloc(largest, 1, &f->untouched));
    memset(f->untouched, UNTOUCHED, largest);
    for (int i = 0; i < 2; i++) {
        assert_ok(q_alloc(f->out_bytes, 1, &f->out[i]));
        assert_ok(q_alloc(f->lse_bytes, 1, &f->lse[i]));
        assert_ok(q_alloc(f->dq_bytes, 1, &f->dq[i]));
        assert_ok(q_alloc(f->dkv_bytes, 1, &f->dkv[i]));
        assert_ok(q_alloc(f->drope_bytes, 1, &f->drope[i]));
    }
    fill(f->q, f->q_count, SEED, "q");
    fill(f->kv, f->kv_count, SEED, "kv");
    fill(f->k_rope, f->rope_count, SEED, "k_rope");
    fill(f->dout, f->out_count, SEED, "dout");
    spoil(f);
}

static void tear_down(struct fixture *f)
{
    q_release(f->q);
    q_release(f->kv);
    q_release(f->k_rope);
    q_release(f->dout);
    q_release(f->untouched);
    for (int i = 0; i < 2; i++) {
        q_release(f->out[i]);
        q_release(f->lse[i]);
        q_release(f->dq[i]);
        q_release(f->dkv[i]);
        q_release(f->drope[i]);
    }
}

enum tensor { Q, KV, K_ROPE, OUT, LSE, DOUT, DQ, DKV, DROPE, TENSORS };

static struct op_attention attention_of(const struct fixture *f, void *const there[TENSORS])
{
    const struct shape *s = f->shape;
    return (struct op_attention){.batch = s->batch,
                                 .sequence = s->sequence,
                                 .heads = s->heads,
                                 .nope = s->nope,
                                 .rope = s->rope,
                                 .v = s->v,
                                 .scale = s->scale,
                                 .q = there[Q],
                                 .kv = there[KV],
                                 .k_rope = there[K_ROPE],
                                 .k_rope_stride = s->stride,
                                 .out = there[OUT],
                                 .lse = there[LSE],
                                 .dout = there[DOUT],
                                 .dq = there[DQ],
                                 .dkv = there[DKV],
                                 .dk_rope = there[DROPE],
                                 .dk_rope_stride = s->stride};
}

/* Forward and backward, and which of them went through wgmma. */
static void attend(const struct fixture *f, const struct op_table *table, struct op_context *context, int which,
                   bool by_wgmma)
{
    void *there[TENSORS] = {
        [Q] = give(table, context, f->q, f->q_count * 2),
        [KV] = give(table, context, f->kv, f->kv_count * 2),
        [K_ROPE] = give(table, context, f->k_rope, f->rope_count * 2),
        [OUT] = give(table, context, f->untouched, f->out_bytes),
        [LSE] = give(table, context, f->untouched, f->lse_bytes),
        [DOUT] = give(table, context, f->dout, f->out_count * 2),
        [DQ] = give(table, context, f->untouched, f->dq_bytes),
        [DKV] = give(table, context, f->untouched, f->dkv_bytes),
        [DROPE] = give(table, context, f->untouched, f->drope_bytes),
    };
    const struct op_attention attention = attention_of(f, there);
    const struct op_limits limits = {.batch = attention.batch,
                                     .sequence = attention.sequence,
                                     .heads = attention.heads,
                                     .nope = attention.nope,
                                     .rope = attention.rope,
                                     .v = attention.v};
    const unsigned long before = emulated_device.products;
    assert_ok(table->reserve(context, &limits));
    table->attention(context, &attention);
    const unsigned long between = emulated_device.products;
    table->attention_backward(context, &attention);
    assert_int_equal(between > before, by_wgmma);
    assert_int_equal(emulated_device.products > between, by_wgmma);
    table->copy_out(context, f->out[which], there[OUT], f->out_bytes);
    table->copy_out(context, f->lse[which], there[LSE], f->lse_bytes);
    table->copy_out(context, f->dq[which], there[DQ], f->dq_bytes);
    table->copy_out(context, f->dkv[which], there[DKV], f->dkv_bytes);
    table->copy_out(context, f->drope[which], there[DROPE], f->drope_bytes);
    assert_ok(table->synchronize(context));
    for (size_t i = 0; i < TENSORS; i++)
        table->memory_release(context, there[i]);
}

/* On two streams, of which the second runs backwards. */
static void attend_twice(const struct fixture *f, bool by_wgmma)
{
    struct op_table table;
    struct op_context *contexts[2];
    cuda_table_bf16(&table);
    for (int i = 0; i < 2; i++) {
        assert_ok(table.create(NULL, &contexts[i]));
        attend(f, &table, contexts[i], i, by_wgmma);
    }
    for (int i = 0; i < 2; i++)
        table.release(contexts[i]);
    assert_memory_equal(f->out[0], f->out[1], f->out_bytes);
    assert_memory_equal(f->lse[0], f->lse[1], f->lse_bytes);
    assert_memory_equal(f->dq[0], f->dq[1], f->dq_bytes);
    assert_memory_equal(f->dkv[0], f->dkv[1], f->dkv_bytes);
    assert_memory_equal(f->drope[0], f->drope[1], f->drope_bytes);
}

static double at(const uint16_t *numbers, size_t i)
{
    return (double)bfloat16_to_float(numbers[i]);
}

/* Of the query of a head at `row` with the key at row s. */
static double score_of(const struct fixture *f, size_t head, size_t row, size_t s)
{
    const struct shape *shape = f->shape;
    const uint16_t *q = f->q + (row * shape->heads + head) * f->key;
    const uint16_t *nope = f->kv + (s * shape->heads + head) * (shape->nope + shape->v);
    const uint16_t *rope = f->k_rope + s * shape->stride;
    double sum = 0;
    for (size_t i = 0; i < f->key; i++)
        sum += at(q, i) * (i < shape->nope ? at(nope, i) : at(rope, i - shape->nope));
    return sum * (double)shape->scale;
}

/* Each probability is rounded to BF16 once, relative to a largest one of 1, and the output once more. */
static void assert_output(const struct fixture *f, size_t head, size_t row, const double *p, size_t first)
{
    const struct shape *s = f->shape;
    for (size_t j = 0; j < s->v; j++) {
        double expect = 0, scale = 0;
        for (size_t k = first; k <= row; k++) {
            const double value = at(f->kv + (k * s->heads + head) * (s->nope + s->v) + s->nope, j);
            expect += p[k - first] * value;
            scale += fabs(p[k - first] * value);
        }
        const double ours = at((const uint16_t *)(const void *)f->out[0], (row * s->heads + head) * s->v + j);
        if (isnan(expect) ? !isnan(ours) : !(fabs(ours - expect) <= (scale + fabs(expect)) * 0x1.1p-8))
            fail_msg("head %zu, row %zu, column %zu: %g is %g", head, row, j, expect, ours);
    }
}

static void assert_query(const struct fixture *f, size_t head, size_t row, double *p)
{
    const struct shape *s = f->shape;
    const size_t first = row / s->sequence * s->sequence, sums = (row / s->sequence * s->heads + head) * s->sequence;
    double max = -INFINITY, total = 0;
    for (size_t k = first; k <= row; k++) {
        p[k - first] = score_of(f, head, row, k);
        max = fmax(max, p[k - first]);
    }
    for (size_t k = first; k <= row; k++)
        total += p[k - first] = exp(p[k - first] - max);
    for (size_t k = first; k <= row; k++)
        p[k - first] /= total;
    assert_output(f, head, row, p, first);
    const double lse = max + log(total), ours = (double)((float *)(void *)f->lse[0])[sums + row - first];
    if (isnan(lse) ? !isnan(ours) : !(fabs(ours - lse) <= 1e-5 * (1 + fabs(lse))))
        fail_msg("head %zu, row %zu: the sum's logarithm %g is %g", head, row, lse, ours);
}

static void assert_all(const struct fixture *f)
{
    const struct shape *s = f->shape;
    const size_t out = f->tokens * s->heads * s->v * 2, lse = f->tokens * s->heads * sizeof(float);
    double *p;
    assert_ok(q_alloc(s->sequence, sizeof *p, &p));
    for (size_t row = 0; row < f->tokens; row++)
        for (size_t head = 0; head < s->heads; head++)
            assert_query(f, head, row, p);
    assert_memory_equal(f->out[0] + out, f->untouched, f->out_bytes - out);
    assert_memory_equal(f->lse[0] + lse, f->untouched, f->lse_bytes - lse);
    q_release(p);
}

/* Gradients in double, and beside each the sum of what was added to it without its signs, and of what floats may lose of it before it is rounded; rotary parts
 * over all heads. */
struct gradients {
    double *dq, *dkv, *drope, *dq_scale, *dkv_scale, *drope_scale;
};

static void add_to(double *sums, double *scales, double x, double loss)
{
    *sums += x;
    *scales += fabs(x) + loss;
}

/* A head's query at `row` with its key at row s: p dout to the value, and ds to both sides. */
static void add_pair(const struct fixture *f, struct gradients *g, size_t head, size_t row, size_t s)
{
    const struct shape *shape = f->shape;
    const size_t sequence = shape->sequence, width = shape->nope + shape->v, q = (row * shape->heads + head) * f->key,
                 kv = (s * shape->heads + head) * width, out = (row * shape->heads + head) * shape->v;
    const double lse =
        (double)((float *)(void *)f->lse[0])[(row / sequence * shape->heads + head) * sequence + row % sequence];
    const double p = exp(score_of(f, head, row, s) - lse);
    double slope = 0, sizes = 0;
    for (size_t j = 0; j < shape->v; j++) {
        const double dout = at(f->dout, out + j), value = at(f->kv, kv + shape->nope + j),
                     average = at((const uint16_t *)(const void *)f->out[0], out + j);
        slope += dout * (value - average);
        sizes += fabs(dout * value) + fabs(dout * average);
        add_to(&g->dkv[kv + shape->nope + j], &g->dkv_scale[kv + shape->nope + j], p * dout, 0);
    }
    const double ds = p * slope * (double)shape->scale, loss = p * sizes * (double)shape->scale * 0x1p-12;
    for (size_t j = 0; j < f->key; j++) {
        const bool own = j < shape->nope;
        const size_t rope = s * shape->stride + j - shape->nope;
        const double key = own ? at(f->kv, kv + j) : at(f->k_rope, rope), query = at(f->q, q + j);
        add_to(&g->dq[q + j], &g->dq_scale[q + j], ds * key, fabs(loss * key));
        add_to(own ? &g->dkv[kv + j] : &g->drope[rope], own ? &g->dkv_scale[kv + j] : &g->drope_scale[rope], ds * query,
               fabs(loss * query));
    }
}

/* p or ds is rounded to BF16 once, and the gradient once more. */
static void assert_gradient(const char *name, const char *ours, const double *expect, const double *scale, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const double x = at((const uint16_t *)(const void *)ours, i);
        if (isnan(expect[i]) ? !isnan(x) : !(fabs(x - expect[i]) <= (scale[i] + fabs(expect[i])) * 0x1.1p-8))
            fail_msg("%s, number %zu: %g is %g", name, i, expect[i], x);
    }
}

static void *zeros(size_t count)
{
    double *all;
    assert_ok(q_alloc(count, sizeof *all, &all));
    memset(all, 0, count * sizeof *all);
    return all;
}

/* What lies behind the last token, and behind each row of the shared key's gradient. */
static void assert_rest_untouched(const struct fixture *f)
{
    const struct shape *s = f->shape;
    const size_t dq = f->q_count * 2, dkv = f->kv_count * 2, drope = f->rope_count * 2;
    assert_memory_equal(f->dq[0] + dq, f->untouched, f->dq_bytes - dq);
    assert_memory_equal(f->dkv[0] + dkv, f->untouched, f->dkv_bytes - dkv);
    assert_memory_equal(f->drope[0] + drope, f->untouched, f->drope_bytes - drope);
    for (size_t row = 0; row < f->tokens; row++)
        assert_memory_equal(f->drope[0] + (row * s->stride + s->rope) * 2, f->untouched, (s->stride - s->rope) * 2);
}

static void assert_gradients(const struct fixture *f)
{
    const struct shape *s = f->shape;
    struct gradients g = {zeros(f->q_count), zeros(f->kv_count), zeros(f->rope_count),
                          zeros(f->q_count), zeros(f->kv_count), zeros(f->rope_count)};
    for (size_t row = 0; row < f->tokens; row++)
        for (size_t head = 0; head < s->heads; head++)
            for (size_t k = row / s->sequence * s->sequence; k <= row; k++)
                add_pair(f, &g, head, row, k);
    assert_gradient("dq", f->dq[0], g.dq, g.dq_scale, f->q_count);
    assert_gradient("dkv", f->dkv[0], g.dkv, g.dkv_scale, f->kv_count);
    for (size_t row = 0; row < f->tokens; row++)
        assert_gradient("dk_rope", f->drope[0] + row * s->stride * 2, g.drope + row * s->stride,
                        g.drope_scale + row * s->stride, s->rope);
    assert_rest_untouched(f);
    double *const all[] = {g.dq, g.dkv, g.drope, g.dq_scale, g.dkv_scale, g.drope_scale};
    for (size_t i = 0; i < Q_COUNT_OF(all); i++)
        q_release(all[i]);
}

static void check(const struct shape *shape, bool by_wgmma)
{
    struct fixture f;
    set_up(&f, shape);
    attend_twice(&f, by_wgmma);
    assert_all(&f);
    if (shape->spoiled.key == NONE &&
        shape->spoiled.value == NONE) /* what is spoiled backward: see cuda_flash_hopper.cuh */
        assert_gradients(&f);
    tear_down(&f);
}

static void check_all(const struct shape *shapes, size_t count)
{
    emulated_device.hopper = true;
    for (size_t i = 0; i < count; i++)
        check(&shapes[i], true);
    emulated_device.hopper = false;
}

/* Forward, tiles are 128 x 128, with two stages: 650 tokens go round them three times. Backward, 128 keys meet 64 queries, in three stages, and 128 queries 96
 * keys, in two. A scale of 0.3 makes softmaxes that one key rules. */
static void heads_of_v3(void **state)
{
    const struct shape shapes[] = {
        {1, 1, 1, 128, 64, 128, 64, 0.07F, nothing},    {1, 128, 1, 128, 64, 128, 64, 0.07F, nothing},
        {2, 129, 2, 128, 64, 128, 64, 0.3F, nothing},   {3, 60, 3, 128, 64, 128, 72, 0.07F, nothing},
        {1, 650, 1, 128, 64, 128, 576, 0.07F, nothing},
    };
    (void)state;
    check_all(shapes, Q_COUNT_OF(shapes));
}

static void other_heads(void **state)
{
    const struct shape shapes[] = {
        {2, 200, 2, 64, 64, 128, 80, 0.09F, nothing},
        {1, 300, 1, 64, 64, 128, 64, 0.3F, nothing},
        {1, 140, 2, 64, 128, 128, 128, 0.07F, nothing},
    };
    (void)state;
    check_all(shapes, Q_COUNT_OF(shapes));
}

static void what_is_not_a_query_s_own_does_not_matter(void **state)
{
    const struct shape shapes[] = {
        {2, 100, 1, 128, 64, 128, 72, 0.07F, {0, NONE, NONE, NONE}},
        {2, 150, 1, 128, 64, 128, 72, 0.07F, {1, NONE, NONE, NONE}},
        {1, 150, 3, 128, 64, 128, 64, 0.07F, {NONE, 1, NONE, NONE}},
        {1, 100, 1, 128, 64, 128, 64, 0.07F, {NONE, NONE, 70, NONE}},
        {1, 200, 1, 128, 64, 128, 64, 0.07F, {NONE, NONE, NONE, 128}}, /* a tile's first token */
    };
    (void)state;
    check_all(shapes, Q_COUNT_OF(shapes));
}

static void what_does_not_suit_goes_elsewhere(void **state)
{
    const struct shape narrow = {1, 20, 1, 128, 64, 64, 64, 0.07F, nothing},
                       even = {1, 20, 1, 128, 64, 128, 64, 0.07F, nothing};
    (void)state;
    emulated_device.hopper = true;
    check(&narrow, false);
    emulated_device.shared_max = 163 << 10;
    check(&even, false);
    emulated_device.shared_max = 227 << 10;
    emulated_device.hopper = false;
    check(&even, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_of_v3),
        cmocka_unit_test(other_heads),
        cmocka_unit_test(what_is_not_a_query_s_own_does_not_matter),
        cmocka_unit_test(what_does_not_suit_goes_elsewhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
