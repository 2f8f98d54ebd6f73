/* Training over ranks, each with its share of the sequences: data parallel with ZeRO's first stage, and with experts that ranks share. All hold the same
 * bits of what they have, and what one rank computes within a bound: the order of the sums differs, nothing else. Ranks are threads. */
#include "base/check.h"
#include "base/random.h"
#include "base/threads.h"
#include "tests/train/small_model.h"
#include "train/comm/comm.h"
#include "train/model/model.h"
#include "train/optimizer.h"

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum {
    SEQUENCES = 6,
    MICRO_BATCH = 2, /* sequences */
    LENGTH = 40,
    STEPS = 4,
    RANKS_MAX = 8,
    ROUTERS = 3, /* two MoE layers, an MTP module */
    EXPERTS = 8,
    TENSORS_MAX = 160,
    TOKENS = SEQUENCES * LENGTH
};

struct layout {
    unsigned ranks, expert_ranks;
    bool recompute;
    bool
        skewed; /* all tokens choose experts of the first group: the ranks that hold the others have no rows, the first has more than it has room for */
};

static struct model_config config;

static int set_up_config(void **state)
{
    (void)state;
    config = odd_model(211);
    config.hidden_size = 32;
    config.num_attention_heads = 2;
    config.intermediate_size = 50;
    config.num_nextn_predict_layers = 1;
    return 0;
}

/* What all ranks of a test train with. */
static enum op_precision precision = OP_FP32;
static bool narrow_gradients = false;
static struct optimizer_settings settings = {
    .beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8, .weight_decay = 0.1, .clip = 1.0};

/* What a rank came to. */
struct course {
    struct layout layout;
    struct comm *comm;
    struct q_error error;
    double losses[STEPS], norms[STEPS];
    int64_t counts[STEPS][ROUTERS * EXPERTS];
    struct model_memory memory;
    float *values; /* all parameters that the rank has, on rank 0 all; behind them, on rank 0, what the optimizer has */
    size_t parameters, elements, tensors;
    struct tensor {
        size_t first, count;
        bool held;
    } table[TENSORS_MAX];
};

struct rig {
    const struct op_table *ops;
    struct q_pool *pool;
    struct op_context *context;
    struct model *model;
    struct comm_groups groups;
    struct optimizer *optimizer;
    int32_t ids[TOKENS + 1];
};

static q_status skew(struct model *model)
{
    size_t count;
    const struct model_parameter *parameters = model_parameters(model, &count);
    const float values[EXPERTS] = {3, 3, 0, 0, 0, 0, 0, 0};
    for (size_t i = 0; i < count; i++)
        if (parameters[i].kind == MODEL_BIAS)
            Q_TRY(model_put(model, &parameters[i], values));
    return Q_OK;
}

static q_status set_up(struct rig *rig, struct course *course)
{
    const q_random_key key = q_random_key_of(3, "test", 0, 0);
    for (size_t i = 0; i <= TOKENS; i++)
        rig->ids[i] = i % 5 ? (rig->ids[i - 1] * 3 + 1) % 211 : (int32_t)q_random_below(key, i, 211);
    rig->ops = op_table_cpu(precision);
    Q_TRY(comm_groups_create(course->comm, course->layout.expert_ranks, &rig->groups));
    const struct model_shape shape = {.batch = MICRO_BATCH,
                                      .sequence = LENGTH,
                                      .training = true,
                                      .narrow_gradients = narrow_gradients,
                                      .recompute =
                                          course->layout.recompute ? MODEL_RECOMPUTE_PROJECTIONS : MODEL_RECOMPUTE_NONE,
                                      .expert_ranks = course->layout.expert_ranks,
                                      .experts = rig->groups.experts};
    Q_TRY(q_pool_create(1, &rig->pool));
    Q_TRY(rig->ops->create(rig->pool, &rig->context));
    Q_TRY(model_create(&config, rig->ops, rig->context, &shape, &rig->model));
    Q_TRY(model_init(rig->model, 7, rig->pool));
    if (course->layout.skewed)
        Q_TRY(skew(rig->model));
    course->memory = model_memory(rig->model);
    return optimizer_create(rig->model, &settings, &rig->groups, &rig->optimizer);
}

