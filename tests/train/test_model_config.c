/* The model's shape: the named sizes and their parameter counts, config.json there and back, what is refused. */
#include "base/check.h"
#include "base/fs.h"
#include "base/threads.h"
#include "tests/base/scratch.h"
#include "train/model/model.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void load(const char *name, struct model_config *config)
{
    struct q_arena arena = {0};
    if (model_config_named(name, QUERN_SOURCE "/recipes", &arena, config) != Q_OK)
        fail_msg("%s", q_error_text());
    q_arena_release(&arena);
}

/* Every file of recipes/models/: parameters, those a token meets, those of MTP modules beside them. The published totals, in billions, where there are any
 * (0: none); of small-16b they are those of another vocabulary (below). */
static void named_sizes_have_their_parameters(void **state)
{
    (void)state;
    static const struct size {
        const char *name;
        uint64_t parameters, active, mtp;
        double published, published_active;
    } sizes[] = {
        {"nano", 2711040, 1302016, 0, 0, 0},
        {"mini", 88924928, 25486080, 0, 0, 0},
        {"1b", 1199644672, 440475648, 0, 0, 0},
        {"small-16b", 15811341824, 2503863808, 0, 0, 0},
        {"large-229b", 228694917888, 20900905728, 0, 228.7, 20.9},
        {"deepseek-v3", 671026404352, 36625603584, 11610067968, 671.0, 36.6},
        {"v3-layer", 1699404800, 613080064, 0, 0, 0},
    };
    for (size_t i = 0; i < Q_COUNT_OF(sizes); i++) {
        const struct size *size = &sizes[i];
        struct model_config config;
        load(size->name, &config);
        uint64_t parameters = model_config_parameters(&config), active = model_config_active_parameters(&config),
                 mtp = model_config_mtp_parameters(&config);
        if (parameters != size->parameters || active != size->active || mtp != size->mtp)
            fail_msg("%s: %llu, %llu, %llu", size->name, (unsigned long long)parameters, (unsigned long long)active,
                     (unsigned long long)mtp);
        assert_true(size->published == 0 || fabs((double)parameters / 1e9 - size->published) < 0.05);
        assert_true(size->published == 0 || fabs((double)active / 1e9 - size->published_active) < 0.05);
    }
}

/* The small baseline is published as 15.7B and 2.4B: with DeepSeek-V2's vocabulary. The published 11.5B of DeepSeek-V3's MTP module are its layer alone. */
static void published_totals_are_met(void **state)
{
    (void)state;
    struct model_config config;
    load("small-16b", &config);
    config.vocab_size = 102400;
    assert_int_equal(model_config_parameters(&config), 15706484224);
    assert_int_equal(model_config_active_parameters(&config), 2451435008);
    load("deepseek-v3", &config);
    uint64_t h = config.hidden_size, module = model_config_mtp_parameters(&config);
    assert_int_equal(module - 2 * h * h - 3 * h, 11507286016);
    config.num_nextn_predict_layers = 3;
    assert_int_equal(model_config_mtp_parameters(&config), 3 * module);
}

/* The formula counts what the table of tensors holds. */
static void counts_agree_with_the_table(void **state)
{
    (void)state;
    struct model_config config;
    const struct op_table *table = op_table_cpu(OP_FP32);
    struct q_pool *pool;
    struct op_context *context;
    struct model *model;
    struct model_shape shape = {.batch = 1, .sequence = 1, .mtp = true};
    size_t count, elements = 0;
    load("nano", &config);
    config.num_nextn_predict_layers = 2;
    assert_int_equal(q_pool_create(1, &pool), Q_OK);
    assert_int_equal(table->create(pool, &context), Q_OK);
    assert_int_equal(model_create(&config, table, context, &shape, &model), Q_OK);
    const struct model_parameter *parameters = model_parameters(model, &count);
    for (size_t i = 0; i < count; i++)
        elements += parameters[i].kind == MODEL_BIAS ? 0 : parameters[i].count;
    assert_int_equal(elements, model_config_parameters(&config) + model_config_mtp_parameters(&config));
    assert_string_equal(parameters[0].name, "model.embed_tokens.weight");
    assert_string_equal(parameters[count - 1].name, "model.layers.5.shared_head.norm.weight");
    const struct model_parameter *p = model_find_parameter(model, "model.layers.3.mlp.experts.15.down_proj.weight");
    assert_true(p && p->rank == 2 && p->shape[0] == 128 && p->shape[1] == 64 && p->layer == 3 && p->expert == 15);
    for (size_t i = 1; i < count; i++) /* no two tensors share an element */
        for (size_t j = 0; j < i; j++)
            if ((parameters[i].kind == MODEL_BIAS) == (parameters[j].kind == MODEL_BIAS))
                assert_true(parameters[i].offset + parameters[i].count <= parameters[j].offset ||
                            parameters[j].offset + parameters[j].count <= parameters[i].offset);
    model_release(model);
    table->release(context);
    q_pool_release(pool);
}

