/* Strings, numbers from text, nearest names, figures for people. */
#include "base/bytes16.h"
#include "base/check.h"
#include "base/string.h"
#include "tests/base/cmocka_all.h"

#include <float.h>
#include <math.h>
#include <stdio.h>

static void test_compares_and_slices(void **state)
{
    (void)state;
    const q_string none = {NULL, 0};
    assert_true(q_string_equal(none, Q_STRING("")));
    assert_true(q_string_compare(Q_STRING("a"), Q_STRING("ab")) < 0);
    assert_true(q_string_compare(Q_STRING("\xff"), Q_STRING("a")) > 0); /* as unsigned */
    assert_true(q_string_compare(Q_STRING("a\0b"), Q_STRING("a\0c")) < 0);
    assert_int_equal(q_string_compare(none, Q_STRING("")), 0);
    assert_true(q_string_starts(Q_STRING("abc"), "ab") && !q_string_starts(Q_STRING("abc"), "b"));
    assert_true(q_string_starts_any_case(Q_STRING("aBc"), "Ab") && !q_string_starts_any_case(Q_STRING("a"), "ab"));
    assert_true(q_string_starts_any_case(none, "") && !q_string_starts_any_case(none, "a"));
    assert_true(q_string_is_any_case(Q_STRING("aBc"), "AbC") && !q_string_is_any_case(Q_STRING("abc"), "ab"));
    assert_true(!q_string_is_any_case(Q_STRING("ab"), "abc") && q_string_is_any_case(none, ""));
    assert_true(q_string_starts(none, "") && !q_string_starts(none, "a"));
    assert_true(q_string_ends(Q_STRING("abc"), "bc") && !q_string_ends(Q_STRING("c"), "bc"));
    assert_true(q_string_is(q_string_slice(Q_STRING("abcdef"), 2, 4), "cd"));
    assert_true(q_string_is(q_string_slice(Q_STRING("abc"), 2, 99), "c"));
    assert_int_equal(q_string_slice(Q_STRING("abc"), 9, 1).size, 0);
    assert_int_equal(q_string_slice(none, 1, 2).size, 0);
}

static void test_finds(void **state)
{
    (void)state;
    const q_string text = Q_STRING("abcabc");
    assert_int_equal(q_string_find(text, Q_STRING("bc"), 0), 1);
    assert_int_equal(q_string_find(text, Q_STRING("bc"), 2), 4);
    assert_true(q_string_find(text, Q_STRING("bc"), 5) == SIZE_MAX);
    assert_true(q_string_find(text, Q_STRING("bc"), 7) == SIZE_MAX);
    assert_int_equal(q_string_find(text, Q_STRING(""), 6), 6);
    assert_true(q_string_find((q_string){NULL, 0}, Q_STRING("a"), 0) == SIZE_MAX);
}

static void test_lines_and_trim(void **state)
{
    (void)state;
    q_string rest = Q_STRING("one\n\ntwo\r\nthree"), line;
    static const char *const expected[] = {"one", "", "two\r", "three"};
    for (size_t i = 0; i < 4; i++) {
        assert_true(q_string_next_line(&rest, &line));
        assert_true(q_string_is(line, expected[i]));
    }
    assert_false(q_string_next_line(&rest, &line));
    rest = Q_STRING("\n");
    assert_true(q_string_next_line(&rest, &line) && line.size == 0 && !q_string_next_line(&rest, &line));
    assert_true(q_string_is(q_string_trim(Q_STRING(" \t a b \r\n")), "a b"));
    assert_int_equal(q_string_trim(Q_STRING(" \n ")).size, 0);
    assert_int_equal(q_string_trim((q_string){NULL, 0}).size, 0);
}

static void test_parses_integers(void **state)
{
    (void)state;
    int64_t i = 7;
    uint64_t u = 7;
    static const char *const bad[] = {"", "-", "+1", " 1", "1 ", "0x10", "1.0", "1e3", "a", "--1", "\xd9\xa1"};
    for (size_t k = 0; k < Q_COUNT_OF(bad); k++) {
        assert_fails(q_parse_i64(q_string_of(bad[k]), &i), Q_ERR_USAGE, "is not a whole number");
        assert_fails(q_parse_u64(q_string_of(bad[k]), &u), Q_ERR_USAGE, "is not a whole number");
    }
    assert_fails(q_parse_u64(Q_STRING("-1"), &u), Q_ERR_USAGE, "'-1' is not a whole number of 0 or more");
    assert_fails(q_parse_u64(Q_STRING("18446744073709551616"), &u), Q_ERR_USAGE, "too large");
    assert_fails(q_parse_i64(Q_STRING("9223372036854775808"), &i), Q_ERR_USAGE, "too large");
    assert_fails(q_parse_i64(Q_STRING("-9223372036854775809"), &i), Q_ERR_USAGE, "too large");
    assert_fails(q_parse_u64((q_string){"1\0", 2}, &u), Q_ERR_USAGE, "is not a whole number");
    assert_true(i == 7 && u == 7); /* untouched */
    assert_ok(q_parse_u64(Q_STRING("18446744073709551615"), &u));
    assert_true(u == UINT64_MAX);
    assert_ok(q_parse_i64(Q_STRING("-9223372036854775808"), &i));
    assert_true(i == INT64_MIN);
    assert_ok(q_parse_i64(Q_STRING("9223372036854775807"), &i));
    assert_true(i == INT64_MAX);
    assert_ok(q_parse_i64(Q_STRING("-0007"), &i));
    assert_true(i == -7);
}

