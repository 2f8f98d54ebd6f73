/* tokenizer.json: what is read comes back as it was, and what is malformed or unknown is refused by name. */
#include "base/fs.h"
#include "base/json.h"
#include "tests/base/cmocka_all.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/train/bpe_train.h"
#include "tokenizer/vocabulary/vocabulary.h"

#include <string.h>

#define GOLDEN QUERN_SOURCE "/tests/tokenizer/golden/"

static struct q_buffer golden;

static int read_golden(void **state)
{
    (void)state;
    return q_fs_read_file(GOLDEN "tokenizer.json", 1 << 24, &golden) != Q_OK;
}

static int release_golden(void **state)
{
    (void)state;
    q_buffer_release(&golden);
    return 0;
}

static void reading_and_writing_gives_the_same_bytes(void **state)
{
    struct vocabulary vocabulary = {0};
    struct q_buffer out = {0};
    (void)state;
    assert_ok(vocabulary_parse(q_buffer_string(&golden), "golden", &vocabulary));
    assert_int_equal(vocabulary.size, 1200);
    assert_int_equal(vocabulary.added_count, tokenizer_special_texts_count);
    assert_string_equal(vocabulary.pretokenizer->name, "deepseek-v3");
    assert_ok(vocabulary_write(&vocabulary, &out));
    assert_true(q_string_equal(q_buffer_string(&out), q_buffer_string(&golden)));
    vocabulary_release(&vocabulary);
    q_buffer_release(&out);
}

/* The golden vocabulary is what quern makes of the golden words (and what Hugging Face makes of them: tests/peers). */
static void the_golden_words_train_to_the_golden_vocabulary(void **state)
{
    struct counts counts = {.pretokenizer = pretokenizers[0]};
    struct bpe_train_options options = {
        .vocab_size = 1200, .special = tokenizer_special_texts, .special_count = tokenizer_special_texts_count};
    struct vocabulary vocabulary = {0};
    struct q_buffer words = {0}, out = {0};
    (void)state;
    assert_ok(q_fs_read_file(GOLDEN "words.txt", 1 << 24, &words));
    assert_ok(counts_add_text(&counts, q_buffer_string(&words)));
    assert_ok(bpe_train(&counts, &options, &vocabulary));
    assert_ok(vocabulary_write(&vocabulary, &out));
    assert_true(q_string_equal(q_buffer_string(&out), q_buffer_string(&golden)));
    vocabulary_release(&vocabulary);
    q_buffer_release(&words);
    q_buffer_release(&out);
}

static void the_config_names_the_special_tokens(void **state)
{
    struct vocabulary vocabulary = {0};
    struct q_buffer out = {0};
    json_t *config;
    q_string text;
    (void)state;
    assert_ok(vocabulary_parse(q_buffer_string(&golden), "golden", &vocabulary));
    assert_ok(vocabulary_write_config(&vocabulary, &out));
    assert_ok(q_json_parse(q_buffer_string(&out), "config", &config));
    assert_ok(q_json_get_string(config, "config", "bos_token", &text));
    assert_true(q_string_is(text, tokenizer_special_texts[TOKENIZER_BEGIN]));
    assert_ok(q_json_get_string(config, "config", "eos_token", &text));
    assert_true(q_string_is(text, tokenizer_special_texts[TOKENIZER_END]));
    assert_ok(q_json_get_string(config, "config", "pad_token", &text));
    assert_true(q_string_is(text, tokenizer_special_texts[TOKENIZER_PADDING]));
    json_decref(config);
    vocabulary_release(&vocabulary);
    q_buffer_release(&out);
}

/* Puts `with` in the place of the first `what` in the golden file; reading must fail with `why`. */
static void refuse(const char *what, const char *with, const char *why)
{
    struct vocabulary vocabulary = {0};
    struct q_buffer text = {0};
    q_string all = q_buffer_string(&golden);
    size_t at = q_string_find(all, q_string_of(what), 0);
    if (at == SIZE_MAX)
        fail_msg("the golden file has no %s", what);
    assert_ok(q_buffer_append_string(&text, q_string_slice(all, 0, at)));
    assert_ok(q_buffer_append_string(&text, q_string_of(with)));
    assert_ok(q_buffer_append_string(&text, q_string_slice(all, at + strlen(what), all.size)));
    assert_fails(vocabulary_parse(q_buffer_string(&text), "changed", &vocabulary), Q_ERR_INPUT, why);
    assert_non_null(strstr(q_error_text(), "changed"));
    vocabulary_release(&vocabulary);
    q_buffer_release(&text);
}