/* nano by hand: matrices that a token meets are 1,300,480 elements (attention 4 x 51,200, dense 196,608, experts and router
 * 3 x 124,928, head 524,288), and 4 layers x 4 heads meet 256.5 keys with 48 + 32 numbers each. */
static void operations_are_counted(void **state)
{
    (void)state;
    struct model_config config;
    load("nano", &config);
    assert_true(fabs(model_config_flop_per_token(&config, 512) - (6.0 * 1300480 + 6.0 * 16 * 256.5 * 80)) < 1);
    /* The run of the report: 260.6 GFLOP a token at 4,096, with MTP (its head over all rows). */
    load("deepseek-v3", &config);
    config.unpadded_vocab_size = 0;
    if (!(fabs(model_config_flop_per_token(&config, 4096) / 1e9 - 260.6) < 0.05))
        fail_msg("%.3f", model_config_flop_per_token(&config, 4096) / 1e9);
    /* Its MoE layer with 8 routed experts and the shared one, and a router of 32: 9.74 TFLOP forward and backward for 4,096 tokens, and the router's. Its
     * attention: 187,105,280 elements, and 128 heads meet 2,048.5 keys with 192 + 128 numbers each. */
    load("v3-layer", &config);
    assert_true(fabs(4096 * model_config_feedforward_flop(&config) - 4096 * 6.0 * (9 * 3 * 7168.0 * 2048 + 7168 * 32)) <
                1);
    assert_true(fabs(model_config_attention_flop(&config, 4096) - 6.0 * (187105280 + 128 * 2048.5 * 320)) < 1);
}

/* Takes the reference. */
static void write_json(json_t *json)
{
    char *text = json_dumps(json, 0);
    assert_non_null(text);
    scratch_write("config.json", text, strlen(text));
    free(text);
    json_decref(json);
}

static void write_config(const struct model_config *config, const char *key, json_t *value)
{
    json_t *json;
    assert_int_equal(model_config_json(config, &json), Q_OK);
    if (key)
        assert_int_equal(json_object_set_new(json, key, value), 0);
    write_json(json);
}

/* Every number of both (not the bytes: there is padding between them). */
static void assert_same(const struct model_config *a, const struct model_config *b)
{
    json_t *x, *y;
    assert_int_equal(model_config_json(a, &x), Q_OK);
    assert_int_equal(model_config_json(b, &y), Q_OK);
    assert_true(json_equal(x, y));
    json_decref(x);
    json_decref(y);
}

static void config_json_there_and_back(void **state)
{
    (void)state;
    struct model_config config, back;
    load("deepseek-v3", &config);
    write_config(&config, NULL, NULL);
    assert_int_equal(model_config_read(".", &back), Q_OK);
    assert_same(&config, &back);
    load("1b", &config);
    config.rope_scaling = (struct model_rope_scaling){MODEL_ROPE_YARN, 8, 2048, 16, 2, 0.5, 0.25};
    config.norm_topk_prob = false;
    config.eos_token_id = 7;
    write_config(&config, NULL, NULL);
    assert_int_equal(model_config_read(".", &back), Q_OK);
    assert_same(&config, &back);
}

static void write_positions(const struct model_config *config, json_t *scaling, json_t *parameters)
{
    json_t *json;
    assert_int_equal(model_config_json(config, &json), Q_OK);
    assert_int_equal(json_object_del(json, "rope_theta") | json_object_del(json, "rope_scaling"), 0);
    assert_int_equal(scaling ? json_object_set_new(json, "rope_scaling", scaling) : 0, 0);
    assert_int_equal(json_object_set_new(json, "rope_parameters", parameters), 0);
    write_json(json);
}

