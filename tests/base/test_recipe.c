/* Recipes: YAML as a tree, --set, the top level. */
#include "base/check.h"
#include "base/fs.h"
#include "base/publish.h"
#include "base/recipe.h"
#include "tests/base/cmocka_all.h"
#include "tests/base/scratch.h"

static void write_recipe(const char *text)
{
    assert_ok(q_publish_bytes("demo.yaml", text, strlen(text), NULL));
}

static void expect_error(const char *yaml, const char *text)
{
    struct q_recipe recipe;
    write_recipe(yaml);
    assert_int_equal(q_recipe_load("demo.yaml", NULL, &recipe), Q_ERR_USAGE);
    assert_string_equal(q_error_text(), text);
    q_recipe_release(&recipe);
}

static void expect_set_error(const char *set, const char *text)
{
    struct q_recipe recipe;
    struct q_texts sets = {.items = &set, .count = 1};
    write_recipe("inputs:\n  - {name: a, path: b}\ncorpus: {part_bytes: 3}\nmodel: nano\n");
    assert_int_equal(q_recipe_load("demo.yaml", &sets, &recipe), Q_ERR_USAGE);
    assert_string_equal(q_error_text(), text);
    q_recipe_release(&recipe);
}

static void top_level(void **state)
{
    (void)state;
    struct q_recipe recipe;
    assert_ok(q_fs_make_directories("sub"));
    const char text[] =
        "# a comment\nname: demo\ndir: ../runs/here\nseed: 7\ninputs:\n  - name: help\n    path: [a/*.deb, b]\n"
        "    lang: de\n  - name: web.2\n    path: x.jsonl\n    format: jsonl\n    weight: 2.5\n"
        "corpus:\n  part_bytes: 1MiB\nmodel: nano\ntokenizer:\n";
    assert_ok(q_publish_bytes("sub/demo.yaml", text, strlen(text), NULL));
    assert_ok(q_recipe_load("sub/demo.yaml", NULL, &recipe));
    assert_string_equal(recipe.name, "demo");
    assert_string_equal(recipe.folder, "sub");
    assert_string_equal(recipe.dir, "runs/here");
    assert_int_equal(recipe.seed, 7);
    assert_int_equal(recipe.inputs.count, 2);
    const struct q_input *inputs = recipe.inputs.items;
    assert_string_equal(inputs[0].name, "help");
    assert_int_equal(inputs[0].path.count, 2);
    assert_string_equal(inputs[0].path.items[0], "a/*.deb");
    assert_string_equal(inputs[0].lang, "de");
    assert_string_equal(inputs[0].text_field, "text");
    assert_int_equal(inputs[1].format, Q_FORMAT_JSONL);
    assert_true(inputs[1].weight == 2.5);
    assert_null(inputs[1].lang);
    const struct q_node *corpus = q_recipe_section(&recipe, "corpus");
    assert_string_equal(q_node_child(corpus, "part_bytes")->path, "corpus.part_bytes");
    assert_int_equal(q_node_child(corpus, "part_bytes")->line, 14);
    assert_null(q_recipe_section(&recipe, "dedup"));
    assert_null(q_recipe_section(&recipe, "tokenizer")); /* written, but nothing in it */
    assert_int_equal(q_recipe_section(&recipe, "model")->kind, Q_NODE_SCALAR);
    q_recipe_release(&recipe);
}

static void names_by_default(void **state)
{
    (void)state;
    struct q_recipe recipe;
    write_recipe("");
    assert_ok(q_recipe_load("demo.yaml", NULL, &recipe));
    assert_string_equal(recipe.name, "demo");
    assert_string_equal(recipe.dir, "runs/demo");
    assert_int_equal(recipe.seed, 0);
    assert_int_equal(recipe.inputs.count, 0);
    q_recipe_release(&recipe);
    /* No file at all, for a program that is used with --set alone. */
    const char *set = "corpus.part_bytes=4K";
    assert_ok(q_recipe_load(NULL, &(struct q_texts){.items = &set, .count = 1}, &recipe));
    assert_string_equal(recipe.folder, ".");
    assert_true(q_string_is(q_node_child(q_recipe_section(&recipe, "corpus"), "part_bytes")->text, "4K"));
    q_recipe_release(&recipe);
}

