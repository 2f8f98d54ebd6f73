/* Pages that nobody wrote. Every page can be read, in bounded work; what is read of UTF-8 is UTF-8; an extractor that read other pages reads this one as a fresh one
 * does; fast paths are as their twins.
 */
#include "base/json.h"
#include "corpus/html/html_collapse.h"
#include "corpus/html/html_extract.h"
#include "corpus/html/html_letters.h"
#include "tests/base/fuzz.h"

static struct html_extractor used;

static void read_as(q_string page, struct html_options options)
{
    struct html_extractor fresh = {0};
    struct html_page a, b;
    fuzz_must(html_extract(&used, &options, page, &a) == Q_OK, "a used extractor fails");
    fuzz_must(html_extract(&fresh, &options, page, &b) == Q_OK, "a fresh extractor fails");
    fuzz_must(q_string_equal(a.text, b.text) && q_string_equal(a.title, b.title) && q_string_equal(a.date, b.date) &&
                  q_string_equal(a.url, b.url) && q_string_equal(a.lang, b.lang) && a.cut == b.cut,
              "a used extractor reads otherwise");
    fuzz_must(used.tree.work <= (uint64_t)HTML_WORK_MAX * page.size, "too much work");
    fuzz_must(used.tree.text.size <= page.size, "more text than page");
    if (q_utf8_valid(page))
        fuzz_must(q_utf8_valid(a.text) && q_utf8_valid(a.title) && q_utf8_valid(a.date), "text is not UTF-8");
    html_extractor_release(&fresh);
}

static void compare_twins(q_string text)
{
    struct q_buffer fast = {0}, plain = {0};
    struct html_letters a = html_letters(text), b = html_letters_plain(text);
    fuzz_must(html_collapse(&fast, 0, text) == Q_OK && html_collapse_plain(&plain, 0, text) == Q_OK, "collapse");
    fuzz_must(q_string_equal(q_buffer_string(&fast), q_buffer_string(&plain)), "collapse is not as its twin");
    fuzz_must(a.letters == b.letters && a.commas == b.commas, "letters are not counted as the twin does");
    q_buffer_release(&fast);
    q_buffer_release(&plain);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    q_string page = {(const char *)bytes, size};
    read_as(page, (struct html_options){.scope = HTML_SCOPE_ARTICLE, .markdown = true, .heading = true});
    read_as(page, (struct html_options){.scope = HTML_SCOPE_ARTICLE});
    read_as(page, (struct html_options){.scope = HTML_SCOPE_ALL, .heading = true});
    compare_twins(page);
    return 0;
}

#ifndef FUZZ_LIBRARY
int main(int argc, char **argv)
{
    static const char *const parts[] = {"<",
                                        ">",
                                        "</",
                                        "\"",
                                        "'",
                                        "=",
                                        "/>",
                                        "&",
                                        ";",
                                        "&#",
                                        "&nbsp;",
                                        "<!--",
                                        "-->",
                                        "<pre>",
                                        "</pre>",
                                        "<table>",
                                        "<tr>",
                                        "<td>",
                                        "</table>",
                                        "<ol>",
                                        "<li>",
                                        "</ol>",
                                        "<div>",
                                        "</div>",
                                        "<p>",
                                        "<h1>",
                                        "<script>",
                                        "</script>",
                                        "<svg>",
                                        "<math>",
                                        "<title>",
                                        "<a href='#'>",
                                        "</a>",
                                        "<span hidden>",
                                        "</span>",
                                        " class=",
                                        " hidden",
                                        "\xC2\xA0",
                                        "\xC2",
                                        "\xFF",
                                        "\n",
                                        " ",
                                        "1\n2\n",
                                        "```",
                                        "<table class=memname>",
                                        "<div class=fragment>",
                                        "<code class=language-c>",
                                        "<nav>",
                                        "</nav>",
                                        "<br>",
                                        "<?xml ?>",
                                        "<math alttext=x>",
                                        "<annotation encoding='application/x-tex'>",
                                        "<meta name=generator content=Sphinx>",
                                        "<main>",
                                        "<dl><dt>",
                                        "<dd>",
                                        NULL};
    return fuzz_main(argc, argv, parts);
}
#endif
