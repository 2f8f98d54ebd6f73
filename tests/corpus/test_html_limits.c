/* Pages made to cost: work in bytes scanned, memory in nodes and text, for any page and twice its size. And that nothing depends on what was read before. */
#include "base/check.h"
#include "base/json.h"
#include "corpus/html/html_extract.h"
#include "tests/base/cmocka_all.h"

#include <string.h>

static struct html_extractor extractor;
static struct html_page page;

static const struct html_options article = {.scope = HTML_SCOPE_ARTICLE, .heading = true, .markdown = true};

/* `head`, then `piece` until there are `size` bytes, then `tail`. */
static char *make(const char *head, const char *piece, const char *tail, size_t size, size_t *out_size)
{
    size_t before = strlen(head), length = strlen(piece), times = size / length;
    char *bytes;
    assert_ok(q_alloc(before + times * length + strlen(tail) + 1, 1, &bytes));
    memcpy(bytes, head, before);
    for (size_t i = 0; i < times; i++)
        memcpy(bytes + before + i * length, piece, length);
    memcpy(bytes + before + times * length, tail, strlen(tail));
    *out_size = before + times * length + strlen(tail);
    return bytes;
}

static void read_page(const char *bytes, size_t size)
{
    assert_ok(html_extract(&extractor, &article, (q_string){bytes, size}, &page));
    assert_true(extractor.tree.work <= (uint64_t)HTML_WORK_MAX * size);
    assert_true(extractor.tree.text.size <= size);
    assert_true(extractor.tree.count <= HTML_NODES_MAX + 1);
    assert_true(page.text.size <= 20 * size + 1000); /* marks and indents: at most a few bytes for each of the page's */
}

static void test_pages_made_to_cost(void **state)
{
    (void)state;
    const struct {
        const char *head, *piece, *tail;
    } pages[] = {
        {"", "<div>", "text"},
        {"", "<div>x", ""},
        {"", "<p>", ""},
        {"", "</p>", ""},
        {"", "</div>", ""},
        {"<div", " a=b", ">text"},
        {"<div", " class=x", ">text"},
        {"<div class='", "a-", "'>text"},
        {"<b", " a='", "'>text"},
        {"", "<", ""},
        {"", "<!", ""},
        {"", "</", ""},
        {"", "<!--", ""},
        {"", "<!-->", ""},
        {"<!--", "->", "text"},
        {"<!--", "--!>", "text"},
        {"", "<?", ""},
        {"", "<script>", ""},
        {"<script>", "</", ""},
        {"<script>", "</scrip", ""},
        {"<style>", "<", ""},
        {"<title>", "x ", "</title>"},
        {"<title>abcdefghijklmnop</title>", "<h1>ijk</h1>", ""},
        {"", "<textarea>", ""},
        {"", "<svg>", "text"},
        {"", "<svg><button>", "text"},
        {"", "<button>x", "text"},
        {"", "<math>", "text"},
        {"", "<math><script>", "text"},
        {"", "<math><annotation encoding=tex>", "text"},
        {"", "<span hidden>", "text"},
        {"", "<span hidden><p ", ">text"},
        {"", "<a href='#'>#</a>", "text"},
        {"", "<a href='#'>", "text"},
        {"", "&", ""},
        {"", "&amp", ""},
        {"", "&#", ""},
        {"", "&#0", ""},
        {"&#", "0", ";"},
        {"", "&#x10FFFF;", ""},
        {"", "&NotAName", ""},
        {"", "&nbsp;", "x"},
        {"<pre>", "\xC2\xA0", "x</pre>"},
        {"<pre>", "&#160;", "x</pre>"},
        {"<pre>", "1\n", "</pre>"},
        {"<pre>", "`", "</pre>"},
        {"<pre>", "<div>", "x</pre>"},
        {"<div class='language-x'>", "<pre>x</pre>", ""},
        {"", "<pre>", "x"},
        {"<ol>", "<li>a<ol><li>x</ol>", "</ol>"},
        {"<ol>", "<li><ol><li>x</ol>y", "</ol>"},
        {"<ol>", "<li>", "x</ol>"},
        {"", "<ol><li>", "x"},
        {"", "<ol><li>x", ""},
        {"", "<dl><dd>x", ""},
        {"", "<table><tr><td>", "x"},
        {"", "<table><tr><td>x", ""},
        {"<table>", "<tr><td>x", "</table>"},
        {"<table><tr><td>", "<div></div><table><tr><td>x<td>y</table>", "</table>"},
        {"<table>", "<td>x", "</table>"},
        {"<table class=memname>", "<tr><td>x", "</table>"},
        {"<article>", "<p><a href=x>long enough for a link, it is</a></p>", "</article>"},
        {"", "<div class=article-body>x</div>", ""},
        {"", "<h2>x</h2><nav>y</nav>", ""},
        {"", "\xE3\x81\x82", ""},
        {"", "\xC2", ""},
        {"<script type='application/ld+json'>", "\"datePublished\"", "</script>"},
        {"", "<meta name=date content=x>", ""},
    };
    for (size_t i = 0; i < Q_COUNT_OF(pages); i++) {
        uint64_t work = 0;
        for (size_t bytes = 1 << 18; bytes <= 1 << 19; bytes *= 2) {
            size_t size;
            char *made = make(pages[i].head, pages[i].piece, pages[i].tail, bytes, &size);
            read_page(made, size);
            if (work && extractor.tree.work > 2 * work + 4096)
                fail_msg("'%s': twice the page is more than twice the work", pages[i].piece);
            work = extractor.tree.work;
            q_release(made);
        }
    }
}

