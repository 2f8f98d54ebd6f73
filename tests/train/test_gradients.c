/* The model's backward, in double over the plain operations, against central differences of its own loss: every tensor, odd shapes, each variant of the
 * architecture. With the fast operations compared with the plain ones (test_ops), each hand-written gradient is thus checked twice. */
#include "base/check.h"
#include "base/random.h"
#include "base/threads.h"
#include "train/model/model.h"
#include "train/plain/plain_ops.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { BATCH = 2, LENGTH = 7, TOKENS = BATCH * LENGTH, ELEMENTS = 7 /* of each tensor */ };

/* A difference over four points: its own error goes with the step's fourth power, so that the step may be wider, but not so
 * wide that a token chooses other experts. */
static const double STEP = 3e-5, ABSOLUTE = 1e-9, RELATIVE = 1e-6, ALPHA = 0.9 /* of the balance loss */;

static const struct model_config usual = {.vocab_size = 37,
                                          .hidden_size = 18,
                                          .num_hidden_layers = 3,
                                          .first_k_dense_replace = 1,
                                          .num_attention_heads = 3,
                                          .q_lora_rank = 9,
                                          .kv_lora_rank = 6,
                                          .qk_nope_head_dim = 5,
                                          .qk_rope_head_dim = 4,
                                          .v_head_dim = 7,
                                          .intermediate_size = 11,
                                          .moe_intermediate_size = 5,
                                          .n_routed_experts = 6,
                                          .num_experts_per_tok = 2,
                                          .n_group = 3,
                                          .topk_group = 2,
                                          .n_shared_experts = 1,
                                          .routed_scaling_factor = 2.5,
                                          .norm_topk_prob = true,
                                          .rms_norm_eps = 1e-6,
                                          .rope_theta = 100,
                                          .max_position_embeddings = 64,
                                          .initializer_range = 0.3,
                                          .bos_token_id = -1,
                                          .eos_token_id = -1};

struct fixture {
    struct op_table ops;
    struct op_context *context;
    struct model *model;
    double z_loss;
    bool over_batch; /* the balance loss */
    int32_t ids[TOKENS], targets[TOKENS];
};

static void set_up(struct fixture *f, const struct model_config *config)
{
    f->z_loss = 0;
    f->over_batch = false;
    plain_table(&f->ops);
    assert_int_equal(op_table_check(&f->ops), Q_OK);
    assert_int_equal(f->ops.create(NULL, &f->context), Q_OK);
    struct model_shape shape = {.batch = BATCH, .sequence = LENGTH, .training = true};
    if (model_create(config, &f->ops, f->context, &shape, &f->model) != Q_OK)
        fail_msg("%s", q_error_text());
    struct q_pool *pool;
    assert_int_equal(q_pool_create(1, &pool), Q_OK);
    assert_int_equal(model_init(f->model, 1, pool), Q_OK);
    q_pool_release(pool);
    q_random_key key = q_random_key_of(2, "test", 0, 0);
    for (size_t i = 0; i < TOKENS; i++) {
        f->ids[i] = (int32_t)q_random_below(key, i, model_config_ids(config));
        f->targets[i] = i == 3 ? -1 : (int32_t)q_random_below(key, 100 + i, model_config_ids(config));
    }
    /* Norms away from 1 and biases away from 0, so that a factor forgotten is seen. */
    size_t count, draw = 1000;
    const struct model_parameter *parameters = model_parameters(f->model, &count);
    for (size_t i = 0; i < count; i++) {
        op_acc values[64];
        if (parameters[i].kind == MODEL_MATRIX)
            continue;
        assert_true(parameters[i].count <= Q_COUNT_OF(values));
        model_get(f->model, &parameters[i], values);
        for (size_t j = 0; j < parameters[i].count; j++)
            values[j] += q_random_normal(key, draw++) * (parameters[i].kind == MODEL_NORM ? 0.2 : 0.05);
        assert_int_equal(model_put(f->model, &parameters[i], values), Q_OK);
    }
}

static void tear_down(struct fixture *f)
{
    model_release(f->model);
    f->ops.release(f->context);
}

