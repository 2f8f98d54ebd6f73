/* From a page to its text: trees, the choice of the main text, the writing of it, limits. */
#include "base/check.h"
#include "corpus/html/html_extract.h"
#include "corpus/html/html_hints.h"
#include "tests/base/cmocka_all.h"

#include <stdio.h>
#include <string.h>

#define SENTENCE "The mill stands by the river, and its wheel turns day and night, grinding what the farmers bring. "

static struct html_extractor extractor;
static struct html_page page;

static const char *extract(const char *html, struct html_options options)
{
    static char text[1 << 16];
    assert_ok(html_extract(&extractor, &options, q_string_of(html), &page));
    assert_true(page.text.size < sizeof text);
    memcpy(text, page.text.data ? page.text.data : "", page.text.size);
    text[page.text.size] = 0;
    return text;
}

static const char *all_of(const char *html)
{
    return extract(html, (struct html_options){.scope = HTML_SCOPE_ALL, .heading = true});
}

static void test_text_of_blocks(void **state)
{
    (void)state;
    assert_string_equal(all_of("<p>One <b>two</b>\n  three<p>four"), "One two three\n\nfour");
    assert_string_equal(all_of("<div>a<div>b</div>c</div>"), "a\n\nb\n\nc");
    assert_string_equal(all_of("a<br>b<br><br>c"), "a\nb\n\nc");
    assert_string_equal(all_of("<p>x&nbsp;&nbsp; y&amp;z&#10;q</p>"), "x y&z q");
    assert_string_equal(all_of("<h1>T</h1><p>a<script>no</script>b<style>no</style><!-- no -->c"), "T\n\nabc");
    assert_string_equal(all_of("<p>a<p hidden>b<p style='display:none'>c<p aria-hidden=true>d<p>e"), "a\n\ne");
    assert_string_equal(all_of(""), "");
    assert_string_equal(all_of("   \n "), "");
    assert_string_equal(all_of("just text"), "just text");
}

static void test_lists_tables_pre(void **state)
{
    (void)state;
    assert_string_equal(all_of("<p>l:<ul><li>a<li>b<ul><li>c</ul><li>d</ul>"), "l:\n\n- a\n- b\n  - c\n- d");
    assert_string_equal(all_of("<ol><li>a<li>b<p>more<li>c</ol>"), "1. a\n2. b\n\nmore\n3. c");
    assert_string_equal(all_of("<table><tr><th>n<th>m<tr><td>1<td>2<tr><td><p>3</p><td>4</table>"),
                        "n | m\n1 | 2\n3 | 4");
    assert_string_equal(all_of("<dl><dt>t<dd>d<dt>u<dd>e</dl>"), "t\nd\n\nu\ne");
    assert_string_equal(all_of("<pre>\n  a &lt;\n\n\tb  c</pre>x"), "  a <\n\n\tb  c\n\nx");
    assert_string_equal(extract("<h2>H</h2><pre>c</pre>",
                                (struct html_options){.scope = HTML_SCOPE_ALL, .markdown = true, .heading = true}),
                        "## H\n\n```\nc\n```");
}

/* An article among what pages put around it. */
#define BEFORE                                                                                                         \
    "<html lang='en-GB'><head><title>The Mill - Valley News</title>"                                                   \
    "<link rel=canonical href='https://news.example/mill'><meta property='article:published_time' "                    \
    "content='2026-01-02'></head><body>"                                                                               \
    "<nav><a href=/>Home</a> <a href=/a>About us, and everything else that one may want to know about us</a></nav>"    \
    "<div class='cookie-banner'>We use cookies, as everybody does, to make this page better for you and for us.</div>"
#define AFTER                                                                                                          \
    "<div class='related-posts'><h3>More</h3><ul><li><a href=/1>Another story that is not this one</a></ul></div>"     \
    "<div id='comments'><p>I was there too, said a reader, and it was not like that at all, not in the "               \
    "least.</p></div>"                                                                                                 \
    "<footer>Copyright of the newspaper, all rights reserved, do not copy any of it.</footer></body></html>"