/* This rank's sequences of the batch: more or fewer by one, where the ranks do not divide it, and none where there are more ranks. Ranks that share experts make
 * as many calls as the one with the most of them. */
static q_status forward_backward(struct rig *rig, const struct course *course, double *sum)
{
    const unsigned rank = comm_rank(course->comm), ranks = comm_ranks(course->comm);
    const struct comm_slice share = comm_share(SEQUENCES, ranks, rank);
    const struct model_scale scale = {
        .loss = 1.0 / TOKENS, .balance_alpha = 1e-3, .balance = 1.0 / SEQUENCES, .mtp = 0.3};
    const size_t passes = (size_t)q_ceil_div(q_ceil_div(SEQUENCES, ranks), MICRO_BATCH);
    size_t done = share.first;
    *sum = 0;
    for (size_t pass = 0; pass < passes; pass++) {
        const size_t count = Q_MIN((size_t)MICRO_BATCH, share.first + share.count - done);
        const int32_t *ids = rig->ids + done * LENGTH;
        op_acc losses[MICRO_BATCH * LENGTH];
        if (count == 0 && course->layout.expert_ranks == 1)
            break;
        Q_TRY(model_forward_backward(rig->model, &(struct model_batch){count, LENGTH, ids, ids + 1}, &scale, losses,
                                     NULL));
        for (size_t i = 0; i < count * LENGTH; i++)
            *sum += (double)losses[i];
        done += count;
    }
    return Q_OK;
}

static q_status take_step(struct rig *rig, struct course *course, int step)
{
    double sum;
    Q_TRY(forward_backward(rig, course, &sum));
    Q_TRY(comm_sum(course->comm, &sum, 1, COMM_F64));
    q_check(model_counts_size(rig->model) == ROUTERS * EXPERTS);
    model_get_counts(rig->model, course->counts[step]);
    Q_TRY(comm_sum(course->comm, course->counts[step], ROUTERS * EXPERTS, COMM_I64));
    model_put_counts(rig->model, course->counts[step]);
    course->losses[step] = sum / TOKENS;
    Q_TRY(optimizer_step(rig->optimizer, 0.01, &course->norms[step]));
    model_update_bias(rig->model, 0.001);
    return Q_OK;
}

/* The whole state, as a checkpoint has it; on the other ranks what they hold. */
static q_status take_state(const struct rig *rig, struct course *course)
{
    size_t count;
    const struct model_parameter *parameters = model_parameters(rig->model, &count);
    const bool leads = comm_rank(course->comm) == 0;
    q_check(count <= TENSORS_MAX);
    for (size_t i = 0; i < count; i++)
        course->parameters += parameters[i].count;
    Q_TRY(q_alloc_zero((1 + OPTIMIZER_ARENAS) * course->parameters, sizeof *course->values, &course->values));
    for (size_t i = 0; i < count; i++) {
        const struct tensor tensor = {course->elements, parameters[i].count, model_holds(rig->model, &parameters[i])};
        float *values = course->values + tensor.first;
        course->table[course->tensors++] = tensor;
        Q_TRY(optimizer_get_weight(rig->optimizer, &parameters[i], leads ? values : NULL));
        if (!leads && tensor.held)
            model_get(rig->model, &parameters[i], values);
        course->elements += tensor.count;
    }
    for (int arena = 0; arena < OPTIMIZER_ARENAS; arena++)
        for (size_t i = 0; i < count; i++) {
            if (parameters[i].kind == MODEL_BIAS ||
                !optimizer_element_bytes(rig->optimizer, (enum optimizer_arena)arena))
                continue;
            Q_TRY(optimizer_get(rig->optimizer, (enum optimizer_arena)arena, &parameters[i],
                                leads ? course->values + course->elements : NULL));
            course->elements += parameters[i].count;
        }
    return Q_OK;
}

