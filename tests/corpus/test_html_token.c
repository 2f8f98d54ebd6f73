/* The scanner of HTML: what is a tag, what is text, where things end. And character references. */
#include "base/check.h"
#include "corpus/html/html_entities.h"
#include "corpus/html/html_token.h"
#include "tests/base/cmocka_all.h"

#include <stdio.h>
#include <string.h>

/* Tokens as one line: "<p class=a> text </p>", so that a test reads like its page. */
static const char *scan_all(const char *page)
{
    static char line[4096];
    size_t at = 0;
    struct html_scanner scanner = {.at = page, .end = page + strlen(page)};
    struct html_token token;
    line[0] = 0;
    while (html_scan(&scanner, &token)) {
        const char *name = token.tag ? html_tag_name(token.tag) : "?";
        if (token.type == HTML_TOKEN_TEXT)
            at += (size_t)snprintf(line + at, sizeof line - at, "[%.*s]", Q_STRING_ARGS(token.text));
        else
            at += (size_t)snprintf(line + at, sizeof line - at, token.type == HTML_TOKEN_OPEN ? "<%s" : "</%s", name);
        if (token.type == HTML_TOKEN_OPEN)
            for (unsigned i = 0; i < HTML_ATTRIBUTE_COUNT; i++)
                if (token.has >> i & 1)
                    at += (size_t)snprintf(line + at, sizeof line - at, " %u=%.*s", i, Q_STRING_ARGS(token.values[i]));
        if (token.type != HTML_TOKEN_TEXT)
            at += (size_t)snprintf(line + at, sizeof line - at, ">");
    }
    return line;
}

static void test_tags_and_text(void **state)
{
    (void)state;
    assert_string_equal(scan_all("a<P>b</p >c"), "[a]<p>[b]</p>[c]");
    assert_string_equal(scan_all("<p class=x id='a b' class=second data-z=\"1\">"), "<p 0=x 1=a b>");
    assert_string_equal(scan_all("<p class = \"a>b\" >t"), "<p 0=a>b>[t]");
    assert_string_equal(scan_all("<p title=it's class=b>t"),
                        "<p 0=b>[t]"); /* a quote inside an unquoted value is a letter */
    assert_string_equal(scan_all("<made-up>t</made-up>"), "<?>[t]</?>");
    assert_string_equal(scan_all("<blockquote><figcaption>"), "<blockquote><figcaption>");
    assert_string_equal(scan_all("1 < 2 <3 <= &"), "[1 < 2 <3 <= &]");
    assert_string_equal(scan_all("a<!-- <p> -->b<!DOCTYPE x>c<?php ?>d</ e>f"), "[a][b][c][d][f]");
}

static void test_ends_of_the_page(void **state)
{
    (void)state;
    const char *pages[] = {"<",    "</",  "<p", "<p ", "<p class", "<p class=", "<p class='",
                           "<!--", "<!-", "<!", "<?",  "</p",      "<p/",       ""};
    for (size_t i = 0; i < Q_COUNT_OF(pages); i++)
        assert_true(strlen(scan_all(pages[i])) <= strlen(pages[i]) + 8);
    assert_string_equal(scan_all("<"), "[<]");
    assert_string_equal(scan_all("a<!-- never closed <p>"), "[a]");
}

static void test_raw_elements(void **state)
{
    (void)state;
    assert_string_equal(scan_all("<script>if (a<b) '</p>'</SCRIPT>x"), "<script>[if (a<b) '</p>']</script>[x]");
    assert_string_equal(scan_all("<style></style>x"), "<style></style>[x]");
    assert_string_equal(scan_all("<title>a <b> c</title>"), "<title>[a <b> c]</title>");
    assert_string_equal(scan_all("<script></scripted></script>"), "<script>[</scripted>]</script>");
    assert_string_equal(scan_all("<script>open"), "<script>[open]");
}

/* Whatever the bytes, the scanner ends, and its text lies inside the page. */
static void test_any_bytes(void **state)
{
    (void)state;
    static const char letters[] = "<>/!-='\" pascriptilte&;\0\n\xC3";
    uint64_t dice = 7;
    for (unsigned round = 0; round < 20000; round++) {
        char page[64];
        size_t size = dice_roll(&dice) % sizeof page, steps = 0;
        for (size_t i = 0; i < size; i++)
            page[i] = letters[dice_roll(&dice) % (sizeof letters - 1)];
        struct html_scanner scanner = {.at = page, .end = page + size};
        struct html_token token;
        while (html_scan(&scanner, &token)) {
            assert_true(++steps <= size + 1);
            if (token.type == HTML_TOKEN_TEXT)
                assert_true(token.text.data >= page && token.text.data + token.text.size <= page + size &&
                            token.text.size > 0);
        }
        assert_ptr_equal(scanner.at, page + size);
    }
}

static void test_every_tag_is_found(void **state)
{
    (void)state;
    for (int tag = 1; tag < HTML_TAG_COUNT; tag++) {
        if (tag > 1)
            assert_true(strcmp(html_tag_name((enum html_tag)(tag - 1)), html_tag_name((enum html_tag)tag)) <
                        0); /* sorted */
        assert_int_equal(html_tag_find(q_string_of(html_tag_name((enum html_tag)tag))), tag);
    }
    assert_int_equal(html_tag_find(Q_STRING("BlockQuote")), HTML_TAG_blockquote);
    assert_int_equal(html_tag_find(Q_STRING("blockquotes")), HTML_TAG_OTHER);
    assert_int_equal(html_tag_find(Q_STRING("")), HTML_TAG_OTHER);
}

static void expect_decoded(const char *text, const char *wanted)
{
    struct q_buffer out = {0};
    assert_ok(html_decode(q_string_of(text), &out));
    assert_ok(q_buffer_terminate(&out));
    assert_string_equal(out.data, wanted);
    q_buffer_release(&out);
}

static void test_references(void **state)
{
    (void)state;
    expect_decoded("a &amp; b &lt;&gt; &quot;x&quot;", "a & b <> \"x\"");
    expect_decoded("&eacute;&#233;&#xE9;&#Xe9;&eacute", "\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9");
    expect_decoded("&mdash;&hellip;&euro;&zwj;", "\xE2\x80\x94\xE2\x80\xA6\xE2\x82\xAC\xE2\x80\x8D");
    expect_decoded("&mdash x &nosuch; & &; &# &#; &#x;", "&mdash x &nosuch; & &; &# &#; &#x;");
    expect_decoded("?a=1&copy=2&copy;", "?a=1&copy=2\xC2\xA9"); /* an address, not a copyright sign */
    expect_decoded("&#128;&#150;", "\xE2\x82\xAC\xE2\x80\x93"); /* what pages in Windows-1252 mean */
    expect_decoded("&#0;&#xD800;&#1114112;&#99999999999999999999;", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
    expect_decoded("&#128512;", "\xF0\x9F\x98\x80");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tags_and_text),      cmocka_unit_test(test_ends_of_the_page),
        cmocka_unit_test(test_raw_elements),       cmocka_unit_test(test_any_bytes),
        cmocka_unit_test(test_every_tag_is_found), cmocka_unit_test(test_references)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
