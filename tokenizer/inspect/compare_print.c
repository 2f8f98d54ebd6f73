/* A comparison as tables for a terminal, as JSON, and as a section of a report. */
#include "base/check.h"
#include "tokenizer/inspect/compare.h"
#include "tokenizer/inspect/text_table.h"

#include <stdio.h>

static const struct {
    const char *title, *key, *note;
} figures[] = {
    [COMPARE_BYTES_PER_TOKEN] = {"bytes per token", "bytes_per_token", "more is better"},
    [COMPARE_CHARACTERS_PER_TOKEN] = {"characters per token", "characters_per_token", "more is better"},
    [COMPARE_TOKENS_PER_WORD] = {"tokens per word", "tokens_per_word", "less is better"},
};

/* `padded`: a blank where there is no mark, so that digits line up on a terminal. */
static q_status put_language(const struct comparison *comparison, const struct measured_language *language,
                             enum compare_figure figure, bool padded, struct text_table *table)
{
    const char *none = padded ? " " : "";
    char text[32];
    Q_TRY(text_table_put(table, "%.*s", Q_STRING_ARGS(language->name)));
    Q_TRY(text_table_put(table, "%s", text_grouped(text, language->documents)));
    Q_TRY(text_table_put(table, "%.2f", (double)language->bytes / 1e6));
    for (size_t i = 0; i < comparison->count; i++) {
        double value = comparison_figure(language, i, figure);
        bool best = comparison_is_best(comparison, language, value, figure);
        if (value > 0)
            Q_TRY(text_table_put(table, "%.2f%s", value, best ? "*" : none));
        else
            Q_TRY(text_table_put(table, "-%s", none));
    }
    return Q_OK;
}

/* Languages by rows, vocabularies by columns. Words are not summed over languages that have none. */
static q_status fill_languages(const struct comparison *comparison, enum compare_figure figure, bool padded,
                               struct text_table *table)
{
    const struct text_measure *measure = &comparison->measure;
    table->columns = 3 + comparison->count;
    Q_TRY(text_table_put(table, "language"));
    Q_TRY(text_table_put(table, "documents"));
    Q_TRY(text_table_put(table, "MB"));
    for (size_t i = 0; i < comparison->count; i++)
        Q_TRY(text_table_put(table, "%s%s", comparison->names[i], padded ? " " : ""));
    for (size_t i = 0; i < measure->language_count; i++)
        Q_TRY(put_language(comparison, &measure->languages[i], figure, padded, table));
    bool summed = figure != COMPARE_TOKENS_PER_WORD || measured_words_make_sense(&measure->all);
    return summed ? put_language(comparison, &measure->all, figure, padded, table) : Q_OK;
}

/* Languages by rows, all figures of the only vocabulary by columns. */
static q_status fill_alone(const struct comparison *comparison, struct text_table *table)
{
    static const char *const header[] = {"language", "documents", "MB"};
    const struct text_measure *measure = &comparison->measure;
    char text[32];
    table->columns = Q_COUNT_OF(header) + Q_COUNT_OF(figures);
    for (size_t i = 0; i < Q_COUNT_OF(header); i++)
        Q_TRY(text_table_put(table, "%s", header[i]));
    for (size_t i = 0; i < Q_COUNT_OF(figures); i++)
        Q_TRY(text_table_put(table, "%s", figures[i].title));
    for (size_t i = 0; i <= measure->language_count; i++) {
        const struct measured_language *language = i < measure->language_count ? &measure->languages[i] : &measure->all;
        Q_TRY(text_table_put(table, "%.*s", Q_STRING_ARGS(language->name)));
        Q_TRY(text_table_put(table, "%s", text_grouped(text, language->documents)));
        Q_TRY(text_table_put(table, "%.2f", (double)language->bytes / 1e6));
        for (size_t k = 0; k < Q_COUNT_OF(figures); k++) {
            double value = comparison_figure(language, 0, (enum compare_figure)k);
            Q_TRY(value > 0 ? text_table_put(table, "%.2f", value) : text_table_put(table, "-"));
        }
    }
    return Q_OK;
}