static void test_parses_doubles(void **state)
{
    (void)state;
    double d = 7.0;
    static const char *const bad[] = {"",    ".",     "-",  "1e", "1e+", "e5",    "inf",
                                      "nan", "0x1p3", " 1", "1 ", "1,5", "1.2.3", "--1"};
    for (size_t k = 0; k < Q_COUNT_OF(bad); k++)
        assert_fails(q_parse_double(q_string_of(bad[k]), &d), Q_ERR_USAGE, "is not a decimal number");
    assert_fails(q_parse_double(Q_STRING("1e400"), &d), Q_ERR_USAGE, "too large");
    assert_true(d == 7.0);
    static const struct {
        const char *text;
        double value;
    } good[] = {{"0", 0.0},      {"-1.5", -1.5}, {"+.5", 0.5},
                {"5.", 5.0},     {"1e-3", 1e-3}, {"2.2E+4", 22000.0},
                {"1e-400", 0.0}, {"0.1", 0.1},   {"1.7976931348623157e308", DBL_MAX}};
    for (size_t k = 0; k < Q_COUNT_OF(good); k++) {
        assert_ok(q_parse_double(q_string_of(good[k].text), &d));
        assert_true(d == good[k].value);
    }
    char digits[1000];
    memset(digits, '1', sizeof(digits));
    assert_fails(q_parse_double((q_string){digits, sizeof(digits)}, &d), Q_ERR_USAGE, "is not a decimal number");
}

static void test_parses_quantities(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t bytes, count; /* 7: refused */
    } cases[] = {
        {"65536", 65536, 65536},
        {"64K", 65536, 64000},
        {"64KiB", 65536, 7},
        {"64KB", 64000, 7},
        {"64B", 64, 64000000000},
        {"1.5M", 1572864, 1500000},
        {"2G", 2147483648, 7},
        {"3T", 3298534883328, 3000000000000},
        {"14.8T", 7, 14800000000000},
        {"469B", 469, 469000000000},
        {"2k", 2048, 2000},
        {"0", 0, 0},
        {"0.5K", 512, 500},
        {"1.3K", 7, 1300},
        {"0.0001K", 7, 7},
        {"", 7, 7},
        {"K", 7, 7},
        {"1.", 7, 7},
        {".5K", 7, 7},
        {"1.5", 7, 7},
        {"-1K", 7, 7},
        {"1 K", 7, 7},
        {"1KK", 7, 7},
        {"1KiBs", 7, 7},
        {"1P", 7, 7},
        {"99999999999T", 7, 7},
        {"1.0000000000000001K", 7, 7},
        {"18446744073709551615", UINT64_MAX, UINT64_MAX},
        {"16777216T", 7, 16777216000000000000u},
        {"1.0", 1, 1},
    };
    for (size_t k = 0; k < Q_COUNT_OF(cases); k++) {
        uint64_t bytes = 7, count = 7;
        q_status bytes_status = q_parse_bytes(q_string_of(cases[k].text), &bytes);
        q_status count_status = q_parse_count(q_string_of(cases[k].text), &count);
        if (bytes != cases[k].bytes || count != cases[k].count)
            fail_msg("'%s': %llu bytes, %llu", cases[k].text, (unsigned long long)bytes, (unsigned long long)count);
        assert_int_equal(bytes_status, cases[k].bytes == 7 ? Q_ERR_USAGE : Q_OK);
        assert_int_equal(count_status, cases[k].count == 7 ? Q_ERR_USAGE : Q_OK);
    }
}

static void test_edit_distance(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        size_t distance;
    } cases[] = {{"", "", 0},
                 {"", "abc", 3},
                 {"kitten", "sitting", 3},
                 {"abcd", "abdc", 1},
                 {"ab", "ba", 1},
                 {"ca", "abc", 3}, /* optimal string alignment: 3; unrestricted Damerau: 2 */
                 {"part_byte", "part_bytes", 1},
                 {"abc", "xyz", 3}};
    for (size_t k = 0; k < Q_COUNT_OF(cases); k++) {
        q_string a = q_string_of(cases[k].a), b = q_string_of(cases[k].b);
        assert_int_equal(q_edit_distance(a, b, 99), cases[k].distance);
        assert_int_equal(q_edit_distance(b, a, 99), cases[k].distance);
        assert_int_equal(q_edit_distance(a, b, 2), cases[k].distance < 2 ? cases[k].distance : 2);
    }
    char name[200];
    memset(name, 'a', sizeof(name));
    assert_int_equal(q_edit_distance((q_string){name, 129}, (q_string){name, 129}, 5), 5);
    assert_int_equal(q_edit_distance((q_string){name, 128}, (q_string){name, 128}, 5), 0);
}

