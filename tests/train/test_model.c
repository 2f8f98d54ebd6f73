/* The model as a whole: the same bits for any number of threads and for a model put together from another one's tensors; learning; counts and
 * biases; what is refused. */
#include "base/check.h"
#include "tests/train/model_fixture.h"
#include "tests/train/small_model.h"

#include <math.h>
#include <stdio.h>

enum { BATCH = 3, LENGTH = 70, TOKENS = BATCH * LENGTH, STEPS = 3 };

static struct model_config config;

static int set_up_config(void **state)
{
    (void)state;
    config = odd_model(301);
    return 0;
}

static void set_up(struct fixture *f, const struct op_table *ops, unsigned threads)
{
    const struct model_shape shape = {.batch = BATCH, .sequence = LENGTH, .training = true};
    set_up_model(f, &config, &shape, ops, threads, &fixture_adamw);
}

static double train_step(struct fixture *f)
{
    struct model_batch batch = {BATCH, LENGTH, f->ids, f->ids + 1};
    struct model_scale scale = {.loss = 1.0 / TOKENS, .balance_alpha = 1e-3, .balance = 1.0 / BATCH};
    op_acc losses[TOKENS];
    double sum = 0;
    assert_int_equal(model_forward_backward(f->model, &batch, &scale, losses, NULL), Q_OK);
    assert_int_equal(optimizer_step(f->optimizer, 0.01, NULL), Q_OK);
    model_update_bias(f->model, 0.001);
    for (size_t i = 0; i < TOKENS; i++)
        sum += (double)losses[i];
    return sum / TOKENS;
}

/* Every parameter, bias and moment of two models. */
static void assert_equal_models(const struct fixture *a, const struct fixture *b)
{
    size_t count;
    const struct model_parameter *parameters = model_parameters(a->model, &count);
    op_acc *x, *y;
    assert_equal_parameters(a, b);
    assert_int_equal(q_alloc(301 * 70, sizeof(*x), &x), Q_OK);
    assert_int_equal(q_alloc(301 * 70, sizeof(*y), &y), Q_OK);
    for (size_t i = 0; i < count; i++) {
        const struct model_parameter *p = &parameters[i];
        for (int moment = 0; p->kind != MODEL_BIAS && moment < 2; moment++) {
            assert_int_equal(optimizer_get(a->optimizer, (enum optimizer_arena)moment, p, x), Q_OK);
            assert_int_equal(optimizer_get(b->optimizer, (enum optimizer_arena)moment, p, y), Q_OK);
            assert_memory_equal(x, y, p->count * sizeof(*x));
        }
    }
    q_release(x);
    q_release(y);
}

static void threads_do_not_change_a_bit(void **state)
{
    (void)state;
    static const char *const names[] = {"cpu-generic", "cpu-avx2", "cpu-avx512"};
    for (size_t i = 0; i < Q_COUNT_OF(names); i++) {
        const struct op_table *ops;
        if (op_table_find(names[i], &ops) != Q_OK)
            continue;
        struct fixture one, two, five;
        set_up(&one, ops, 1);
        set_up(&two, ops, 2);
        set_up(&five, ops, 5);
        for (int step = 0; step < STEPS; step++) {
            double loss = train_step(&one);
            assert_true(loss == train_step(&two));
            assert_true(loss == train_step(&five));
        }
        assert_equal_models(&one, &two);
        assert_equal_models(&one, &five);
        tear_down(&one);
        tear_down(&two);
        tear_down(&five);
    }
}

static void loss_falls(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, op_table_cpu(OP_FP32), 2);
    double first = train_step(&f), last = first;
    assert_true(fabs(first - log(301)) < 0.3); /* nothing known: as likely as any other */
    for (int step = 0; step < 40; step++)
        last = train_step(&f);
    assert_true(last < first / 2);
    tear_down(&f);
}

/* A model goes on from another one's tensors, moments and step count as that one does. */
static void a_copy_goes_on_alike(void **state)
{
    (void)state;
    struct fixture a, b;
    set_up(&a, op_table_cpu(OP_FP32), 1);
    set_up(&b, op_table_cpu(OP_FP32), 2);
    (void)train_step(&a);
    size_t count;
    const struct model_parameter *parameters = model_parameters(a.model, &count);
    op_acc *values;
    assert_int_equal(q_alloc(301 * 70, sizeof(*values), &values), Q_OK);
    for (size_t i = 0; i < count; i++) {
        const struct model_parameter *p = &parameters[i];
        const struct model_parameter *to = model_find_parameter(b.model, p->name);
        assert_non_null(to);
        model_get(a.model, p, values);
        assert_int_equal(model_put(b.model, to, values), Q_OK);
        for (int moment = 0; p->kind != MODEL_BIAS && moment < 2; moment++) {
            assert_int_equal(optimizer_get(a.optimizer, (enum optimizer_arena)moment, p, values), Q_OK);
            assert_int_equal(optimizer_put(b.optimizer, (enum optimizer_arena)moment, to, values), Q_OK);
        }
    }
    optimizer_set_steps(b.optimizer, optimizer_steps(a.optimizer));
    q_release(values);
    assert_true(train_step(&a) == train_step(&b));
    assert_equal_models(&a, &b);
    tear_down(&a);
    tear_down(&b);
}