/* alpha sum_i f_i P_i over `tokens` tokens, out of a router's scores. */
static double balance_of(const op_acc *scores, size_t tokens, size_t experts, size_t top_k)
{
    double loss = 0;
    for (size_t i = 0; i < experts; i++) {
        double often = 0, share = 0;
        for (size_t t = 0; t < tokens; t++) {
            const op_acc *s = scores + t * experts;
            size_t better = 0;
            double sum = 0;
            for (size_t j = 0; j < experts; j++) {
                better += s[j] > s[i];
                sum += s[j];
            }
            often += better < top_k;
            share += s[i] / sum;
        }
        loss += often * (double)experts / (double)(top_k * tokens) * share / (double)tokens;
    }
    return ALPHA * loss;
}

/* The sum over sequences and routers, as the report writes it: of each sequence, or of all tokens as one. */
static double balance_by_definition(const struct fixture *f)
{
    const struct model_config *config = model_get_config(f->model);
    const size_t experts = (size_t)config->n_routed_experts, top_k = (size_t)config->num_experts_per_tok;
    double total = 0;
    for (size_t r = 0; r < model_routers(f->model); r++) {
        op_acc scores[TOKENS * 8];
        const size_t length = model_router_length(f->model, r);
        assert_true(experts <= 8);
        model_get_routing(f->model, r, NULL, scores);
        for (size_t b = 0; b < BATCH; b++)
            total += f->over_batch ? balance_of(scores, BATCH * length, experts, top_k)
                                   : balance_of(scores + b * length * experts, length, experts, top_k);
    }
    return total;
}

/* The scalar whose gradient the backward gives; the gradients of this call alone are left behind. */
static double loss_of(struct fixture *f)
{
    struct model_batch batch = {BATCH, LENGTH, f->ids, f->targets};
    size_t modules = (size_t)model_get_config(f->model)->num_nextn_predict_layers;
    struct model_scale scale = {.loss = 0.7,
                                .balance_alpha = ALPHA,
                                .balance = 0.3,
                                .balance_over_batch = f->over_batch,
                                .mtp = 0.6,
                                .z_loss = f->z_loss};
    op_acc losses[TOKENS];
    double balance, sum = 0;
    model_clear_gradients(f->model);
    assert_int_equal(model_forward_backward(f->model, &batch, &scale, losses, &balance), Q_OK);
    assert_true(losses[3] == 0);
    for (size_t i = 0; i < TOKENS; i++)
        sum += losses[i];
    for (size_t d = 1; d <= modules; d++) {
        assert_int_equal(model_mtp_losses(f->model, d, losses), BATCH * (LENGTH - d));
        for (size_t i = 0; i < BATCH * (LENGTH - d); i++)
            sum += scale.mtp / (double)modules * losses[i];
        assert_true((losses[3 - d] == 0) == (d <= 3)); /* the target that is none, d places before it */
    }
    assert_true(fabs(balance - balance_by_definition(f)) < 1e-12 * balance || balance == 0);
    sum += scale.z_loss * model_squared_log_z(f->model);
    return scale.loss * sum + scale.balance * balance;
}

static double difference_at(struct fixture *f, const struct model_parameter *p, op_acc *values, size_t i)
{
    static const double steps[] = {1, -1, 2, -2}, weights[] = {8, -8, -1, 1};
    op_acc kept = values[i], sum = 0;
    for (size_t k = 0; k < Q_COUNT_OF(steps); k++) {
        values[i] = kept + steps[k] * STEP;
        assert_int_equal(model_put(f->model, p, values), Q_OK);
        sum += weights[k] * loss_of(f);
    }
    values[i] = kept;
    assert_int_equal(model_put(f->model, p, values), Q_OK);
    return sum / (12 * STEP);
}

