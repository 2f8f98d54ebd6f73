/* Reports: pages whose markup is whole whatever goes in, axes that people can read. */
#include "base/check.h"
#include "base/plot_axis.h"
#include "base/report.h"
#include "tests/base/cmocka_all.h"
#include "tests/base/scratch.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { DEPTH_MAX = 64, NAME_MAX_BYTES = 16 };

static bool is_void_tag(const char *name)
{
    return !strcmp(name, "meta") || !strcmp(name, "!doctype");
}

static bool contains(const struct q_buffer *text, const char *part)
{
    return q_string_find(q_buffer_string(text), q_string_of(part), 0) != SIZE_MAX;
}

/* Checks that every tag is closed in order, that every '&' begins an entity we write, and that no number in a tag is
 * not one. A small reader of our own, since no library of ours knows HTML's rules for all of this. */
static void assert_whole_markup(const struct q_buffer *page)
{
    char open[DEPTH_MAX][NAME_MAX_BYTES];
    size_t depth = 0;
    for (size_t i = 0; i < page->size; i++) {
        const char *at = page->data + i;
        if (*at == '&')
            assert_true(!strncmp(at, "&lt;", 4) || !strncmp(at, "&gt;", 4) || !strncmp(at, "&amp;", 5) ||
                        !strncmp(at, "&quot;", 6));
        if (*at != '<')
            continue;
        bool closing = at[1] == '/';
        char name[NAME_MAX_BYTES] = "";
        assert_int_equal(sscanf(at + 1 + closing, "%15[a-z0-9!]", name), 1);
        const char *end = memchr(at, '>', page->size - i);
        assert_non_null(end);
        if (strcmp(name, "!doctype") && !closing) { /* coordinates: no nan, no inf */
            char tag[512] = "";
            size_t size = Q_MIN((size_t)(end - at), sizeof tag - 1);
            memcpy(tag, at, size);
            assert_null(strstr(tag, "nan"));
            assert_null(strstr(tag, "inf\""));
        }
        if (closing) {
            assert_true(depth > 0);
            assert_string_equal(open[--depth], name);
        } else if (!is_void_tag(name) && end[-1] != '/') {
            assert_true(depth < DEPTH_MAX);
            memcpy(open[depth++], name, sizeof name);
        }
        i = (size_t)(end - page->data);
        if (!strcmp(name, "style") && !closing) /* no markup inside */
            i = q_string_find(q_buffer_string(page), Q_STRING("</style>"), i) - 1;
    }
    assert_int_equal(depth, 0);
}

static const double odd[] = {0,      -0.0,   1,      -1,  NAN,       INFINITY, -INFINITY, 1e300,
                             -1e300, 1e-300, 5e-324, 3.5, 123456789, 1e15,     0.1,       1e-7};
static const char *const odd_names[] = {"",
                                        "plain",
                                        "<script>alert(1)</script>",
                                        "a & b \"quoted\" 'single'",
                                        "\xff\xfe broken \xc3",
                                        "a very long name, longer than any plot has room for, and then some more of it",
                                        "\xe4\xb8\xad\xe6\x96\x87",
                                        "tab\tand\nline\x01\x1f",
                                        "9",
                                        "10",
                                        "11",
                                        "12",
                                        "13",
                                        "14",
                                        "15",
                                        "16"};