/* transformers 5 writes positions as rope_parameters, the base of the frequencies among them. */
static void both_spellings_of_positions_are_read(void **state)
{
    (void)state;
    struct model_config config, back;
    load("nano", &config);
    config.rope_theta = 50000;
    write_positions(&config, NULL, json_pack("{s:s,s:f}", "rope_type", "default", "rope_theta", 5e4));
    assert_int_equal(model_config_read(".", &back), Q_OK);
    assert_same(&config, &back);
    write_positions(&config, NULL, json_pack("{s:f}", "rope_theta", 5e4));
    assert_int_equal(model_config_read(".", &back), Q_OK);
    assert_same(&config, &back);

    config.rope_scaling =
        (struct model_rope_scaling){MODEL_ROPE_YARN, 8, config.max_position_embeddings, 16, 1, 0.5, 0.25};
    static const char format[] = "{s:s,s:f,s:i,s:i,s:f,s:f,s:n}";
#define POSITIONS(kind, theta)                                                                                         \
    json_pack(format, kind, "yarn", "rope_theta", theta, "factor", 8, "beta_fast", 16, "mscale", 0.5,                  \
              "mscale_all_dim", 0.25, "attention_factor")
    write_positions(&config, NULL, POSITIONS("rope_type", 5e4));
    assert_int_equal(model_config_read(".", &back), Q_OK);
    assert_same(&config, &back);
    write_positions(&config, POSITIONS("type", 5e4), POSITIONS("rope_type", 5e4));
    assert_int_equal(model_config_read(".", &back), Q_OK);
    assert_same(&config, &back);
    write_positions(&config, POSITIONS("type", 5e4), POSITIONS("rope_type", 6e4));
    assert_int_equal(model_config_read(".", &back), Q_ERR_INPUT);
    assert_non_null(strstr(q_error_text(), "'rope_scaling' and 'rope_parameters' disagree"));
#undef POSITIONS
}

static void positions_not_computed_are_refused(void **state)
{
    (void)state;
    struct model_config config, back;
    load("nano", &config);
    const struct {
        const char *key;
        json_t *value;
        const char *said;
    } cases[] = {
        {"rope_scaling", json_pack("{s:s, s:s, s:i}", "type", "default", "rope_type", "yarn", "factor", 4), "neither"},
        {"rope_scaling", json_pack("{s:s, s:i}", "type", "default", "mscale_all_dim", 1), "mscale_all_dim"},
        {"rope_parameters", json_pack("{s:s}", "rope_type", "llama3"), "neither"},
        {"rope_parameters", json_pack("{s:{s:s}}", "full_attention", "rope_type", "default"), "full_attention"},
        {"rope_parameters", json_pack("{s:s, s:i}", "rope_type", "default", "rope_theta", 50000), "beside"},
        {"rope_parameters", json_pack("{s:s, s:i, s:f}", "rope_type", "yarn", "factor", 4, "attention_factor", 1.5),
         "attention_factor"},
        {"rope_parameters", json_pack("{s:s, s:i, s:b}", "rope_type", "yarn", "factor", 4, "truncate", 0), "truncate"},
        {"rope_parameters", json_pack("{s:s, s:f}", "rope_type", "default", "partial_rotary_factor", 0.5),
         "partial_rotary_factor"},
        {"rope_parameters", json_pack("{s:s}", "rope_type", "yarn"), "factor"},
        {"rope_parameters", json_integer(1), "neither"},
    };
    for (size_t i = 0; i < Q_COUNT_OF(cases); i++) {
        assert_non_null(cases[i].value);
        write_config(&config, cases[i].key, cases[i].value);
        if (model_config_read(".", &back) != Q_ERR_INPUT || !strstr(q_error_text(), cases[i].said))
            fail_msg("case %zu: %s", i, q_error_text());
    }
}

/* Published weights: how they are quantised is the readers' business, and the shape is what it is without. */
static void published_quantization_is_taken(void **state)
{
    (void)state;
    struct model_config config, back;
    load("nano", &config);
    write_config(&config, "quantization_config",
                 json_pack("{s:s,s:s,s:s,s:[i,i]}", "activation_scheme", "dynamic", "fmt", "e4m3", "quant_method",
                           "fp8", "weight_block_size", 128, 128));
    assert_int_equal(model_config_read(".", &back), Q_OK);
    assert_same(&config, &back);
}

