/* What is measured of texts, by hand on small ones; threads change nothing; scripts and shapes of tokens. */
#include "base/fs.h"
#include "tests/base/cmocka_all.h"
#include "tests/base/scratch.h"
#include "tokenizer/inspect/text_measure.h"
#include "tokenizer/inspect/text_table.h"
#include "tokenizer/inspect/token_kinds.h"
#include "tokenizer/unicode/unicode_classes.h"
#include "tokenizer/unicode/unicode_scripts.h"

#include <string.h>

#define GOLDEN QUERN_SOURCE "/tests/tokenizer/golden/"

static struct tokenizer *tokenizer;

static int load(void **state)
{
    return scratch_enter(state) || tokenizer_load(GOLDEN "tokenizer.json", &tokenizer);
}

static int release(void **state)
{
    tokenizer_release(tokenizer);
    return scratch_leave(state);
}

static void measure(const char *path, unsigned threads, struct text_measure *out)
{
    const struct tokenizer *both[] = {tokenizer, tokenizer};
    struct text_source *source;
    struct q_pool *pool;
    assert_ok(text_source_open(&path, 1, TEXT_FORMAT_AUTO, &source));
    assert_ok(q_pool_create(threads, &pool));
    assert_ok(text_measure(source, pool, both, 2, false, out));
    q_pool_release(pool);
    text_source_close(source);
}

static const struct measured_language *language(const struct text_measure *measured, const char *name)
{
    for (size_t i = 0; i < measured->language_count; i++)
        if (q_string_is(measured->languages[i].name, name))
            return &measured->languages[i];
    fail_msg("no language %s", name);
    return NULL;
}

static void characters_and_words_are_counted(void **state)
{
    static const char lines[] = "{\"text\": \"Mühle 12, -- x’s\\n\", \"lang\": \"de\"}\n"
                                "{\"text\": \"\", \"lang\": \"de\"}\n"
                                "{\"text\": \"石磨 转动 ok\", \"lang\": \"zh\"}\n"
                                "{\"text\": \"a\"}\n";
    struct text_measure measured;
    (void)state;
    scratch_write("few.jsonl", lines, strlen(lines));
    measure("few.jsonl", 1, &measured);
    const struct measured_language *de = language(&measured, "de"), *zh = language(&measured, "zh");
    assert_int_equal(measured.language_count, 3);
    assert_int_equal(de->documents, 2);
    assert_int_equal(de->characters, 17);
    assert_int_equal(de->bytes, 20); /* ü has two bytes, ’ three */
    assert_int_equal(de->words, 3);  /* "--" has no letter */
    assert_true(measured_words_make_sense(de));
    assert_int_equal(zh->characters, 8);
    assert_int_equal(zh->words, 3);
    assert_false(measured_words_make_sense(zh));
    assert_int_equal(language(&measured, "und")->bytes, 1);
    assert_int_equal(measured.all.documents, 4);
    assert_int_equal(measured.all.words, 0); /* Chinese has none */
    assert_int_equal(measured.changed[0], 0);
    text_measure_release(&measured);
}

/* Tokens and uses add up, both vocabularies alike, and any number of threads gives the same. */
static void sums_add_up_for_any_threads(void **state)
{
    struct text_measure one, four;
    struct q_buffer lines = {0}, words = {0};
    (void)state;
    assert_ok(q_fs_read_file(GOLDEN "texts.jsonl", 1 << 24, &words)); /* {"text": ..., "ids": ...}: no languages */
    for (int i = 0; i < 30; i++)
        assert_ok(q_buffer_append_string(&lines, q_buffer_string(&words)));
    scratch_write("many.jsonl", lines.data, lines.size);
    measure("many.jsonl", 1, &one);
    measure("many.jsonl", 4, &four);
    uint64_t uses = 0;
    for (uint32_t id = 0; id < tokenizer_size(tokenizer); id++) {
        assert_int_equal(one.uses[0][id], four.uses[0][id]);
        assert_int_equal(one.uses[0][id], one.uses[1][id]);
        uses += one.uses[0][id];
    }
    assert_int_equal(uses, one.all.tokens[0]);
    assert_int_equal(one.all.tokens[0], four.all.tokens[1]);
    assert_int_equal(one.all.bytes, four.all.bytes);
    assert_int_equal(one.changed[0] + four.changed[1], 0);
    assert_true(measured_evenness(&one, 0) > 0.1 && measured_evenness(&one, 0) < 1);
    text_measure_release(&one);
    text_measure_release(&four);
    q_buffer_release(&lines);
    q_buffer_release(&words);
}

