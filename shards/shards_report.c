#include "shards/shards_report.h"

#include "base/check.h"
#include "shards/mixture.h"

#include <math.h>
#include <stdio.h>

struct page {
    struct q_report *report;
    const struct survey *survey;
    const struct tokenizer *tokenizer;
    const char *folder;
    struct q_arena arena;
};

static double ratio(uint64_t a, uint64_t b)
{
    return b ? (double)a / (double)b : 0;
}

/* "1,234,567": figures to compare are read digit by digit. */
static q_status grouped(struct page *page, uint64_t value, const char **out)
{
    char digits[32];
    enum { GROUPED_MAX = 28 }; /* 20 digits, 6 commas, NUL */
    const size_t size = (size_t)snprintf(digits, sizeof digits, "%llu", (unsigned long long)value);
    char *text;
    Q_TRY(q_arena_alloc(&page->arena, GROUPED_MAX, 1, &text));
    size_t at = 0;
    for (size_t i = 0; i < size; i++) {
        if (i > 0 && (size - i) % 3 == 0)
            text[at++] = ',';
        text[at++] = digits[i];
    }
    *out = text;
    return Q_OK;
}

static void add_figures(struct page *page)
{
    const struct survey_split *train = &page->survey->splits[SHARDS_TRAIN],
                              *heldout = &page->survey->splits[SHARDS_HELDOUT];
    char text[64];
    q_report_figure(page->report, q_format_count(text, (double)train->tokens), "tokens to train on");
    char caption[64];
    (void)snprintf(caption, sizeof caption, "sequences of %u tokens", page->survey->sequence_tokens);
    q_report_figure(page->report, q_format_count(text, (double)train->sequences), caption);
    q_report_figure(page->report, q_format_count(text, (double)train->documents), "documents");
    (void)snprintf(text, sizeof text, "%.2f", ratio(train->text_bytes, train->tokens));
    q_report_figure(page->report, text, "bytes of text per token");
    (void)snprintf(text, sizeof text, "%.2f", 8 * ratio(train->data_bytes, train->tokens));
    (void)snprintf(caption, sizeof caption, "bits stored per token, of %u", 8 * page->survey->id_bytes);
    q_report_figure(page->report, text, caption);
    q_report_figure(page->report, q_format_count(text, (double)heldout->tokens), "tokens held out");
}

/* The rows of the train split added up by source or by language. */
struct group {
    q_string name;
    uint64_t documents, tokens, text_bytes;
};

static int more_tokens_first(const void *a, const void *b)
{
    const struct group *left = a, *right = b;
    if (left->tokens != right->tokens)
        return left->tokens < right->tokens ? 1 : -1;
    return q_string_compare(left->name, right->name);
}

static q_status group_rows(struct page *page, bool by_source, struct group **out, size_t *out_count)
{
    struct group *groups;
    size_t count = 0;
    Q_TRY(q_arena_alloc(&page->arena, page->survey->row_count, sizeof *groups, &groups));
    for (size_t i = 0; i < page->survey->row_count; i++) {
        const struct survey_row *row = &page->survey->rows[i];
        if (row->split != SHARDS_TRAIN)
            continue;
        const q_string name = by_source ? q_string_of(row->source) : row->language;
        size_t g = 0;
        while (g < count && !q_string_equal(groups[g].name, name))
            g++;
        groups[g].name = name;
        groups[g].documents += row->documents;
        groups[g].tokens += row->tokens;
        groups[g].text_bytes += row->text_bytes;
        count = Q_MAX(count, g + 1);
    }
    qsort(groups, count, sizeof *groups, more_tokens_first);
    *out = groups;
    *out_count = count;
    return Q_OK;
}

static q_status add_group_table(struct page *page, const char *first, const struct group *groups, size_t count)
{
    enum { COLUMNS = 6 };
    const char *const header[COLUMNS] = {first,           "documents",      "tokens", "share of tokens",
                                         "bytes of text", "bytes per token"};
    const uint64_t all = page->survey->splits[SHARDS_TRAIN].tokens;
    const char **cells;
    Q_TRY(q_arena_alloc(&page->arena, count * COLUMNS, sizeof *cells, &cells));
    for (size_t g = 0; g < count; g++) {
        const char **row = &cells[g * COLUMNS];
        Q_TRY(q_arena_cstring(&page->arena, groups[g].name, &row[0]));
        Q_TRY(grouped(page, groups[g].documents, &row[1]));
        Q_TRY(grouped(page, groups[g].tokens, &row[2]));
        Q_TRY(q_arena_printf(&page->arena, &row[3], "%.1f%%", 100 * ratio(groups[g].tokens, all)));
        Q_TRY(grouped(page, groups[g].text_bytes, &row[4]));
        Q_TRY(q_arena_printf(&page->arena, &row[5], "%.2f", ratio(groups[g].text_bytes, groups[g].tokens)));
    }
    q_report_table(page->report,
                   &(struct q_table){.header = header, .columns = COLUMNS, .cells = cells, .rows = count});
    return Q_OK;
}