/* Every block, with a window of the odd values so that each meets each place. */
static void put_everything(struct q_report *report, size_t from, size_t count)
{
    double values[16], edges[17];
    for (size_t i = 0; i < 16; i++)
        values[i] = odd[(i + from) % Q_COUNT_OF(odd)];
    for (size_t i = 0; i < 17; i++)
        edges[i] = (double)i;
    const char *title = odd_names[from % Q_COUNT_OF(odd_names)];
    q_report_heading(report, title);
    q_report_text(report, "%s at %d", title, (int)from);
    q_report_figure(report, "1", title);
    q_report_figure(report, "2", "two");
    q_report_warning(report, "%s", title);
    q_report_sample(report, title, q_string_of(title), 5);
    q_report_table(report, &(struct q_table){odd_names, 4, odd_names, count / 4});
    q_report_bars(report, &(struct q_bars){title, from % 2 ? "bytes" : NULL, odd_names, values, count});
    q_report_histogram(report, &(struct q_histogram){title, "x", "y", edges, values, count, from % 2 == 0});
    struct q_series series[] = {{title, values, values, count}, {"second", edges, values, count}};
    q_report_lines(report, &(struct q_lines){title, "x", NULL, series, from % 3, from % 2 == 0, from % 4 == 0});
    q_report_heatmap(report, &(struct q_heatmap){title, odd_names, from % 2 ? odd_names : NULL, values, count ? 2 : 0,
                                                 count / 2, "bytes", 0, from % 3 ? 0 : 3});
    q_report_flow(report,
                  (struct q_flow_box[]){{title, Q_FLOW_DONE, odd_names, 2, title}, {"b", Q_FLOW_FAILED, NULL, 0, NULL}},
                  2);
}

static q_status make_page(const char *path)
{
    struct q_report *report;
    Q_TRY(q_report_create("Everything <odd>", &report));
    for (size_t from = 0; from < Q_COUNT_OF(odd); from++)
        for (size_t count = 0; count <= 16; count += 8)
            put_everything(report, from, count);
    q_status status = q_report_publish(report, path);
    q_report_release(report);
    return status;
}

static void test_markup_is_whole_for_odd_values(void **state)
{
    (void)state;
    struct q_buffer page = {0}, again = {0};
    assert_ok(make_page("page.html"));
    assert_ok(make_page("again.html"));
    scratch_read("page.html", &page);
    scratch_read("again.html", &again);
    assert_whole_markup(&page);
    assert_int_equal(page.size, again.size);
    assert_memory_equal(page.data, again.data, page.size);
    assert_false(contains(&page, "<script"));
    assert_true(contains(&page, "&lt;script&gt;"));
    assert_true(contains(&page, "Nothing to show"));
    assert_true(contains(&page, "no value"));
    q_buffer_release(&page);
    q_buffer_release(&again);
}

/* The checker itself must be able to fail. */
static void test_markup_checker_finds_faults(void **state)
{
    (void)state;
    struct q_buffer page = {0};
    struct q_report *report;
    assert_ok(q_report_create("x", &report));
    q_report_put(report, "<b>");
    assert_ok(q_report_publish(report, "broken.html"));
    scratch_read("broken.html", &page);
    size_t opened = 0, closed = 0;
    for (size_t at = 0; (at = q_string_find(q_buffer_string(&page), Q_STRING("<b>"), at)) != SIZE_MAX; at++)
        opened++;
    for (size_t at = 0; (at = q_string_find(q_buffer_string(&page), Q_STRING("</b>"), at)) != SIZE_MAX; at++)
        closed++;
    assert_int_equal(opened, closed + 1);
    q_report_release(report);
    q_buffer_release(&page);
}

/* The k-th allocation fails: an error or, where it was not needed, the same page; nothing half written. */
static void test_survives_failing_allocations(void **state)
{
    (void)state;
    for (uint64_t k = 1;; k++) {
        struct q_report *report = NULL;
        q_memory_fail_at(k, 0);
        q_status status = q_report_create("Small", &report);
        if (status == Q_OK) {
            put_everything(report, 3, 8);
            status = q_report_publish(report, "small.html");
            q_report_release(report);
        }
        uint64_t used = q_memory_fail_at(0, 0);
        assert_true(status == Q_OK || status == Q_ERR_MEMORY);
        if (used < k) {
            assert_int_equal(status, Q_OK);
            break;
        }
    }
}