static void counts_add_up_and_move_biases(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, op_table_cpu(OP_FP32), 2);
    struct model_batch batch = {BATCH, LENGTH, f.ids, f.ids + 1};
    struct model_scale scale = {.loss = 1.0 / TOKENS};
    int64_t counts[16], total = 0;
    assert_int_equal(model_counts_size(f.model), 16);
    for (int i = 0; i < 2; i++)
        assert_int_equal(model_forward_backward(f.model, &batch, &scale, NULL, NULL), Q_OK);
    assert_int_equal(model_forward(f.model, &batch, NULL), Q_OK); /* is not counted */
    model_get_counts(f.model, counts);
    for (size_t e = 0; e < 8; e++)
        total += counts[8 + e];
    assert_int_equal(total, 2 * TOKENS * 2);
    model_update_bias(f.model, 0.5);
    op_acc bias[8];
    const struct model_parameter *p = model_find_parameter(f.model, "model.layers.2.mlp.gate.e_score_correction_bias");
    assert_non_null(p);
    model_get(f.model, p, bias);
    for (size_t e = 0; e < 8; e++)
        assert_true(bias[e] == (counts[8 + e] * 8 < total ? 0.5F : counts[8 + e] * 8 > total ? -0.5F : 0.0F));
    model_get_counts(f.model, counts);
    for (size_t e = 0; e < 16; e++)
        assert_int_equal(counts[e], 0);
    tear_down(&f);
}

/* What the routers say they chose is what was counted, and is the best of scores plus biases (zeros here) within the groups' choice. */
static void routing_is_what_was_counted(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, op_table_cpu(OP_FP32), 2);
    struct model_batch batch = {BATCH, LENGTH, f.ids, f.ids + 1};
    struct model_scale scale = {.loss = 1.0 / TOKENS, .balance_alpha = 1e-3, .balance = 1.0 / BATCH};
    int64_t counts[16], seen[16] = {0};
    int32_t chosen[TOKENS * 2];
    op_acc *scores;
    assert_int_equal(q_alloc(TOKENS * 8, sizeof(*scores), &scores), Q_OK);
    assert_int_equal(model_forward_backward(f.model, &batch, &scale, NULL, NULL), Q_OK);
    model_get_counts(f.model, counts);
    assert_int_equal(model_routers(f.model), 2);
    for (size_t router = 0; router < 2; router++) {
        model_get_routing(f.model, router, chosen, scores);
        for (size_t i = 0; i < TOKENS; i++) {
            const op_acc *s = scores + i * 8;
            assert_true(s[chosen[2 * i]] >= s[chosen[2 * i + 1]]);
            for (size_t e = 0; e < 8; e++)
                assert_true(s[e] > 0 && s[e] < 1);
            seen[router * 8 + (size_t)chosen[2 * i]]++;
            seen[router * 8 + (size_t)chosen[2 * i + 1]]++;
        }
    }
    assert_memory_equal(counts, seen, sizeof(counts));
    q_release(scores);
    tear_down(&f);
}

/* Smaller micro-batches and shorter sequences than the shape, without training: the same losses and logits as with it. */
static void forward_alone_agrees(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, op_table_cpu(OP_FP32), 2);
    struct model *alone;
    struct op_context *context;
    struct model_shape shape = {.batch = 2, .sequence = LENGTH};
    assert_int_equal(f.ops->create(f.pool, &context), Q_OK);
    assert_int_equal(model_create(&config, f.ops, context, &shape, &alone), Q_OK);
    assert_int_equal(model_init(alone, 5, f.pool), Q_OK);
    struct model_batch batch = {1, 33, f.ids, f.ids + 1};
    op_acc a[33], b[33], logits[2 * 301];
    assert_int_equal(model_forward(f.model, &batch, a), Q_OK);
    assert_int_equal(model_forward(alone, &batch, b), Q_OK);
    assert_memory_equal(a, b, sizeof(a));
    assert_int_equal(model_logits(alone, 20, 2, logits), Q_OK);
    for (size_t t = 0; t < 2; t++) {
        double sum = 0;
        for (size_t v = 0; v < 301; v++)
            sum += exp((double)logits[t * 301 + v]);
        assert_true(fabs(log(sum) - (double)logits[t * 301 + (size_t)f.ids[21 + t]] - (double)b[20 + t]) < 1e-5);
    }
    model_release(alone);
    f.ops->release(context);
    tear_down(&f);
}