static q_status add_sources(struct page *page)
{
    struct group *groups;
    size_t count;
    q_report_heading(page->report, "Sources and languages");
    Q_TRY(group_rows(page, true, &groups, &count));
    Q_TRY(add_group_table(page, "source", groups, count));

    const char **labels;
    double *tokens, *bytes_per_token;
    Q_TRY(group_rows(page, false, &groups, &count));
    Q_TRY(q_arena_alloc(&page->arena, count, sizeof *labels, &labels));
    Q_TRY(q_arena_alloc(&page->arena, count, sizeof *tokens, &tokens));
    Q_TRY(q_arena_alloc(&page->arena, count, sizeof *bytes_per_token, &bytes_per_token));
    for (size_t g = 0; g < count; g++) {
        Q_TRY(q_arena_cstring(&page->arena, groups[g].name, &labels[g]));
        tokens[g] = (double)groups[g].tokens;
        bytes_per_token[g] = ratio(groups[g].text_bytes, groups[g].tokens);
    }
    q_report_bars(page->report, &(struct q_bars){"Tokens by language", "tokens", labels, tokens, count});
    q_report_bars(page->report, &(struct q_bars){"Bytes of text per token by language", "bytes per token", labels,
                                                 bytes_per_token, count});
    q_report_text(page->report, "Bytes per token count begin and end of every document as tokens. A script of three "
                                "bytes a letter has more bytes per token at the "
                                "same number of letters: compare a language with itself, under another vocabulary.");
    return add_group_table(page, "language", groups, count);
}

static q_status add_lengths(struct page *page)
{
    const struct survey_split *train = &page->survey->splits[SHARDS_TRAIN];
    double edges[SHARD_LENGTH_BINS + 1], values[SHARD_LENGTH_BINS];
    size_t first = 0, last = SHARD_LENGTH_BINS;
    while (first < last && train->lengths[first] == 0)
        first++;
    while (last > first && train->lengths[last - 1] == 0)
        last--;
    for (size_t bin = first; bin < last; bin++) {
        edges[bin - first] = ldexp(1, (int)bin);
        values[bin - first] = (double)train->lengths[bin];
    }
    edges[last - first] = ldexp(1, (int)last);
    q_report_heading(page->report, "Lengths of documents");
    q_report_histogram(page->report, &(struct q_histogram){.title = "Documents by length",
                                                           .x_label = "tokens",
                                                           .y_label = "documents",
                                                           .edges = edges,
                                                           .values = values,
                                                           .count = last - first,
                                                           .log_x = true});
    q_report_text(page->report,
                  "A document has %.0f tokens on average; a sequence of %u tokens holds or touches %.1f of them.",
                  ratio(train->tokens, train->documents), page->survey->sequence_tokens,
                  1 + page->survey->sequence_tokens * ratio(train->documents, train->tokens));
    if (train->fim_documents > 0)
        q_report_text(page->report, "%llu documents (%.1f%%) are rearranged to fill in the middle.",
                      (unsigned long long)train->fim_documents, 100 * ratio(train->fim_documents, train->documents));
    return Q_OK;
}

