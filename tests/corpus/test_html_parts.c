/* The pieces of reading a page that stand alone: fast paths beside their plain twins, code, dates. */
#include "base/check.h"
#include "corpus/html/html_code.h"
#include "corpus/html/html_collapse.h"
#include "corpus/html/html_head.h"
#include "corpus/html/html_letters.h"
#include "corpus/html/html_token.h"
#include "tests/base/cmocka_all.h"

#include <string.h>

/* A text of pieces that matter to the twins, drawn by dice; returns its size. */
static size_t draw(uint64_t *dice, char *text, size_t capacity)
{
    static const char *const pieces[] = {"a",
                                         "mill",
                                         " ",
                                         "  ",
                                         "\n",
                                         "\t ",
                                         "\r\n",
                                         "\f",
                                         "&nbsp;",
                                         "\xC2\xA0",
                                         "&amp;",
                                         "&",
                                         "&#32;",
                                         "&lt",
                                         ",",
                                         "\xD8\x8C",
                                         "\xD8",
                                         "\xE3\x80\x81",
                                         "\xE3\x80\x82",
                                         "\xE3\x80",
                                         "\xEF\xBC\x8C",
                                         "\xC3\xA9",
                                         "\xC2",
                                         "\x1F",
                                         "\xE4\xB8\xAD",
                                         "\xED\x95\x9C",
                                         "\xF0\x9F\x8E\x89",
                                         "the wheel turns by day "};
    size_t size = 0, target = dice_roll(dice) % capacity;
    bool plain = dice_roll(dice) % 2; /* half of the texts have long stretches with nothing to change */
    while (size < target) {
        const char *piece = plain && dice_roll(dice) % 8 ? "abcdefghijk" : pieces[dice_roll(dice) % Q_COUNT_OF(pieces)];
        size_t length = Q_MIN(strlen(piece), target - size);
        memcpy(text + size, piece, length);
        size += length;
    }
    return size;
}

static void test_collapsing_is_as_its_twin(void **state)
{
    (void)state;
    uint64_t dice = 11;
    struct q_buffer fast = {0}, plain = {0};
    for (unsigned round = 0; round < 20000; round++) {
        char text[200];
        size_t size = draw(&dice, text, sizeof text), from = dice_roll(&dice) % 3;
        q_buffer_clear(&fast);
        q_buffer_clear(&plain);
        assert_ok(q_buffer_append(&fast, "x y", dice_roll(&dice) % 4));
        assert_ok(q_buffer_append(&plain, "x y", fast.size));
        from = Q_MIN(from, fast.size);
        size_t cut = dice_roll(&dice) % (size + 1); /* in two calls, as a page's text is cut by its tags */
        assert_ok(html_collapse(&fast, from, (q_string){text, cut}));
        assert_ok(html_collapse(&fast, from, (q_string){text + cut, size - cut}));
        assert_ok(html_collapse_plain(&plain, from, (q_string){text, cut}));
        assert_ok(html_collapse_plain(&plain, from, (q_string){text + cut, size - cut}));
        assert_true(q_string_equal(q_buffer_string(&fast), q_buffer_string(&plain)));
    }
    q_buffer_release(&fast);
    q_buffer_release(&plain);
}

static void test_collapsing(void **state)
{
    (void)state;
    struct q_buffer out = {0};
    assert_ok(html_collapse(&out, 0, Q_STRING(" \n one  two\t\tthree&nbsp;\xC2\xA0 four &amp; five six seven eight ")));
    assert_true(q_string_is(q_buffer_string(&out), "one two three four & five six seven eight "));
    q_buffer_release(&out);
}

static void test_counting_is_as_its_twin(void **state)
{
    (void)state;
    static char text[5000]; /* more than a block's lanes can count at once */
    uint64_t dice = 13;
    for (unsigned round = 0; round < 5000; round++) {
        size_t size = draw(&dice, text, round % 50 ? 100 : sizeof text);
        struct html_letters fast = html_letters((q_string){text, size}),
                            plain = html_letters_plain((q_string){text, size});
        assert_int_equal(fast.letters, plain.letters);
        assert_int_equal(fast.commas, plain.commas);
    }
    struct html_letters count = html_letters(Q_STRING("a,\xC3\xA9\xE4\xB8\xAD\xE3\x80\x82\xEF\xBC\x8C\xD8\x8C"));
    assert_int_equal(count.letters, 9); /* the ideograph and the stop of East Asia for two, U+FF0C for one */
    assert_int_equal(count.commas, 4);
    memset(text, ',', sizeof text);
    assert_int_equal(html_letters((q_string){text, sizeof text}).commas, sizeof text);
}