static void bad_input_is_refused(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, op_table_cpu(OP_FP32), 1);
    struct model_batch batch = {1, 4, f.ids, NULL};
    f.ids[2] = 301;
    assert_int_equal(model_forward(f.model, &batch, NULL), Q_ERR_INPUT);
    assert_string_equal(q_error_text(), "token 301 is outside of the model's vocabulary of 301");
    f.ids[2] = -1;
    assert_int_equal(model_forward(f.model, &batch, NULL), Q_ERR_INPUT);
    f.ids[2] = 1;
    int32_t targets[4] = {1, 2, 301, -1};
    batch.targets = targets;
    assert_int_equal(model_forward(f.model, &batch, NULL), Q_ERR_INPUT);
    assert_string_equal(q_error_text(), "target 301 is outside of the model's vocabulary of 301");
    const struct model_parameter *p = model_find_parameter(f.model, "model.norm.weight");
    op_acc values[40] = {0};
    values[7] = NAN;
    assert_int_equal(model_put(f.model, p, values), Q_ERR_INPUT);
    assert_string_equal(q_error_text(), "tensor 'model.norm.weight' holds a number that is not finite at 7");
    assert_null(model_find_parameter(f.model, "model.norm.bias"));
    tear_down(&f);
}

/* A gradient that is no number changes nothing and is told by the norm. */
static void a_broken_gradient_is_not_used(void **state)
{
    (void)state;
    struct fixture a, b;
    set_up(&a, op_table_cpu(OP_FP32), 2);
    set_up(&b, op_table_cpu(OP_FP32), 2);
    ((op_acc *)model_gradient_arena(a.model))[11] = NAN;
    double norm = 0;
    assert_int_equal(optimizer_step(a.optimizer, 0.01, &norm), Q_OK);
    assert_true(!isfinite(norm));
    assert_true(optimizer_steps(a.optimizer) == 0);
    assert_equal_models(&a, &b);
    tear_down(&a);
    tear_down(&b);
}

/* NaN in a weight comes out in the losses, whatever the operations in between do with their bounds. */
static void nan_is_seen_in_the_loss(void **state)
{
    (void)state;
    static const char *const names[] = {"cpu-generic", "cpu-avx2", "cpu-avx512"};
    for (size_t i = 0; i < Q_COUNT_OF(names); i++) {
        struct fixture f;
        const struct op_table *ops;
        if (op_table_find(names[i], &ops) != Q_OK)
            continue;
        size_t count;
        set_up(&f, ops, 1);
        const struct model_parameter *parameters = model_parameters(f.model, &count);
        struct model_batch batch = {BATCH, LENGTH, f.ids, f.ids + 1};
        op_acc losses[TOKENS];
        for (size_t p = 0; p < count; p++) {
            if (parameters[p].kind != MODEL_NORM)
                continue;
            op_acc *place = model_parameter_arena(f.model) + parameters[p].offset, kept = *place;
            *place = NAN;
            double sum = 0;
            assert_int_equal(model_forward(f.model, &batch, losses), Q_OK);
            for (size_t t = 0; t < TOKENS; t++)
                sum += (double)losses[t];
            if (isfinite(sum))
                fail_msg("%s: NaN in %s is lost", names[i], parameters[p].name);
            *place = kept;
        }
        tear_down(&f);
    }
}

static void failed_allocations_leave_nothing(void **state)
{
    (void)state;
    struct q_pool *pool;
    struct op_context *context;
    struct model *model = NULL;
    const struct op_table *ops = op_table_cpu(OP_FP32);
    struct model_shape shape = {.batch = 1, .sequence = 8, .training = true};
    assert_int_equal(q_pool_create(1, &pool), Q_OK);
    assert_int_equal(ops->create(pool, &context), Q_OK);
    q_status status = Q_ERR_MEMORY;
    for (uint64_t k = 1; status != Q_OK; k++) {
        (void)q_memory_fail_at(k, 0);
        status = model_create(&config, ops, context, &shape, &model);
        (void)q_memory_fail_at(0, 0);
        assert_true(status == Q_OK || status == Q_ERR_MEMORY);
        assert_true(k < 10000);
    }
    model_release(model);
    ops->release(context);
    q_pool_release(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_do_not_change_a_bit), cmocka_unit_test(loss_falls),
        cmocka_unit_test(a_copy_goes_on_alike),        cmocka_unit_test(counts_add_up_and_move_biases),
        cmocka_unit_test(routing_is_what_was_counted), cmocka_unit_test(forward_alone_agrees),
        cmocka_unit_test(bad_input_is_refused),        cmocka_unit_test(a_broken_gradient_is_not_used),
        cmocka_unit_test(nan_is_seen_in_the_loss),     cmocka_unit_test(failed_allocations_leave_nothing),
    };
    return cmocka_run_group_tests(tests, set_up_config, NULL);
}