static void test_chapters_are_listed(void **state)
{
    (void)state;
    struct q_report *chapter, *page;
    struct q_buffer fragment = {0}, text = {0};
    assert_ok(q_report_create("Corpus & more", &chapter));
    q_report_heading(chapter, "Languages");
    q_report_heading(chapter, "Languages");
    q_report_figure(chapter, "8", "languages");
    assert_ok(q_report_fragment(chapter, &fragment));
    assert_true(contains(&fragment, "<h2 id=\"corpus-more\">Corpus &amp; more</h2>"));
    assert_true(contains(&fragment, "<h3 id=\"corpus-more-languages-2\">Languages</h3>"));
    assert_ok(q_report_create("demo", &page));
    q_report_heading(page, "The run");
    q_report_flow(page, &(struct q_flow_box){.name = "Corpus", .link = "chapter: corpus"}, 1);
    q_report_anchor(page, "chapter: corpus");
    q_report_insert(page, q_buffer_string(&fragment));
    assert_ok(q_report_publish(page, "run.html"));
    scratch_read("run.html", &text);
    assert_whole_markup(&text);
    assert_true(contains(
        &text,
        "<li><a href=\"#demo-the-run\">The run</a></li>\n<li><a href=\"#corpus-more\">Corpus &amp; more</a></li>\n"
        "<li class=\"sub\"><a href=\"#corpus-more-languages\">Languages</a></li>"));
    assert_true(contains(&text, "<a href=\"#chapter-corpus\">Corpus</a>"));
    assert_true(contains(&text, "<a id=\"chapter-corpus\"></a>"));
    q_report_release(chapter);
    q_report_release(page);
    q_buffer_release(&fragment);
    q_buffer_release(&text);
}

static void test_samples_are_cut_on_characters(void **state)
{
    (void)state;
    struct q_report *report;
    struct q_buffer page = {0};
    assert_ok(q_report_create("Samples", &report));
    q_report_sample(report, "cut", Q_STRING("a\xc3\xa4\xe4\xb8\xad."), 5); /* inside the third character */
    q_report_sample(report, "whole", Q_STRING("a\xc3\xa4"), 3);
    assert_ok(q_report_publish(report, "samples.html"));
    scratch_read("samples.html", &page);
    assert_true(contains(&page, "<pre dir=\"auto\">a\xc3\xa4<i>\xe2\x80\xa6</i></pre>"));
    assert_true(contains(&page, "<pre dir=\"auto\">a\xc3\xa4</pre>"));
    assert_false(contains(&page, "\xef\xbf\xbd"));
    q_report_release(report);
    q_buffer_release(&page);
}

static void test_tables_set_quantities_right(void **state)
{
    (void)state;
    static const char *const header[] = {"rule", "dropped", "bytes", "when", "mixed", "key", "took"};
    static const char *const cells[] = {
        "a",       "1,204", "12.3 MB", "2026-11-21T21:30:00Z", "12",   "6e9bdb2f92bb", "2 m 05 s", "b", "-",
        "-3.5e-4", "",      "many",    "123456789012",         "14.8T"};
    struct q_report *report;
    struct q_buffer page = {0};
    assert_ok(q_report_create("Table", &report));
    q_report_table(report, &(struct q_table){header, 7, cells, 2});
    assert_ok(q_report_publish(report, "table.html"));
    scratch_read("table.html", &page);
    assert_true(contains(&page, "<td>a</td><td class=\"n\">1,204</td><td class=\"n\">12.3 MB</td><td"));
    assert_true(contains(&page, "<td>many</td><td>123456789012</td><td class=\"n\">14.8T</td>"));
    q_report_release(report);
    q_buffer_release(&page);
}