static void add_storage(struct page *page)
{
    static const char *const labels[] = {"ids",          "document table", "seek table",
                                         "boundary ids", "statistics",     "header and provenance"};
    const struct survey_split *train = &page->survey->splits[SHARDS_TRAIN];
    const uint64_t *kinds = train->kind_bytes;
    uint64_t tables = 0;
    for (int kind = 0; kind <= SHARD_PROVENANCE; kind++)
        tables += kinds[kind];
    const double values[] = {(double)train->data_bytes,
                             (double)kinds[SHARD_DOCUMENTS],
                             (double)(train->stored_bytes - train->data_bytes - tables),
                             (double)kinds[SHARD_BOUNDARIES],
                             (double)kinds[SHARD_STATISTICS],
                             (double)(kinds[SHARD_HEADER] + kinds[SHARD_PROVENANCE])};
    char stored[32], text[32];
    q_report_heading(page->report, "On disk");
    q_report_text(page->report,
                  "%llu files hold %s for %s of text. The ids take %u bytes each before compression, %.2f bits after "
                  "it (a ratio of %.2f) in %llu frames of "
                  "up to %u ids; a random read decompresses one of them.",
                  (unsigned long long)train->files, q_format_bytes(stored, (double)train->stored_bytes),
                  q_format_bytes(text, (double)train->text_bytes), page->survey->id_bytes,
                  8 * ratio(train->data_bytes, train->tokens),
                  ratio(train->tokens * page->survey->id_bytes, train->data_bytes),
                  (unsigned long long)train->data_frames, page->survey->frame_ids);
    q_report_bars(page->report,
                  &(struct q_bars){"Stored bytes by what they are for", "bytes", labels, values, Q_COUNT_OF(values)});
    q_report_text(
        page->report,
        "Behind the last whole sequence of each file stand %llu tokens (%.3f%%) that no training sequence holds.",
        (unsigned long long)train->tail_tokens, 100 * ratio(train->tail_tokens, train->tokens));
}

/* Ids by how often they occur. */
struct ranked {
    uint64_t count;
    uint32_t id;
};

static int more_frequent_first(const void *a, const void *b)
{
    const struct ranked *left = a, *right = b;
    if (left->count != right->count)
        return left->count < right->count ? 1 : -1;
    return left->id < right->id ? -1 : left->id > right->id;
}

/* A token's bytes with spaces and line ends that can be seen. */
static q_status token_text(struct page *page, uint32_t id, const char **out)
{
    struct q_buffer text = {0};
    if (!page->tokenizer)
        return q_arena_printf(&page->arena, out, "%s", "");
    const q_string bytes = tokenizer_bytes(page->tokenizer, id);
    q_status status = Q_OK;
    for (size_t i = 0; i < bytes.size && !status; i++) {
        const char byte = bytes.data[i];
        if (byte == ' ')
            status = q_buffer_append_string(&text, Q_STRING("\u2423"));
        else if (byte == '\n')
            status = q_buffer_append_string(&text, Q_STRING("\\n"));
        else if (byte == '\t')
            status = q_buffer_append_string(&text, Q_STRING("\\t"));
        else
            status = q_buffer_append_byte(&text, byte);
    }
    if (!status)
        status = q_arena_cstring(&page->arena, q_buffer_string(&text), out);
    q_buffer_release(&text);
    return status;
}

static q_status add_frequent(struct page *page, const struct ranked *ranked, size_t used)
{
    enum { COLUMNS = 5, ROWS = 30 };
    const char *const header[COLUMNS] = {"rank", "id", "token", "times", "share"};
    const char *cells[COLUMNS * ROWS];
    const size_t rows = Q_MIN(used, ROWS);
    for (size_t r = 0; r < rows; r++) {
        const char **row = &cells[r * COLUMNS];
        Q_TRY(q_arena_printf(&page->arena, &row[0], "%zu", r + 1));
        Q_TRY(q_arena_printf(&page->arena, &row[1], "%u", ranked[r].id));
        Q_TRY(token_text(page, ranked[r].id, &row[2]));
        Q_TRY(grouped(page, ranked[r].count, &row[3]));
        Q_TRY(q_arena_printf(&page->arena, &row[4], "%.2f%%",
                             100 * ratio(ranked[r].count, page->survey->splits[SHARDS_TRAIN].tokens)));
    }
    q_report_table(page->report, &(struct q_table){.header = header, .columns = COLUMNS, .cells = cells, .rows = rows});
    return Q_OK;
}

/* Some hundred points, evenly spaced on the logarithmic axis, are the whole curve to the eye. */
static void add_rank_curve(struct page *page, const struct ranked *ranked, size_t used)
{
    enum { POINTS = 200 };
    double x[POINTS], y[POINTS];
    size_t count = 0;
    for (size_t rank = 1; rank <= used && count < POINTS;
         rank = Q_MAX(rank + 1, (size_t)((double)rank * pow((double)used, 1.0 / 150)))) {
        x[count] = (double)rank;
        y[count++] = (double)ranked[rank - 1].count;
    }
    const struct q_series series = {.name = "times seen", .x = x, .y = y, .count = count};
    q_report_lines(page->report, &(struct q_lines){.title = "How often tokens occur, by rank",
                                                   .x_label = "rank",
                                                   .y_label = "times",
                                                   .series = &series,
                                                   .count = 1,
                                                   .log_x = true,
                                                   .log_y = true});
}

