#include "dedup/dedup_report.h"

#include "base/check.h"
#include "dedup/dedup_statistics.h"
#include "dedup/minhash.h"

#include <stdio.h>

struct page {
    struct q_report *report;
    const struct q_manifest *manifest;
    struct q_arena arena;
    struct dedup_statistics statistics;
    const json_t *group;    /* what grouping counted */
    const json_t *settings; /* of the whole stage */
};

static uint64_t count_of(const json_t *object, const char *key)
{
    json_int_t value = json_integer_value(json_object_get(object, key));
    return value > 0 ? (uint64_t)value : 0;
}

static double number_of(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

/* --- figures ------------------------------------------------------------------------------------------------------ */

static struct q_tally dropped(const struct page *page, const char *reason)
{
    const struct q_accounting *accounting = &page->manifest->accounting;
    for (size_t i = 0; i < accounting->reason_count; i++) {
        if (strcmp(accounting->reasons[i].name, reason) == 0)
            return accounting->reasons[i].tally;
    }
    return (struct q_tally){0};
}

static void put_figure(struct page *page, uint64_t count, const char *caption)
{
    char text[32];
    q_report_figure(page->report, q_format_count(text, (double)count), caption);
}

static void put_overview(struct page *page)
{
    const struct q_accounting *accounting = &page->manifest->accounting;
    char in[32], out[32];
    q_report_heading(page->report, "What was dropped");
    put_figure(page, accounting->in.documents, "documents in");
    put_figure(page, accounting->kept.documents, "kept");
    put_figure(page, dropped(page, "exact").documents, "exact duplicates");
    put_figure(page, dropped(page, "near").documents, "near duplicates");
    q_report_text(
        page->report,
        "%s of text came in, %s went out. Exact duplicates have the same words (case, digits, accents and punctuation "
        "aside); near duplicates have %g-word shingles of which the Jaccard index with those of the document that "
        "stays is at "
        "least %g, which was verified for each one.",
        q_format_bytes(in, (double)accounting->in.bytes), q_format_bytes(out, (double)accounting->out_bytes),
        number_of(page->settings, "words"), number_of(page->settings, "jaccard"));
}

/* --- by language and source --------------------------------------------------------------------------------------- */

static q_status put_shares(struct page *page, const char *what, const struct dedup_shares *shares)
{
    enum { COLUMNS = 6, ROWS_MAX = 60 };
    static const char *const header_rest[COLUMNS - 1] = {"documents", "exact", "near", "dropped, % of documents",
                                                         "dropped, % of bytes"};
    size_t rows = Q_MIN(shares->count, (size_t)ROWS_MAX);
    const char *header[COLUMNS] = {what}, **cells;
    memcpy(header + 1, header_rest, sizeof(header_rest));
    Q_TRY(q_arena_alloc(&page->arena, rows * COLUMNS + 1, sizeof(*cells), &cells));
    for (size_t i = 0; i < rows; i++) {
        const struct q_tally *tallies = shares->items[i].tallies;
        const struct q_tally *exact = &tallies[VERDICT_EXACT], *near = &tallies[VERDICT_NEAR],
                             *kept = &tallies[VERDICT_KEPT];
        uint64_t documents = kept->documents + exact->documents + near->documents;
        uint64_t bytes = kept->bytes + exact->bytes + near->bytes;
        const char **row = cells + i * COLUMNS;
        row[0] = shares->items[i].name;
        Q_TRY(q_arena_printf(&page->arena, &row[1], "%llu", (unsigned long long)documents));
        Q_TRY(q_arena_printf(&page->arena, &row[2], "%llu", (unsigned long long)exact->documents));
        Q_TRY(q_arena_printf(&page->arena, &row[3], "%llu", (unsigned long long)near->documents));
        Q_TRY(q_arena_printf(&page->arena, &row[4], "%.1f",
                             100.0 * (double)(documents - kept->documents) / (double)Q_MAX(documents, 1u)));
        Q_TRY(q_arena_printf(&page->arena, &row[5], "%.1f",
                             100.0 * (double)(bytes - kept->bytes) / (double)Q_MAX(bytes, 1u)));
    }
    q_report_table(page->report, &(struct q_table){header, COLUMNS, cells, rows});
    if (shares->count > rows)
        q_report_text(page->report, "%zu more are not shown.", shares->count - rows);
    return Q_OK;
}

/* A source of which nearly nothing stays is one that somebody should look at. */
static void warn_of_losses(struct page *page, const struct dedup_shares *shares)
{
    for (size_t i = 0; i < shares->count; i++) {
        const struct q_tally *tallies = shares->items[i].tallies;
        uint64_t lost = tallies[VERDICT_EXACT].bytes + tallies[VERDICT_NEAR].bytes,
                 all = lost + tallies[VERDICT_KEPT].bytes;
        if (all && lost > all / 10 * 9)
            q_report_warning(page->report, "'%s' lost more than 90%% of its text.", shares->items[i].name);
    }
}

/* --- clusters ----------------------------------------------------------------------------------------------------- */

/* Those that are alone would make every other bar a line: they are in the text. */
static q_status put_cluster_sizes(struct page *page)
{
    const char *labels[DEDUP_SIZE_BINS];
    double values[DEDUP_SIZE_BINS];
    size_t bins = 0;
    for (size_t i = 1; i < DEDUP_SIZE_BINS; i++) {
        values[i - 1] = (double)page->statistics.sizes[i];
        bins = page->statistics.sizes[i] ? i : bins;
        Q_TRY(q_arena_printf(&page->arena, &labels[i - 1], "%llu to %llu", 1ull << i, (2ull << i) - 1));
    }
    q_report_text(page->report, "%llu of the documents that stay are alone.",
                  (unsigned long long)page->statistics.sizes[0]);
    q_report_bars(page->report, &(struct q_bars){
                                    .title = "Clusters by number of documents",
                                    .unit = "clusters",
                                    .labels = labels,
                                    .values = values,
                                    .count = bins,
                                });
    return Q_OK;
}

static void put_samples(struct page *page, const struct dedup_samples *samples)
{
    for (size_t i = 0; i < samples->count; i++) {
        const struct dedup_sample *sample = &samples->items[i];
        char caption[512];
        if (sample->survivor)
            (void)snprintf(caption, sizeof(caption), "Jaccard %.3f: %s, dropped in favour of %s", 1 - sample->order,
                           sample->id, sample->survivor);
        else
            (void)snprintf(caption, sizeof(caption), "%.0f documents: %s", sample->order, sample->id);
        q_report_sample(page->report, caption, q_string_of(sample->text), DEDUP_SAMPLE_BYTES);
    }
}

static q_status put_clusters(struct page *page)
{
    q_report_heading(page->report, "Clusters");
    Q_TRY(put_cluster_sizes(page));
    uint64_t largest = count_of(page->group, "component_max");
    q_report_text(page->report,
                  "%llu documents shared a band with another one; they hang together in %llu groups, the largest of "
                  "%llu. %llu comparisons "
                  "were made, of which %llu found two documents alike.",
                  (unsigned long long)count_of(page->group, "in_buckets"),
                  (unsigned long long)count_of(page->group, "components"), (unsigned long long)largest,
                  (unsigned long long)count_of(page->group, "compared"),
                  (unsigned long long)count_of(page->group, "verified"));
    if (largest >= 1000 && largest > count_of(page->group, "documents") / 10)
        q_report_warning(page->report, "The largest group holds more than a tenth of all documents: text that many of "
                                       "them share (headers, licences, "
                                       "navigation) may outweigh what is their own.");
    if (page->statistics.largest.count)
        q_report_text(page->report, "The documents that stand for the largest clusters:");
    put_samples(page, &page->statistics.largest);
    return Q_OK;
}

/* --- near duplicates ---------------------------------------------------------------------------------------------- */

static void put_probability(struct page *page)
{
    enum { POINTS = 101 };
    double jaccard[POINTS], probability[POINTS];
    unsigned bands = (unsigned)number_of(page->settings, "bands"), rows = (unsigned)number_of(page->settings, "rows");
    for (int i = 0; i < POINTS; i++) {
        jaccard[i] = (double)i / (POINTS - 1);
        probability[i] = minhash_candidate_probability(bands, rows, jaccard[i]);
    }
    char name[64];
    (void)snprintf(name, sizeof(name), "%u bands of %u rows", bands, rows);
    const struct q_series series = {name, jaccard, probability, POINTS};
    q_report_lines(page->report, &(struct q_lines){
                                     .title = "Probability that two documents are compared (expected)",
                                     .x_label = "Jaccard index",
                                     .y_label = "probability",
                                     .series = &series,
                                     .count = 1,
                                 });
}

static void put_near(struct page *page)
{
    double edges[DEDUP_JACCARD_BINS + 1], values[DEDUP_JACCARD_BINS];
    q_report_heading(page->report, "Near duplicates");
    for (int i = 0; i <= DEDUP_JACCARD_BINS; i++)
        edges[i] = (double)i / DEDUP_JACCARD_BINS;
    for (int i = 0; i < DEDUP_JACCARD_BINS; i++)
        values[i] = (double)page->statistics.jaccard[i];
    q_report_histogram(page->report, &(struct q_histogram){
                                         .title = "Dropped documents by likeness to the one that stays",
                                         .x_label = "Jaccard index",
                                         .y_label = "documents",
                                         .edges = edges,
                                         .values = values,
                                         .count = DEDUP_JACCARD_BINS,
                                     });
    put_probability(page);
    if (page->statistics.least_alike.count)
        q_report_text(page->report, "Those that passed by the least, where a wrong threshold would show first:");
    put_samples(page, &page->statistics.least_alike);
}

static q_status put_page(struct page *page)
{
    json_t *statistics, *part;
    const char *name = page->manifest->folder;
    Q_TRY(q_json_get_object(page->manifest->json, name, "statistics", &statistics));
    Q_TRY(dedup_statistics_parse(statistics, name, &page->statistics));
    Q_TRY(q_json_get_object(statistics, name, "settings", &part));
    page->settings = part;
    Q_TRY(q_json_get_object(statistics, name, "group", &part));
    page->group = part;
    put_overview(page);
    warn_of_losses(page, &page->statistics.sources);
    Q_TRY(put_shares(page, "language", &page->statistics.languages));
    Q_TRY(put_shares(page, "source", &page->statistics.sources));
    Q_TRY(put_clusters(page));
    put_near(page);
    return Q_OK;
}

q_status dedup_report_add(struct q_report *report, const struct q_manifest *manifest)
{
    struct page page = {.report = report, .manifest = manifest};
    if (strcmp(manifest->stage, "dedup") != 0 || strcmp(manifest->step, "filter") != 0)
        return q_fail(Q_ERR_INPUT, "'%s' is a result of %s %s, not of dedup filter", manifest->folder, manifest->stage,
                      manifest->step);
    q_status status = put_page(&page);
    dedup_statistics_release(&page.statistics);
    q_arena_release(&page.arena);
    return status;
}
