/* The head: rows of padding that nothing can predict, a head that is the embedding, the loss of the softmax's denominator. Gradients: test_gradients.c. */
#include "base/check.h"
#include "tests/base/scratch.h"
#include "tests/train/model_fixture.h"
#include "tests/train/small_model.h"
#include "train/files/safetensors.h"

#include <math.h>
#include <stdio.h>

enum { BATCH = 2, LENGTH = 30, TOKENS = BATCH * LENGTH, IDS = 90, ROWS = 96, HIDDEN = 16 };

static struct model_config plain; /* dense, of one layer */

static int enter(void **state)
{
    plain = small_model(IDS);
    plain.hidden_size = HIDDEN;
    plain.num_hidden_layers = 1;
    plain.q_lora_rank = 0;
    plain.qk_nope_head_dim = 6;
    plain.v_head_dim = 10;
    plain.intermediate_size = 30;
    plain.moe_intermediate_size = plain.n_routed_experts = plain.num_experts_per_tok = plain.n_shared_experts = 0;
    plain.n_group = plain.topk_group = 1;
    plain.max_position_embeddings = 128;
    plain.initializer_range = 0.05;
    plain.bos_token_id = plain.eos_token_id = -1;
    return scratch_enter(state);
}

/* Any token behind any other. */
static void set_up(struct fixture *f, const struct model_config *config)
{
    const struct model_shape shape = {.batch = BATCH, .sequence = LENGTH, .training = true};
    const q_random_key key = q_random_key_of(9, "test", 0, 0);
    set_up_model(f, config, &shape, op_table_cpu(OP_FP32), 2, &fixture_adamw);
    for (size_t i = 0; i <= TOKENS; i++)
        f->ids[i] = (int32_t)q_random_below(key, i, IDS);
}

static void step(struct fixture *f, double z_loss, op_acc *losses)
{
    struct model_batch batch = {BATCH, LENGTH, f->ids, f->ids + 1};
    struct model_scale scale = {.loss = 1.0 / TOKENS, .z_loss = z_loss};
    assert_int_equal(model_forward_backward(f->model, &batch, &scale, losses, NULL), Q_OK);
    assert_int_equal(optimizer_step(f->optimizer, 0.01, NULL), Q_OK);
}

static void get(const struct fixture *f, const char *name, op_acc *values)
{
    const struct model_parameter *p = model_find_parameter(f->model, name);
    assert_non_null(p);
    model_get(f->model, p, values);
}

/* With padding a model computes what it computes without, to the bit; its padding is zero and stays so, and has no part in the softmax. */
static void padding_changes_nothing(void **state)
{
    (void)state;
    static const char *const names[] = {"model.embed_tokens.weight", "lm_head.weight"};
    struct fixture a, b;
    op_acc losses[2][TOKENS];
    struct model_config padded = plain;
    padded.vocab_size = ROWS;
    padded.unpadded_vocab_size = IDS;
    set_up(&a, &plain);
    set_up(&b, &padded);
    for (int i = 0; i < 5; i++) {
        step(&a, 1e-3, losses[0]);
        step(&b, 1e-3, losses[1]);
        assert_memory_equal(losses[0], losses[1], sizeof losses[0]);
    }
    for (size_t i = 0; i < Q_COUNT_OF(names); i++) {
        op_acc x[ROWS * HIDDEN], y[ROWS * HIDDEN], zeros[(ROWS - IDS) * HIDDEN] = {0};
        get(&a, names[i], x);
        get(&b, names[i], y);
        assert_memory_equal(x, y, IDS * HIDDEN * sizeof(*x));
        assert_memory_equal(y + IDS * HIDDEN, zeros, sizeof zeros);
    }
    tear_down(&a);
    tear_down(&b);
}