/* A tag of which no attribute is wanted is passed over faster: it ends where one that is read ends. */
static void test_tags_end_where_they_end(void **state)
{
    (void)state;
    static const char letters[] = "ab =\"'/>\n<";
    uint64_t dice = 17;
    for (unsigned round = 0; round < 50000; round++) {
        char read[48] = "<div", passed[48] = "<bdi";
        size_t size = 4 + dice_roll(&dice) % (sizeof read - 4);
        for (size_t i = 4; i < size; i++)
            read[i] = passed[i] = letters[dice_roll(&dice) % (sizeof letters - 1)];
        struct html_scanner a = {.at = read, .end = read + size}, b = {.at = passed, .end = passed + size};
        struct html_token token = {0}, other = {0};
        read[4] = passed[4] = ' ';
        assert_true(html_scan(&a, &token) && html_scan(&b, &other));
        assert_int_equal(a.at - read, b.at - passed);
        assert_int_equal(token.closed, other.closed);
    }
}

static void expect_language(const char *names, bool of_pre, const char *wanted)
{
    assert_true(q_string_is(html_code_language(q_string_of(names), of_pre), wanted));
}

static void test_languages_of_code(void **state)
{
    (void)state;
    expect_language("language-c++", false, "c++");
    expect_language("hljs lang-js wide", false, "js");
    expect_language("highlight-python3 notranslate", false, "python3");
    expect_language("highlight highlight-source-shell", false, "shell");
    expect_language("brush: java; toolbar: false", true, "java");
    expect_language("sourceCode haskell", true, "haskell");
    expect_language("sourceCode haskell", false, "");
    expect_language("highlight-default notranslate", false, "");
    expect_language("language-text", false, "");
    expect_language("language-a<b", false, "");
    expect_language("language-abcdefghijklmnopqrstu", false, "");
    expect_language("code", true, "");
    expect_language("", true, "");
}

static void test_columns_of_numbers(void **state)
{
    (void)state;
    assert_true(html_is_number_column(Q_STRING("1\n2\n3"), 2));
    assert_true(html_is_number_column(Q_STRING(" 98\n 99\n100\n"), 2));
    assert_true(html_is_number_column(Q_STRING("7"), 1));
    assert_false(html_is_number_column(Q_STRING("7"), 2));
    assert_false(html_is_number_column(Q_STRING("1\n3"), 2));
    assert_false(html_is_number_column(Q_STRING("1\n2 x"), 2));
    assert_false(html_is_number_column(Q_STRING("99999999999999999999\n1"), 2));
    assert_false(html_is_number_column(Q_STRING(""), 1));
}

/* The surest date wins, wherever it stands. */
static void expect_date(const char *page, const char *wanted)
{
    struct html_head head = {0};
    struct html_scanner scanner = {.at = page, .end = page + strlen(page)};
    struct html_token token;
    while (html_scan(&scanner, &token)) {
        if (token.type == HTML_TOKEN_OPEN)
            assert_ok(html_head_tag(&head, &token));
        else if (token.type == HTML_TOKEN_TEXT)
            assert_ok(html_head_json(&head, token.text));
    }
    if (!q_string_is(q_buffer_string(&head.date), wanted))
        fail_msg("'%s': '%.*s'", page, Q_STRING_ARGS(q_buffer_string(&head.date)));
    html_head_release(&head);
}

static void test_dates(void **state)
{
    (void)state;
    const char *meta = "<meta property='article:published_time' content='2026-01-01'>";
    const char *json = "<script>{\"datePublished\" : \"2026-01-02T03:04:05Z\"}</script>";
    const char *itemprop = "<time itemprop=datePublished datetime=2026-01-03>", *time = "<time datetime=2026-01-05>";
    const char *date = "<meta name=Date content='4 January 2026'>";
    char page[1024];
    const char *ranks[] = {meta, json, itemprop, date, time};
    const char *dates[] = {"2026-01-01", "2026-01-02T03:04:05Z", "2026-01-03", "4 January 2026", "2026-01-05"};
    for (size_t i = 0; i < Q_COUNT_OF(ranks); i++)
        for (size_t j = 0; j < Q_COUNT_OF(ranks); j++) {
            (void)snprintf(page, sizeof page, "%s%s", ranks[i], ranks[j]);
            expect_date(page, dates[Q_MIN(i, j)]);
        }
    expect_date("<time datetime=2026-01-05><time datetime=2026-01-06>", "2026-01-05");
    expect_date("<meta itemprop=datePublished content=2026-01-07>", "2026-01-07");
    expect_date("<time datetime=yesterday>", "");
    expect_date("<time>2026</time>", "");
    expect_date("<script>{\"datePublished\"</script>", "");
    expect_date("<script>{\"datePublished\":</script>", "");
    expect_date("<script>{\"datePublished\":\"2026</script>", "");
    expect_date("<script>{\"datePublished\":2026}</script>", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_collapsing_is_as_its_twin),
                                       cmocka_unit_test(test_collapsing),
                                       cmocka_unit_test(test_counting_is_as_its_twin),
                                       cmocka_unit_test(test_tags_end_where_they_end),
                                       cmocka_unit_test(test_languages_of_code),
                                       cmocka_unit_test(test_columns_of_numbers),
                                       cmocka_unit_test(test_dates)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