static void yaml_errors(void **state)
{
    (void)state;
    expect_error("name: a\nseed: 1\nname: b\n", "demo.yaml:3: 'name' is given twice, first on line 1");
    expect_error("corpus:\n  a: 1\n  \"a\": 2\n", "demo.yaml:3: 'corpus.a' is given twice, first on line 2");
    expect_error("name: &x a\n", "demo.yaml:1: anchors and aliases (& and *) are not read; put the text in quotes");
    expect_error("inputs:\n  - name: a\n    path: *.deb\n",
                 "demo.yaml:3: anchors and aliases (& and *) are not read; put the text in quotes");
    expect_error("name: !!str a\n", "demo.yaml:1: tags (!) are not read; put the text in quotes");
    expect_error("name: a\n---\nname: b\n", "demo.yaml:2: a second YAML document (---) begins; there must be one");
    expect_error("? [a]\n: b\n", "demo.yaml:1: a key must be a name");
    expect_error("- a\n", "demo.yaml:1: a recipe must be a mapping: lines of 'name: value'");
    expect_error("just words\n", "demo.yaml:1: a recipe must be a mapping: lines of 'name: value'");
    expect_error("name: \"a\\0b\"\n", "demo.yaml:1: a text holds a NUL character");
    expect_error("name: a\nseed: \xff\n", "demo.yaml:2: is not UTF-8");
    expect_error("\xff\xfen\0a\0", "demo.yaml:1: is not UTF-8");
    expect_error("name: a\n\tseed: 1\n", "demo.yaml:2: found a tab character that violates indentation");
    expect_error("corpus: {a: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}\n",
                 "demo.yaml:1: is nested deeper than 32");
    struct q_recipe recipe;
    assert_int_equal(q_recipe_load("absent.yaml", NULL, &recipe), Q_ERR_USAGE);
    assert_non_null(strstr(q_error_text(), "absent.yaml"));
    q_recipe_release(&recipe);
}

static void top_errors(void **state)
{
    (void)state;
    expect_error("nmae: a\n", "demo.yaml:1: unknown setting 'nmae'; did you mean 'name'?");
    expect_error("corpos: {}\n", "demo.yaml:1: unknown setting 'corpos'; did you mean 'corpus'?");
    expect_error("corpus: 3\n", "demo.yaml:1: 'corpus' must be a mapping: lines of 'setting: value' below it");
    expect_error("name: a/b\n", "demo.yaml:1: 'name' must be a plain name, without '/' and not beginning with '.'");
    expect_error("seed: 1.5\n", "demo.yaml:1: 'seed' is '1.5'; it must be a whole number from 0 up");
    expect_error("inputs:\n  - path: a\n", "demo.yaml:2: 'inputs.0.name' must be given");
    expect_error("inputs:\n  - name: a\n", "demo.yaml:2: 'inputs.0.path' must be given: where 'a' is read from");
    expect_error("inputs:\n  - {name: a, path: b, text_field: ''}\n",
                 "demo.yaml:2: 'inputs.0.text_field' is empty; it names a member or a column");
    expect_error(
        "inputs:\n  - name: A b\n    path: c\n",
        "demo.yaml:2: 'inputs.0.name' is 'A b'; it must be 1 to 64 of a-z, 0-9, '.', '_' and '-', beginning with a "
        "letter or digit");
    expect_error(
        "inputs:\n  - name: ../x\n    path: c\n",
        "demo.yaml:2: 'inputs.0.name' is '../x'; it must be 1 to 64 of a-z, 0-9, '.', '_' and '-', beginning with a "
        "letter or digit");
    expect_error("inputs:\n  - {name: a, path: b}\n  - {name: c, path: d}\n  - {name: a, path: e}\n",
                 "demo.yaml:4: two inputs are named 'a', the first one on line 2");
    expect_error("inputs:\n  - {name: a, path: b, fromat: c}\n",
                 "demo.yaml:2: unknown setting 'inputs.0.fromat'; did you mean 'format'?");
    expect_error("inputs:\n  - {name: a, path: []}\n",
                 "demo.yaml:2: 'inputs.0.path' must be given: where 'a' is read from");
}

static const struct q_node *walk(const struct q_recipe *recipe, const char *a, const char *b)
{
    const struct q_node *node = q_recipe_section(recipe, a);
    return b ? q_node_child(node, b) : node;
}

