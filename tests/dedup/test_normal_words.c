/* Normal words: what a text becomes, and that both implementations agree about it. */
#include "dedup/normal_words.h"

#include "base/random.h"
#include "dedup/normal_letters.h"
#include "tests/base/cmocka_all.h"

#include <stdlib.h>
#include <string.h>

/* The normalised words of a text, one space between: by words of `folded`, which the hashes come from. */
static void check_folded(const char *text, const char *expected)
{
    struct normal_words words = {0};
    assert_ok(normal_words_split(&words, q_string_of(text)));
    struct q_buffer joined = {0};
    for (size_t i = 0; i < words.folded_size; i++) {
        char c = words.folded[i];
        bool gap = c == ' ';
        if (gap && (joined.size == 0 || joined.data[joined.size - 1] == ' '))
            continue;
        assert_ok(q_buffer_append_byte(&joined, c));
    }
    while (joined.size && joined.data[joined.size - 1] == ' ')
        joined.size--;
    assert_ok(q_buffer_terminate(&joined));
    assert_string_equal(joined.data, expected);
    size_t count = 0;
    for (const char *p = expected; *p; p++)
        count += *p != ' ' && (p == expected || p[-1] == ' ');
    assert_int_equal(words.count, count);
    q_buffer_release(&joined);
    normal_words_release(&words);
}

static void test_folding(void **state)
{
    (void)state;
    check_folded("", "");
    check_folded("...!?", "");
    check_folded("Hello,  WORLD of 2024", "hello world of 0000");
    check_folded("don't snake_case a-b", "don t snake case a b");
    check_folded("H\u00e9llo \u00c0\u00c9\u0178", "hello aey");
    check_folded("e\u0301a\u0300", "ea");                             /* marks that stand alone */
    check_folded("stra\u00dfe \u0152uvre", "stra\u00dfe \u0153uvre"); /* one code point becomes one */
    check_folded("\u041f\u0440\u0418\u0432\u0435\u0442 \u041c\u0418\u0420",
                 "\u043f\u0440\u0438\u0432\u0435\u0442 \u043c\u0438\u0440");
    check_folded("\u039a\u0391\u039b\u0397\u03bc\u03ad\u03c1\u03b1",
                 "\u03ba\u03b1\u03bb\u03b7\u03bc\u03b5\u03c1\u03b1");
    check_folded("\uff21\uff22\uff11", "ab0"); /* wide forms */
    check_folded("\u0663\u0664", "00");        /* Arabic-Indic digits */
    check_folded("so\u00adft zero\u200dwidth", "soft zerowidth");
}

static void test_scripts_without_spaces(void **state)
{
    (void)state;
    check_folded("\u4f60\u597d\u3002\u4e16\u754c", "\u4f60 \u597d \u4e16 \u754c");
    check_folded("\u30ab\u306aX\u5b57y", "\u30ab \u306a x \u5b57 y");
    check_folded("\u0e01\u0e34", "\u0e01 \u0e34"); /* Thai: vowel signs are characters of their own */
    check_folded("\uc548\ub155 \ud558\uc138\uc694", "\uc548\ub155 \ud558\uc138\uc694"); /* Korean has spaces */
    check_folded("\U00020000\U00020001", "\U00020000 \U00020001");
    check_folded("\U00010400", "\U00010428"); /* Deseret capital */
}

static void test_broken_bytes_are_gaps(void **state)
{
    (void)state;
    check_folded("a\xff"
                 "b",
                 "a b");
    check_folded("a\xc3", "a"); /* cut off */
    check_folded("a\xe4\xbd"
                 "b",
                 "a b"); /* cut off by a letter */
    check_folded("a\xc0\x80"
                 "b",
                 "a b"); /* too long a form */
    check_folded("a\xed\xa0\x80"
                 "b",
                 "a b"); /* a surrogate */
    check_folded("a\xf5\x80\x80\x80"
                 "b",
                 "a b");
}

static void check_same(q_string text)
{
    struct normal_words fast = {0}, plain = {0};
    assert_ok(normal_words_split(&fast, text));
    assert_ok(normal_words_split_plain(&plain, text));
    assert_int_equal(fast.count, plain.count);
    assert_int_equal(fast.folded_size, plain.folded_size);
    assert_memory_equal(fast.folded, plain.folded, plain.folded_size);
    if (plain.count)
        assert_memory_equal(fast.hashes, plain.hashes, plain.count * sizeof(*plain.hashes));
    normal_words_release(&fast);
    normal_words_release(&plain);
}