static void test_nearest_name(void **state)
{
    (void)state;
    static const char *const names[] = {"held_out", "part_bytes", "lr", "languages", NULL};
    static const char *const empty[] = {NULL};
    assert_string_equal(q_nearest_name(Q_STRING("part_byte"), names), "part_bytes");
    assert_string_equal(q_nearest_name(Q_STRING("heldout"), names), "held_out");
    assert_string_equal(q_nearest_name(Q_STRING("lrs"), names), "lr");
    assert_string_equal(q_nearest_name(Q_STRING("langauges"), names), "languages");
    assert_null(q_nearest_name(Q_STRING("threads"), names));
    assert_null(q_nearest_name(Q_STRING(""), names));
    assert_null(q_nearest_name(Q_STRING("x"), empty));
}

static void test_figures(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *bytes, *count, *duration;
    } cases[] = {
        {0, "0 B", "0", "0 s"},
        {0.42, "0.42 B", "0.42", "0.42 s"},
        {4.23, "4.23 B", "4.23", "4.2 s"},
        {12, "12 B", "12", "12 s"},
        {59.4, "59.4 B", "59.4", "59 s"},
        {59.6, "59.6 B", "59.6", "1 m 00 s"},
        {125, "125 B", "125", "2 m 05 s"},
        {999, "999 B", "999", "16 m 39 s"},
        {999.6, "1.00 kB", "1.00 K", "16 m 40 s"},
        {1000, "1.00 kB", "1.00 K", "16 m 40 s"},
        {3599.6, "3.60 kB", "3.60 K", "1 h 00 m"},
        {9994, "9.99 kB", "9.99 K", "2 h 47 m"},
        {9996, "10.0 kB", "10.0 K", "2 h 47 m"},
        {86399, "86.4 kB", "86.4 K", "1 d 00 h"},
        {99960, "100 kB", "100 K", "1 d 03 h"},
        {999499, "999 kB", "999 K", "11 d 13 h"},
        {999500, "1.00 MB", "1.00 M", "11 d 13 h"},
        {12345678, "12.3 MB", "12.3 M", "142 d 21 h"},
        {14.8e12, "14.8 TB", "14.8 T", "?"},
        {3e20, "300000 PB", "300000 Q", "?"},
        {1e300, "1e+285 PB", "1e+285 Q", "?"},
        {INFINITY, "?", "?", "?"},
        {NAN, "?", "?", "?"},
        {-1500, "-1.50 kB", "-1.50 K", "?"},
    };
    char out[32];
    for (size_t k = 0; k < Q_COUNT_OF(cases); k++) {
        assert_string_equal(q_format_bytes(out, cases[k].value), cases[k].bytes);
        assert_string_equal(q_format_count(out, cases[k].value), cases[k].count);
        assert_string_equal(q_format_duration(out, cases[k].value), cases[k].duration);
    }
}

/* Each place of the 16 by itself, beside what its byte says. */
static void test_sixteen_bytes(void **state)
{
    (void)state;
    uint8_t bytes[17];
    for (unsigned place = 0; place <= 16; place++)
        for (unsigned value = 0; value < 256; value++) {
            memset(bytes, value < 0x80 ? 'z' + 1 : 0xFF, sizeof bytes);
            bytes[place] = (uint8_t)value;
            q_bytes16 all = q_bytes16_load(bytes);
            bool letter = value >= 'a' && value <= 'z' && place < 16;
            assert_int_equal(q_bytes16_any(Q_IN16(all, 'a', 'z')), letter);
            assert_int_equal(q_bytes16_first(Q_IN16(all, 'a', 'z')), letter ? place : 16);
            assert_int_equal(q_bytes16_first(Q_IS16(all, 'x')), value == 'x' ? place : 16);
            assert_int_equal(q_bytes16_have(all, 0x80), value >= 0x80);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compares_and_slices), cmocka_unit_test(test_finds),
        cmocka_unit_test(test_sixteen_bytes),       cmocka_unit_test(test_lines_and_trim),
        cmocka_unit_test(test_parses_integers),     cmocka_unit_test(test_parses_doubles),
        cmocka_unit_test(test_parses_quantities),   cmocka_unit_test(test_edit_distance),
        cmocka_unit_test(test_nearest_name),        cmocka_unit_test(test_figures),
    };
    return cmocka_run_group_tests_name("string", tests, NULL, NULL);
}
