/* The funnel's two tables: each reason in the column of its step, by source as by language. */
#include "base/check.h"
#include "corpus/corpus_funnel.h"
#include "tests/base/cmocka_all.h"

#include <string.h>

static const char *const reasons[] = {"empty",        "language",     "lang-score", "gopher.words",
                                      "gopher.lines", "no-such.rule", "quality",    "sampling"};

static json_t *sources_of(void)
{
    struct q_accounting a = {0};
    json_t *object, *sources = json_object();
    for (unsigned i = 0; i < 2; i++)
        assert_ok(q_account_kept(&a, 10, 10));
    for (size_t i = 0; i < Q_COUNT_OF(reasons); i++)
        assert_ok(q_account_dropped(&a, reasons[i], 10));
    assert_ok(q_accounting_json(&a, &object));
    json_object_set_new(sources, "web", object);
    q_accounting_release(&a);
    return sources;
}

/* The text of the page's cells, a blank behind each. */
static const char *cells_of(struct q_buffer *page)
{
    size_t size = 0;
    bool tag = false;
    for (size_t i = 0; i < page->size; i++) {
        if (page->data[i] == '<' && !tag)
            page->data[size++] = ' ';
        tag = page->data[i] == '<' || (tag && page->data[i] != '>');
        if (!tag && page->data[i] != '>' && page->data[i] != '\n' &&
            (page->data[i] != ' ' || page->data[size - 1] != ' '))
            page->data[size++] = page->data[i];
        if (size > 1 && page->data[size - 1] == ' ' && page->data[size - 2] == ' ')
            size--;
    }
    page->size = size;
    assert_ok(q_buffer_terminate(page));
    return page->data;
}

static void test_both_tables_have_the_same_steps(void **state)
{
    (void)state;
    struct q_report *report;
    struct q_arena arena = {0};
    struct q_buffer page = {0};
    struct corpus_statistics statistics = {0};
    json_t *sources = sources_of();
    for (size_t i = 0; i < Q_COUNT_OF(reasons); i++)
        assert_ok(corpus_statistics_lost(&statistics, Q_STRING("de"), reasons[i], 10));
    assert_ok(corpus_statistics_kept(&statistics, Q_STRING("de"), 10, false));
    assert_ok(corpus_statistics_kept(&statistics, Q_STRING("de"), 10, false));
    assert_ok(q_report_create("Funnel", &report));
    assert_ok(corpus_report_funnels(report, &arena, sources, &statistics));
    assert_ok(q_report_fragment(report, &page));
    const char *text = cells_of(&page);
    if (!strstr(text, "source in read language gopher quality other rules kept text out web 10 9 7 5 3 2 20.0%") ||
        !strstr(text, "language in read language gopher quality other rules kept text out de 10 9 7 5 3 2 20.0%"))
        fail_msg("%s", text);
    q_report_release(report);
    q_buffer_release(&page);
    q_arena_release(&arena);
    corpus_statistics_release(&statistics);
    json_decref(sources);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_both_tables_have_the_same_steps)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