/* Vocabularies by rows: what does not depend on a language. */
static q_status fill_vocabularies(const struct comparison *comparison, struct text_table *table)
{
    static const char *const header[] = {"vocabulary",  "size", "tokens",   "bytes per token", "to first",
                                         "by language", "used", "evenness", "changed"};
    const struct text_measure *measure = &comparison->measure;
    char text[32];
    table->columns = Q_COUNT_OF(header);
    for (size_t i = 0; i < Q_COUNT_OF(header); i++)
        Q_TRY(text_table_put(table, "%s", header[i]));
    for (size_t i = 0; i < comparison->count; i++) {
        uint32_t size = tokenizer_size(comparison->tokenizers[i]);
        Q_TRY(text_table_put(table, "%s", comparison->names[i]));
        Q_TRY(text_table_put(table, "%s", text_grouped(text, size)));
        Q_TRY(text_table_put(table, "%s", text_grouped(text, measure->all.tokens[i])));
        Q_TRY(text_table_put(table, "%.3f", comparison_figure(&measure->all, i, COMPARE_BYTES_PER_TOKEN)));
        Q_TRY(text_table_put(table, "%.3f", comparison_tokens_to_first(comparison, i)));
        Q_TRY(text_table_put(table, "%.3f", comparison_mean_to_first(comparison, i)));
        Q_TRY(text_table_put(table, "%.1f%%", 100.0 * measured_used(measure, i) / Q_MAX(size, 1u)));
        Q_TRY(text_table_put(table, "%.3f", measured_evenness(measure, i)));
        Q_TRY(text_table_put(table, "%s", text_grouped(text, measure->changed[i])));
    }
    return Q_OK;
}

static double share_of(const struct comparison *comparison, size_t row, size_t column)
{
    uint32_t all = comparison->shared[row][row];
    return all ? 100.0 * comparison->shared[row][column] / all : 0;
}

/* How much of the vocabulary of a row the one of a column has. */
static q_status fill_overlaps(const struct comparison *comparison, struct text_table *table)
{
    char text[32];
    table->columns = 1 + comparison->count;
    Q_TRY(text_table_put(table, "tokens of"));
    for (size_t i = 0; i < comparison->count; i++)
        Q_TRY(text_table_put(table, "also in %s", comparison->names[i]));
    for (size_t i = 0; i < comparison->count; i++) {
        Q_TRY(text_table_put(table, "%s", comparison->names[i]));
        for (size_t k = 0; k < comparison->count; k++)
            if (i == k)
                Q_TRY(text_table_put(table, "%s", text_grouped(text, comparison->shared[i][i])));
            else
                Q_TRY(text_table_put(table, "%s (%.0f%%)", text_grouped(text, comparison->shared[i][k]),
                                     share_of(comparison, i, k)));
    }
    return Q_OK;
}

static q_status print_table(const struct text_table *table, const char *title, q_status status, struct q_buffer *out)
{
    if (!status)
        status = q_buffer_printf(out, "%s%s\n", out->size ? "\n" : "", title);
    return status ? status : text_table_print(table, out);
}

q_status comparison_print(const struct comparison *comparison, enum compare_figure figure, struct q_buffer *out)
{
    struct text_table languages = {0}, vocabularies = {0}, overlaps = {0};
    char title[128];
    bool several = comparison->count > 1;
    (void)snprintf(title, sizeof(title), "%s (%s%s)", figures[figure].title, figures[figure].note,
                   several ? ", * is best" : "");
    q_status status = fill_languages(comparison, figure, several, &languages);
    status = print_table(&languages, title, status, out);
    if (!status)
        status = fill_vocabularies(comparison, &vocabularies);
    status = print_table(&vocabularies, "vocabularies", status, out);
    if (several) {
        if (!status)
            status = fill_overlaps(comparison, &overlaps);
        status = print_table(&overlaps, "shared tokens", status, out);
    }
    text_table_release(&languages);
    text_table_release(&vocabularies);
    text_table_release(&overlaps);
    return status;
}

static void json_language(const struct comparison *comparison, const struct measured_language *language,
                          struct q_json *json)
{
    measured_language_json(language, json);
    q_json_open(json, "vocabularies", '{');
    for (size_t i = 0; i < comparison->count; i++) {
        q_json_open(json, comparison->names[i], '{');
        q_json_put_u64(json, "tokens", language->tokens[i]);
        for (size_t k = 0; k < Q_COUNT_OF(figures); k++) {
            double value = comparison_figure(language, i, (enum compare_figure)k);
            if (value > 0)
                q_json_put_fixed(json, figures[k].key, value, 4);
        }
        q_json_close(json, '}');
    }
    q_json_close(json, '}');
}