static void what_cannot_be_reproduced_is_refused_by_name(void **state)
{
    (void)state;
    refuse("\"normalizer\": null", "\"normalizer\": {\"type\": \"Lowercase\"}", "'Lowercase'");
    refuse("\"normalizer\": null",
           "\"normalizer\": {\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"NFC\"}, {\"type\": \"Prepend\"}]}",
           "'Prepend'");
    refuse("\"behavior\": \"Isolated\"", "\"behavior\": \"Removed\"", "'Removed'");
    refuse("\"add_prefix_space\": false", "\"add_prefix_space\": true", "'add_prefix_space'");
    refuse("{\"type\": \"Split\"", "{\"type\": \"Metaspace\"", "'Metaspace'");
    refuse("{\"type\": \"Split\"", "{\"type\": \"ByteLevel\"}, {\"type\": \"Split\"", "'Split'");
    refuse("\"Regex\": \"\\\\p{N}{1,3}\"", "\"Regex\": \"\"", "empty pattern");
    refuse("\"invert\": false", "\"invert\": 1", "'invert'");
    refuse("\"type\": \"BPE\"", "\"type\": \"Unigram\"", "'Unigram'");
    refuse("\"dropout\": null", "\"dropout\": 0.1", "'dropout'");
    refuse("\"end_of_word_suffix\": null", "\"end_of_word_suffix\": \"</w>\"", "'end_of_word_suffix'");
    refuse("\"ignore_merges\": false", "\"ignore_merges\": \"yes\"", "'ignore_merges'");
    refuse("\"truncation\": null", "\"truncation\": {\"max_length\": 5}", "'truncation'");
    refuse("\"padding\": null", "\"padding\": {}", "'padding'");
    refuse("\"lstrip\": false", "\"lstrip\": 0", "'lstrip'");
    refuse("\"decoder\": {\"type\": \"ByteLevel\"", "\"decoder\": {\"type\": \"Metaspace\"", "'Metaspace'");
    refuse("\"decoder\": {\"type\": \"ByteLevel\"", "\"decoder\": {\"type\": \"Fuse\"", "no ByteLevel decoder");
}

