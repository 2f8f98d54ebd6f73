/* quern-corpus report: what was kept and what was dropped, out of the manifest. */
#include "base/check.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/manifest.h"
#include "base/report_verb.h"
#include "corpus/cmd_corpus.h"
#include "corpus/corpus_funnel.h"
#include "corpus/corpus_statistics.h"

#include <stdio.h>

enum { SAMPLES_SHOWN = 3 };

struct page {
    struct q_arena arena;
    struct q_manifest manifest;
    const json_t *sources;
    struct corpus_statistics statistics;
    struct q_report *report;
};

static void put_figures(struct page *p)
{
    const struct q_accounting *a = &p->manifest.accounting;
    const struct corpus_statistics *s = &p->statistics;
    char text[32];
    q_report_figure(p->report, q_format_count(text, (double)a->in.documents), "documents in");
    q_report_figure(p->report, q_format_count(text, (double)a->kept.documents), "documents kept");
    q_report_figure(p->report, q_format_bytes(text, (double)a->in.bytes), "bytes in");
    q_report_figure(p->report, q_format_bytes(text, (double)a->out_bytes), "text out");
    q_report_figure(p->report, q_format_count(text, (double)s->held_out.documents), "documents held out");
    snprintf(text, sizeof text, "%zu", s->languages.count);
    q_report_figure(p->report, text, "languages");
}

static int compare_reasons(const void *a, const void *b)
{
    const struct q_reason *left = a, *right = b;
    if (left->tally.documents != right->tally.documents)
        return left->tally.documents < right->tally.documents ? 1 : -1;
    return strcmp(left->name, right->name);
}

/* Documents by where they went: kept, then each reason, the most frequent first. */
static q_status put_reasons(struct page *p)
{
    const struct q_accounting *a = &p->manifest.accounting;
    if (a->reason_count)
        qsort(a->reasons, a->reason_count, sizeof *a->reasons, compare_reasons);
    const char **labels;
    double *values;
    Q_TRY(q_arena_alloc(&p->arena, a->reason_count + 1, sizeof *labels, &labels));
    Q_TRY(q_arena_alloc(&p->arena, a->reason_count + 1, sizeof *values, &values));
    labels[0] = "kept";
    values[0] = (double)a->kept.documents;
    for (size_t i = 0; i < a->reason_count; i++) {
        const struct q_reason *reason = &a->reasons[i];
        Q_TRY(q_arena_printf(&p->arena, &labels[i + 1], "%s%s", reason->failed ? "failed: " : "", reason->name));
        values[i + 1] = (double)reason->tally.documents;
    }
    q_report_bars(p->report, &(struct q_bars){.title = "Where the documents went",
                                              .unit = "documents",
                                              .labels = labels,
                                              .values = values,
                                              .count = a->reason_count + 1});
    return Q_OK;
}

static int compare_counts(const void *a, const void *b)
{
    const struct corpus_count *left = a, *right = b;
    if (left->tally.bytes != right->tally.bytes)
        return left->tally.bytes < right->tally.bytes ? 1 : -1;
    return strcmp(left->name, right->name);
}

static q_status put_languages(struct page *p)
{
    struct corpus_counts *languages = &p->statistics.languages;
    const char **labels;
    double *values;
    if (languages->count)
        qsort(languages->items, languages->count, sizeof *languages->items, compare_counts);
    Q_TRY(q_arena_alloc(&p->arena, languages->count, sizeof *labels, &labels));
    Q_TRY(q_arena_alloc(&p->arena, languages->count, sizeof *values, &values));
    for (size_t i = 0; i < languages->count; i++) {
        labels[i] = languages->items[i].name;
        values[i] = (double)languages->items[i].tally.bytes;
    }
    q_report_bars(p->report, &(struct q_bars){.title = "Text by language",
                                              .unit = "bytes",
                                              .labels = labels,
                                              .values = values,
                                              .count = languages->count});
    return Q_OK;
}

static q_status put_lengths(struct page *p)
{
    size_t first = CORPUS_LENGTH_BINS, last = 0;
    double *edges, *values;
    for (size_t i = 0; i < CORPUS_LENGTH_BINS; i++)
        if (p->statistics.lengths[i]) {
            first = Q_MIN(first, i);
            last = i;
        }
    if (first > last)
        return Q_OK;
    size_t count = last - first + 1;
    Q_TRY(q_arena_alloc(&p->arena, count + 1, sizeof *edges, &edges));
    Q_TRY(q_arena_alloc(&p->arena, count, sizeof *values, &values));
    for (size_t i = 0; i <= count; i++)
        edges[i] = (double)((uint64_t)1 << (first + i));
    for (size_t i = 0; i < count; i++)
        values[i] = (double)p->statistics.lengths[first + i];
    q_report_histogram(p->report, &(struct q_histogram){.title = "Length of the kept documents",
                                                        .x_label = "bytes of text",
                                                        .y_label = "documents",
                                                        .edges = edges,
                                                        .values = values,
                                                        .count = count,
                                                        .log_x = true});
    return Q_OK;
}