/* Whatever a file brought into the rows of padding. */
static void padding_is_never_predicted(void **state)
{
    (void)state;
    struct fixture f;
    struct model_config padded = plain;
    padded.vocab_size = ROWS;
    padded.unpadded_vocab_size = IDS;
    set_up(&f, &padded);
    op_acc head[ROWS * HIDDEN], logits[3 * ROWS], losses[TOKENS];
    struct model_batch batch = {BATCH, LENGTH, f.ids, f.ids + 1};
    get(&f, "lm_head.weight", head);
    for (size_t i = IDS * HIDDEN; i < ROWS * HIDDEN; i++)
        head[i] = 1e6F;
    assert_int_equal(model_put(f.model, model_find_parameter(f.model, "lm_head.weight"), head), Q_OK);
    assert_int_equal(model_forward(f.model, &batch, losses), Q_OK);
    assert_int_equal(model_logits(f.model, 20, 3, logits), Q_OK);
    for (size_t t = 0; t < 3; t++) {
        double sum = 0;
        for (size_t v = 0; v < ROWS; v++) {
            assert_true(v < IDS ? isfinite(logits[t * ROWS + v])
                                : isinf(logits[t * ROWS + v]) && logits[t * ROWS + v] < 0);
            sum += exp((double)logits[t * ROWS + v]);
        }
        double loss = log(sum) - (double)logits[t * ROWS + (size_t)f.ids[21 + t]];
        assert_true(fabs(loss - (double)losses[20 + t]) < 1e-5);
    }
    f.ids[3] = IDS;
    assert_int_equal(model_forward(f.model, &batch, losses), Q_ERR_INPUT);
    assert_string_equal(q_error_text(), "target 90 is outside of the model's vocabulary of 90");
    tear_down(&f);
}

/* One tensor, one name on disk; a folder that has both is read where they agree. */
static void a_tied_head_is_the_embedding(void **state)
{
    (void)state;
    struct fixture tied, untied;
    struct model_config config = plain, back;
    config.tie_word_embeddings = true;
    set_up(&tied, &config);
    set_up(&untied, &plain);
    assert_null(model_find_parameter(tied.model, "lm_head.weight"));
    assert_int_equal(model_config_parameters(&plain) - model_config_parameters(&config), IDS * HIDDEN);
    step(&tied, 0, NULL);
    write_model(tied.model, "tied");
    assert_int_equal(model_config_read("tied", &back), Q_OK);
    assert_true(back.tie_word_embeddings);
    op_acc x[IDS * HIDDEN], y[IDS * HIDDEN];
    get(&tied, "model.embed_tokens.weight", x);
    assert_int_equal(model_init(tied.model, 6, tied.pool), Q_OK);
    assert_int_equal(model_files_read(tied.model, "tied"), Q_OK);
    get(&tied, "model.embed_tokens.weight", y);
    assert_memory_equal(x, y, sizeof x);

    write_model(untied.model, "untied");
    assert_int_equal(model_files_read(tied.model, "untied"), Q_ERR_INPUT);
    assert_string_equal(q_error_text(),
                        "'untied': tensor 'lm_head.weight' differs from the model's own that it shares; set "
                        "'tie_word_embeddings' to false in config.json");
    get(&untied, "model.embed_tokens.weight", x);
    assert_int_equal(model_put(untied.model, model_find_parameter(untied.model, "lm_head.weight"), x), Q_OK);
    write_model(untied.model, "alike");
    assert_int_equal(model_files_read(tied.model, "alike"), Q_OK);
    assert_int_equal(model_files_read(untied.model, "tied"), Q_ERR_INPUT);
    assert_string_equal(q_error_text(), "'tied' lacks the tensor 'lm_head.weight'; a file of the set may be missing");
    tear_down(&tied);
    tear_down(&untied);
}

/* It is what it says it is, and training on it brings it down. */
static void the_denominator_comes_to_one(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, &plain);
    op_acc logits[IDS];
    step(&f, 0, NULL); /* its losses and denominators are those before it */
    double first = model_squared_log_z(f.model), by_hand = 0;
    assert_int_equal(model_init(f.model, 5, f.pool), Q_OK);
    struct model_batch batch = {BATCH, LENGTH, f.ids, f.ids + 1};
    assert_int_equal(model_forward(f.model, &batch, NULL), Q_OK);
    for (size_t t = 0; t < TOKENS; t++) {
        double sum = 0;
        assert_int_equal(model_logits(f.model, t, 1, logits), Q_OK);
        for (size_t v = 0; v < IDS; v++)
            sum += exp((double)logits[v]);
        by_hand += log(sum) * log(sum);
    }
    assert_true(fabs(first - by_hand) < 1e-5 * by_hand);
    for (int i = 0; i < 60; i++)
        step(&f, 1, NULL);
    assert_true(model_squared_log_z(f.model) < first / 10);
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(padding_changes_nothing),
        cmocka_unit_test(padding_is_never_predicted),
        cmocka_unit_test(a_tied_head_is_the_embedding),
        cmocka_unit_test(the_denominator_comes_to_one),
    };
    return cmocka_run_group_tests(tests, enter, scratch_leave);
}
