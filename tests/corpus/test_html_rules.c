/* What is text and what is not, rule by rule, on made-up pages. */
#include "base/check.h"
#include "corpus/html/html_extract.h"
#include "tests/base/cmocka_all.h"

#include <stdio.h>
#include <string.h>

#define SENTENCE "The mill stands by the river, and its wheel turns day and night, grinding what the farmers bring. "
#define PARAGRAPH "<p>" SENTENCE SENTENCE "</p>"
#define WORDS                                                                                                          \
    SENTENCE "The mill stands by the river, and its wheel turns day and night, grinding what the farmers bring."
#define MANUAL "<meta name=Generator content='Docutils 0.19'>"

static struct html_extractor extractor;
static struct html_page page;

static const char *extract(const char *html, bool heading)
{
    static char text[1 << 14];
    const struct html_options options = {.heading = heading};
    assert_ok(html_extract(&extractor, &options, q_string_of(html), &page));
    assert_true(page.text.size < sizeof text);
    memcpy(text, page.text.data ? page.text.data : "", page.text.size);
    text[page.text.size] = 0;
    return text;
}

/* An article with `piece` between two paragraphs: what is left of the piece. */
static void expect_in(const char *before, const char *piece, const char *wanted)
{
    char html[8192], all[8192];
    (void)snprintf(html, sizeof html, "%s<article>" PARAGRAPH "%s" PARAGRAPH "</article>", before, piece);
    (void)snprintf(all, sizeof all, "%s\n\n%s%s%s", WORDS, wanted, *wanted ? "\n\n" : "", WORDS);
    const char *text = extract(html, true);
    if (strcmp(text, all) != 0)
        fail_msg("'%s' gives '%s'", piece, text);
}

static void expect(const char *piece, const char *wanted)
{
    expect_in("", piece, wanted);
}

static void test_marks_and_anchors(void **state)
{
    (void)state;
    expect("<h2>Wheel<a href='#wheel'>\xC2\xB6</a></h2><p>x", "Wheel\n\nx");
    expect("<h2>Wheel <a class=headerlink href='#wheel'>link</a></h2><p>x", "Wheel\n\nx");
    expect("<h2><a class=anchor aria-hidden=true href='#w'>w</a>Wheel</h2><p>x", "Wheel\n\nx");
    expect("<h2>Wheel <a href='#wheel'># of turns</a></h2><p>x", "Wheel # of turns\n\nx");
    expect("<h2>Wheel <a href=/c>#</a></h2><p>x", "Wheel #\n\nx"); /* leads elsewhere */
    expect("<p>x <span class=sr-only>hidden</span>y", "x y");
    expect("<p>x <span style='color: red; display : none'>hidden</span>y", "x y");
    expect("<p>x <span hidden>hidden <b>too</b></span>y", "x y");
    expect("<p>x <i class=material-icons>home</i>y", "x y");
    expect("<p>x <span hidden>never closed</p><p>y", "x\n\ny");
    expect("<p>x <span hidden><span>nested</span> more</span>y", "x y");
    expect("<dl><dt>x<span class=classifier>int</span><dd>y</dl>", "x : int\ny");
}

/* Two variants, both hidden until a script knows the system (LibreOffice's help). */
static void test_variants_for_systems(void **state)
{
    (void)state;
    expect("<p>Press <span class=switchinline><span hidden=true id=MACx class=MAC>Command</span>"
           "<span hidden=true id=defaultx>Ctrl</span></span>+F4.",
           "Press Ctrl+F4.");
    expect(
        "<div class=switch><div hidden=true id=MACx>On a Mac.</div><div hidden=true id=defaultx>Elsewhere.</div></div>",
        "Elsewhere.");
}

static void test_code(void **state)
{
    (void)state;
    expect("<table><tr><td><pre>1\n2</pre></td><td><pre>if (a)\n    b();</pre></td></tr></table>", "if (a)\n    b();");
    expect("<table><tr><td><pre>1</pre></td><td><pre>b();</pre></td></tr></table>", "b();");
    expect("<pre><span class=linenos>1 </span>a\n<span class=linenos>2 </span>  b</pre>", "a\n  b");
    expect("<pre><code><div class=line>a</div>\n<div class=line>  b</div>\n</code></pre>", "a\n  b");
    expect("<pre><ol><li>a</li><li>  b</li></ol></pre>", "a\n  b");
    expect("<div class=fragment><div class=line><span class=lineno>1</span>a\xC2\xA0= b;</div>\n"
           "<div class=line>&#160; c;</div>\n<div class=ttc><div class=ttname>tip</div></div></div>",
           "a = b;\n  c;");
    expect("<pre>1\n3</pre>", "1\n3");
    expect("<div class=highlight><button>Copy</button><div class=copybtn>Copy</div><pre>a</pre></div>", "a");
    expect("<table class=memname><tr><td>int f</td><td>(</td><td>int a</td><td>)</td></tr></table>", "int f ( int a )");
}