static void failing_allocations_leave_nothing_behind(void **state)
{
    static const char lines[] = "{\"text\": \"the mill\", \"lang\": \"en\"}\n";
    const char *path = "one.jsonl";
    const struct tokenizer *tokenizers[] = {tokenizer};
    (void)state;
    scratch_write(path, lines, strlen(lines));
    for (uint64_t k = 1;; k++) {
        struct text_measure measured = {0};
        struct text_source *source;
        struct q_pool *pool;
        assert_ok(text_source_open(&path, 1, TEXT_FORMAT_AUTO, &source));
        assert_ok(q_pool_create(1, &pool));
        q_memory_fail_at(k, 0);
        q_status status = text_measure(source, pool, tokenizers, 1, false, &measured);
        uint64_t made = q_memory_fail_at(0, 0);
        q_pool_release(pool);
        text_source_close(source);
        text_measure_release(&measured);
        if (made < k) {
            assert_ok(status);
            break;
        }
        assert_int_equal(status, Q_ERR_MEMORY);
    }
}

static void scripts_are_unicodes(void **state)
{
    static const struct {
        uint32_t code;
        const char *script;
    } known[] = {{'a', "Latin"},      {' ', "Common"},      {0x430, "Cyrillic"},  {0x300, "Inherited"},
                 {0x4E00, "Han"},     {0x3042, "Hiragana"}, {0x30A2, "Katakana"}, {0x30FC, "Common"},
                 {0xAC00, "Hangul"},  {0x0E01, "Thai"},     {0x10D40, "Garay"},   {0x10FFFF, "Unknown"},
                 {0xE000, "Unknown"}, {0x1E900, "Adlam"},   {0x378, "Unknown"},   {0, "Common"}};
    (void)state;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        assert_string_equal(unicode_script_names[unicode_script(known[i].code)], known[i].script);
    for (size_t i = 1; i < UNICODE_SCRIPT_RANGES; i++)
        assert_true((unicode_script_starts[i] & 0xFFFFFF) > (unicode_script_starts[i - 1] & 0xFFFFFF));
    /* The two tables are of one version: what is visible is assigned. */
    for (uint32_t code = 0; code < UNICODE_CODE_POINTS; code++)
        if (unicode_class(code) &
            (UNICODE_LETTER | UNICODE_MARK | UNICODE_NUMBER | UNICODE_PUNCTUATION | UNICODE_SYMBOL))
            assert_int_not_equal(unicode_script(code), UNICODE_SCRIPT_UNKNOWN);
    assert_int_equal(unicode_lower('Z'), 'z');
    assert_int_equal(unicode_lower('['), '[');
    assert_int_equal(unicode_lower(0xD7), 0xD7);
    assert_int_equal(unicode_lower(0x416), 0x436);
    assert_int_equal(unicode_lower(0x100), 0x101);
    assert_int_equal(unicode_lower(0x101), 0x101);
    assert_int_equal(unicode_lower(0x1E900), 0x1E922);
}

static void tokens_are_what_their_letters_are(void **state)
{
    (void)state;
    assert_string_equal(token_kind(Q_STRING(" the")), "Latin");
    assert_string_equal(token_kind(Q_STRING("ー")), "other letters");
    assert_string_equal(token_kind(Q_STRING("ーカ")), "Katakana");
    assert_string_equal(token_kind(Q_STRING("123")), "digits");
    assert_string_equal(token_kind(Q_STRING(".\n")), "punctuation");
    assert_string_equal(token_kind(Q_STRING("\n\n")), "white space");
    assert_string_equal(token_kind(Q_STRING("\xE4\xB8")), "part of a character");
    assert_string_equal(token_kind(Q_STRING("\x01")), "controls");
}

