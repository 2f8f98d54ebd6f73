/* Settings: a section into a struct, and every way in which it can be wrong. */
#include "base/check.h"
#include "base/recipe.h"
#include "base/settings.h"
#include "tests/base/cmocka_all.h"
#include "tests/base/scratch.h"

enum { STEP_SIGN = 1, STEP_GROUP = 2 };

struct phase {
    uint64_t tokens;
    double rate;
};

struct nested {
    double beta;
    uint64_t limit;
};

struct demo {
    uint64_t part_bytes;
    bool strict;
    double held_out;
    int64_t shift;
    uint64_t tokens;
    uint64_t buckets;
    const char *label;
    int mode;
    struct q_texts langs;
    struct nested inner;
    struct q_setting_list phases;
    struct q_node *model;
    uint64_t threads;
};

static const char *const modes[] = {"plain", "fancy", "odd", NULL};

static const struct q_setting phase_rows[] = {{.name = "tokens",
                                               .type = Q_SETTING_COUNT,
                                               .offset = offsetof(struct phase, tokens),
                                               .unit = "tokens",
                                               .meaning = "length"},
                                              {.name = "rate",
                                               .type = Q_SETTING_DOUBLE,
                                               .tag = Q_TAG_SCHEDULE,
                                               .offset = offsetof(struct phase, rate),
                                               .standard = "0.5",
                                               .max = 1,
                                               .meaning = "how fast"},
                                              {0}};
static const struct q_settings_table phase_table = {"phases", phase_rows, sizeof(struct phase)};

static const struct q_setting nested_rows[] = {{.name = "beta",
                                                .type = Q_SETTING_DOUBLE,
                                                .offset = offsetof(struct nested, beta),
                                                .standard = "0.9",
                                                .max = 1,
                                                .meaning = "a | b"},
                                               {.name = "limit",
                                                .type = Q_SETTING_U64,
                                                .tag = Q_TAG_OPERATIONAL,
                                                .offset = offsetof(struct nested, limit),
                                                .standard = "7",
                                                .meaning = "of nothing"},
                                               {0}};
static const struct q_settings_table nested_table = {"inner", nested_rows, sizeof(struct nested)};

#define AT(member) offsetof(struct demo, member)
static const struct q_setting rows[] = {
    {.name = "part_bytes",
     .type = Q_SETTING_BYTES,
     .offset = AT(part_bytes),
     .unit = "bytes",
     .standard = "64MiB",
     .min = 1,
     .max = 1099511627776.0,
     .meaning = "input per part"},
    {.name = "strict", .type = Q_SETTING_BOOL, .offset = AT(strict), .standard = "true", .meaning = "whether"},
    {.name = "held_out",
     .type = Q_SETTING_DOUBLE,
     .offset = AT(held_out),
     .standard = "0.01",
     .max = 1,
     .meaning = "share"},
    {.name = "shift",
     .type = Q_SETTING_I64,
     .offset = AT(shift),
     .standard = "-3",
     .min = -10,
     .max = 10,
     .meaning = "by"},
    {.name = "tokens",
     .type = Q_SETTING_COUNT,
     .offset = AT(tokens),
     .standard = "14.8T",
     .min = 1,
     .meaning = "count"},
    {.name = "buckets",
     .type = Q_SETTING_U64,
     .offset = AT(buckets),
     .standard = "14",
     .steps = STEP_SIGN,
     .meaning = "b"},
    {.name = "label", .type = Q_SETTING_TEXT, .offset = AT(label), .steps = STEP_GROUP, .meaning = "a text"},
    {.name = "mode",
     .type = Q_SETTING_CHOICE,
     .offset = AT(mode),
     .standard = "fancy",
     .choices = modes,
     .meaning = "which"},
    {.name = "langs", .type = Q_SETTING_TEXTS, .offset = AT(langs), .meaning = "kept"},
    {.name = "inner", .type = Q_SETTING_SECTION, .offset = AT(inner), .table = &nested_table, .meaning = "more of it"},
    {.name = "phases", .type = Q_SETTING_LIST, .offset = AT(phases), .table = &phase_table, .meaning = "one by one"},
    {.name = "model", .type = Q_SETTING_TREE, .offset = AT(model), .meaning = "name or mapping"},
    {.name = "threads",
     .type = Q_SETTING_U64,
     .tag = Q_TAG_OPERATIONAL,
     .offset = AT(threads),
     .standard = "0",
     .max = 64,
     .meaning = "free"},
    {0}};
