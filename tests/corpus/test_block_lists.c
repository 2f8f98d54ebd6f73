/* Block lists: URLs cut, every kind of list, the family in the way of a document, and in the identity of a build. */
#include "base/check.h"
#include "corpus/corpus_document.h"
#include "corpus/corpus_plan.h"
#include "tests/base/cmocka_all.h"
#include "tests/base/scratch.h"
#include "tests/corpus/plan_key.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void write(const char *path, const char *text)
{
    scratch_write(path, text, strlen(text));
}

/* --- URLs -------------------------------------------------------------------------------------------------------------------------- */

static void test_urls_are_cut(void **state)
{
    (void)state;
    static const struct {
        const char *url, *host, *whole, *name;
    } cases[] = {
        {"https://user:pw@WWW.Example.org:8080/A/?b=C#d", "www.example.org", "www.example.org:8080/A/?b=C",
         "www.example.org:8080/A/?b=C"},
        {"http://example.org", "example.org", "example.org", "example.org"},
        {" //example.org./a// ", "example.org", "example.org/a//", "example.org/a"},
        {"example.org/a", "example.org", "example.org/a", "example.org/a"},
        {"https://[2001:DB8::1]:80/", "[2001:db8::1]", "[2001:db8::1]:80/", "[2001:db8::1]:80"},
        {"https://a.org?x=http://b.org/@c", "a.org", "a.org?x=http://b.org/@c", "a.org?x=http://b.org/@c"},
        {"mailto:a@b.org", "b.org", "b.org", "b.org"},
        {"#top", "", "", ""},
        {"", "", "", ""},
        {"://", "", "://", ":"},
    };
    static struct corpus_url url;
    for (size_t i = 0; i < Q_COUNT_OF(cases); i++) {
        corpus_url_cut(q_string_of(cases[i].url), &url);
        if (!q_string_is(url.host, cases[i].host) || !q_string_is(url.whole, cases[i].whole) ||
            !q_string_is(url.name, cases[i].name))
            fail_msg("'%s' is cut into '%.*s', '%.*s', '%.*s'", cases[i].url, Q_STRING_ARGS(url.host),
                     Q_STRING_ARGS(url.whole), Q_STRING_ARGS(url.name));
    }
    static char large[3 * CORPUS_URL_BYTES_MAX]; /* a host of nothing but labels */
    for (size_t i = 0; i < sizeof large; i++)
        large[i] = i % 2 ? '.' : 'a';
    corpus_url_cut((q_string){large, sizeof large}, &url);
    assert_int_equal(url.host.size, CORPUS_HOST_BYTES_MAX);
    assert_true(url.whole.size < CORPUS_URL_BYTES_MAX);
}

/* --- lists ------------------------------------------------------------------------------------------------------------------------- */

static struct corpus_block_list *list_of(enum corpus_list_kind kind, const char *text)
{
    struct corpus_block_list *list;
    assert_ok(corpus_block_list_create(kind, &list));
    assert_ok(corpus_block_list_add(list, "list", q_string_of(text)));
    assert_ok(corpus_block_list_finish(list));
    return list;
}

static void expect_summary(const struct corpus_block_list *list, uint64_t entries, uint64_t duplicates,
                           uint64_t useless, uint64_t line)
{
    const struct corpus_block_list_summary s = corpus_block_list_summary(list);
    assert_int_equal(s.entries, entries);
    assert_int_equal(s.duplicates, duplicates);
    assert_int_equal(s.useless, useless);
    assert_int_equal(s.useless_line, line);
}

static struct corpus_url *cut(const char *url)
{
    static struct corpus_url out;
    corpus_url_cut(q_string_of(url), &out);
    return &out;
}

static void test_domains(void **state)
{
    (void)state;
    struct corpus_block_list *list =
        list_of(CORPUS_LIST_DOMAINS, "\xEF\xBB\xBF# one\n\nExample.org\r\n  deep.example.net \nexample.org.\n"
                                     "https://a.org/\n*.b.org\n.c.org\na..b\nlocalhost");
    expect_summary(list, 3, 1, 4, 6);
    assert_true(corpus_block_list_has_domain(list, cut("https://example.org/x")));
    assert_true(corpus_block_list_has_domain(list, cut("https://a.b.EXAMPLE.org:80")));
    assert_true(corpus_block_list_has_domain(list, cut("http://deep.example.net")));
    assert_true(corpus_block_list_has_domain(list, cut("http://localhost/")));
    assert_false(corpus_block_list_has_domain(list, cut("https://notexample.org/")));
    assert_false(corpus_block_list_has_domain(list, cut("https://example.org.uk/example.org")));
    assert_false(corpus_block_list_has_domain(list, cut("http://example.net")));
    assert_false(corpus_block_list_has_domain(list, cut("http://org")));
    corpus_block_list_release(list);
}