static void check_shape(q_string token, size_t head, size_t tail, bool broken)
{
    struct token_shape shape = token_shape(token);
    assert_int_equal(shape.head, head);
    assert_int_equal(shape.tail, tail);
    assert_int_equal(shape.broken, broken);
}

static void shapes_say_where_characters_are_cut(void **state)
{
    (void)state;
    check_shape(Q_STRING("abc"), 0, 0, false);
    check_shape(Q_STRING("ü"), 0, 0, false);
    check_shape(Q_STRING("\xC3"), 0, 1, false);
    check_shape(Q_STRING("\xBC"), 1, 0, false);
    check_shape(Q_STRING("\x80\x81\x82"), 3, 0, false);
    check_shape(Q_STRING("\x80\x81\x82\x83"), 3, 0, true);
    check_shape(Q_STRING("\xB8石 \xE7\x9F"), 1, 2, false);
    check_shape(Q_STRING("x\xF0\x9F\x98"), 0, 3, false);
    check_shape(Q_STRING("\xE0\x80"), 0, 2, true); /* overlong */
    check_shape(Q_STRING("\xC0"), 0, 0, true);
    check_shape(Q_STRING("\xFF"), 0, 0, true);
    check_shape(Q_STRING("a\xBC z"), 0, 0, true);
}

static void check_shown(q_string token, size_t bytes_max, const char *wanted)
{
    struct q_buffer out = {0};
    assert_ok(token_show(token, bytes_max, &out));
    assert_ok(q_buffer_terminate(&out));
    assert_string_equal(out.data, wanted);
    q_buffer_release(&out);
}

static void tokens_are_shown_so_that_all_is_seen(void **state)
{
    (void)state;
    check_shown(Q_STRING(" the"), 100, "\"␣the\"");
    check_shown(Q_STRING(".\r\n\t"), 100, "\".\\r\\n\\t\"");
    check_shown(Q_STRING("\xE4\xB8z\x01"), 100, "\"\\xe4\\xb8z\\x01\"");
    check_shown(Q_STRING("\u200B石\u3000"), 100, "\"\\u{200b}石\\u{3000}\"");
    check_shown(Q_STRING("\xEF\xBF\xBD"), 100, "\"\xEF\xBF\xBD\""); /* U+FFFD itself is a character like others */
    check_shown(Q_STRING("abcdef"), 3, "\"abc...\"");
}

static void tables_line_up(void **state)
{
    struct text_table table = {.columns = 3};
    struct q_buffer out = {0};
    char text[32];
    (void)state;
    static const char *const cells[] = {"name", "n", "token", "Mühle", "7", "\"a\"", "x", "1,234", "石"};
    for (size_t i = 0; i < sizeof(cells) / sizeof(cells[0]); i++)
        assert_ok(text_table_put(&table, "%s", cells[i]));
    assert_ok(text_table_print(&table, &out));
    assert_ok(q_buffer_terminate(&out));
    assert_string_equal(out.data, "name       n  token\nMühle      7  \"a\"\nx      1,234  石\n");
    assert_string_equal(text_grouped(text, 0), "0");
    assert_string_equal(text_grouped(text, 999), "999");
    assert_string_equal(text_grouped(text, 1234567), "1,234,567");
    text_table_release(&table);
    q_buffer_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(characters_and_words_are_counted),
        cmocka_unit_test(sums_add_up_for_any_threads),
        cmocka_unit_test(failing_allocations_leave_nothing_behind),
        cmocka_unit_test(scripts_are_unicodes),
        cmocka_unit_test(tokens_are_what_their_letters_are),
        cmocka_unit_test(shapes_say_where_characters_are_cut),
        cmocka_unit_test(tokens_are_shown_so_that_all_is_seen),
        cmocka_unit_test(tables_line_up),
    };
    return cmocka_run_group_tests(tests, load, release);
}
