/* MTP modules as parts of a model: bits, counts and biases of their own, rest, memory, tensors on disk. Their gradients: test_gradients.c; their numbers beside another
 * implementation: test_golden.c. */
#include "base/check.h"
#include "tests/base/scratch.h"
#include "tests/train/two_modules.h"
#include "train/files/safetensors.h"

#include <math.h>
#include <stdio.h>

static void forward_backward(struct fixture *f, size_t batch, double lambda)
{
    struct model_batch b = {batch, LENGTH, f->ids, f->ids + 1};
    struct model_scale scale = {
        .loss = 1.0 / (double)(batch * LENGTH), .balance_alpha = 1e-3, .balance = 1.0 / (double)batch, .mtp = lambda};
    assert_int_equal(model_forward_backward(f->model, &b, &scale, NULL, NULL), Q_OK);
}

static double mtp_loss(const struct fixture *f, size_t depth)
{
    op_acc losses[TOKENS];
    double sum = 0;
    size_t count = model_mtp_losses(f->model, depth, losses);
    assert_int_equal(count, BATCH * (LENGTH - depth));
    for (size_t i = 0; i < count; i++)
        sum += (double)losses[i];
    return sum / (double)count;
}

static void step(struct fixture *f)
{
    forward_backward(f, BATCH, 0.3);
    model_update_bias(f->model, 0.001);
    assert_int_equal(optimizer_step(f->optimizer, 0.01, NULL), Q_OK);
}

static void threads_do_not_change_a_bit(void **state)
{
    (void)state;
    struct fixture one, three;
    set_up(&one, &two_modules, op_table_cpu(OP_FP32), 1, false);
    set_up(&three, &two_modules, op_table_cpu(OP_FP32), 3, false);
    for (int i = 0; i < 3; i++) {
        step(&one);
        step(&three);
        assert_true(mtp_loss(&one, MODULES) == mtp_loss(&three, MODULES));
    }
    assert_equal_parameters(&one, &three);
    tear_down(&one);
    tear_down(&three);
}

/* A token is told by the one before: so is the one after it, and the next. */
static void modules_learn(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, &two_modules, op_table_cpu(OP_FP32), 2, false);
    step(&f);
    double first[] = {mtp_loss(&f, 1), mtp_loss(&f, 2)};
    for (size_t d = 0; d < MODULES; d++)
        assert_true(fabs(first[d] - log(VOCABULARY)) < 0.3);
    for (int i = 0; i < 60; i++)
        step(&f);
    for (size_t d = 0; d < MODULES; d++)
        assert_true(mtp_loss(&f, d + 1) < first[d] / 2);
    tear_down(&f);
}

static int64_t sum(const int64_t *counts)
{
    int64_t total = 0;
    for (size_t e = 0; e < EXPERTS; e++)
        total += counts[e];
    return total;
}

/* Its router counts the tokens that have both an input and a target d places further, each once, and moves its own bias. */
static void a_module_counts_what_it_sees(void **state)
{
    (void)state;
    struct fixture f;
    int64_t counts[3 * EXPERTS];
    op_acc bias[EXPERTS];
    set_up(&f, &two_modules, op_table_cpu(OP_FP32), 2, false);
    assert_int_equal(model_counts_size(f.model), Q_COUNT_OF(counts));
    assert_int_equal(model_routers(f.model), 3);
    for (int i = 0; i < 2; i++)
        forward_backward(&f, BATCH, 0.3);
    model_get_counts(f.model, counts);
    for (size_t d = 0; d <= MODULES; d++) {
        assert_int_equal(sum(counts + d * EXPERTS), 2 * BATCH * (LENGTH - d) * CHOSEN);
        assert_int_equal(model_router_length(f.model, d), LENGTH - d);
    }
    int32_t chosen[TOKENS * CHOSEN];
    int64_t again[EXPERTS] = {0};
    model_get_routing(f.model, 2, chosen, NULL);
    for (size_t i = 0; i < BATCH * (LENGTH - 2) * CHOSEN; i++)
        again[chosen[i]] += 2;
    assert_memory_equal(again, counts + 2 * EXPERTS, sizeof again);
    model_update_bias(f.model, 0.5);
    model_get(f.model, model_find_parameter(f.model, "model.layers.3.mlp.gate.e_score_correction_bias"), bias);
    for (size_t e = 0; e < EXPERTS; e++) {
        int64_t excess = again[e] * EXPERTS - sum(again);
        assert_true(bias[e] == (excess < 0 ? 0.5F : excess > 0 ? -0.5F : 0.0F));
    }
    tear_down(&f);
}

