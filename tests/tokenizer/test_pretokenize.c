/* The one-pass pretokenizer against its literal twin, and the tables that both stand on. */
#include "base/fs.h"
#include "base/json.h"
#include "tests/base/cmocka_all.h"
#include "tests/tokenizer/random_text.h"
#include "tests/tokenizer/regex_twin.h"
#include "tokenizer/pretokenize/pretokenize_pattern.h"
#include "tokenizer/tokenizer_settings.h"
#include "tokenizer/unicode/unicode_classes.h"
#include "tokenizer/unicode/utf8_decode.h"

#include <string.h>

static void categories_are_unicode_16(void **state)
{
    static const struct {
        uint32_t code;
        enum unicode_category category;
    } known[] = {
        {'a', UNICODE_LL},        {'A', UNICODE_LU},     {0x01C5, UNICODE_LT},
        {0x02B0, UNICODE_LM},     {0x0E01, UNICODE_LO},  {0x0301, UNICODE_MN},
        {'$', UNICODE_SC},        {'_', UNICODE_PC},     {0xBD, UNICODE_NO},
        {0x2162, UNICODE_NL},     {0x3000, UNICODE_ZS},  {0x85, UNICODE_CC_SPACE},
        {'\n', UNICODE_CC_SPACE}, {0xAD, UNICODE_CF}, /* soft hyphen */
        {0x200B, UNICODE_CF},                         /* zero width space is none */
        {0xD800, UNICODE_CS},     {0xE000, UNICODE_CO},  {0x10FFFF, UNICODE_CN},
        {0x10D40, UNICODE_ND},                           /* Garay's digits and letters are new in 16.0 */
        {0x10D4A, UNICODE_LO},    {0x10940, UNICODE_CN}, /* Sidetic comes with 17.0 */
    };
    (void)state;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        assert_int_equal(unicode_entry(known[i].code), known[i].category);
    assert_int_equal(unicode_entry(0x4E00), UNICODE_LO | UNICODE_CJK);
    assert_int_equal(unicode_entry(0x9FA6), UNICODE_LO);
    assert_int_equal(unicode_entry(0x30FB), UNICODE_PO | UNICODE_CJK);
}

static void the_number_of_each_class_is_known(void **state)
{
    /* DerivedGeneralCategory.txt of 16.0: L, M, N, P, S; PropList.txt: White_Space. */
    static const uint32_t classes[] = {UNICODE_LETTER,      UNICODE_MARK,   UNICODE_NUMBER,
                                       UNICODE_PUNCTUATION, UNICODE_SYMBOL, UNICODE_SPACE};
    static const int wanted[] = {141028, 2501, 1911, 855, 8514, 25};
    (void)state;
    for (int i = 0; i < 6; i++) {
        int count = 0;
        for (uint32_t code = 0; code < UNICODE_CODE_POINTS; code++)
            count += (unicode_class(code) & classes[i]) != 0;
        assert_int_equal(count, wanted[i]);
    }
}

/* utf8_decode and q_utf8_repair agree on where a broken character ends. */
static void broken_utf8_decodes_as_its_repair(void **state)
{
    struct q_buffer text = {0}, repaired = {0};
    uint64_t dice = 7;
    (void)state;
    for (int round = 0; round < 3000; round++) {
        uint64_t replaced;
        random_text(&dice, 20, true, &text);
        q_buffer_clear(&repaired);
        assert_ok(q_utf8_repair(q_buffer_string(&text), &repaired, &replaced));
        const uint8_t *a = (const uint8_t *)text.data, *a_end = a + text.size;
        const uint8_t *b = (const uint8_t *)repaired.data, *b_end = b + repaired.size;
        while (a < a_end && b < b_end) {
            struct utf8_code x = utf8_decode(a, a_end), y = utf8_decode(b, b_end);
            assert_int_equal(x.code, y.code);
            a += x.bytes;
            b += y.bytes;
        }
        assert_true(a == a_end && b == b_end);
    }
    q_buffer_release(&text);
    q_buffer_release(&repaired);
}