static void overrides(void **state)
{
    (void)state;
    const char *sets[] = {"seed=9",
                          "corpus.part_bytes=2",
                          "corpus.part_bytes=1MiB",
                          "corpus.rules.words=[1, 2]",
                          "inputs.0.path=x/*.deb: y #z",
                          "inputs.1.name=new",
                          "inputs.1.path=['q', \"r\"]",
                          "dedup={near: {bands: 14}}",
                          "model.hidden=64",
                          "name= spaced  ",
                          "train.note=a=b"};
    struct q_recipe recipe;
    write_recipe("inputs:\n  - {name: a, path: b}\nmodel:\n");
    assert_ok(q_recipe_load("demo.yaml", &(struct q_texts){.items = sets, .count = Q_COUNT_OF(sets)}, &recipe));
    assert_int_equal(recipe.seed, 9);
    assert_string_equal(recipe.name, "spaced");
    const struct q_input *inputs = recipe.inputs.items;
    assert_int_equal(recipe.inputs.count, 2);
    assert_string_equal(inputs[0].path.items[0], "x/*.deb: y #z");
    assert_string_equal(inputs[1].path.items[1], "r");
    assert_true(q_string_is(walk(&recipe, "corpus", "part_bytes")->text, "1MiB"));
    assert_string_equal(walk(&recipe, "corpus", "part_bytes")->file, "--set");
    assert_string_equal(q_node_child(walk(&recipe, "corpus", "rules"), "words")->children->next->path,
                        "corpus.rules.words.1");
    assert_string_equal(q_node_child(walk(&recipe, "dedup", "near"), "bands")->path, "dedup.near.bands");
    assert_true(q_string_is(walk(&recipe, "model", "hidden")->text, "64"));
    assert_true(q_string_is(walk(&recipe, "train", "note")->text, "a=b"));
    q_recipe_release(&recipe);
}

static void override_errors(void **state)
{
    (void)state;
    expect_set_error("seed", "--set: 'seed' is not NAME=VALUE, such as corpus.part_bytes=1MiB");
    expect_set_error("=3", "--set: '=3' is not NAME=VALUE, such as corpus.part_bytes=1MiB");
    expect_set_error("a..b=3", "--set: 'a..b' is no setting's name");
    expect_set_error(".=3", "--set: '.' is no setting's name");
    expect_set_error("a.=3", "--set: 'a.' is no setting's name");
    expect_set_error("sed=3", "--set: unknown setting 'sed'; did you mean 'seed'?");
    expect_set_error("seed=x", "--set: 'seed' is 'x'; it must be a whole number from 0 up");
    expect_set_error("corpus.part_bytes.x=3",
                     "--set: 'corpus.part_bytes.x' cannot be set: 'corpus.part_bytes' has a value of its own");
    expect_set_error("model.hidden=3", "--set: 'model.hidden' cannot be set: 'model' has a value of its own");
    expect_set_error("inputs.x=3",
                     "--set: 'inputs.x' cannot be set: 'inputs' is a list; its elements are named by number");
    expect_set_error("inputs.7.name=x", "--set: 'inputs.7' cannot be set: the list has only 1 elements");
    expect_set_error("corpus=[1", "--set: did not find expected ',' or ']'");
    expect_set_error("corpus.x='a' b", "--set: did not find expected <document start>");
    expect_set_error("seed=\xff", "--set: 'seed' is not UTF-8");
}

static void allocations(void **state)
{
    (void)state;
    const char *sets[] = {"corpus.rules.words=[1, 2]", "inputs.0.path=x", "seed=3"};
    write_recipe("name: a\ninputs:\n  - {name: a, path: [b, c]}\nmodel: {x: y}\n");
    for (int for_ever = 0; for_ever <= 1; for_ever++) {
        q_status status = Q_ERR_MEMORY;
        for (uint64_t k = 1; status; k++) {
            struct q_recipe recipe;
            q_memory_fail_at(k, for_ever);
            status = q_recipe_load("demo.yaml", &(struct q_texts){.items = sets, .count = Q_COUNT_OF(sets)}, &recipe);
            q_memory_fail_at(0, 0);
            assert_true(status == Q_OK || status == Q_ERR_MEMORY);
            assert_true(k < 10000);
            q_recipe_release(&recipe);
        }
    }
}