static q_status put_changes(struct page *p)
{
    static const char *const header[] = {"what was changed", "times"};
    const struct corpus_changes *c = &p->statistics.changes;
    const struct {
        const char *what;
        uint64_t times;
    } rows[] = {{"documents converted from another charset", c->charset},
                {"broken UTF-8 sequences replaced", c->repaired},
                {"runs of mojibake repaired", c->mojibake},
                {"line ends made LF", c->line_ends},
                {"control characters removed", c->controls},
                {"marks of direction removed", c->bidi},
                {"soft hyphens removed", c->soft_hyphens},
                {"zero-width spaces removed", c->zero_widths},
                {"lines with blanks at their end", c->trailing_blanks},
                {"places with more than two empty lines", c->blank_lines},
                {"documents composed to NFC", c->composed},
                {"documents trimmed", c->trimmed},
                {"e-mail addresses replaced", c->emails},
                {"IP addresses replaced", c->ips},
                {"phone numbers replaced", c->phones},
                {"IBANs replaced", c->ibans},
                {"card numbers replaced", c->cards}};
    const char *cells[Q_COUNT_OF(rows) * 2];
    for (size_t i = 0; i < Q_COUNT_OF(rows); i++) {
        cells[i * 2] = rows[i].what;
        Q_TRY(q_arena_printf(&p->arena, &cells[i * 2 + 1], "%llu", (unsigned long long)rows[i].times));
    }
    q_report_table(p->report,
                   &(struct q_table){.header = header, .columns = 2, .cells = cells, .rows = Q_COUNT_OF(rows)});
    return Q_OK;
}

/* Some of what each rule dropped: the first of each reason by document key. */
static void put_samples(struct page *p)
{
    const struct corpus_statistics *s = &p->statistics;
    size_t shown = 0;
    for (size_t i = 0; i < s->sample_count; i++) {
        bool new_reason = !i || strcmp(s->samples[i].reason, s->samples[i - 1].reason) != 0;
        shown = new_reason ? 1 : shown + 1;
        if (shown > SAMPLES_SHOWN)
            continue;
        char caption[256];
        snprintf(caption, sizeof caption, "%s: %.*s", s->samples[i].reason, Q_STRING_ARGS(s->samples[i].id));
        q_report_sample(p->report, caption, s->samples[i].text, CORPUS_SAMPLE_BYTES);
    }
}

/* What rules took out of documents that stay. */
static q_status put_lines(struct page *p)
{
    static const char *const header[] = {"lines taken out of kept documents", "lines", "bytes"};
    const struct corpus_counts *lines = &p->statistics.lines;
    const char **cells;
    if (!lines->count)
        return Q_OK;
    Q_TRY(q_arena_alloc(&p->arena, lines->count * Q_COUNT_OF(header), sizeof *cells, &cells));
    for (size_t i = 0; i < lines->count; i++) {
        char bytes[32];
        const char **row = cells + i * Q_COUNT_OF(header);
        row[0] = lines->items[i].name;
        Q_TRY(q_arena_printf(&p->arena, &row[1], "%llu", (unsigned long long)lines->items[i].tally.documents));
        Q_TRY(q_arena_printf(&p->arena, &row[2], "%s", q_format_bytes(bytes, (double)lines->items[i].tally.bytes)));
    }
    q_report_table(
        p->report,
        &(struct q_table){.header = header, .columns = Q_COUNT_OF(header), .cells = cells, .rows = lines->count});
    return Q_OK;
}

static q_status fill(struct page *p)
{
    q_report_heading(p->report, "Corpus");
    put_figures(p);
    Q_TRY(put_reasons(p));
    Q_TRY(corpus_report_funnels(p->report, &p->arena, p->sources, &p->statistics));
    Q_TRY(put_languages(p));
    Q_TRY(put_lengths(p));
    Q_TRY(put_changes(p));
    Q_TRY(put_lines(p));
    if (p->statistics.sample_count) {
        q_report_heading(p->report, "Samples of what was dropped");
        put_samples(p);
    }
    return Q_OK;
}

static q_status read_page(struct page *p, const char *folder)
{
    json_t *statistics, *sources;
    Q_TRY(q_manifest_read(folder, &p->manifest));
    if (strcmp(p->manifest.stage, "corpus") != 0)
        return q_fail(Q_ERR_INPUT, "'%s' is a result of stage '%s', not of the corpus", folder, p->manifest.stage);
    Q_TRY(q_json_get_object(p->manifest.json, folder, "statistics", &statistics));
    Q_TRY(q_json_get_object(statistics, folder, "sources", &sources));
    p->sources = sources;
    return corpus_statistics_parse(statistics, folder, SIZE_MAX, &p->statistics);
}

q_status corpus_report_verb(void *opaque, const char *const *arguments, size_t count)
{
    const struct q_report_options *options = opaque;
    struct page p = {0};
    (void)count;
    q_status status = read_page(&p, arguments[0]);
    if (status == Q_OK)
        status = q_report_create("Corpus", &p.report);
    if (status == Q_OK)
        status = fill(&p);
    if (status == Q_OK)
        status = q_report_deliver(p.report, arguments[0], options->common.out, options->fragment);
    q_report_release(p.report);
    corpus_statistics_release(&p.statistics);
    q_manifest_release(&p.manifest);
    q_arena_release(&p.arena);
    return status;
}