static void what_is_not_computed_is_refused(void **state)
{
    (void)state;
    struct model_config config, back;
    load("nano", &config);
    const struct {
        const char *key;
        json_t *value;
    } cases[] = {
        {"model_type", json_string("deepseek_v2")},
        {"hidden_act", json_string("gelu")},
        {"scoring_func", json_string("softmax")},
        {"attention_bias", json_true()},
        {"tie_word_embeddings", json_integer(1)},
        {"unpadded_vocab_size", json_integer(5000)},
        {"unpadded_vocab_size", json_integer(1)},
        {"rope_interleave", json_false()},
        {"quantization_config", json_object()},
        {"quantization_config", json_pack("{s:s,s:[i,i]}", "quant_method", "fp8", "weight_block_size", 64, 128)},
        {"quantization_config", json_pack("{s:s,s:[i,i]}", "quant_method", "awq", "weight_block_size", 128, 128)},
        {"rope_scaling", json_pack("{s:s}", "type", "linear")},
        {"moe_layer_freq", json_integer(2)},
        {"num_key_value_heads", json_integer(1)},
        {"hidden_size", json_null()},
        {"hidden_size", json_string("128")},
        {"hidden_size", json_integer(0)},
        {"num_hidden_layers", json_integer(-1)},
        {"qk_rope_head_dim", json_integer(5)},
        {"n_group", json_integer(3)},
        {"num_experts_per_tok", json_integer(9)},
        {"first_k_dense_replace", json_integer(5)},
        {"vocab_size", json_integer(1LL << 60)},
    };
    for (size_t i = 0; i < Q_COUNT_OF(cases); i++) {
        assert_non_null(cases[i].value);
        write_config(&config, cases[i].key, cases[i].value);
        if (model_config_read(".", &back) != Q_ERR_INPUT)
            fail_msg("accepted: %s", cases[i].key);
        if (!strstr(q_error_text(), cases[i].key) || strncmp(q_error_text(), "config.json", 11) != 0)
            fail_msg("%s: %s", cases[i].key, q_error_text());
    }
    scratch_write("config.json", "{", 1);
    assert_int_equal(model_config_read(".", &back), Q_ERR_INPUT);
    assert_int_equal(model_config_read("nowhere", &back), Q_ERR_INPUT);
}

/* Absent members are what transformers takes for them, or the file has to say them. */
static void what_others_take_for_granted_must_be_said(void **state)
{
    (void)state;
    static const char *const members[] = {"n_group", "q_lora_rank", "first_k_dense_replace", "num_experts_per_tok"};
    struct model_config config, back;
    json_t *json;
    load("nano", &config);
    for (size_t i = 0; i < Q_COUNT_OF(members); i++) {
        assert_int_equal(model_config_json(&config, &json), Q_OK);
        assert_int_equal(json_object_del(json, members[i]), 0);
        write_json(json);
        assert_int_equal(model_config_read(".", &back), Q_ERR_INPUT);
        assert_non_null(strstr(q_error_text(), members[i]));
    }
    config.q_lora_rank = 0;
    write_config(&config, "q_lora_rank", json_null()); /* no latent */
    assert_int_equal(model_config_read(".", &back), Q_OK);
    assert_same(&config, &back);
    config.eos_token_id = 3;
    write_config(&config, "eos_token_id", json_pack("[i,i]", 3, 5));
    assert_int_equal(model_config_read(".", &back), Q_OK);
    assert_same(&config, &back);
}

/* docs/settings/model.md is made from the table; where it is not current, the right one is left in the build folder. */
static void the_page_is_current(void **state)
{
    (void)state;
    struct q_buffer page = {0}, file = {0};
    const char *head = "# Settings: `model`\n\nThe model's shape, as a mapping under `model:` in a recipe or as a file "
                       "of recipes/models/; the names are those of Hugging Face's\n"
                       "config.json. Made from the table in train/model/model_config.c; do not edit it here.\n\n";
    assert_int_equal(q_buffer_append(&page, head, strlen(head)), Q_OK);
    assert_int_equal(q_settings_markdown(&model_config_table, &page), Q_OK);
    assert_int_equal(q_fs_read_file(QUERN_SOURCE "/docs/settings/model.md", 1 << 20, &file), Q_OK);
    if (!q_string_equal(q_buffer_string(&page), q_buffer_string(&file))) {
        scratch_write(QUERN_BUILD "/model.md", page.data, page.size);
        fail_msg("docs/settings/model.md is not current; copy " QUERN_BUILD "/model.md");
    }
    q_buffer_release(&page);
    q_buffer_release(&file);
}