/* Random texts of every length up to 300: letters in runs of every length, gaps, wide characters, broken bytes. */
static void test_both_ways_agree(void **state)
{
    (void)state;
    static const char *const pieces[] = {"a",    "Bc",       "word",   "longerword", "averyveryverylongwordindeed",
                                         " ",    "  ",       "\n",     ".",          "7",
                                         "1999", "\u00e9",   "\u4f60", "\u0436",     "\U00020000",
                                         "\xff", "\xe4\xbd", "\u0301", "\u0e34",     "@[`{/:"};
    struct q_buffer text = {0};
    for (unsigned round = 0; round < 3000; round++) {
        q_random_key key = q_random_key_of(1, "test-words", round, 0);
        size_t length = round % 300;
        /* Every third text is ASCII alone, so that whole vectors of it come about. */
        size_t kinds = round % 3 ? sizeof(pieces) / sizeof(*pieces) : 11;
        q_buffer_clear(&text);
        for (uint64_t draw = 0; text.size < length; draw++) {
            const char *piece = pieces[q_random_below(key, draw, kinds)];
            assert_ok(q_buffer_append(&text, piece, strlen(piece)));
        }
        text.size = length; /* may cut a character */
        /* At the very end of an allocation, so that a read behind it is seen by the sanitizers. */
        char *exact = malloc(length ? length : 1);
        memcpy(exact, text.data ? text.data : "", length);
        check_same((q_string){exact, length});
        free(exact);
    }
    q_buffer_release(&text);
}

static void test_every_byte_agrees(void **state)
{
    (void)state;
    char text[256 * 3];
    for (int i = 0; i < 256; i++) {
        memset(text, 'x', sizeof(text));
        for (int j = 0; j < 96; j += 1 + i % 5)
            text[j] = (char)i;
        check_same((q_string){text, 96});
    }
}

/* Each code point: the table is in order, its letters fold to letters that stay as they are, and the plane is the
 * ranges. */
static void test_table(void **state)
{
    (void)state;
    for (size_t i = 0; i + 1 < normal_range_count; i++)
        assert_true(normal_ranges[i].first <= normal_ranges[i].last &&
                    normal_ranges[i].last < normal_ranges[i + 1].first);
    for (uint32_t code = 0; code < 0x110000; code++) {
        uint32_t letter = normal_letter(code), folded = letter >> 8;
        enum normal_kind kind = normal_kind_of(letter);
        if (kind == NORMAL_GAP || kind == NORMAL_NOTHING) {
            assert_int_equal(folded, 0);
            continue;
        }
        assert_true(folded > 0x20 && folded < 0x110000);
        if (normal_letter(folded) >> 8 != folded)
            fail_msg("U+%04X folds to U+%04X, which folds on", code, folded);
    }
    for (uint32_t code = 0; code < 128; code++)
        assert_int_equal(normal_letter(code) >> 8, normal_ascii[code]);
}

static void test_text_hash(void **state)
{
    (void)state;
    const char *same[] = {"One two, three 4!", "one TWO three 7", "  \u00f3n\u00e9\ntwo... three\t0"};
    struct normal_words words = {0};
    q_hash first = {0};
    for (size_t i = 0; i < 3; i++) {
        assert_ok(normal_words_split(&words, q_string_of(same[i])));
        q_hash hash = normal_text_hash(&words, q_string_of(same[i]));
        if (i == 0)
            first = hash;
        assert_true(q_hash_equal(first, hash));
    }
    q_hash other[3];
    const char *wordless[] = {"***", "---", ""};
    for (size_t i = 0; i < 3; i++) {
        assert_ok(normal_words_split(&words, q_string_of(wordless[i])));
        assert_int_equal(words.count, 0);
        other[i] = normal_text_hash(&words, q_string_of(wordless[i]));
    }
    assert_false(q_hash_equal(other[0], other[1]) || q_hash_equal(other[1], other[2]) ||
                 q_hash_equal(other[0], other[2]));
    normal_words_release(&words);
}

static void test_no_memory(void **state)
{
    (void)state;
    for (uint64_t k = 1;; k++) {
        struct normal_words words = {0};
        q_memory_fail_at(k, 0);
        q_status status = normal_words_split(&words, Q_STRING("some words to be split"));
        bool failed = q_memory_fail_at(0, 0) >= k;
        normal_words_release(&words);
        if (!failed) {
            assert_int_equal(status, Q_OK);
            break;
        }
        assert_int_equal(status, Q_ERR_MEMORY);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_folding),
        cmocka_unit_test(test_scripts_without_spaces),
        cmocka_unit_test(test_broken_bytes_are_gaps),
        cmocka_unit_test(test_both_ways_agree),
        cmocka_unit_test(test_every_byte_agrees),
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_text_hash),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