static void test_bars_fold_the_tail(void **state)
{
    (void)state;
    const char *labels[45];
    double values[45];
    for (size_t i = 0; i < 45; i++) {
        labels[i] = "label";
        values[i] = 10;
    }
    struct q_report *report;
    struct q_buffer page = {0};
    assert_ok(q_report_create("Bars", &report));
    q_report_bars(report, &(struct q_bars){"forty-five", NULL, labels, values, 45});
    assert_ok(q_report_publish(report, "bars.html"));
    scratch_read("bars.html", &page);
    assert_true(contains(&page, "6 others: 60 (13.3%)"));
    q_report_release(report);
    q_buffer_release(&page);
}

/* A long series stays a small picture, and its spikes stay in it. */
static void test_long_series_are_thinned(void **state)
{
    (void)state;
    enum { POINTS = 200000 };
    double *x, *y;
    struct q_buffer page = {0};
    assert_ok(q_alloc(POINTS, sizeof *x, &x));
    assert_ok(q_alloc(POINTS, sizeof *y, &y));
    for (size_t i = 0; i < POINTS; i++) {
        x[i] = (double)i;
        y[i] = i == 77777 ? 100 : (double)(i % 7);
    }
    struct q_report *report;
    assert_ok(q_report_create("Lines", &report));
    q_report_lines(report,
                   &(struct q_lines){.title = "spike", .series = &(struct q_series){"s", x, y, POINTS}, .count = 1});
    assert_ok(q_report_publish(report, "lines.html"));
    scratch_read("lines.html", &page);
    assert_in_range(page.size, 10000, 80000);
    assert_true(contains(&page, " 34.0L")); /* the top of the plot: only the spike reaches it */
    q_report_release(report);
    q_buffer_release(&page);
    q_release(x);
    q_release(y);
}

/* A scale that is given: the same value is shaded alike in two grids, what lies beyond like the end, and the key says so. */
static void test_heatmaps_share_a_scale(void **state)
{
    (void)state;
    const char *const rows[] = {"a"};
    const double wide[] = {0, 1, 5}, narrow[] = {1, 1.5, 2};
    struct q_report *report;
    struct q_buffer page = {0};
    assert_ok(q_report_create("Scale", &report));
    q_report_heatmap(report, &(struct q_heatmap){"wide", rows, NULL, wide, 1, 3, NULL, 0, 2});
    q_report_heatmap(report, &(struct q_heatmap){"narrow", rows, NULL, narrow, 1, 3, NULL, 0, 2});
    assert_ok(q_report_fragment(report, &page));
    assert_ok(q_buffer_terminate(&page));
    const char *second = strstr(page.data, "narrow");
    assert_non_null(second);
    const char *one = strstr(page.data, ": 1</title>"), *five = strstr(page.data, ": 5</title>");
    assert_true(one && five && one < second && five < second);
    assert_ptr_equal(strstr(one, "fill-opacity=\"0.52\""), strstr(one, "fill-opacity"));
    assert_ptr_equal(strstr(five, "fill-opacity=\"1.00\""), strstr(five, "fill-opacity"));
    one = strstr(second, ": 1</title>");
    assert_ptr_equal(strstr(one, "fill-opacity=\"0.52\""), strstr(one, "fill-opacity"));
    const char *more = strstr(page.data, "2 and more");
    assert_true(more && more < second && !strstr(second, "and more"));
    q_buffer_release(&page);
    q_report_release(report);
}

static void test_axes_have_round_ticks(void **state)
{
    (void)state;
    uint64_t dice = 1;
    for (int round = 0; round < 20000; round++) {
        double size = pow(10, (double)(dice_roll(&dice) % 40) - 20);
        double a = ((double)(dice_roll(&dice) % 2001) - 1000) * size,
               b = a + (double)(dice_roll(&dice) % 1000 + 1) * size;
        struct q_axis axis;
        bool log = round % 3 == 0;
        if (log) {
            a = size;
            b = size * pow(10, (double)(dice_roll(&dice) % 100) / 10);
        }
        q_axis_fit(&axis, a, b, log, round % 2, 2 + (unsigned)(dice_roll(&dice) % 8));
        axis.low_at = 0;
        axis.high_at = 100;
        double slack = fmax(fabs(a), fabs(b)) * 1e-9;
        assert_true(axis.min < axis.max && axis.min <= a + slack && axis.max >= b - slack);
        assert_in_range(axis.tick_count, log ? 1 : 2, Q_PLOT_TICKS_MAX);
        for (size_t i = 0; i < axis.tick_count; i++) {
            char text[Q_PLOT_TEXT];
            double place = q_axis_place(&axis, axis.ticks[i]);
            assert_true(place >= -1e-9 && place <= 100 + 1e-9);
            assert_true(i == 0 || axis.ticks[i] > axis.ticks[i - 1]);
            q_axis_tick_text(&axis, axis.ticks[i], text);
            assert_in_range(strlen(text), 1, 24);
        }
    }
}