static void test_formulas(void **state)
{
    (void)state;
    expect("<p>So <math alttext='x^2 &lt; y'><mi>x</mi></math> holds.", "So x^2 < y holds.");
    expect("<p>So <math><semantics><mi>x</mi><annotation "
           "encoding='application/x-tex'>x_1</annotation></semantics></math> holds.",
           "So x_1 holds.");
    expect("<p>So <math><mi>x</mi><mo>=</mo><mn>1</mn></math> holds.", "So x=1 holds.");
    expect("<p>So <math><mi>x</mi><annotation encoding=other>no</annotation></math> holds.", "So x holds.");
    expect("<p>So <math><mi>x</mi><p>y <math alttext=z></math>", "So x\n\ny z"); /* never closed */
    expect("<p>So <img class=math alt='\\pi'> and <img alt='$r$'> and <img alt='a cat'>.", "So \\pi and $r$ and .");
    expect("<p>So <script type='math/tex; mode=display'>a < b</script> holds.", "So a < b holds.");
}

static void test_clutter(void **state)
{
    (void)state;
    expect("<div class=toc><p>On this page: the wheel, the river.</p></div>", "");
    expect("<nav class=breadcrumb>Home / Mills</nav>", "");
    expect("<div class=edit-this-page>Edit this page of the river.</div>", "");
    expect("<figure><img src=a><figcaption>A wheel.</figcaption></figure>", "");
    expect("<div class=caption-full>A wheel by the river.</div>", "");
    expect("<ul><li><a href=a>One</a><li><a href=b>Two</a></ul>", "");
    expect("<ul><li><a href=a>One</a> is what we call it, <li>and two that.</ul>",
           "- One is what we call it,\n- and two that.");
    expect("<p>Read more: <a href=a>how the wheel was found in the river</a></p>", "");
    expect("<h2>See also</h2><ul><li><a href=a>One</a></ul><h2>Then</h2><p>x",
           "Then\n\nx"); /* a heading with nothing left */
    expect("<h2>Part</h2><ul><li><a href=a>One</a></ul><h3>Then</h3><p>x", "Part\n\nThen\n\nx");
    expect("<h2>Part</h2><h2>Then</h2><p>x", "Part\n\nThen\n\nx"); /* nothing was taken away */
}

static void test_lines_above_the_text(void **state)
{
    (void)state;
    const char *lines =
        "<article><p>Updated 5:27 am, Wednesday, November 20, 2019</p><p>https://example.org/a/long/one</p>"
        "<p>By A. Miller</p>" PARAGRAPH "<p>At 5:27 in 2019 it was seen.</p>" PARAGRAPH "</article>";
    assert_string_equal(extract(lines, true), "By A. Miller\n\n" WORDS "\n\nAt 5:27 in 2019 it was seen.\n\n" WORDS);
}

/* The marked body: what says so by itemprop goes before a name; its pieces may stand in rows. */
static void test_marked_bodies(void **state)
{
    (void)state;
    const char *stated =
        "<div class=body-content><ul><li>" SENTENCE "<li>" SENTENCE "</ul><div itemprop=articleBody>" PARAGRAPH
        "<p>" SENTENCE SENTENCE "</p></div><p>" SENTENCE SENTENCE SENTENCE "</p></div>";
    assert_string_equal(extract(stated, true), WORDS "\n\n" WORDS);
    const char *rows = "<div class=grid><div class=article__body>" PARAGRAPH "</div></div><p>An advertisement here.</p>"
                       "<div class=grid><div class=article__body>" PARAGRAPH PARAGRAPH "</div></div>";
    assert_string_equal(extract(rows, true), WORDS "\n\n" WORDS "\n\n" WORDS);
}

static void test_sections_beside_each_other(void **state)
{
    (void)state;
    const char *html =
        "<div><ul><li><a href=a>One</a><li><a href=b>Two</a></ul><div class=descr><h2>About</h2>" PARAGRAPH "</div>"
        "<div class=func><h2>Use</h2>" PARAGRAPH PARAGRAPH PARAGRAPH PARAGRAPH PARAGRAPH PARAGRAPH "</div></div>";
    const char *wanted = "About\n\n" WORDS "\n\nUse\n\n" WORDS;
    assert_memory_equal(extract(html, true), wanted, strlen(wanted));
}