/* More domains than the first table has room for: all are found, and no others. */
static void test_many_domains(void **state)
{
    (void)state;
    enum { DOMAINS = 100000 };
    struct q_buffer text = {0};
    char url[64];
    for (unsigned i = 0; i < DOMAINS; i++)
        assert_ok(q_buffer_printf(&text, "d%u.org\n", i * 2));
    struct corpus_block_list *list;
    assert_ok(corpus_block_list_create(CORPUS_LIST_DOMAINS, &list));
    assert_ok(corpus_block_list_add(list, "list", q_buffer_string(&text)));
    assert_ok(corpus_block_list_finish(list));
    expect_summary(list, DOMAINS, 0, 0, 0);
    for (unsigned i = 0; i < 2 * DOMAINS; i++) {
        snprintf(url, sizeof url, "https://x.d%u.org/", i);
        assert_int_equal(corpus_block_list_has_domain(list, cut(url)), i % 2 == 0);
    }
    corpus_block_list_release(list);
    q_buffer_release(&text);
}

static void test_urls(void **state)
{
    (void)state;
    struct corpus_block_list *list =
        list_of(CORPUS_LIST_URLS, "https://a.org/x/\na.org/x\nb.org/forum/*\nb.org/forum/old*\nc.*\n*\n#\nd.org/p*q\n"
                                  "b.org/f*\nb.org/f1");
    expect_summary(list, 5, 3, 1, 6);
    assert_true(corpus_block_list_has_url(list, cut("http://A.org/x")));
    assert_true(corpus_block_list_has_url(list, cut("http://a.org/x/#top")));
    assert_false(corpus_block_list_has_url(list, cut("http://a.org/X")));
    assert_false(corpus_block_list_has_url(list, cut("http://a.org/x/y")));
    assert_true(corpus_block_list_has_url(list, cut("http://b.org/forum/new")));
    assert_true(corpus_block_list_has_url(list, cut("http://b.org/f")));
    assert_false(corpus_block_list_has_url(list, cut("http://b.org/e")));
    assert_false(corpus_block_list_has_url(list, cut("http://b.org/g")));
    assert_true(corpus_block_list_has_url(list, cut("http://c.net")));
    assert_false(corpus_block_list_has_url(list, cut("http://cc.net")));
    assert_true(corpus_block_list_has_url(list, cut("http://d.org/p*q")));
    corpus_block_list_release(list);
    list = list_of(CORPUS_LIST_URLS, "b.org/forum/*");
    assert_true(corpus_block_list_has_url(list, cut("http://b.org/forum/")));
    assert_false(corpus_block_list_has_url(list, cut("http://b.org/forum")));
    corpus_block_list_release(list);
}

static void test_words_of_urls(void **state)
{
    (void)state;
    struct corpus_block_list *list = list_of(CORPUS_LIST_URL_WORDS, "Bad\nworse\nsub-word\n\xC3\xA4\n");
    expect_summary(list, 3, 0, 1, 4);
    assert_int_equal(corpus_block_list_url_words(list, cut("http://bad.org/bad/BAD")), 1);
    assert_int_equal(corpus_block_list_url_words(list, cut("http://a.org/bad_worse?x=subword")), 3);
    assert_int_equal(corpus_block_list_url_words(list, cut("http://badly.org/sub-word")), 0);
    corpus_block_list_release(list);
    list = list_of(CORPUS_LIST_URL_SUBSTRINGS, "banned sub-word\n--\nfree\n");
    expect_summary(list, 2, 0, 1, 2);
    assert_int_equal(corpus_block_list_url_substrings(list, cut("http://foobann.edsub-wo.rdbar.com/any/Free")), 2);
    assert_int_equal(corpus_block_list_url_substrings(list, cut("http://bannedsub.org/w")), 0);
    corpus_block_list_release(list);
}

/* Words in any number: as many as there are different ones are counted, up to the bound. */
static void test_many_words_of_urls(void **state)
{
    (void)state;
    struct q_buffer entries = {0}, url = {0};
    for (unsigned i = 0; i < 100; i++) {
        assert_ok(q_buffer_printf(&entries, "w%u\n", i));
        assert_ok(q_buffer_printf(&url, "/w%u/w%u", i, i / 2));
    }
    assert_ok(q_buffer_terminate(&entries));
    assert_ok(q_buffer_terminate(&url));
    struct corpus_block_list *list = list_of(CORPUS_LIST_URL_WORDS, entries.data);
    assert_int_equal(corpus_block_list_url_words(list, cut(url.data)), CORPUS_URL_WORDS_MAX);
    corpus_block_list_release(list);
    q_buffer_release(&entries);
    q_buffer_release(&url);
}