/* All ends by calls of at most `batch` pieces. */
static size_t cut(q_string text, size_t batch, size_t *ends)
{
    size_t at = 0, count = 0, got;
    while ((got = pretokenize_plain.cut[0](text, &at, ends + count, batch)) > 0) {
        count += got;
        assert_int_equal(at, ends[count - 1]);
    }
    assert_int_equal(at, text.size);
    return count;
}

static void check_text(q_string text)
{
    static size_t want[1 << 16], got[1 << 16];
    assert_true(text.size < 1 << 16);
    size_t wanted = regex_twin_cut(text, want);
    for (size_t batch = 1; batch <= 64; batch *= 8) {
        size_t count = cut(text, batch, got);
        if (count != wanted || memcmp(want, got, count * sizeof(*got)) != 0)
            fail_msg("'%.*s' is cut otherwise", Q_STRING_ARGS(text));
    }
}

static void known_texts_are_cut_as_the_patterns_say(void **state)
{
    static const struct {
        const char *text, *pieces; /* pieces joined by | */
    } known[] = {
        {"Hello, world!", "Hello|,| world|!"},
        {"I'm here", "I|'m| here"},
        {"x=1234567;", "x|=|123|456|7|;"},
        {"  two  spaces ", " | two| | spaces| "},
        {"a \n\n  b", "a| \n\n| | b"},
        {"end.\r\n\r\nnext", "end|.\r\n\r\n|next"},
        {"你好123世界", "你好|123|世界"},
        {"カタカナ・ひらがな", "カタカナ|・|ひらがな"},
        {" 。 ,", " 。| ,"},
        {"$x .y", "$x| .|y"},
        {"\xC2\xAD\xC2\xAD"
         "a",
         "\xC2\xAD|\xC2\xAD"
         "a"},
        {"\tif", "\tif"},
        {"½²Ⅷ٣x", "½²Ⅷ|٣|x"},
        {"   9", "   |9"},
        {"   語", "   |語"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        size_t ends[64], start = 0;
        struct q_buffer joined = {0};
        q_string text = q_string_of(known[i].text);
        size_t count = cut(text, 64, ends);
        for (size_t k = 0; k < count; start = ends[k++]) {
            if (k)
                assert_ok(q_buffer_append_byte(&joined, '|'));
            assert_ok(q_buffer_append(&joined, text.data + start, ends[k] - start));
        }
        assert_ok(q_buffer_terminate(&joined));
        assert_string_equal(joined.data, known[i].pieces);
        q_buffer_release(&joined);
        check_text(text);
    }
}

/* golden/pretokenizers.jsonl: a text, and for each pretokenizer the bytes of the pieces that Hugging Face gives (tests/peers/pretokenizers.py wrote it). */
static void pieces_are_hugging_faces(void **state)
{
    struct q_buffer file = {0};
    q_string rest, line, text;
    size_t lines = 0;
    (void)state;
    assert_ok(q_fs_read_file(QUERN_SOURCE "/tests/tokenizer/golden/pretokenizers.jsonl", 1 << 24, &file));
    for (rest = q_buffer_string(&file); q_string_next_line(&rest, &line); lines++) {
        json_t *row, *sizes;
        assert_ok(q_json_parse(line, "a line", &row));
        assert_ok(q_json_get_string(row, "a line", "text", &text));
        for (size_t i = 0; pretokenizers[i]; i++) {
            struct pretokenize_scratch scratch = {0};
            size_t at = 0, start = 0, ends[512], count;
            assert_ok(q_json_get_array(row, "a line", pretokenizers[i]->name, &sizes));
            assert_ok(pretokenizer_cut(pretokenizers[i], &scratch, text, &at, ends, 512, &count));
            assert_int_equal(count, json_array_size(sizes));
            for (size_t k = 0; k < count; start = ends[k++])
                assert_int_equal(ends[k] - start, json_integer_value(json_array_get(sizes, k)));
        }
        json_decref(row);
    }
    assert_int_equal(lines, 80);
    q_buffer_release(&file);
}

static void random_texts_are_cut_as_by_the_twin(void **state)
{
    struct q_buffer text = {0};
    uint64_t dice = 1;
    (void)state;
    for (int round = 0; round < 60000; round++) {
        random_text(&dice, 1 + (unsigned)(dice_roll(&dice) % 30), false, &text);
        check_text(q_buffer_string(&text));
    }
    q_buffer_release(&text);
}

/* Pieces of a broken text are those of its repaired copy, place by place. */
static void broken_texts_are_cut_as_their_repair(void **state)
{
    static size_t broken_ends[1 << 12], repaired_ends[1 << 12];
    struct q_buffer text = {0}, repaired = {0};
    uint64_t dice = 3, replaced;
    (void)state;
    for (int round = 0; round < 20000; round++) {
        random_text(&dice, 20, true, &text);
        q_buffer_clear(&repaired);
        assert_ok(q_utf8_repair(q_buffer_string(&text), &repaired, &replaced));
        size_t count = cut(q_buffer_string(&text), 64, broken_ends), start = 0, offset = 0;
        assert_int_equal(count, regex_twin_cut(q_buffer_string(&repaired), repaired_ends));
        for (size_t i = 0; i < count; start = broken_ends[i++]) {
            struct q_buffer piece = {0};
            assert_ok(q_utf8_repair(q_string_slice(q_buffer_string(&text), start, broken_ends[i]), &piece, &replaced));
            offset += piece.size;
            assert_int_equal(offset, repaired_ends[i]);
            q_buffer_release(&piece);
        }
    }
    q_buffer_release(&text);
    q_buffer_release(&repaired);
}

/* What is final in a part of a text stays so when more comes, and is cut as a text of its own. */
static void what_is_final_stays(void **state)
{
    static size_t whole[1 << 12], part[1 << 12];
    struct pretokenize_scratch scratch = {0};
    struct q_buffer text = {0};
    uint64_t dice = 5;
    size_t finals = 0;
    (void)state;
    for (int round = 0; round < 3000; round++) {
        const struct pretokenizer *pretokenizer = pretokenizers[round % PRETOKENIZE_BUILT_INS];
        size_t at = 0, wholes, parts;
        random_text(&dice, 20, true, &text);
        assert_ok(pretokenizer_cut(pretokenizer, &scratch, q_buffer_string(&text), &at, whole, 1 << 12, &wholes));
        assert_int_equal(at, text.size);
        for (size_t size = 0; size <= text.size; size++) {
            q_string begin = q_string_slice(q_buffer_string(&text), 0, size);
            begin.size = pretokenizer_final(pretokenizer, begin);
            at = 0;
            assert_ok(pretokenizer_cut(pretokenizer, &scratch, begin, &at, part, 1 << 12, &parts));
            finals += parts;
            assert_true(parts <= wholes);
            if (parts)
                assert_memory_equal(part, whole, parts * sizeof(*part));
        }
    }
    assert_true(finals > 100000);
    q_buffer_release(&text);
}

static void names_of_the_setting_are_those_of_the_table(void **state)
{
    (void)state;
    for (const struct q_setting *row = tokenizer_settings_table.rows; row->name; row++) {
        size_t i = 0;
        if (strcmp(row->name, "pretokenizer") != 0)
            continue;
        for (; row->choices && row->choices[i]; i++) {
            assert_non_null(pretokenizers[i]);
            assert_string_equal(row->choices[i], pretokenizers[i]->name);
            assert_ptr_equal(pretokenizer_named(q_string_of(row->choices[i])), pretokenizers[i]);
        }
        assert_null(pretokenizers[i]);
    }
    assert_null(pretokenizer_named(Q_STRING("deepseek")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(categories_are_unicode_16),
        cmocka_unit_test(the_number_of_each_class_is_known),
        cmocka_unit_test(broken_utf8_decodes_as_its_repair),
        cmocka_unit_test(known_texts_are_cut_as_the_patterns_say),
        cmocka_unit_test(pieces_are_hugging_faces),
        cmocka_unit_test(random_texts_are_cut_as_by_the_twin),
        cmocka_unit_test(broken_texts_are_cut_as_their_repair),
        cmocka_unit_test(what_is_final_stays),
        cmocka_unit_test(names_of_the_setting_are_those_of_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