static void json_vocabulary(const struct comparison *comparison, size_t i, struct q_json *json)
{
    const struct text_measure *measure = &comparison->measure;
    q_json_open(json, NULL, '{');
    q_json_put_string(json, "name", q_string_of(comparison->names[i]));
    q_json_put_u64(json, "size", tokenizer_size(comparison->tokenizers[i]));
    q_json_put_u64(json, "tokens", measure->all.tokens[i]);
    q_json_put_fixed(json, "tokens_to_first", comparison_tokens_to_first(comparison, i), 6);
    q_json_put_fixed(json, "tokens_to_first_by_language", comparison_mean_to_first(comparison, i), 6);
    q_json_put_u64(json, "used", measured_used(measure, i));
    q_json_put_fixed(json, "evenness", measured_evenness(measure, i), 6);
    q_json_put_u64(json, "documents_changed", measure->changed[i]);
    q_json_open(json, "shared", '{');
    for (size_t k = 0; k < comparison->count; k++)
        q_json_put_u64(json, comparison->names[k], comparison->shared[i][k]);
    q_json_close(json, '}');
    q_json_close(json, '}');
}

q_status comparison_json(const struct comparison *comparison, struct q_buffer *out)
{
    const struct text_measure *measure = &comparison->measure;
    struct q_json json = q_json_begin(out);
    struct q_arena arena = {0};
    q_status status = Q_OK;
    q_json_open(&json, NULL, '{');
    q_json_open(&json, "vocabularies", '[');
    for (size_t i = 0; i < comparison->count; i++)
        json_vocabulary(comparison, i, &json);
    q_json_close(&json, ']');
    q_json_open(&json, "all", '{');
    json_language(comparison, &measure->all, &json);
    q_json_close(&json, '}');
    q_json_open(&json, "languages", '{');
    for (size_t i = 0; i < measure->language_count && !status; i++) {
        const char *name;
        status = q_arena_cstring(&arena, measure->languages[i].name, &name);
        if (status)
            break;
        q_json_open(&json, name, '{');
        json_language(comparison, &measure->languages[i], &json);
        q_json_close(&json, '}');
    }
    q_json_close(&json, '}');
    q_json_close(&json, '}');
    q_json_newline(&json);
    q_arena_release(&arena);
    return status ? status : q_json_end(&json);
}

static q_status report_table(struct q_report *report, const struct text_table *table, q_status status)
{
    if (!status)
        q_report_table(report, &(struct q_table){table->cells, table->columns, table->cells + table->columns,
                                                 table->count / table->columns - 1});
    return status;
}

/* What only makes sense for several. */
static q_status report_summary(const struct comparison *comparison, struct q_report *report)
{
    struct text_table vocabularies = {0}, overlaps = {0};
    q_status status = report_table(report, &vocabularies, fill_vocabularies(comparison, &vocabularies));
    q_report_text(
        report,
        "To first: tokens relative to those of the first vocabulary, for all texts; by language: the mean of that "
        "with every language counted the same. Evenness: Renyi entropy of order 2.5 of the tokens' "
        "frequencies, relative to that of an even use of the whole vocabulary. Changed: texts that do not "
        "come back byte for byte, because a normaliser changes them.");
    q_report_text(report, "Tokens that two vocabularies share, by their bytes; special tokens are left out.");
    if (!status)
        status = report_table(report, &overlaps, fill_overlaps(comparison, &overlaps));
    text_table_release(&vocabularies);
    text_table_release(&overlaps);
    return status;
}

q_status comparison_report(const struct comparison *comparison, struct q_report *report)
{
    struct text_table tables[Q_COUNT_OF(figures)] = {0};
    q_status status = Q_OK;
    if (comparison->count == 1) {
        status = report_table(report, &tables[0], fill_alone(comparison, &tables[0]));
        text_table_release(&tables[0]);
        return status;
    }
    q_report_heading(report, "Compared with other vocabularies");
    status = report_summary(comparison, report);
    for (size_t k = 0; k < Q_COUNT_OF(figures) && !status; k++) {
        q_report_text(report, "%c%s by language: %s, * is best.", figures[k].title[0] - 'a' + 'A', figures[k].title + 1,
                      figures[k].note);
        status =
            report_table(report, &tables[k], fill_languages(comparison, (enum compare_figure)k, false, &tables[k]));
    }
    for (size_t i = 0; i < Q_COUNT_OF(tables); i++)
        text_table_release(&tables[i]);
    return status;
}