static void set_up_pair(struct fixture *with, struct fixture *without)
{
    struct model_config config = two_modules;
    config.num_nextn_predict_layers = 0;
    set_up(with, &two_modules, op_table_cpu(OP_FP32), 1, false);
    set_up(without, &config, op_table_cpu(OP_FP32), 1, false);
}

/* With lambda 0 the modules are not run: the model's gradients are those of a model without them, and nothing is counted of them. */
static void modules_rest(void **state)
{
    (void)state;
    struct fixture with, without;
    set_up_pair(&with, &without);
    forward_backward(&with, BATCH, 0);
    forward_backward(&without, BATCH, 0.3);
    size_t count;
    op_acc x[VOCABULARY * HIDDEN], y[VOCABULARY * HIDDEN];
    int64_t counts[3 * EXPERTS];
    const struct model_parameter *p = model_parameters(with.model, &count);
    for (size_t i = 0; i < count; i++) {
        const struct model_parameter *other = model_find_parameter(without.model, p[i].name);
        if (p[i].kind == MODEL_BIAS)
            continue;
        model_get_gradient(with.model, &p[i], x);
        memset(y, 0, sizeof y);
        if (other)
            model_get_gradient(without.model, other, y);
        assert_true((other == NULL) == (p[i].layer >= 2));
        assert_memory_equal(x, y, p[i].count * sizeof(*x));
    }
    model_get_counts(with.model, counts);
    assert_int_equal(sum(counts + EXPERTS) + sum(counts + 2 * EXPERTS), 0);
    assert_int_equal(model_mtp_losses(with.model, 1, x), 0);
    assert_int_equal(model_router_length(with.model, 1), 0);
    tear_down(&with);
    tear_down(&without);
}

static q_status create(const struct fixture *f, const struct model_shape *shape, struct op_context **context,
                       struct model **model)
{
    assert_int_equal(f->ops->create(f->pool, context), Q_OK);
    q_status status = model_create(&two_modules, f->ops, *context, shape, model);
    if (status)
        f->ops->release(*context);
    return status;
}

/* Without training there are no modules, in the tensors, the memory and the shape, unless they are asked for. */
static void only_training_has_modules(void **state)
{
    (void)state;
    struct fixture f;
    struct op_context *context;
    struct model *alone;
    size_t count, all;
    set_up(&f, &two_modules, op_table_cpu(OP_FP32), 1, false);
    (void)model_parameters(f.model, &all);
    struct model_shape shape = {.batch = BATCH, .sequence = 1};
    assert_int_equal(create(&f, &shape, &context, &alone), Q_OK);
    (void)model_parameters(alone, &count);
    assert_true(count < all);
    assert_int_equal(model_get_config(alone)->num_nextn_predict_layers, 0);
    assert_int_equal(model_counts_size(alone), EXPERTS);
    const struct model_memory without = model_memory(alone);
    model_release(alone);
    f.ops->release(context);
    shape.mtp = true;
    assert_int_equal(create(&f, &shape, &context, &alone), Q_OK);
    (void)model_parameters(alone, &count);
    assert_int_equal(count, all);
    const struct model_memory with = model_memory(alone);
    assert_true(with.parameters > without.parameters && with.gradients == 0);
    assert_int_equal(with.activations, without.activations);
    model_release(alone);
    f.ops->release(context);
    shape = (struct model_shape){.batch = 1, .sequence = MODULES, .training = true};
    assert_int_equal(create(&f, &shape, &context, &alone), Q_ERR_USAGE);
    assert_string_equal(q_error_text(), "sequences of 2 tokens are too short for 2 MTP modules");
    tear_down(&f);
}