static void malformed_files_are_refused(void **state)
{
    (void)state;
    refuse("\"Ġ\": ", "\"ĠĠĠĠĠĠĠĠĠĠĠĠ\": ", "no token for byte 0x20");
    refuse("\"a\": 82", "\"a\": 83", "given to two tokens");
    refuse("\"a\": 82", "\"a\": -1", "no number below");
    refuse("\"a\": 82", "\"a\": 16777216", "no number below");
    refuse("\"a\": 82", "\"a\": 99999999999999999999999999", "no number below");
    refuse("\"a\": 82", "\"a\": 82.0", "no number below");
    refuse("\"a\": 82", "\"a\": 082", "no number below");
    refuse("\"a\": 82", "\"a\": \"82\"", "no number below");
    refuse("\"a\": 82", "\"\": 82", "0 bytes");
    refuse("\"a\": 82", "\"a\": 82, \"a\": 1300", "given twice");
    refuse("\"a\": 82", "\"a\": 82, \"\\u0061\": 1300", "given twice");
    refuse("\"a\": 82", "\"a\": 82; \"x\": 1300", "missing in the vocab");
    refuse("\"a\": 82", "\"a\": 82 \"x\": 1300", "missing in the vocab");
    refuse("\"a\": 82", "\"a\" 82", "no token and ':'");
    refuse("\"a\": 82", "a: 82", "no token and ':'");
    refuse("\"a\": 82", "\"a\t\": 82", "control character");
    refuse("\"a\": 82", "\"\\x\": 82", "changed");
    refuse("\"a\": 82", "\"\xFF\": 82", "not UTF-8");
    refuse("\"a\": 82", "\"a: 82", "changed");
    refuse("[\"Ġ\", \"s\"]", "[\"Ġ\", \"sss\"]", "no token");
    refuse("[\"Ġ\", \"s\"]", "[\"Ġ\", \"!\"]", "no token"); /* the parts are tokens, the whole is not */
    refuse("[\"Ġ\", \"s\"]", "[\"Ġ\", \"\"]", "no token");
    refuse("[\"Ġ\", \"s\"]", "[\"Ġ\"]", "not two tokens");
    refuse("[\"Ġ\", \"s\"]", "[\"Ġ\", \"s\", \"s\"]", "not two tokens");
    refuse("[\"Ġ\", \"s\"]", "\"Ġs\"", "not two tokens");
    refuse("[\"Ġ\", \"s\"]", "\"Ġ s s\"", "not two tokens");
    refuse("[\"Ġ\", \"s\"]", "7", "not two tokens");
    refuse("[\"Ġ\", \"s\"]", "[\"Ġ\", \"s\"] [\"Ġ\", \"s\"]", "missing in the merges");
    refuse("[\"Ġ\", \"s\"]", "[\"<｜User｜>\", \"s\"]", "ByteLevel");
    refuse("\"id\": 6, ", "\"id\": 7, ", "gives it 6");
    refuse("\"id\": 6, ", "", "no number below");
    refuse("\"id\": 6, ", "\"id\": -6, ", "no number below");
    refuse("\"content\": \"<｜User｜>\"", "\"content\": \"\"", "0 bytes");
    refuse("\"id\": 7, \"content\": \"<｜Assistant｜>\"", "\"id\": 6, \"content\": \"<｜User｜>\"", "given twice");
    refuse("\"merges\": [", "\"merges\": {", "changed");
    refuse("\"merges\": [", "\"merges\": 7, \"m\": [", "'merges' is missing");
    refuse("\"vocab\": {", "\"vocab\": {}, \"vocab\": {", "changed");
    refuse("\"model\"", "\"modell\"", "model");
    refuse("\"vocab\"", "\"vokab\"", "vocab");
}

/* What is read, by the members of the vocabulary, and by writing it. */
static void read_changed(const char *what, const char *with, struct vocabulary *out)
{
    struct q_buffer text = {0};
    q_string all = q_buffer_string(&golden);
    size_t at = q_string_find(all, q_string_of(what), 0);
    assert_true(at != SIZE_MAX);
    assert_ok(q_buffer_append_string(&text, q_string_slice(all, 0, at)));
    assert_ok(q_buffer_append_string(&text, q_string_of(with)));
    assert_ok(q_buffer_append_string(&text, q_string_slice(all, at + strlen(what), all.size)));
    assert_ok(vocabulary_parse(q_buffer_string(&text), "changed", out));
    q_buffer_release(&text);
}

static void assert_written(const struct vocabulary *vocabulary, const char *part)
{
    struct vocabulary again = {0};
    struct q_buffer out = {0}, twice = {0};
    assert_ok(vocabulary_write(vocabulary, &out));
    if (q_string_find(q_buffer_string(&out), q_string_of(part), 0) == SIZE_MAX)
        fail_msg("no %s in what is written", part);
    assert_ok(vocabulary_parse(q_buffer_string(&out), "written", &again));
    assert_ok(vocabulary_write(&again, &twice));
    assert_true(q_string_equal(q_buffer_string(&out), q_buffer_string(&twice)));
    vocabulary_release(&again);
    q_buffer_release(&out);
    q_buffer_release(&twice);
}

static void normalizers_are_read_and_written(void **state)
{
    static const struct {
        const char *json, *written;
        enum normalization form;
    } cases[] = {
        {"{\"type\": \"NFC\"}", "{\"type\": \"NFC\"}", NORMALIZATION_NFC},
        {"{\"type\": \"NFKD\"}", "{\"type\": \"NFKD\"}", NORMALIZATION_NFKD},
        {"{\"type\": \"Sequence\", \"normalizers\": []}", "\"normalizer\": null", NORMALIZATION_NONE},
        {"{\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"NFKD\"}, {\"type\": \"NFC\"}]}", "\"NFKC\"",
         NORMALIZATION_NFKC},
        {"{\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"NFC\"}, {\"type\": \"NFD\"}]}", "\"NFD\"",
         NORMALIZATION_NFD},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct vocabulary vocabulary = {0};
        char with[200];
        (void)snprintf(with, sizeof(with), "\"normalizer\": %s", cases[i].json);
        read_changed("\"normalizer\": null", with, &vocabulary);
        assert_int_equal(vocabulary.normalization, cases[i].form);
        assert_written(&vocabulary, cases[i].written);
        vocabulary_release(&vocabulary);
    }
}