static const struct q_settings_table table = {"demo", rows, sizeof(struct demo)};

static q_status load(const char *yaml, struct q_arena *arena, struct demo *demo)
{
    struct q_node *root;
    Q_TRY(q_yaml_parse(q_string_of(yaml), "demo.yaml", arena, &root));
    return q_settings_load(&table, q_node_child(root, "demo"), arena, demo);
}

static void expect_error(const char *yaml, const char *text)
{
    struct q_arena arena = {0};
    struct demo demo;
    assert_int_equal(load(yaml, &arena, &demo), Q_ERR_USAGE);
    assert_string_equal(q_error_text(), text);
    q_arena_release(&arena);
}

static void standards(void **state)
{
    (void)state;
    struct q_arena arena = {0};
    struct demo demo;
    const char *const nothing[] = {"", "demo:\n", "demo: ~\n", "demo: {}\n", "demo: {strict: null, part_bytes: }\n"};
    for (size_t i = 0; i < Q_COUNT_OF(nothing); i++) {
        assert_ok(load(nothing[i], &arena, &demo));
        assert_int_equal(demo.part_bytes, 64 << 20);
        assert_true(demo.strict);
        assert_true(demo.held_out == 0.01);
        assert_int_equal(demo.shift, -3);
        assert_int_equal(demo.tokens, 14800000000000);
        assert_null(demo.label);
        assert_int_equal(demo.mode, 1);
        assert_int_equal(demo.langs.count, 0);
        assert_true(demo.inner.beta == 0.9);
        assert_int_equal(demo.phases.count, 0);
        assert_null(demo.model);
    }
    q_arena_release(&arena);
}

static void values(void **state)
{
    (void)state;
    struct q_arena arena = {0};
    struct demo demo;
    assert_ok(
        load("demo:\n  part_bytes: 1MiB\n  strict: false\n  held_out: 0.5\n  shift: -10\n  tokens: 3M\n  label: no\n"
             "  mode: odd\n  langs: [de, \"null\", fr]\n  inner:\n    beta: 1e-3\n  phases:\n    - tokens: 1K\n"
             "    - {tokens: 2K, rate: 0}\n  model: {hidden: 128}\n",
             &arena, &demo));
    assert_int_equal(demo.part_bytes, 1 << 20);
    assert_false(demo.strict);
    assert_int_equal(demo.shift, -10);
    assert_string_equal(demo.label, "no"); /* a text is a text, whatever YAML 1.1 thinks of it */
    assert_int_equal(demo.mode, 2);
    assert_int_equal(demo.langs.count, 3);
    assert_string_equal(demo.langs.items[1], "null");
    assert_true(demo.inner.beta == 1e-3);
    assert_int_equal(demo.inner.limit, 7);
    assert_int_equal(demo.phases.count, 2);
    const struct phase *phases = demo.phases.items;
    assert_int_equal(phases[1].tokens, 2000);
    assert_true(phases[0].rate == 0.5);
    assert_non_null(q_node_child(demo.model, "hidden"));
    assert_ok(load("demo:\n  langs: de\n", &arena, &demo));
    assert_int_equal(demo.langs.count, 1);
    assert_string_equal(demo.langs.items[0], "de");
    q_arena_release(&arena);
}