/* Numbers that are each in range and together are not: said before anything is taken. */
static void sizes_out_of_range_are_told(void **state)
{
    (void)state;
    struct model_config config;
    struct model *model;
    load("deepseek-v3", &config);
    assert_int_equal(model_config_check(&config), Q_OK);
    config.num_hidden_layers = 4096;
    config.hidden_size = 1 << 20;
    config.intermediate_size = config.moe_intermediate_size = 1 << 24;
    config.n_routed_experts = 1 << 14;
    assert_int_equal(model_config_check(&config), Q_ERR_USAGE);
    if (!strstr(q_error_text(), "parameters; more than 35.2 T are out of range"))
        fail_msg("%s", q_error_text());
    load("nano", &config);
    config.num_hidden_layers = 4096;
    config.hidden_size = config.moe_intermediate_size = 1;
    config.n_routed_experts = 1 << 14;
    assert_int_equal(model_config_check(&config), Q_ERR_USAGE);
    if (!strstr(q_error_text(), "experts in all; more than 1.05 M are out of range"))
        fail_msg("%s", q_error_text());
    load("nano", &config);
    config.max_position_embeddings = 1 << 24;
    config.hidden_size = 1;
    config.intermediate_size = 1 << 24;
    config.num_hidden_layers = 4000;
    struct model_shape shape = {.batch = 30, .sequence = 1 << 24, .training = true};
    assert_int_equal(model_create(&config, op_table_cpu(OP_FP32), NULL, &shape, &model), Q_ERR_USAGE);
    if (!strstr(q_error_text(), "a micro-batch of 30 x 16777216 tokens is out of range: its activations take"))
        fail_msg("%s", q_error_text());
}

static void a_shape_may_stand_over_a_named_one(void **state)
{
    (void)state;
    struct q_arena arena = {0};
    struct q_node *root;
    struct model_config nano, config;
    load("nano", &nano);
    assert_int_equal(q_yaml_parse(q_string_of("{name: nano, num_nextn_predict_layers: 1}"), "test", &arena, &root),
                     Q_OK);
    assert_int_equal(model_config_load(root, QUERN_SOURCE "/recipes", &arena, &config), Q_OK);
    assert_int_equal(config.num_nextn_predict_layers, 1);
    config.num_nextn_predict_layers = 0;
    assert_memory_equal(&config, &nano, sizeof nano);
    assert_int_equal(q_yaml_parse(q_string_of("{name: huge, vocab_size: 9}"), "test", &arena, &root), Q_OK);
    assert_int_equal(model_config_load(root, QUERN_SOURCE "/recipes", &arena, &config), Q_ERR_USAGE);
    assert_non_null(strstr(q_error_text(), "no model 'huge'"));
    assert_int_equal(q_yaml_parse(q_string_of("{name: nano, vocab: 9}"), "test", &arena, &root), Q_OK);
    assert_int_equal(model_config_load(root, QUERN_SOURCE "/recipes", &arena, &config), Q_ERR_USAGE);
    assert_non_null(strstr(q_error_text(), "vocab_size"));
    q_arena_release(&arena);
}

static void names_that_do_not_exist_are_told(void **state)
{
    (void)state;
    struct q_arena arena = {0};
    struct model_config config;
    assert_int_equal(model_config_named("huge", QUERN_SOURCE "/recipes", &arena, &config), Q_ERR_USAGE);
    assert_non_null(strstr(q_error_text(), "no model 'huge'"));
    assert_int_equal(model_config_load(NULL, ".", &arena, &config), Q_ERR_USAGE);
    scratch_write("odd.yaml", "vocab_size: 10\nhiden_size: 5\n", 29);
    assert_int_equal(model_config_named("./odd.yaml", ".", &arena, &config), Q_ERR_USAGE);
    assert_non_null(strstr(q_error_text(), "hiden_size"));
    q_arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(named_sizes_have_their_parameters),
        cmocka_unit_test(published_totals_are_met),
        cmocka_unit_test(counts_agree_with_the_table),
        cmocka_unit_test(operations_are_counted),
        cmocka_unit_test(config_json_there_and_back),
        cmocka_unit_test(published_quantization_is_taken),
        cmocka_unit_test(what_is_not_computed_is_refused),
        cmocka_unit_test(sizes_out_of_range_are_told),
        cmocka_unit_test(names_that_do_not_exist_are_told),
        cmocka_unit_test(the_page_is_current),
        cmocka_unit_test(a_shape_may_stand_over_a_named_one),
        cmocka_unit_test(both_spellings_of_positions_are_read),
        cmocka_unit_test(positions_not_computed_are_refused),
        cmocka_unit_test(what_others_take_for_granted_must_be_said),
    };
    return cmocka_run_group_tests(tests, scratch_enter, scratch_leave);
}