/* Returns whether any element had a gradient. */
static bool check_parameter(struct fixture *f, const struct model_parameter *p, const op_acc *gradient, double *worst)
{
    op_acc *values;
    bool any = false;
    q_random_key key = q_random_key_of(3, p->name, 0, 0);
    assert_int_equal(q_alloc(p->count, sizeof(*values), &values), Q_OK);
    model_get(f->model, p, values);
    for (size_t k = 0; k < ELEMENTS && k < p->count; k++) {
        size_t i = p->count <= ELEMENTS ? k : (size_t)q_random_below(key, k, p->count);
        double expect = difference_at(f, p, values, i), error = fabs(gradient[i] - expect);
        any = any || gradient[i] != 0;
        if (!(error <= ABSOLUTE + RELATIVE * fabs(expect)))
            fail_msg("%s[%zu]: gradient %.12g, difference %.12g", p->name, i, gradient[i], expect);
        *worst = fmax(*worst, error / (fabs(expect) + 1e-3));
    }
    q_release(values);
    return any;
}

static void check_with(const struct model_config *config, double z_loss, bool over_batch)
{
    struct fixture f;
    set_up(&f, config);
    f.z_loss = z_loss;
    f.over_batch = over_batch;
    size_t count, live = 0, trained = 0;
    const struct model_parameter *parameters = model_parameters(f.model, &count);
    op_acc *gradients, worst = 0;
    assert_int_equal(q_alloc(model_parameter_elements(f.model), sizeof(*gradients), &gradients), Q_OK);
    (void)loss_of(&f);
    for (size_t i = 0; i < count; i++)
        if (parameters[i].kind != MODEL_BIAS)
            model_get_gradient(f.model, &parameters[i], gradients + parameters[i].offset);
    for (size_t i = 0; i < count; i++) {
        if (parameters[i].kind == MODEL_BIAS)
            continue;
        trained++;
        live += check_parameter(&f, &parameters[i], gradients + parameters[i].offset, &worst);
    }
    assert_true(live >= trained * 9 / 10); /* an expert that no token chose has none */
    q_release(gradients);
    tear_down(&f);
}

static void check_variant(const struct model_config *config)
{
    check_with(config, 0, false);
}

/* The model's numbers, kept from the day when it agreed with transformers (test_golden.c): a change of the architecture by accident is seen without
 * the reference data. */
static void check_numbers(const struct model_config *config, double loss, double norm)
{
    struct fixture f;
    set_up(&f, config);
    double ours = loss_of(&f), squares;
    f.ops.sum_squares(f.context, &squares, model_gradient_arena(f.model), false, model_parameter_elements(f.model));
    if (!(fabs(ours - loss) < 1e-6 * loss && fabs(sqrt(squares) - norm) < 1e-6 * norm))
        fail_msg("loss %.15g instead of %.15g, gradient norm %.15g instead of %.15g", ours, loss, sqrt(squares), norm);
    tear_down(&f);
}

static void usual_model(void **state)
{
    (void)state;
    check_variant(&usual);
    check_numbers(&usual, 44.102622761511, 123.559734510827);
}

static void queries_without_latent_and_no_shared_expert(void **state)
{
    (void)state;
    struct model_config config = usual;
    config.q_lora_rank = 0;
    config.n_shared_experts = 0;
    config.n_group = config.topk_group = 1;
    config.norm_topk_prob = false;
    check_variant(&config);
    check_numbers(&config, 39.6979823722672, 86.1277237444858);
}

static void stretched_positions_and_two_shared_experts(void **state)
{
    (void)state;
    struct model_config config = usual;
    config.rope_scaling = (struct model_rope_scaling){MODEL_ROPE_YARN, 8, 4, 32, 1, 1, 0.7};
    config.n_shared_experts = 2;
    config.first_k_dense_replace = 0;
    config.num_hidden_layers = 2;
    config.topk_group = 3;
    check_variant(&config);
    check_numbers(&config, 45.6514364486325, 69.1232757472239);
}

static void dense_only(void **state)
{
    (void)state;
    struct model_config config = usual;
    config.num_hidden_layers = config.first_k_dense_replace = 2;
    config.n_routed_experts = config.num_experts_per_tok = config.moe_intermediate_size = 0;
    check_variant(&config);
    check_numbers(&config, 38.780120010483, 69.8699007943629);
}