static void errors(void **state)
{
    (void)state;
    expect_error("demo:\n  strict: true\n  part_byte: 3\n",
                 "demo.yaml:3: unknown setting 'demo.part_byte'; did you mean 'part_bytes'?");
    expect_error(
        "demo:\n  zzzzzz: 3\n",
        "demo.yaml:2: unknown setting 'demo.zzzzzz'; known are: part_bytes, strict, held_out, shift, tokens, buckets, "
        "label, mode, langs, inner, phases, model, threads");
    expect_error("demo:\n  held_out: 1.5\n", "demo.yaml:2: 'demo.held_out' is 1.5; it must be 0 to 1");
    expect_error("demo:\n  held_out: nan\n", "demo.yaml:2: 'demo.held_out' is 'nan'; it must be a number");
    expect_error("demo:\n  held_out: 1e999999\n", "demo.yaml:2: 'demo.held_out' is '1e999999'; it must be a number");
    expect_error("demo:\n  held_out: [1]\n", "demo.yaml:2: 'demo.held_out' is a list; it must be a number");
    expect_error("demo:\n  part_bytes: 0\n", "demo.yaml:2: 'demo.part_bytes' is 0; it must be 1 to 1TiB");
    expect_error(
        "demo:\n  part_bytes: 64 megs\n",
        "demo.yaml:2: 'demo.part_bytes' is '64 megs'; it must be a number of bytes, such as 65536, 64KiB or 2GB");
    expect_error("demo:\n  tokens: 0\n", "demo.yaml:2: 'demo.tokens' is 0; it must be at least 1");
    expect_error("demo:\n  shift: -11\n", "demo.yaml:2: 'demo.shift' is -11; it must be -10 to 10");
    expect_error("demo:\n  buckets: 18446744073709551615\n",
                 "demo.yaml:2: 'demo.buckets' is '18446744073709551615'; it must be less than 2^63");
    expect_error("demo:\n  buckets: -1\n", "demo.yaml:2: 'demo.buckets' is '-1'; it must be a whole number from 0 up");
    expect_error("demo:\n  strict: yes\n", "demo.yaml:2: 'demo.strict' is 'yes'; it must be true or false");
    expect_error("demo:\n  mode: fancyy\n", "demo.yaml:2: 'demo.mode' is 'fancyy'; it must be plain, fancy or odd");
    expect_error("demo:\n  label: [a]\n", "demo.yaml:2: 'demo.label' is a list; it must be a text");
    expect_error("demo:\n  langs: {a: b}\n",
                 "demo.yaml:2: 'demo.langs' is a mapping; it must be a text or a list of texts");
    expect_error("demo:\n  langs: [[a]]\n", "demo.yaml:2: 'demo.langs.0' is a list; it must be a text");
    expect_error("demo:\n  inner:\n    bta: 1\n",
                 "demo.yaml:3: unknown setting 'demo.inner.bta'; did you mean 'beta'?");
    expect_error("demo:\n  inner: 3\n",
                 "demo.yaml:2: 'demo.inner' is '3'; it must be a mapping: lines of 'setting: value' below it");
    expect_error("demo:\n  phases:\n    - tokens: 1\n    - rate: 1\n",
                 "demo.yaml:4: 'demo.phases.1.tokens' must be given");
    expect_error("demo:\n  phases:\n    - tokens: 1\n      rte: 1\n",
                 "demo.yaml:4: unknown setting 'demo.phases.0.rte'; did you mean 'rate'?");
    expect_error("demo:\n  phases: 4\n",
                 "demo.yaml:2: 'demo.phases' is '4'; it must be a list: lines that begin with '- '");
    expect_error("demo: 7\n", "demo.yaml:1: 'demo' is '7'; it must be a mapping: lines of 'setting: value' below it");
    expect_error("demo:\n  strict: \"a\\e\\nb\"\n", "demo.yaml:2: 'demo.strict' is 'a??b'; it must be true or false");
}

static void expect_json(const struct demo *demo, enum q_tag tag, uint32_t steps, const char *expected)
{
    struct q_buffer text = {0};
    json_t *json;
    assert_ok(q_settings_json(&table, demo, tag, steps, &json));
    assert_ok(q_json_dump(json, 0, &text));
    assert_ok(q_buffer_terminate(&text));
    assert_string_equal(text.data, expected);
    json_decref(json);
    q_buffer_release(&text);
}