static void test_axes_bear_what_is_no_range(void **state)
{
    (void)state;
    const double ends[][2] = {{0, 0}, {5, 5}, {-3, -3}, {1, 0}, {NAN, 1}, {0, INFINITY}, {-1e308, 1e308}, {0, 5e-324}};
    for (size_t i = 0; i < Q_COUNT_OF(ends); i++)
        for (int log = 0; log < 2; log++) {
            struct q_axis axis = {.low_at = 0, .high_at = 100};
            q_axis_fit(&axis, ends[i][0], ends[i][1], log, false, 5);
            assert_true(isfinite(axis.min) && isfinite(axis.max) && axis.min < axis.max);
            assert_true(isfinite(q_axis_place(&axis, NAN)) && isfinite(q_axis_place(&axis, INFINITY)));
            assert_in_range(axis.tick_count, 1, Q_PLOT_TICKS_MAX);
        }
}

static void test_numbers_read_well(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *exact, *brief, *bytes;
    } cases[] = {
        {0, "0", "0", "0 B"},
        {-0.0, "0", "0", "0 B"},
        {7, "7", "7", "7 B"},
        {1234, "1,234", "1,234", "1.23 kB"},
        {-1234567, "-1,234,567", "-1.23 M", "-1.23 MB"},
        {123456789012, "123,456,789,012", "123 B", "123 GB"},
        {14.8e12, "14,800,000,000,000", "14.8 T", "14.8 TB"},
        {2.5, "2.5", "2.5", "2 B"},
        {3.14159, "3.142", "3.142", "3 B"},
        {0.000022, "2.2e-5", "2.2e-5", "0 B"},
        {12345.6, "12,346", "12,346", "12.3 kB"},
        {1e20, "1e20", "1e20", "1e20"},
        {NAN, "no value", "no value", "no value"},
        {-INFINITY, "-infinite", "-infinite", "-infinite"},
    };
    for (size_t i = 0; i < Q_COUNT_OF(cases); i++) {
        char text[Q_PLOT_TEXT];
        assert_string_equal(q_plot_number(text, cases[i].value), cases[i].exact);
        assert_string_equal(q_plot_short(text, cases[i].value, NULL), cases[i].brief);
        assert_string_equal(q_plot_short(text, cases[i].value, "bytes"), cases[i].bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_markup_is_whole_for_odd_values),
        cmocka_unit_test(test_markup_checker_finds_faults),
        cmocka_unit_test(test_survives_failing_allocations),
        cmocka_unit_test(test_chapters_are_listed),
        cmocka_unit_test(test_samples_are_cut_on_characters),
        cmocka_unit_test(test_tables_set_quantities_right),
        cmocka_unit_test(test_bars_fold_the_tail),
        cmocka_unit_test(test_long_series_are_thinned),
        cmocka_unit_test(test_heatmaps_share_a_scale),
        cmocka_unit_test(test_axes_have_round_ticks),
        cmocka_unit_test(test_axes_bear_what_is_no_range),
        cmocka_unit_test(test_numbers_read_well),
    };
    return cmocka_run_group_tests(tests, scratch_enter, scratch_leave);
}