static void test_what_is_wrong(void **state)
{
    (void)state;
    struct corpus_block_list *list;
    assert_ok(corpus_block_list_create(CORPUS_LIST_WORDS, &list));
    assert_fails(corpus_block_list_add(list, "words.txt", Q_STRING("a\n\xFF\n")), Q_ERR_INPUT,
                 "'words.txt':2: the line is not UTF-8");
    corpus_block_list_release(list);
}

static void test_no_memory(void **state)
{
    (void)state;
    static const char *const texts[CORPUS_LIST_KINDS] = {"a.org", "a.org/b\na.org/*", "a", "b", "c", "d e"};
    for (enum corpus_list_kind kind = 0; kind < CORPUS_LIST_KINDS; kind++) {
        q_status status = Q_ERR_MEMORY;
        for (uint64_t k = 1; status != Q_OK; k++) {
            struct corpus_list_files files = {0};
            const char *paths[] = {"list"};
            struct corpus_lists_settings settings = {.enabled = true};
            settings.files[kind] = (struct q_texts){paths, 1, 1};
            json_t *identity = json_object();
            write("list", texts[kind]);
            q_memory_fail_at(k, 0);
            status = corpus_list_files_hash(&files, &settings, identity);
            if (status == Q_OK)
                status = corpus_list_files_load(&files, &settings);
            q_memory_fail_at(0, 0);
            if (status != Q_OK)
                assert_int_equal(status, Q_ERR_MEMORY);
            assert_true(status == Q_OK ? k > 5 && settings.lists[kind] : !settings.asked);
            corpus_list_files_release(&files);
            json_decref(identity);
        }
    }
}

/* --- documents --------------------------------------------------------------------------------------------------------------------- */

static struct corpus_plan plan;
static struct corpus_worker *worker;

static void start(const char *const *sets)
{
    struct q_texts texts = {.items = (const char **)(uintptr_t)sets};
    while (sets[texts.count])
        texts.count++;
    assert_ok(corpus_plan_begin(NULL, &texts, &plan));
    assert_ok(corpus_plan_models(&plan));
    assert_ok(corpus_worker_create(&plan.settings, &plan.models, &worker));
}

static void stop(void)
{
    corpus_worker_release(worker);
    corpus_plan_release(&plan);
}

/* reason: NULL, kept. */
static void expect(const char *line, const char *reason)
{
    static const struct q_input input = {.name = "in", .text_field = "text"};
    const struct corpus_origin origin = {&input, "a.jsonl"};
    const struct corpus_item item = {.bytes = q_string_of(line), .format = CORPUS_JSONL, .in_bytes = strlen(line)};
    struct corpus_outcome outcome;
    assert_ok(corpus_work(worker, &origin, &item, NULL, &outcome));
    if (!reason != !outcome.reason || (reason && strcmp(outcome.reason, reason) != 0))
        fail_msg("%s: %s, not %s", line, outcome.reason ? outcome.reason : "kept", reason ? reason : "kept");
}

static void test_documents(void **state)
{
    (void)state;
    static const char *const sets[] = {"corpus.gopher.enabled=false",
                                       "corpus.lists.domains=domains",
                                       "corpus.lists.urls=urls",
                                       "corpus.lists.url_words=url_words",
                                       "corpus.lists.url_soft_words=soft",
                                       "corpus.lists.url_substrings=substrings",
                                       "corpus.lists.words=words",
                                       "corpus.by_language=[{lang: de, lists: {words: german}}, {lang: fr, lists: "
                                       "{enabled: false}}]",
                                       NULL};
    write("domains", "bad.org\n");
    write("urls", "a.org/x\n");
    write("url_words", "worst\n");
    write("soft", "hot\ncold\n");
    write("substrings", "banned\n");
    write("words", "ugly words\n");
    write("german", "b\xC3\xB6se\n");
    start(sets);
    expect("{\"url\":\"http://w.bad.org\",\"text\":\"x\"}", "lists.domain");
    expect("{\"url\":\"http://a.org/x\",\"text\":\"x\"}", "lists.url");
    expect("{\"url\":\"http://a.org/worst\",\"text\":\"x\"}", "lists.url-words");
    expect("{\"url\":\"http://a.org/hot/hot\",\"text\":\"x\"}", NULL);
    expect("{\"url\":\"http://a.org/hot/cold\",\"text\":\"x\"}", "lists.url-soft-words");
    expect("{\"url\":\"http://a.org/ban.ned\",\"text\":\"x\"}", "lists.url-substring");
    expect("{\"url\":\"http://a.org/\",\"text\":\"x\"}", NULL);
    expect("{\"text\":\"bad.org\"}", NULL);
    expect("{\"text\":\"Ugly\\nwords.\"}", "lists.words");
    expect("{\"lang\":\"de\",\"text\":\"ugly words\"}", NULL);
    expect("{\"lang\":\"de\",\"text\":\"B\xC3\x96SE\"}", "lists.words");
    expect("{\"lang\":\"de\",\"url\":\"http://bad.org\",\"text\":\"x\"}", "lists.domain"); /* as in the section */
    expect("{\"lang\":\"fr\",\"url\":\"http://bad.org\",\"text\":\"ugly words\"}", NULL);
    assert_int_equal(plan.lists.list_count, CORPUS_LIST_KINDS + 1); /* languages share what is the same */
    stop();
}