static void test_main_text_of_an_article(void **state)
{
    (void)state;
    const char *bodies[] = {
        "<div class='article-body'><p>" SENTENCE SENTENCE "</p><p>" SENTENCE SENTENCE
        "</p></div>", /* named by its author */
        "<article><h1>The Mill</h1><p>" SENTENCE SENTENCE "</p><p>" SENTENCE SENTENCE "</p></article>", /* by its tag */
        "<div><div><p>" SENTENCE SENTENCE "</p><p>" SENTENCE SENTENCE "</p></div></div>", /* by its text alone */
        "<table><tr><td>" SENTENCE SENTENCE "<br><br>" SENTENCE SENTENCE
        "</td></tr></table>", /* as in the last century */
    };
    const char *wanted = SENTENCE SENTENCE;
    for (size_t i = 0; i < Q_COUNT_OF(bodies); i++) {
        char html[8192];
        snprintf(html, sizeof html, "%s%s%s", BEFORE, bodies[i], AFTER);
        const char *text = extract(html, (struct html_options){.scope = HTML_SCOPE_ARTICLE});
        size_t size = strlen(wanted) - 1; /* the last space goes */
        assert_int_equal(strlen(text), 2 * size + 2);
        assert_memory_equal(text, wanted, size);
        assert_memory_equal(text + size, "\n\n", 2);
        assert_memory_equal(text + size + 2, wanted, size);
        assert_true(q_string_is(page.lang, "en-GB"));
        assert_true(q_string_is(page.url, "https://news.example/mill"));
        assert_true(q_string_is(page.date, "2026-01-02"));
        assert_true(q_string_is(page.title, i == 1 ? "The Mill" : "The Mill - Valley News"));
    }
}

/* A page of a manual: sections beside each other, a box of text that its makers call a sidebar, navigation around. */
static void test_manuals_keep_their_sections(void **state)
{
    (void)state;
    const char *html =
        "<html><head><title>2.1. The wheel</title><meta name=generator content='DocBook XSL'></head><body>"
        "<div class=navheader><a href=a>Prev</a> <a href=b>Next</a></div><div class=sect1><div "
        "class=titlepage><h2>2.1. The wheel</h2></div>"
        "<p>" SENTENCE "</p><dl><dt>Hub</dt><dd>" SENTENCE "</dd></dl>"
        "<div class=sidebar><p>" SENTENCE SENTENCE "</p></div>"
        "<div class=sect2><h3>Spokes</h3><p>" SENTENCE SENTENCE "</p><p>" SENTENCE SENTENCE
        "</p></div></div></body></html>";
    const char *text = extract(html, (struct html_options){.heading = true});
    assert_memory_equal(text, "2.1. The wheel\n\nThe mill", 24);
    assert_non_null(strstr(text, "Hub\nThe mill"));
    assert_non_null(strstr(text, "\n\nSpokes\n\n"));
    assert_null(strstr(text, "Next"));
    size_t sentences = 0;
    for (const char *at = text; (at = strstr(at, "The mill stands")); at++)
        sentences++;
    assert_int_equal(sentences, 8);
}

static void test_hints(void **state)
{
    (void)state;
    assert_int_equal(html_hints(Q_STRING("article-body")),
                     HTML_HINT_BODY | HTML_HINT_GOOD); /* and "body" alone is good */
    assert_int_equal(html_hints(Q_STRING("story__text")), HTML_HINT_BODY | HTML_HINT_GOOD);
    assert_int_equal(html_hints(Q_STRING("entryContent wide")), HTML_HINT_BODY | HTML_HINT_GOOD);
    assert_int_equal(html_hints(Q_STRING("main")), HTML_HINT_GOOD);
    assert_int_equal(html_hints(Q_STRING("ad-slot ads")), HTML_HINT_BAD);
    assert_int_equal(html_hints(Q_STRING("header-shadow badge-lead")),
                     0); /* "ad" is a word here and in nothing longer */
    assert_int_equal(html_hints(Q_STRING("social-share")), HTML_HINT_BAD);
    assert_int_equal(html_hints(Q_STRING("")), 0);
    char longest[4096];
    memset(longest, 'x', sizeof longest);
    assert_int_equal(html_hints((q_string){longest, sizeof longest}), 0);
}

static char *repeat(const char *piece, size_t times, size_t *size)
{
    size_t length = strlen(piece);
    char *bytes;
    assert_ok(q_alloc(times * length + 1, 1, &bytes));
    for (size_t i = 0; i < times; i++)
        memcpy(bytes + i * length, piece, length);
    *size = times * length;
    return bytes;
}