static q_status train(struct rig *rig, struct course *course)
{
    Q_TRY(set_up(rig, course));
    for (int step = 0; step < STEPS; step++)
        Q_TRY(take_step(rig, course, step));
    return take_state(rig, course);
}

static void *run_rank(void *context)
{
    struct course *course = context;
    struct rig rig = {0};
    q_error_take(&course->error, train(&rig, course));
    optimizer_release(rig.optimizer);
    comm_groups_release(&rig.groups, course->error.status != Q_OK);
    model_release(rig.model);
    if (rig.ops)
        rig.ops->release(rig.context);
    q_pool_release(rig.pool);
    comm_release(course->comm);
    return NULL;
}

/* fail_at: which of the allocations of all ranks together fails; 0: none. */
static void start(struct layout layout, uint64_t fail_at, struct course *courses)
{
    const unsigned ranks = layout.ranks;
    struct comm *comms[RANKS_MAX];
    pthread_t threads[RANKS_MAX];
    assert_int_equal(comm_threads(ranks, comms), Q_OK);
    (void)q_memory_fail_at(fail_at, 0);
    for (unsigned r = 0; r < ranks; r++) {
        courses[r] = (struct course){.comm = comms[r], .layout = layout};
        assert_int_equal(pthread_create(&threads[r], NULL, run_rank, &courses[r]), 0);
    }
    for (unsigned r = 0; r < ranks; r++)
        assert_int_equal(pthread_join(threads[r], NULL), 0);
    (void)q_memory_fail_at(0, 0);
}

static void run(struct layout layout, struct course *courses)
{
    start(layout, 0, courses);
    for (unsigned r = 0; r < layout.ranks; r++)
        if (courses[r].error.status)
            fail_msg("rank %u of %u, %u that share experts: %s", r, layout.ranks, layout.expert_ranks,
                     courses[r].error.text);
}

static void release(struct layout layout, struct course *courses)
{
    for (unsigned r = 0; r < layout.ranks; r++)
        q_release(courses[r].values);
}

/* |a - b| / |b| over a run of values. */
static double distance(const float *a, const float *b, size_t count)
{
    double difference = 0, length = 0;
    for (size_t i = 0; i < count; i++) {
        difference += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        length += (double)b[i] * b[i];
    }
    return sqrt(difference / length);
}

/* Every rank has the bits that rank 0 has gathered. */
static void compare_ranks(const struct course *courses)
{
    const struct course *first = &courses[0];
    for (unsigned r = 1; r < first->layout.ranks; r++) {
        for (size_t i = 0; i < first->tensors; i++) {
            const struct tensor *tensor = &courses[r].table[i];
            if (tensor->held)
                assert_memory_equal(courses[r].values + tensor->first, first->values + tensor->first,
                                    tensor->count * sizeof *first->values);
        }
        assert_memory_equal(courses[r].losses, first->losses, sizeof first->losses);
        assert_memory_equal(courses[r].norms, first->norms, sizeof first->norms);
    }
}

/* `wide`: by how much more they may be apart. */
static void compare(const struct course *courses, const struct course *alone, double wide)
{
    const struct course *first = &courses[0];
    compare_ranks(courses);
    for (int step = 0; step < STEPS; step++) {
        assert_memory_equal(first->counts[step], alone->counts[step], sizeof first->counts[step]);
        assert_true(fabs(first->losses[step] - alone->losses[step]) < 2e-6 * wide);
        assert_true(fabs(first->norms[step] / alone->norms[step] - 1) < 1e-5 * wide);
    }
    assert_int_equal(first->elements, alone->elements);
    assert_true(distance(first->values, alone->values, first->parameters) < 1e-5 * wide);
    assert_true(distance(first->values + first->parameters, alone->values + first->parameters,
                         first->elements - first->parameters) < 1e-4 * wide);
}