/* A list scores by its items; it is taken with the section it fills, and that with those beside it. */
static void test_lists_of_definitions(void **state)
{
    (void)state;
    const char *html =
        "<div><p><a href=a>One</a> <a href=b>Two, and what else there is</a></p><div><h2>About</h2>" PARAGRAPH "</div>"
        "<div><h2>Options</h2><dl><dt>-a<dd>" SENTENCE SENTENCE SENTENCE "<dt>-b<dd>" SENTENCE SENTENCE SENTENCE
        "<dt>-c<dd>" SENTENCE SENTENCE SENTENCE "</dl></div></div>";
    const char *wanted = "About\n\n" WORDS "\n\nOptions\n\n-a\nThe mill";
    assert_memory_equal(extract(html, true), wanted, strlen(wanted));
}

/* In a manual, all is text that is not called navigation: a section about comments, a short one, a definition; but not its foot. */
static void test_manuals(void **state)
{
    (void)state;
    const char *piece =
        "<section id=comments><h2>Comments</h2>" PARAGRAPH "</section><table><tr><td><a href=f>f</a><td>turns</table>";
    expect_in(MANUAL, piece, "Comments\n\n" WORDS "\n\nf | turns");
    expect_in(MANUAL, "<div class=footer>" SENTENCE SENTENCE "</div>", "");
    expect_in(MANUAL, "<div role=contentinfo>" SENTENCE SENTENCE "</div>", "");
    expect_in("<link rel=stylesheet href='../_static/pygments.css'>", piece, "Comments\n\n" WORDS "\n\nf | turns");
    expect_in("", piece, "f | turns"); /* elsewhere that is what readers said */
    assert_string_equal(extract(MANUAL "<p>Theme.</p><main>" PARAGRAPH "</main><p>Theme.</p>", true), WORDS);
}

static void expect_title(const char *html, const char *wanted, const char *text)
{
    (void)extract(html, true);
    if (!q_string_is(page.title, wanted) || q_string_find(page.text, q_string_of(text), 0) == SIZE_MAX)
        fail_msg("'%.*s', '%.*s'", Q_STRING_ARGS(page.title), Q_STRING_ARGS(page.text));
}

static void test_titles(void **state)
{
    (void)state;
    /* the site's name is a heading too, but a link */
    expect_title(
        "<title>Wheels - Mill 3 manual</title><h1><a href=/>Mill 3 manual</a></h1><div><h1>Wheels</h1>" PARAGRAPH
        "</div>",
        "Wheels", "Wheels\n\nThe mill");
    /* an h1 that is no link before a lower one that the title holds */
    expect_title("<title>Wheel (Mill 3)</title><h1>Class Wheel</h1><div><h3>Wheel</h3>" PARAGRAPH "</div>",
                 "Wheel (Mill 3)", "Class Wheel\n\nWheel\n\n");
    /* but not before one that holds nothing of it, outside the text */
    expect_title(
        "<title>Wheels | Mill 3 Manual</title><header><h1>Mill 3 manual</h1></header><article><h2>Wheels</h2>" PARAGRAPH
            PARAGRAPH "</article>",
        "Wheels", "Wheels\n\nThe mill");
    expect_title("<title>Wheels | Mill</title><div><h2>Wheels</h2>" PARAGRAPH "</div>", "Wheels", "Wheels\n\nThe mill");
    expect_title("<title>\n A \n title </title>" PARAGRAPH, "A title", "The mill");
    expect_title("<title></title><meta property=og:title content='B &amp; C'>" PARAGRAPH, "B & C", "The mill");
}

static int release(void **state)
{
    (void)state;
    html_extractor_release(&extractor);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_marks_and_anchors),
                                       cmocka_unit_test(test_variants_for_systems),
                                       cmocka_unit_test(test_code),
                                       cmocka_unit_test(test_formulas),
                                       cmocka_unit_test(test_clutter),
                                       cmocka_unit_test(test_lines_above_the_text),
                                       cmocka_unit_test(test_marked_bodies),
                                       cmocka_unit_test(test_sections_beside_each_other),
                                       cmocka_unit_test(test_lists_of_definitions),
                                       cmocka_unit_test(test_manuals),
                                       cmocka_unit_test(test_titles)};
    return cmocka_run_group_tests(tests, NULL, release);
}