/* The modules' tensors there and back; those that are shared stand under both names, as in released weights. */
static void folders_hold_the_modules(void **state)
{
    (void)state;
    struct fixture a, b;
    struct safetensors file = {0};
    struct model_config config;
    set_up(&a, &two_modules, op_table_cpu(OP_FP32), 1, false);
    set_up(&b, &two_modules, op_table_cpu(OP_FP32), 1, false);
    step(&a);
    write_model(a.model, "there");
    assert_int_equal(model_config_read("there", &config), Q_OK);
    assert_int_equal(config.num_nextn_predict_layers, MODULES);
    assert_int_equal(model_files_read(b.model, "there"), Q_OK);
    assert_equal_parameters(&a, &b);
    assert_int_equal(safetensors_open("there/model-00001-of-00001.safetensors", &file), Q_OK);
    static const char *const pairs[][2] = {{"model.layers.2.embed_tokens.weight", "model.embed_tokens.weight"},
                                           {"model.layers.3.shared_head.head.weight", "lm_head.weight"}};
    float x[VOCABULARY * HIDDEN], y[VOCABULARY * HIDDEN];
    for (size_t i = 0; i < Q_COUNT_OF(pairs); i++) {
        assert_int_equal(safetensors_read_floats(&file, safetensors_find(&file, pairs[i][0]), x), Q_OK);
        assert_int_equal(safetensors_read_floats(&file, safetensors_find(&file, pairs[i][1]), y), Q_OK);
        assert_memory_equal(x, y, sizeof x);
    }
    const struct safetensors_tensor *tensor = safetensors_find(&file, "model.layers.3.eh_proj.weight");
    assert_true(tensor && tensor->shape[0] == HIDDEN && tensor->shape[1] == 2 * HIDDEN);
    assert_non_null(safetensors_find(&file, "model.layers.2.shared_head.norm.weight"));
    safetensors_close(&file);
    tear_down(&a);
    tear_down(&b);
}

static void folders_and_models_that_do_not_fit(void **state)
{
    (void)state;
    struct fixture with, without;
    set_up_pair(&with, &without);
    write_model(without.model, "plain");
    assert_int_equal(model_files_read(with.model, "plain"), Q_ERR_INPUT);
    assert_string_equal(q_error_text(), "'plain' lacks the tensor 'model.layers.2.enorm.weight' of an MTP module; set "
                                        "'num_nextn_predict_layers' to 0 to go on without");
    write_model(with.model, "modules");
    assert_int_equal(model_files_read(without.model, "modules"), Q_OK); /* leaves the modules alone */
    /* A second name with numbers of its own is nothing that this model could hold. */
    struct safetensors file = {0};
    const char *name = "modules/model-00001-of-00001.safetensors";
    assert_int_equal(safetensors_open(name, &file), Q_OK);
    const struct safetensors_tensor *tensor = safetensors_find(&file, "model.layers.2.embed_tokens.weight");
    size_t place = (size_t)tensor->begin + 5;
    safetensors_close(&file);
    struct q_buffer bytes = {0};
    scratch_read(name, &bytes);
    bytes.data[place] ^= 1;
    scratch_write(name, bytes.data, bytes.size);
    q_buffer_release(&bytes);
    assert_int_equal(model_files_read(with.model, "modules"), Q_ERR_INPUT);
    assert_non_null(strstr(q_error_text(), "tensor 'model.layers.2.embed_tokens.weight' differs from the model's own"));
    tear_down(&with);
    tear_down(&without);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_do_not_change_a_bit),        cmocka_unit_test(modules_learn),
        cmocka_unit_test(a_module_counts_what_it_sees),       cmocka_unit_test(modules_rest),
        cmocka_unit_test(only_training_has_modules),          cmocka_unit_test(folders_hold_the_modules),
        cmocka_unit_test(folders_and_models_that_do_not_fit),
    };
    return cmocka_run_group_tests(tests, scratch_enter, scratch_leave);
}