static void train_as_one(double wide)
{
    static const struct layout layouts[] = {
        {2, 1, false, false}, {3, 1, false, false}, {5, 1, false, false}, {8, 1, false, false}, {2, 2, false, false},
        {4, 2, false, false}, {6, 2, false, false}, {4, 4, false, false}, {8, 4, true, false},  {8, 8, false, false}};
    static struct course alone, courses[RANKS_MAX];
    run((struct layout){1, 1, false, false}, &alone);
    assert_true(alone.losses[STEPS - 1] < alone.losses[0]);
    for (size_t i = 0; i < Q_COUNT_OF(layouts); i++) {
        run(layouts[i], courses);
        compare(courses, &alone, wide);
        release(layouts[i], courses);
    }
    release(alone.layout, &alone);
}

/* However uneven the load, no token is dropped. */
static void test_uneven_load(void **state)
{
    (void)state;
    static const struct layout layouts[] = {{2, 2, false, true}, {4, 4, true, true}, {8, 4, false, true}};
    static struct course alone, courses[RANKS_MAX];
    run((struct layout){1, 1, false, true}, &alone);
    assert_int_equal(alone.counts[0][0], TOKENS);
    assert_int_equal(alone.counts[0][EXPERTS - 1], 0);
    for (size_t i = 0; i < Q_COUNT_OF(layouts); i++) {
        run(layouts[i], courses);
        compare(courses, &alone, 1);
        release(layouts[i], courses);
    }
    release(alone.layout, &alone);
}

static void test_ranks_train_as_one(void **state)
{
    (void)state;
    train_as_one(1);
}

/* Sums in another order fall on the other side of a rounding now and then, by 1/256 of a moment. */
static void test_with_bf16_and_average(void **state)
{
    (void)state;
    settings.bf16_moments = true;
    settings.ema_decay = 0.9;
    train_as_one(10);
}

/* Activations in BF16: the first step is one rank's as in FP32, since what is rounded is a token's own. After it a weight's last bit may round another way, and
 * then a token may go another way. */
static void test_with_bf16_activations(void **state)
{
    (void)state;
    static const struct layout layouts[] = {{3, 1, false, false}, {4, 2, false, false}, {8, 4, true, false}};
    static struct course alone, courses[RANKS_MAX];
    precision = OP_BF16;
    run((struct layout){1, 1, false, false}, &alone);
    for (size_t i = 0; i < Q_COUNT_OF(layouts); i++) {
        run(layouts[i], courses);
        compare_ranks(courses);
        assert_memory_equal(courses[0].counts[0], alone.counts[0], sizeof alone.counts[0]);
        assert_true(fabs(courses[0].losses[0] - alone.losses[0]) < 2e-6);
        assert_true(fabs(courses[0].norms[0] / alone.norms[0] - 1) < 1e-5);
        for (int step = 1; step < STEPS; step++)
            assert_true(fabs(courses[0].losses[step] - alone.losses[step]) < 1e-2);
        release(layouts[i], courses);
    }
    release(alone.layout, &alone);
    precision = OP_FP32;
}

/* Gradients in BF16 too: a rank's part of a sum is rounded, and what they come to once more. The bits are those of the layout. */
static void test_with_bf16_gradients(void **state)
{
    (void)state;
    static const struct layout layouts[] = {{3, 1, false, false}, {4, 2, false, false}};
    static struct course alone, courses[2][RANKS_MAX];
    precision = OP_BF16;
    narrow_gradients = true;
    run((struct layout){1, 1, false, false}, &alone);
    assert_true(alone.losses[STEPS - 1] < alone.losses[0]);
    for (size_t i = 0; i < Q_COUNT_OF(layouts); i++) {
        for (int j = 0; j < 2; j++) {
            run(layouts[i], courses[j]);
            compare_ranks(courses[j]);
        }
        const struct course *first = &courses[0][0];
        assert_memory_equal(first->values, courses[1][0].values, first->elements * sizeof *first->values);
        assert_true(fabs(first->losses[0] - alone.losses[0]) < 2e-6);
        assert_true(first->norms[0] != alone.norms[0] && fabs(first->norms[0] / alone.norms[0] - 1) < 1e-3);
        for (int step = 1; step < STEPS; step++)
            assert_true(fabs(first->losses[step] - alone.losses[step]) < 1e-2);
        for (int j = 0; j < 2; j++)
            release(layouts[i], courses[j]);
    }
    release(alone.layout, &alone);
    precision = OP_FP32;
    narrow_gradients = false;
}