static void flags_and_settings_are_read_and_written(void **state)
{
    struct vocabulary vocabulary = {0};
    (void)state;
    read_changed("\"ignore_merges\": false", "\"ignore_merges\": true", &vocabulary);
    assert_true(vocabulary.ignore_merges);
    assert_written(&vocabulary, "\"ignore_merges\": true");
    vocabulary_release(&vocabulary);
    read_changed("\"lstrip\": false, \"rstrip\": false, \"normalized\": false",
                 "\"lstrip\": true, \"rstrip\": true, \"normalized\": true", &vocabulary);
    assert_true(vocabulary.added[0].lstrip && vocabulary.added[0].rstrip && vocabulary.added[0].normalized);
    assert_written(&vocabulary, "\"lstrip\": true, \"rstrip\": true, \"normalized\": true");
    vocabulary_release(&vocabulary);
    /* Without effect where all bytes are tokens. */
    read_changed("\"unk_token\": null", "\"unk_token\": \"<unk>\"", &vocabulary);
    vocabulary_release(&vocabulary);
    read_changed("\"byte_fallback\": false", "\"byte_fallback\": true", &vocabulary);
    vocabulary_release(&vocabulary);
    read_changed("\"type\": \"BPE\",", "", &vocabulary);
    vocabulary_release(&vocabulary);
}

static void a_merge_as_a_string_is_read_too(void **state)
{
    struct vocabulary vocabulary = {0};
    struct q_buffer text = {0};
    q_string all = q_buffer_string(&golden), what = Q_STRING("[\"Ġ\", \"s\"]");
    size_t at = q_string_find(all, what, 0);
    (void)state;
    assert_true(at != SIZE_MAX);
    assert_ok(q_buffer_append_string(&text, q_string_slice(all, 0, at)));
    assert_ok(q_buffer_append_string(&text, Q_STRING("\"Ġ s\"")));
    assert_ok(q_buffer_append_string(&text, q_string_slice(all, at + what.size, all.size)));
    assert_ok(vocabulary_parse(q_buffer_string(&text), "strings", &vocabulary));
    assert_int_equal(vocabulary.merge_count, 926);
    vocabulary_release(&vocabulary);
    q_buffer_release(&text);
}

static void cut_files_are_refused(void **state)
{
    (void)state;
    for (size_t size = 0; size + 2 < golden.size; size += 997) {
        struct vocabulary vocabulary = {0};
        assert_int_equal(vocabulary_parse(q_string_slice(q_buffer_string(&golden), 0, size), "cut", &vocabulary),
                         Q_ERR_INPUT);
        vocabulary_release(&vocabulary);
    }
}

static void deep_nesting_is_refused(void **state)
{
    struct vocabulary vocabulary = {0};
    struct q_buffer text = {0};
    (void)state;
    for (int i = 0; i < 1000000; i++)
        assert_ok(q_buffer_append_byte(&text, '['));
    assert_fails(vocabulary_parse(q_buffer_string(&text), "deep", &vocabulary), Q_ERR_INPUT, "deep");
    vocabulary_release(&vocabulary);
    q_buffer_release(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reading_and_writing_gives_the_same_bytes),
        cmocka_unit_test(the_golden_words_train_to_the_golden_vocabulary),
        cmocka_unit_test(the_config_names_the_special_tokens),
        cmocka_unit_test(what_cannot_be_reproduced_is_refused_by_name),
        cmocka_unit_test(malformed_files_are_refused),
        cmocka_unit_test(normalizers_are_read_and_written),
        cmocka_unit_test(flags_and_settings_are_read_and_written),
        cmocka_unit_test(a_merge_as_a_string_is_read_too),
        cmocka_unit_test(cut_files_are_refused),
        cmocka_unit_test(deep_nesting_is_refused),
    };
    return cmocka_run_group_tests(tests, read_golden, release_golden);
}