static void test_shares(void **state)
{
    (void)state;
    static const char *const sets[] = {"corpus.gopher.enabled=false", "corpus.lists.words=words",
                                       "corpus.lists.words_max=1", "corpus.lists.words_share_max=0.25", NULL};
    write("words", "bad\n");
    start(sets);
    expect("{\"text\":\"bad\"}", NULL);
    expect("{\"text\":\"bad bad x\"}", "lists.words");
    expect("{\"text\":\"bad bad 3 4 5 6 7 8\"}", NULL); /* a quarter is let pass */
    expect("{\"text\":\"bad bad 3 4 5 6 7\"}", "lists.words");
    stop();
}

static void test_without_lists(void **state)
{
    (void)state;
    static const char *const sets[] = {"corpus.gopher.enabled=false", NULL};
    start(sets);
    assert_false(corpus_family_enabled(&corpus_lists_family, &plan.settings.rules)); /* it is not even asked */
    expect("{\"url\":\"http://bad.org\",\"text\":\"x\"}", NULL);
    stop();
}

/* --- identity ---------------------------------------------------------------------------------------------------------------------- */

static void test_identity(void **state)
{
    (void)state;
    char none[64], first[64], other[64];
    write("in.txt", "a text");
    write("a", "a.org\n");
    write("b", "b.org\n");
    write("copy", "a.org\n");
    plan_key(NULL, none);
    plan_key("corpus.lists.domains=a", first);
    assert_string_not_equal(first, none);
    plan_key("corpus.lists.domains=copy", other); /* another path */
    assert_string_equal(first, other);
    plan_key("corpus.lists.urls=a", other); /* another setting */
    assert_string_not_equal(first, other);
    plan_key("corpus.by_language=[{lang: de, lists: {domains: a}}]", none);
    plan_key("corpus.by_language=[{lang: de, lists: {domains: b}}]", other);
    assert_string_not_equal(none, other);
    plan_key("corpus.lists.domains=[a, b]", none);
    plan_key("corpus.lists.domains=[b, copy]", other); /* another order */
    assert_string_equal(none, other);
    write("a", "a.org \n");
    plan_key("corpus.lists.domains=a", other);
    assert_string_not_equal(first, other);
}

static void test_a_list_changed_behind_the_plan(void **state)
{
    (void)state;
    const char *sets[] = {"corpus.lists.words=words"}, *inputs[] = {"in.txt"};
    struct q_texts texts = {.items = sets, .count = 1};
    struct corpus_plan one = {0};
    struct q_step step = {0};
    write("words", "bad\n");
    assert_ok(corpus_plan_begin(NULL, &texts, &one));
    assert_ok(corpus_plan_files(&one, inputs, 1));
    assert_ok(corpus_plan_step(&one, &step));
    write("words", "bat\n");
    assert_fails(corpus_plan_models(&one), Q_ERR_INPUT, "corpus.lists.words: 'words' was changed while it was read");
    q_step_release(&step);
    corpus_plan_release(&one);
    sets[0] = "corpus.lists.words=nowhere";
    assert_ok(corpus_plan_begin(NULL, &texts, &one));
    assert_fails(corpus_plan_models(&one), Q_ERR_INPUT, "corpus.lists.words: ");
    corpus_plan_release(&one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_urls_are_cut),
        cmocka_unit_test(test_domains),
        cmocka_unit_test(test_many_domains),
        cmocka_unit_test(test_urls),
        cmocka_unit_test(test_words_of_urls),
        cmocka_unit_test(test_many_words_of_urls),
        cmocka_unit_test(test_what_is_wrong),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_documents),
        cmocka_unit_test(test_shares),
        cmocka_unit_test(test_without_lists),
        cmocka_unit_test(test_identity),
        cmocka_unit_test(test_a_list_changed_behind_the_plan),
    };
    return cmocka_run_group_tests(tests, scratch_enter, scratch_leave);
}
