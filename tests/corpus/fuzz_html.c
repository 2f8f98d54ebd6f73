/* Pages that nobody wrote.
 *
 *     fuzz_html SECONDS SEED FILE...      mutates the pages, by dice: bytes changed, cut, tags and attributes put in, parts of one page put into another
 *
 * With clang -fsanitize=fuzzer the same function is libFuzzer's (-DFUZZ_LIBRARY). Every page can be read, in bounded work; what is read of UTF-8 is UTF-8; an
 * extractor that read other pages reads this one as a fresh one does; fast paths are as their twins.
 */
#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "corpus/html/html_collapse.h"
#include "corpus/html/html_extract.h"
#include "corpus/html/html_letters.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static struct html_extractor used;

static void must(bool condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "fuzz_html: %s: %s\n", what, q_error_text());
    abort();
}

static void read_as(q_string page, struct html_options options)
{
    struct html_extractor fresh = {0};
    struct html_page a, b;
    must(html_extract(&used, &options, page, &a) == Q_OK, "a used extractor fails");
    must(html_extract(&fresh, &options, page, &b) == Q_OK, "a fresh extractor fails");
    must(q_string_equal(a.text, b.text) && q_string_equal(a.title, b.title) && q_string_equal(a.date, b.date) &&
             q_string_equal(a.url, b.url) && q_string_equal(a.lang, b.lang) && a.cut == b.cut,
         "a used extractor reads otherwise");
    must(used.tree.work <= (uint64_t)HTML_WORK_MAX * page.size, "too much work");
    must(used.tree.text.size <= page.size, "more text than page");
    if (q_utf8_valid(page))
        must(q_utf8_valid(a.text) && q_utf8_valid(a.title) && q_utf8_valid(a.date), "text is not UTF-8");
    html_extractor_release(&fresh);
}

static void compare_twins(q_string text)
{
    struct q_buffer fast = {0}, plain = {0};
    struct html_letters a = html_letters(text), b = html_letters_plain(text);
    must(html_collapse(&fast, 0, text) == Q_OK && html_collapse_plain(&plain, 0, text) == Q_OK, "collapse");
    must(q_string_equal(q_buffer_string(&fast), q_buffer_string(&plain)), "collapse is not as its twin");
    must(a.letters == b.letters && a.commas == b.commas, "letters are not counted as the twin does");
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
static uint64_t state;

static size_t below(size_t bound)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return bound ? (size_t)((state * 0x2545F4914F6CDD1Dull >> 11) % bound) : 0;
}

static void put(struct q_buffer *text, size_t at, size_t over, q_string with)
{
    struct q_buffer out = {0};
    q_string all = q_buffer_string(text);
    must(q_buffer_append_string(&out, q_string_slice(all, 0, at)) == Q_OK &&
             q_buffer_append_string(&out, with) == Q_OK &&
             q_buffer_append_string(&out, q_string_slice(all, at + over, all.size)) == Q_OK,
         "memory");
    q_buffer_release(text);
    *text = out;
}

static void mutate(struct q_buffer *text, const struct q_buffer *files, size_t count)
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
                                        "<dd>"};
    size_t at = below(text->size + 1), other = below(count), from = below(files[other].size);
    const char *part = parts[below(sizeof(parts) / sizeof(parts[0]))];
    char byte = (char)below(256);
    switch (below(6)) {
    case 0:
        put(text, at, 1, (q_string){&byte, 1});
        break;
    case 1:
        put(text, at, below(2) ? below(8) : below(text->size), (q_string){"", 0});
        break;
    case 2:
        put(text, at, 0, q_string_slice(q_buffer_string(&files[other]), from, from + below(400)));
        break;
    default:
        put(text, at, below(3), q_string_of(part));
    }
}

int main(int argc, char **argv)
{
    struct q_buffer files[16] = {{0}}, text = {0};
    size_t count = argc > 3 ? (size_t)argc - 3 : 0;
    unsigned long rounds = 0;
    if (count < 1 || count > 16) {
        fprintf(stderr, "usage: fuzz_html SECONDS SEED FILE...\n");
        return 2;
    }
    for (size_t i = 0; i < count; i++)
        must(q_fs_read_file(argv[3 + i], 1 << 24, &files[i]) == Q_OK, "read");
    uint64_t seed = strtoull(argv[2], NULL, 10);
    const double end = q_seconds() + strtod(argv[1], NULL);
    for (; q_seconds() < end; rounds++) {
        state = (seed + rounds) * 0x9E3779B97F4A7C15ull + 1;
        q_buffer_clear(&text);
        must(q_buffer_append_string(&text, q_buffer_string(&files[below(count)])) == Q_OK, "memory");
        for (size_t changes = 1 + below(12); changes > 0; changes--)
            mutate(&text, files, count);
        LLVMFuzzerTestOneInput((const uint8_t *)text.data, text.size);
    }
    printf("%lu inputs\n", rounds);
    for (size_t i = 0; i < count; i++)
        q_buffer_release(&files[i]);
    q_buffer_release(&text);
    html_extractor_release(&used);
    return 0;
}
#endif