/* Hostile pages: what matters is that they end soon, with bounded memory, and that text is not lost to a missing tag. */
static void test_hostile_pages(void **state)
{
    (void)state;
    const char *pieces[] = {"<div>",      "<p>",        "</p>",     "<ul><li>", "<table><tr><td>",
                            "<a href=x>", "<svg>",      "<button>", "<script>", "<!--",
                            "<",          "&",          "&#x",      "<b>x",     "<ol><li>x</ol>",
                            "<li>x",      "<h1>x</h1>", "</div>",   "<td>x",    "\xE3\x81\x82"};
    const struct html_options options = {.scope = HTML_SCOPE_ARTICLE, .heading = true};
    for (size_t i = 0; i < Q_COUNT_OF(pieces); i++) {
        size_t size;
        char *bytes = repeat(pieces[i], 100000, &size);
        assert_ok(html_extract(&extractor, &options, (q_string){bytes, size}, &page));
        assert_true(page.text.size <= size * 3);
        q_release(bytes);
    }
    /* deeper than is kept: read as if the deeper blocks were not there */
    size_t size;
    char *deep = repeat("<div>x", 1000, &size);
    assert_ok(html_extract(&extractor, &(struct html_options){.scope = HTML_SCOPE_ALL}, (q_string){deep, size}, &page));
    assert_true(page.cut);
    size_t letters = 0;
    for (size_t i = 0; i < page.text.size; i++)
        letters += page.text.data[i] == 'x';
    assert_int_equal(letters, 1000);
    q_release(deep);
    assert_string_equal(all_of("<p>before<button>never closed<p>after"), "beforenever closed\n\nafter");
}

/* Every cut of a page, and a page with any byte changed, gives a text and no error. */
static void test_cut_and_changed_pages(void **state)
{
    (void)state;
    char html[8192];
    snprintf(html, sizeof html, "%s<article><h1>The Mill</h1><p>%s</p><ul><li>a<li>b</ul><pre>x\ny</pre></article>%s",
             BEFORE, SENTENCE SENTENCE, AFTER);
    const struct html_options options = {.scope = HTML_SCOPE_ARTICLE, .heading = true};
    size_t size = strlen(html);
    for (size_t cut = 0; cut <= size; cut++)
        assert_ok(html_extract(&extractor, &options, (q_string){html, cut}, &page));
    uint64_t dice = 3;
    for (unsigned round = 0; round < 5000; round++) {
        char changed[8192];
        memcpy(changed, html, size);
        changed[dice_roll(&dice) % size] = "<>/\"'&;= \0\xFF"[dice_roll(&dice) % 11];
        assert_ok(html_extract(&extractor, &options, (q_string){changed, size}, &page));
        assert_true(page.text.size <= size);
    }
}

/* An allocation that fails is a status, nothing leaks, and the extractor can be used again. */
static void test_failing_memory(void **state)
{
    (void)state;
    const char *html =
        BEFORE "<article><h1>The Mill</h1><p>" SENTENCE SENTENCE "</p><ol><li>a</ol><pre class=language-c>x</pre>"
               "<table><tr><td>a<td>b<tr><td>c<td>d</table></article>" AFTER;
    const struct html_options options = {.heading = true, .markdown = true};
    for (uint64_t k = 1;; k++) {
        struct html_extractor fresh = {0};
        q_memory_fail_at(k, 0);
        q_status status = html_extract(&fresh, &options, q_string_of(html), &page);
        q_memory_fail_at(0, 0);
        if (status == Q_OK) {
            html_extractor_release(&fresh);
            assert_true(k > 5);
            break;
        }
        assert_int_equal(status, Q_ERR_MEMORY);
        assert_ok(html_extract(&fresh, &options, q_string_of(html), &page));
        html_extractor_release(&fresh);
    }
}

static int release(void **state)
{
    (void)state;
    html_extractor_release(&extractor);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_text_of_blocks),
                                       cmocka_unit_test(test_lists_tables_pre),
                                       cmocka_unit_test(test_main_text_of_an_article),
                                       cmocka_unit_test(test_manuals_keep_their_sections),
                                       cmocka_unit_test(test_hints),
                                       cmocka_unit_test(test_hostile_pages),
                                       cmocka_unit_test(test_cut_and_changed_pages),
                                       cmocka_unit_test(test_failing_memory)};
    return cmocka_run_group_tests(tests, NULL, release);
}
