/* Data parallel training with ZeRO's first stage: ranks as threads, each with its share of the sequences. All hold the same bits, and what one rank
 * computes within a bound: the order of the sums differs, nothing else. */
#include "base/check.h"
#include "base/random.h"
#include "base/threads.h"
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

enum { SEQUENCES = 6, LENGTH = 40, STEPS = 4, RANKS_MAX = 5, TOKENS = SEQUENCES * LENGTH };

static const struct model_config config = {.vocab_size = 211,
                                           .hidden_size = 32,
                                           .num_hidden_layers = 3,
                                           .first_k_dense_replace = 1,
                                           .num_attention_heads = 2,
                                           .q_lora_rank = 20,
                                           .kv_lora_rank = 12,
                                           .qk_nope_head_dim = 10,
                                           .qk_rope_head_dim = 6,
                                           .v_head_dim = 14,
                                           .intermediate_size = 50,
                                           .moe_intermediate_size = 18,
                                           .n_routed_experts = 8,
                                           .num_experts_per_tok = 2,
                                           .n_group = 4,
                                           .topk_group = 2,
                                           .n_shared_experts = 1,
                                           .routed_scaling_factor = 2.5,
                                           .norm_topk_prob = true,
                                           .rms_norm_eps = 1e-6,
                                           .rope_theta = 10000,
                                           .max_position_embeddings = 64,
                                           .initializer_range = 0.05,
                                           .bos_token_id = -1,
                                           .eos_token_id = -1};