static void identity(void **state)
{
    (void)state;
    struct q_arena arena = {0};
    struct demo demo;
    assert_ok(load("demo: {phases: [{tokens: 5}], model: nano, langs: de}", &arena, &demo));
    expect_json(&demo, Q_TAG_IDENTITY, 0,
                "{\"buckets\":14,\"held_out\":0.01,\"inner\":{\"beta\":0.9},\"label\":null,\"langs\":[\"de\"],\"mode\":"
                "\"fancy\","
                "\"model\":\"nano\",\"part_bytes\":67108864,\"phases\":[{\"tokens\":5}],\"shift\":-3,\"strict\":true,"
                "\"tokens\":14800000000000}\n");
    expect_json(&demo, Q_TAG_OPERATIONAL, 0, "{\"inner\":{\"limit\":7},\"threads\":0}\n");
    expect_json(&demo, Q_TAG_SCHEDULE, 0, "{\"phases\":[{\"rate\":0.5}]}\n");
    /* Steps: what is for all of them, and what is for this one. */
    expect_json(&demo, Q_TAG_IDENTITY, STEP_SIGN,
                "{\"buckets\":14,\"held_out\":0.01,\"inner\":{\"beta\":0.9},\"langs\":[\"de\"],\"mode\":\"fancy\","
                "\"model\":\"nano\",\"part_bytes\":67108864,\"phases\":[{\"tokens\":5}],\"shift\":-3,\"strict\":true,"
                "\"tokens\":14800000000000}\n");
    q_arena_release(&arena);
}

static void page(void **state)
{
    (void)state;
    struct q_buffer text = {0};
    assert_ok(q_settings_markdown(&table, &text));
    assert_ok(q_buffer_terminate(&text));
    assert_string_equal(text.data,
                        "| setting | type | unit | default | allowed | tag | meaning |\n"
                        "|---|---|---|---|---|---|---|\n"
                        "| `part_bytes` | bytes | bytes | `64MiB` | 1 to 1TiB | identity | input per part |\n"
                        "| `strict` | true or false |  | `true` |  | identity | whether |\n"
                        "| `held_out` | number |  | `0.01` | 0 to 1 | identity | share |\n"
                        "| `shift` | whole number |  | `-3` | -10 to 10 | identity | by |\n"
                        "| `tokens` | count |  | `14.8T` | at least 1 | identity | count |\n"
                        "| `buckets` | whole number |  | `14` |  | identity | b |\n"
                        "| `label` | text |  |  |  | identity | a text |\n"
                        "| `mode` | choice |  | `fancy` | plain, fancy or odd | identity | which |\n"
                        "| `langs` | list of texts |  |  |  | identity | kept |\n"
                        "| `inner` | section |  |  |  |  | more of it |\n"
                        "| `inner.beta` | number |  | `0.9` | 0 to 1 | identity | a \\| b |\n"
                        "| `inner.limit` | whole number |  | `7` |  | operational | of nothing |\n"
                        "| `phases` | list |  |  |  |  | one by one |\n"
                        "| `phases[].tokens` | count | tokens | must be given |  | identity | length |\n"
                        "| `phases[].rate` | number |  | `0.5` | 0 to 1 | schedule | how fast |\n"
                        "| `model` | mapping |  |  |  | identity | name or mapping |\n"
                        "| `threads` | whole number |  | `0` | 0 to 64 | operational | free |\n");
    q_buffer_release(&text);
}

/* Every allocation fails once, then for ever: an error, nothing leaked (the sanitizers look), and in the end the same result. */
static void allocations(void **state)
{
    (void)state;
    for (int for_ever = 0; for_ever <= 1; for_ever++) {
        q_status status = Q_ERR_MEMORY;
        for (uint64_t k = 1; status; k++) {
            struct q_arena arena = {0};
            struct demo demo;
            json_t *json = NULL;
            q_memory_fail_at(k, for_ever);
            status = load("demo: {phases: [{tokens: 5}], model: {a: [b, c]}, langs: [de, fr]}", &arena, &demo);
            if (!status)
                status = q_settings_json(&table, &demo, Q_TAG_IDENTITY, 0, &json);
            q_memory_fail_at(0, 0);
            assert_true(status == Q_OK || status == Q_ERR_MEMORY);
            assert_true(k < 10000);
            json_decref(json);
            q_arena_release(&arena);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(standards), cmocka_unit_test(values), cmocka_unit_test(errors),
        cmocka_unit_test(identity),  cmocka_unit_test(page),   cmocka_unit_test(allocations),
    };
    return cmocka_run_group_tests_name("settings", tests, scratch_enter, scratch_leave);
}