static void one_module_of_multi_token_prediction(void **state)
{
    (void)state;
    struct model_config config = usual;
    config.num_nextn_predict_layers = 1;
    check_variant(&config);
}

static void three_modules_and_no_latent_of_queries(void **state)
{
    (void)state;
    struct model_config config = usual;
    config.num_nextn_predict_layers = 3;
    config.num_hidden_layers = 2;
    config.q_lora_rank = 0;
    check_variant(&config);
}

static void modules_of_a_dense_model(void **state)
{
    (void)state;
    struct model_config config = usual;
    config.num_hidden_layers = config.first_k_dense_replace = 1;
    config.n_routed_experts = config.num_experts_per_tok = config.moe_intermediate_size = 0;
    config.num_nextn_predict_layers = 2;
    check_variant(&config);
}

static void a_module_of_experts_on_a_dense_model(void **state)
{
    (void)state;
    struct model_config config = usual;
    config.num_hidden_layers = config.first_k_dense_replace = 1;
    config.num_nextn_predict_layers = 1;
    check_variant(&config);
}

static void head_and_embedding_in_one(void **state)
{
    (void)state;
    struct model_config config = usual;
    config.tie_word_embeddings = true;
    config.num_hidden_layers = 2;
    config.num_nextn_predict_layers = 1;
    check_variant(&config);
}

static void loss_of_the_denominator(void **state)
{
    (void)state;
    struct model_config config = usual;
    config.num_hidden_layers = 2;
    config.num_nextn_predict_layers = 1;
    check_with(&config, 0.3, false);
}

static void balance_of_the_micro_batch(void **state)
{
    (void)state;
    struct model_config config = usual;
    config.num_nextn_predict_layers = 1;
    check_with(&config, 0, true);
}

static void rows_of_padding(void **state)
{
    (void)state;
    struct model_config config = usual;
    config.num_hidden_layers = 2;
    config.num_nextn_predict_layers = 1;
    config.vocab_size = 41;
    config.unpadded_vocab_size = 37;
    check_variant(&config);
}

static void gradients_of_micro_batches_add_up(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, &usual);
    struct model_scale scale = {.loss = 1, .balance_alpha = 0.5, .balance = 1};
    const struct model_parameter *p = model_find_parameter(f.model, "model.layers.1.self_attn.kv_b_proj.weight");
    op_acc whole[1024], parts[1024];
    assert_true(p && p->count <= Q_COUNT_OF(whole));
    struct model_batch batch = {BATCH, LENGTH, f.ids, f.targets};
    assert_int_equal(model_forward_backward(f.model, &batch, &scale, NULL, NULL), Q_OK);
    model_get_gradient(f.model, p, whole);
    model_clear_gradients(f.model);
    for (size_t b = 0; b < BATCH; b++) {
        struct model_batch one = {1, LENGTH, f.ids + b * LENGTH, f.targets + b * LENGTH};
        assert_int_equal(model_forward_backward(f.model, &one, &scale, NULL, NULL), Q_OK);
    }
    model_get_gradient(f.model, p, parts);
    for (size_t i = 0; i < p->count; i++)
        assert_true(fabs(whole[i] - parts[i]) <= 1e-12 * (1 + fabs(whole[i])));
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(usual_model),
        cmocka_unit_test(queries_without_latent_and_no_shared_expert),
        cmocka_unit_test(stretched_positions_and_two_shared_experts),
        cmocka_unit_test(dense_only),
        cmocka_unit_test(one_module_of_multi_token_prediction),
        cmocka_unit_test(three_modules_and_no_latent_of_queries),
        cmocka_unit_test(modules_of_a_dense_model),
        cmocka_unit_test(a_module_of_experts_on_a_dense_model),
        cmocka_unit_test(head_and_embedding_in_one),
        cmocka_unit_test(rows_of_padding),
        cmocka_unit_test(loss_of_the_denominator),
        cmocka_unit_test(balance_of_the_micro_batch),
        cmocka_unit_test(gradients_of_micro_batches_add_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