/* What a rank came to. */
struct course {
    struct comm *comm;
    struct q_error error;
    double losses[STEPS], norms[STEPS];
    int64_t counts[STEPS][16]; /* of the two MoE layers */
    float *values;             /* all parameters; behind them, on rank 0, both moments */
    size_t parameters, elements;
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

static q_status set_up(struct rig *rig, struct comm *comm)
{
    const struct model_shape shape = {.batch = SEQUENCES, .sequence = LENGTH, .training = true};
    const struct optimizer_settings settings = {0.9, 0.95, 1e-8, 0.1, false, 1.0, false, 0};
    const q_random_key key = q_random_key_of(3, "test", 0, 0);
    for (size_t i = 0; i <= TOKENS; i++)
        rig->ids[i] = i % 5 ? (rig->ids[i - 1] * 3 + 1) % 211 : (int32_t)q_random_below(key, i, 211);
    rig->ops = op_table_cpu();
    Q_TRY(q_pool_create(1, &rig->pool));
    Q_TRY(rig->ops->create(rig->pool, &rig->context));
    Q_TRY(model_create(&config, rig->ops, rig->context, &shape, &rig->model));
    Q_TRY(model_init(rig->model, 7));
    Q_TRY(comm_groups_create(comm, 1, &rig->groups));
    return optimizer_create(rig->model, &settings, &rig->groups, &rig->optimizer);
}

/* This rank's sequences of the batch: more or fewer by one, where the ranks do not divide it, and none where there are more ranks. */
static q_status take_step(struct rig *rig, struct course *course, int step)
{
    const unsigned rank = comm_rank(course->comm), ranks = comm_ranks(course->comm);
    const size_t first = SEQUENCES * rank / ranks, count = SEQUENCES * (rank + 1) / ranks - first;
    const struct model_scale scale = {.loss = 1.0 / TOKENS, .balance_alpha = 1e-3, .balance = 1.0 / SEQUENCES};
    const struct model_batch batch = {count, LENGTH, rig->ids + first * LENGTH, rig->ids + first * LENGTH + 1};
    op_acc losses[TOKENS] = {0};
    double sum = 0;
    if (count)
        Q_TRY(model_forward_backward(rig->model, &batch, &scale, losses, NULL));
    for (size_t i = 0; i < count * LENGTH; i++)
        sum += (double)losses[i];
    Q_TRY(comm_sum(course->comm, &sum, 1, COMM_F64));
    model_get_counts(rig->model, course->counts[step]);
    Q_TRY(comm_sum(course->comm, course->counts[step], model_counts_size(rig->model), COMM_I64));
    model_put_counts(rig->model, course->counts[step]);
    course->losses[step] = sum / TOKENS;
    Q_TRY(optimizer_step(rig->optimizer, 0.01, &course->norms[step]));
    model_update_bias(rig->model, 0.001);
    return Q_OK;
}

/* The whole state, as a checkpoint has it. */
static q_status take_state(const struct rig *rig, struct course *course)
{
    size_t count;
    const struct model_parameter *parameters = model_parameters(rig->model, &count);
    for (size_t i = 0; i < count; i++)
        course->parameters += parameters[i].count;
    Q_TRY(q_alloc_zero(3 * course->parameters, sizeof *course->values, &course->values));
    for (size_t i = 0; i < count; i++) {
        model_get(rig->model, &parameters[i], course->values + course->elements);
        course->elements += parameters[i].count;
    }
    for (int moment = 0; moment < 2; moment++)
        for (size_t i = 0; i < count; i++) {
            if (parameters[i].kind == MODEL_BIAS)
                continue;
            Q_TRY(optimizer_get(rig->optimizer, (enum optimizer_arena)moment, &parameters[i],
                                comm_rank(course->comm) == 0 ? course->values + course->elements : NULL));
            course->elements += parameters[i].count;
        }
    return Q_OK;
}

static q_status train(struct rig *rig, struct course *course)
{
    Q_TRY(set_up(rig, course->comm));
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

static void run(unsigned ranks, struct course *courses)
{
    struct comm *comms[RANKS_MAX];
    pthread_t threads[RANKS_MAX];
    assert_int_equal(comm_threads(ranks, comms), Q_OK);
    for (unsigned r = 0; r < ranks; r++) {
        courses[r] = (struct course){.comm = comms[r]};
        assert_int_equal(pthread_create(&threads[r], NULL, run_rank, &courses[r]), 0);
    }
    for (unsigned r = 0; r < ranks; r++) {
        assert_int_equal(pthread_join(threads[r], NULL), 0);
        if (courses[r].error.status)
            fail_msg("rank %u of %u: %s", r, ranks, courses[r].error.text);
    }
}

static void release(unsigned ranks, struct course *courses)
{
    for (unsigned r = 0; r < ranks; r++)
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

static void compare(unsigned ranks, const struct course *courses, const struct course *alone)
{
    const struct course *first = &courses[0];
    for (unsigned r = 1; r < ranks; r++) {
        assert_memory_equal(courses[r].values, first->values, first->parameters * sizeof *first->values);
        assert_memory_equal(courses[r].losses, first->losses, sizeof first->losses);
        assert_memory_equal(courses[r].norms, first->norms, sizeof first->norms);
    }
    for (int step = 0; step < STEPS; step++) {
        assert_memory_equal(first->counts[step], alone->counts[step], sizeof first->counts[step]);
        assert_true(fabs(first->losses[step] - alone->losses[step]) < 2e-6);
        assert_true(fabs(first->norms[step] / alone->norms[step] - 1) < 1e-5);
    }
    assert_int_equal(first->elements, alone->elements);
    assert_true(distance(first->values, alone->values, first->parameters) < 1e-5);
    assert_true(distance(first->values + first->parameters, alone->values + first->parameters,
                         first->elements - first->parameters) < 1e-4);
}

static void test_ranks_train_as_one(void **state)
{
    (void)state;
    struct course alone;
    run(1, &alone);
    assert_true(alone.losses[STEPS - 1] < alone.losses[0]);
    for (unsigned ranks = 2; ranks <= RANKS_MAX; ranks++) {
        struct course courses[RANKS_MAX];
        run(ranks, courses);
        compare(ranks, courses, &alone);
        release(ranks, courses);
    }
    release(1, &alone);
}

/* The bits are those of the layout, whatever the timing. */
static void test_the_same_twice(void **state)
{
    (void)state;
    struct course courses[2][3];
    for (int i = 0; i < 2; i++)
        run(3, courses[i]);
    assert_memory_equal(courses[0][0].values, courses[1][0].values,
                        courses[0][0].elements * sizeof *courses[0][0].values);
    for (int i = 0; i < 2; i++)
        release(3, courses[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_ranks_train_as_one),
                                       cmocka_unit_test(test_the_same_twice)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