/* Bytes changed, cut and doubled at random: an error or a recipe, never more. The sanitizers' build is where this earns its keep. */
static void mutations(void **state)
{
    (void)state;
    static const char seed[] =
        "# x\nname: \"a b\"\nseed: 3\ninputs:\n  - {name: a, path: [b, 'c'], weight: 1e0}\n  - name: d\n"
        "    path: >\n      folded\n      text\ncorpus:\n  a: |\n    block\n  b: {c: [1, 2, {d: ~}]}\n";
    static const char spice[] = "{}[]:-,#&*!|>'\"%@`?\\\n \t\0\xff\x80\xc3";
    uint64_t dice = 88172645463325252u;
    unsigned good = 0;
    for (int round = 0; round < 4000; round++) {
        char text[2 * sizeof(seed)];
        size_t size = sizeof(seed) - 1;
        memcpy(text, seed, size);
        for (uint64_t edits = 1 + dice_roll(&dice) % 4; edits > 0; edits--) {
            size_t at = dice_roll(&dice) % size;
            switch (dice_roll(&dice) % 3) {
            case 0:
                text[at] = spice[dice_roll(&dice) % (sizeof(spice) - 1)];
                break;
            case 1:
                size = at + 1;
                break;
            default:
                memmove(text + at, text + at / 2, size - at);
                break;
            }
        }
        struct q_arena arena = {0};
        struct q_node *root = NULL;
        q_status status = q_yaml_parse((q_string){text, size}, "fuzz.yaml", &arena, &root);
        assert_true(status == Q_OK || status == Q_ERR_USAGE);
        assert_true((status == Q_OK) == (root != NULL));
        assert_true(status == Q_OK || !strncmp(q_error_text(), "fuzz.yaml", 9));
        good += status == Q_OK;
        q_arena_release(&arena);
    }
    assert_true(good > 100); /* else it only tests the first line of the parser */
}

static void hostile_sizes(void **state)
{
    (void)state;
    struct q_buffer text = {0};
    struct q_arena arena = {0};
    struct q_node *root;
    /* 100,000 brackets; 100,000 keys; a text larger than the bound. */
    for (int i = 0; i < 100000; i++)
        assert_ok(q_buffer_append_byte(&text, '['));
    assert_int_equal(q_yaml_parse(q_buffer_string(&text), "x", &arena, &root), Q_ERR_USAGE);
    text.size = 0;
    for (int i = 0; i < 60000; i++)
        assert_ok(q_buffer_printf(&text, "k%d: 1\n", i));
    assert_int_equal(q_yaml_parse(q_buffer_string(&text), "x", &arena, &root), Q_ERR_USAGE);
    assert_string_equal(q_error_text(), "x:4097: a mapping has more than 4,096 keys");
    while (text.size <= 1 << 20)
        assert_ok(q_buffer_append_byte(&text, '\n'));
    assert_int_equal(q_yaml_parse(q_buffer_string(&text), "x", &arena, &root), Q_ERR_USAGE);
    assert_string_equal(q_error_text(), "x: is longer than 1 MiB");
    q_buffer_release(&text);
    q_arena_release(&arena);
}

/* docs/settings/recipe.md is what the table says; made by `quern --settings`. */
static void page(void **state)
{
    (void)state;
    const struct q_program program = {.name = "quern", .section = "recipe", .settings = &q_recipe_table};
    struct q_buffer made = {0}, page = {0};
    assert_ok(q_program_settings(&program, &made));
    assert_ok(q_fs_read_file(QUERN_SOURCE "/docs/settings/recipe.md", 1 << 20, &page));
    assert_int_equal(made.size, page.size);
    assert_memory_equal(made.data, page.data, page.size);
    q_buffer_release(&made);
    q_buffer_release(&page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(top_level),   cmocka_unit_test(names_by_default), cmocka_unit_test(yaml_errors),
        cmocka_unit_test(top_errors),  cmocka_unit_test(overrides),        cmocka_unit_test(override_errors),
        cmocka_unit_test(allocations), cmocka_unit_test(mutations),        cmocka_unit_test(hostile_sizes),
        cmocka_unit_test(page),
    };
    return cmocka_run_group_tests_name("recipe", tests, scratch_enter, scratch_leave);
}