static q_status add_tokens(struct page *page)
{
    const uint64_t *counts = page->survey->splits[SHARDS_TRAIN].counts;
    struct ranked *ranked;
    size_t used = 0, rare = 0;
    double bits = 0;
    Q_TRY(q_arena_alloc(&page->arena, page->survey->vocabulary, sizeof *ranked, &ranked));
    for (uint32_t id = 0; id < page->survey->vocabulary; id++) {
        if (counts[id] == 0)
            continue;
        const double share = ratio(counts[id], page->survey->splits[SHARDS_TRAIN].tokens);
        ranked[used++] = (struct ranked){counts[id], id};
        rare += counts[id] < 10;
        bits -= share * log2(share);
    }
    qsort(ranked, used, sizeof *ranked, more_frequent_first);
    q_report_heading(page->report, "Tokens");
    q_report_text(page->report,
                  "%zu of the vocabulary's %u tokens occur, %zu of them fewer than ten times. Guessing each token by "
                  "its frequency alone costs %.2f bits a token, "
                  "%.3f bits a byte: what a model must beat.",
                  used, page->survey->vocabulary, rare, bits,
                  bits *
                      ratio(page->survey->splits[SHARDS_TRAIN].tokens, page->survey->splits[SHARDS_TRAIN].text_bytes));
    add_rank_curve(page, ranked, used);
    return add_frequent(page, ranked, used);
}

static q_status add_sample(struct page *page, const struct shards *shards, struct shards_cursor *cursor,
                           const struct mixture_sample *sample)
{
    struct q_buffer text = {0};
    uint32_t *ids;
    const char *caption;
    enum { SAMPLE_BYTES = 1200 };
    Q_TRY(q_arena_printf(&page->arena, &caption, "Sequence %llu, of %s", (unsigned long long)sample->sequence,
                         shards->sources[sample->source].name));
    Q_TRY(q_alloc((size_t)shards->sequence_tokens + 1, sizeof *ids, &ids));
    q_status status = shards_read(cursor, sample->sequence, ids);
    if (!status)
        status = tokenizer_decode(page->tokenizer, ids, shards->sequence_tokens, &text);
    if (!status)
        q_report_sample(page->report, caption, q_buffer_string(&text), SAMPLE_BYTES);
    q_buffer_release(&text);
    q_release(ids);
    return status;
}

/* The first sequences that a run with seed 0 would see. */
static q_status add_samples_of(struct page *page, const struct shards *shards)
{
    enum { SAMPLES = 5 };
    struct mixture *mixture = NULL;
    struct shards_cursor *cursor = NULL;
    q_status status;
    Q_TRY_GOTO(out, mixture_create(shards, 0, NULL, &mixture));
    Q_TRY_GOTO(out, shards_cursor_create(shards, &cursor));
    for (uint64_t i = 0; i < Q_MIN(SAMPLES, mixture_pass(mixture)); i++) {
        struct mixture_sample sample;
        Q_TRY_GOTO(out, mixture_at(mixture, i, &sample));
        Q_TRY_GOTO(out, add_sample(page, shards, cursor, &sample));
    }
out:
    shards_cursor_release(cursor);
    mixture_release(mixture);
    return status;
}

static q_status add_samples(struct page *page)
{
    struct shards *shards;
    if (!page->tokenizer || page->survey->splits[SHARDS_TRAIN].sequences == 0)
        return Q_OK;
    q_report_heading(page->report, "Sequences as training sees them");
    Q_TRY(shards_open(page->folder, SHARDS_TRAIN, &shards));
    const q_status status = add_samples_of(page, shards);
    shards_close(shards);
    return status;
}

q_status shards_report_add(struct q_report *report, const char *folder, const struct survey *survey,
                           const struct tokenizer *tokenizer)
{
    struct page page = {.report = report, .survey = survey, .tokenizer = tokenizer, .folder = folder};
    q_status status = Q_OK;
    add_figures(&page);
    if (survey->splits[SHARDS_TRAIN].tokens == 0) {
        q_report_warning(report, "There is nothing to train on in these shards.");
        return Q_OK;
    }
    Q_TRY_GOTO(out, add_sources(&page));
    Q_TRY_GOTO(out, add_lengths(&page));
    add_storage(&page);
    Q_TRY_GOTO(out, add_tokens(&page));
    Q_TRY_GOTO(out, add_samples(&page));
out:
    q_arena_release(&page.arena);
    return status;
}