/* The bits are those of the layout, whatever the timing, and recomputation changes none; all that an optimizer has is in it. */
static void test_the_same_twice(void **state)
{
    (void)state;
    static const struct layout layouts[] = {
        {3, 1, false, false}, {3, 1, true, false}, {4, 2, false, false}, {4, 2, true, false}};
    static struct course courses[2][RANKS_MAX];
    for (size_t i = 0; i < Q_COUNT_OF(layouts); i += 2) {
        for (size_t j = 0; j < 2; j++)
            run(layouts[i + j], courses[j]);
        assert_memory_equal(courses[0][0].values, courses[1][0].values,
                            courses[0][0].elements * sizeof *courses[0][0].values);
        for (size_t j = 0; j < 2; j++)
            release(layouts[i + j], courses[j]);
    }
}

/* A rank has its part of the experts alone. */
static void test_memory_is_divided(void **state)
{
    (void)state;
    static struct course courses[RANKS_MAX];
    const size_t experts = (size_t)ROUTERS * EXPERTS * 3 * 32 * 18 * sizeof(float);
    size_t all = 0;
    for (unsigned ranks = 1; ranks <= 8; ranks *= 2) {
        run((struct layout){ranks, ranks, false, false}, courses);
        if (ranks == 1)
            all = courses[0].memory.parameters;
        for (unsigned r = 0; r < ranks; r++) {
            assert_int_equal(courses[r].memory.parameters, all - experts + experts / ranks);
            assert_int_equal(courses[r].memory.gradients, courses[r].memory.parameters);
        }
        release(courses[0].layout, courses);
    }
}

/* What fails on one rank ends all of them, and none waits for ever: the k-th allocation, whoever makes it. */
static void test_failures(void **state)
{
    (void)state;
    static struct course courses[RANKS_MAX];
    const struct layout layout = {4, 4, false, true};
    unsigned failures = 0, k = 1;
    for (bool through = false; !through; k += 3) {
        start(layout, k, courses);
        through = true;
        for (unsigned r = 0; r < layout.ranks; r++)
            through = through && courses[r].error.status == Q_OK;
        failures += !through;
        release(layout, courses);
    }
    assert_true(failures > 50);
}

static void test_refused(void **state)
{
    (void)state;
    static struct course courses[RANKS_MAX];
    start((struct layout){3, 2, false, false}, 0, courses);
    for (unsigned r = 0; r < 3; r++) {
        assert_int_equal(courses[r].error.status, Q_ERR_USAGE);
        assert_string_equal(courses[r].error.text, "groups of 2 ranks that share experts cannot be formed from 3");
    }
    start((struct layout){3, 3, false, false}, 0, courses);
    for (unsigned r = 0; r < 3; r++) {
        assert_int_equal(courses[r].error.status, Q_ERR_USAGE);
        assert_string_equal(courses[r].error.text, "3 ranks cannot share the 8 experts of a layer evenly");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_ranks_train_as_one),
                                       cmocka_unit_test(test_with_bf16_activations),
                                       cmocka_unit_test(test_with_bf16_gradients),
                                       cmocka_unit_test(test_with_bf16_and_average),
                                       cmocka_unit_test(test_uneven_load),
                                       cmocka_unit_test(test_the_same_twice),
                                       cmocka_unit_test(test_memory_is_divided),
                                       cmocka_unit_test(test_failures),
                                       cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, set_up_config, NULL);
}