static void test_sizes_out_of_the_ordinary(void **state)
{
    (void)state;
    size_t size;
    char *nested = make("", "<section><ul><li>", "deep", 100000 * 17, &size);
    read_page(nested, size);
    assert_true(page.cut);
    q_release(nested);
    char *attributes = make("<div", " a=1", " class=x>text</div>", 1000000 * 4, &size);
    read_page(attributes, size);
    assert_true(q_string_is(page.text, "text"));
    q_release(attributes);
    char *less = make("", "<", "", 64 << 20, &size);
    read_page(less, size);
    assert_int_equal(page.text.size, size);
    q_release(less);
    char *comment = make("text<!--", "-", "<p>more", 1 << 20, &size);
    read_page(comment, size);
    assert_true(q_string_is(page.text, "text"));
    q_release(comment);
    char *nodes = make("", "<p>a", "", ((size_t)HTML_NODES_MAX / 2 + 1000) * 4, &size);
    read_page(nodes, size);
    assert_true(page.cut);
    q_release(nodes);
}

/* An unclosed element to skip loses its tag only, also behind many of them. */
static void test_unclosed_elements(void **state)
{
    (void)state;
    size_t size;
    char *svgs = make("", "<p>a<svg>", "<p>last", 9 * 30, &size);
    read_page(svgs, size);
    assert_true(q_string_ends(page.text, "a\n\nlast"));
    q_release(svgs);
}

/* The same bytes from an extractor that has read other pages, in steady state without an allocation. */
static void test_used_again(void **state)
{
    (void)state;
    const char *html =
        "<title>T</title><article><h1>T</h1><p>The mill, by the river.</p><table><tr><td>a<td>b<tr><td>c<td>d"
        "</table><pre><code class=language-c>x</code></pre><ol><li>a<ol><li>b</ol></ol></article>";
    const char *between = "<table><tr><td>other<td>page</table><pre>\n\n</pre><time datetime=2026-01-01>";
    struct html_extractor fresh = {0};
    struct q_buffer first = {0};
    assert_ok(html_extract(&fresh, &article, q_string_of(html), &page));
    assert_ok(q_buffer_append_string(&first, page.text));
    assert_ok(html_extract(&fresh, &article, q_string_of(between), &page));
    (void)q_memory_fail_at(0, 0);
    assert_ok(html_extract(&fresh, &article, q_string_of(html), &page));
    assert_int_equal(q_memory_fail_at(0, 0), 0);
    assert_true(q_string_equal(page.text, q_buffer_string(&first)));
    assert_int_equal(page.date.size, 0);
    html_extractor_release(&fresh);
    q_buffer_release(&first);
}

/* Random tag soup: no failure, text that is UTF-8 where the page is, bounded work. */
static void test_tag_soup(void **state)
{
    (void)state;
    static const char *const pieces[] = {"<div>",
                                         "</div>",
                                         "<p>",
                                         "<ul>",
                                         "<li>",
                                         "</ul>",
                                         "<ol>",
                                         "<table>",
                                         "<tr>",
                                         "<td>",
                                         "</table>",
                                         "<pre>",
                                         "</pre>",
                                         "<code class=language-c>",
                                         "<h1>",
                                         "</h1>",
                                         "<h2>x",
                                         "<a href='#x'>",
                                         "</a>",
                                         "\xC2\xB6",
                                         "<span hidden>",
                                         "</span>",
                                         "<math>",
                                         "</math>",
                                         "<script>",
                                         "</script>",
                                         "<title>",
                                         "</title>",
                                         "<svg>",
                                         "</svg>",
                                         "<dl>",
                                         "<dt>",
                                         "<dd>",
                                         "text, ",
                                         "more words to read, and more of them than a short line has, by the river. ",
                                         "\xE4\xB8\xAD\xE3\x80\x82",
                                         "&nbsp;",
                                         "&lt;",
                                         "\xC2\xA0",
                                         "\n",
                                         "  ",
                                         "<br>",
                                         "<nav>",
                                         "</nav>",
                                         "<article>",
                                         "<div class=article-body>",
                                         "<div class=fragment>",
                                         "<table class=memname>",
                                         "<!--",
                                         "-->",
                                         "<",
                                         "1\n2\n",
                                         "```",
                                         "|",
                                         "<img class=math alt=x>",
                                         "<meta name=generator content=Sphinx>"};
    uint64_t dice = 19;
    for (unsigned round = 0; round < 20000; round++) {
        char soup[2048];
        size_t size = 0;
        for (size_t count = dice_roll(&dice) % 60; count > 0; count--) {
            const char *piece = pieces[dice_roll(&dice) % Q_COUNT_OF(pieces)];
            if (size + strlen(piece) > sizeof soup)
                break;
            memcpy(soup + size, piece, strlen(piece));
            size += strlen(piece);
        }
        const struct html_options options = {.scope = round % 2 ? HTML_SCOPE_ALL : HTML_SCOPE_ARTICLE,
                                             .markdown = round % 3 == 0,
                                             .heading = round % 5 != 0};
        assert_ok(html_extract(&extractor, &options, (q_string){soup, size}, &page));
        assert_true(q_utf8_valid(page.text) && q_utf8_valid(page.title));
        assert_true(extractor.tree.work <= (uint64_t)HTML_WORK_MAX * size);
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
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pages_made_to_cost), cmocka_unit_test(test_sizes_out_of_the_ordinary),
        cmocka_unit_test(test_unclosed_elements), cmocka_unit_test(test_used_again), cmocka_unit_test(test_tag_soup)};
    return cmocka_run_group_tests(tests, NULL, release);
}
