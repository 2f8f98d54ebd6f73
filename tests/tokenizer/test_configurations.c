/* The golden vocabulary with other pretokenizers, normalizers, added tokens and flags: the ids that Hugging Face gives (tests/peers/tokenizer_hf.py --write). */
#include "base/fs.h"
#include "base/json.h"
#include "tests/base/cmocka_all.h"
#include "tokenizer/encode/bpe_index.h"
#include "tokenizer/tokenizer.h"

#include <string.h>

#define GOLDEN QUERN_SOURCE "/tests/tokenizer/golden/"

static json_t *read_json(const char *path)
{
    json_t *object;
    assert_ok(q_json_read_file(path, 1 << 24, &object));
    return object;
}

/* The golden tokenizer.json with the members of `change` in the place of its own. */
static struct tokenizer *make_tokenizer(const json_t *change, const char *name)
{
    json_t *golden = read_json(GOLDEN "tokenizer.json"), *value;
    struct vocabulary vocabulary = {0};
    struct tokenizer *tokenizer;
    struct q_buffer text = {0};
    const char *key;
    json_object_foreach((json_t *)(uintptr_t)change, key, value)
    {
        bool of_model = strcmp(key, "ignore_merges") == 0;
        json_t *into = of_model ? json_object_get(golden, "model") : golden;
        assert_true(of_model || json_object_get(golden, key));
        assert_int_equal(json_object_set(into, key, value), 0);
    }
    assert_ok(q_json_dump(golden, 0, &text));
    assert_ok(vocabulary_parse(q_buffer_string(&text), name, &vocabulary));
    assert_ok(tokenizer_create(&vocabulary, &tokenizer));
    q_buffer_release(&text);
    json_decref(golden);
    return tokenizer;
}

static void check_case(const json_t *line)
{
    const char *name = json_string_value(json_object_get(line, "name"));
    const json_t *texts = json_object_get(line, "texts"), *ids = json_object_get(line, "ids");
    struct tokenizer *tokenizer = make_tokenizer(json_object_get(line, "change"), name);
    struct tokenizer_scratch *scratch;
    struct tokenizer_ids got = {0};
    assert_ok(tokenizer_scratch_create(tokenizer, &scratch));
    assert_true(json_array_size(texts) > 40);
    assert_int_equal(json_array_size(texts), json_array_size(ids));
    for (size_t i = 0; i < json_array_size(texts); i++) {
        const json_t *text = json_array_get(texts, i), *wanted = json_array_get(ids, i);
        bool same;
        got.count = 0;
        assert_ok(tokenizer_encode(tokenizer, scratch, (q_string){json_string_value(text), json_string_length(text)},
                                   TOKENIZER_SPECIAL_PARSE, &got));
        same = got.count == json_array_size(wanted);
        for (size_t at = 0; same && at < got.count; at++)
            same = got.ids[at] == json_integer_value(json_array_get(wanted, at));
        if (!same)
            fail_msg("%s: text %zu has other ids", name, i);
    }
    tokenizer_ids_release(&got);
    tokenizer_scratch_release(scratch);
    tokenizer_release(tokenizer);
}

static void ids_of_other_configurations_are_hugging_faces(void **state)
{
    struct q_buffer file = {0};
    q_string rest, line;
    size_t cases = 0;
    (void)state;
    assert_ok(q_fs_read_file(GOLDEN "configurations.jsonl", 1 << 24, &file));
    for (rest = q_buffer_string(&file); q_string_next_line(&rest, &line); cases++) {
        json_t *object;
        assert_ok(q_json_parse(line, "configurations.jsonl", &object));
        check_case(object);
        json_decref(object);
    }
    assert_true(cases >= 6);
    q_buffer_release(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(ids_of_other_configurations_are_hugging_faces)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
