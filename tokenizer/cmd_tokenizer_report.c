/* quern-tokenizer report: what a trained vocabulary is like, as one page. */
#include "base/check.h"
#include "base/fs.h"
#include "base/manifest.h"
#include "base/recipe.h"
#include "base/threads.h"
#include "tokenizer/cmd_tokenizer.h"
#include "tokenizer/encode/bpe_index.h"
#include "tokenizer/inspect/audit.h"
#include "tokenizer/inspect/compare.h"
#include "tokenizer/inspect/text_table.h"
#include "tokenizer/inspect/token_kinds.h"
#include "tokenizer/inspect/vocabulary_growth.h"
#include "tokenizer/tokenizer_settings.h"

#include <stdio.h>

enum { MERGES_SHOWN = 60, SHOWN_BYTES = 80, JSON_BYTES_MAX = 1 << 20 };

const struct q_option report_table[] = {
    {"fragment", 0, Q_OPTION_FLAG, offsetof(struct q_report_options, fragment), NULL,
     "print what goes into the page of a run"},
    {"tokenizer", 't', Q_OPTION_TEXTS, offsetof(struct tokenizer_report_options, others), "[NAME=]PATH",
     "a vocabulary to compare with, besides the recipe's tokenizer.compare"},
    {0},
};

struct reporting {
    struct q_report *report;
    const char *folder;
    struct q_manifest manifest;
    struct tokenizer *tokenizer;
    struct q_pool *pool;
    struct q_recipe recipe;
    struct q_arena arena;
    const char *sample; /* the file of texts beside the vocabulary; NULL: none */
};

static double number_at(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static q_status put_figures(struct reporting *r, const json_t *statistics)
{
    char text[32];
    double bytes = 0, tokens = 0;
    const char *name;
    json_t *language;
    json_object_foreach(json_object_get(statistics, "sample"), name, language)
    {
        bytes += number_at(language, "bytes");
        tokens += number_at(language, "tokens");
    }
    q_report_figure(r->report, text_grouped(text, (uint64_t)number_at(statistics, "vocabulary")), "tokens");
    q_report_figure(r->report, q_format_bytes(text, number_at(statistics, "text_bytes")), "of text counted");
    q_report_figure(r->report, q_format_count(text, number_at(statistics, "distinct_pieces")), "distinct pieces");
    if (tokens > 0) {
        (void)snprintf(text, sizeof(text), "%.2f", bytes / tokens);
        q_report_figure(r->report, text, "bytes per token in the sample");
    }
    return Q_OK;
}

static q_status read_json(struct reporting *r, const char *folder, const char *name, json_t **out)
{
    const char *path;
    struct stat st;
    bool exists;
    *out = NULL;
    Q_TRY(q_fs_join(&r->arena, folder, name, &path));
    Q_TRY(q_fs_look(path, &exists, &st));
    return exists ? q_json_read_file(path, JSON_BYTES_MAX, out) : Q_OK;
}

/* A row of a step: how long it took and what memory, on what. The step may be gone: then no row. */
static q_status put_step(struct reporting *r, const char *folder, const char *name, struct text_table *table)
{
    json_t *provenance;
    char time[32], memory[32];
    Q_TRY(read_json(r, folder, "provenance.json", &provenance));
    if (!provenance)
        return Q_OK;
    const char *processor = json_string_value(json_object_get(provenance, "processor"));
    q_status status = text_table_put(table, "%s", name);
    if (!status)
        status = text_table_put(table, "%s", q_format_duration(time, number_at(provenance, "seconds")));
    if (!status)
        status = text_table_put(table, "%s", q_format_bytes(memory, number_at(provenance, "memory_peak_bytes")));
    if (!status)
        status = text_table_put(table, "%.0f", number_at(provenance, "threads"));
    if (!status)
        status = text_table_put(table, "%s", processor ? processor : "");
    json_decref(provenance);
    return status;
}

/* The count's folder is named by its key, the start of the hash that the train step's identity holds: beside this one in a run, else in its `work`. */
static q_status count_folders(struct reporting *r, const char *out[2])
{
    json_t *step, *input;
    size_t i;
    out[0] = out[1] = NULL;
    Q_TRY(read_json(r, r->folder, "step.json", &step));
    q_status status = Q_OK;
    json_array_foreach(json_object_get(step, "inputs"), i, input)
    {
        const char *name = json_string_value(json_object_get(input, "name")),
                   *hash = json_string_value(json_object_get(input, "hash"));
        if (!name || strcmp(name, "count") != 0 || !hash)
            continue;
        status = q_arena_printf(&r->arena, &out[0], "%s/../%.*s", r->folder, Q_KEY_SIZE - 1, hash);
        if (!status)
            status = q_arena_printf(&r->arena, &out[1], "%s/work/%.*s", r->folder, Q_KEY_SIZE - 1, hash);
    }
    json_decref(step);
    return status;
}

static q_status put_times(struct reporting *r)
{
    struct text_table table = {.columns = 5};
    static const char *const header[] = {"step", "time", "memory", "threads", "processor"};
    const char *folders[2];
    q_status status = count_folders(r, folders);
    for (size_t i = 0; i < Q_COUNT_OF(header) && !status; i++)
        status = text_table_put(&table, "%s", header[i]);
    for (size_t i = 0; i < Q_COUNT_OF(folders) && folders[i] && !status && table.count == table.columns; i++)
        status = put_step(r, folders[i], "count", &table);
    if (!status)
        status = put_step(r, r->folder, "train", &table);
    if (!status && table.count > table.columns) {
        q_report_text(r->report, "What it took, as the last build of each step says; memory is the largest of the "
                                 "process so far, so training's includes counting where one process did both.");
        q_report_table(r->report, &(struct q_table){table.cells, table.columns, table.cells + table.columns,
                                                    table.count / table.columns - 1});
    }
    text_table_release(&table);
    return status;
}

/* Languages by name: the sample has about as much of each. */
static q_status put_languages(struct reporting *r, json_t *sample)
{
    const char **labels;
    double *values;
    size_t count = 0, languages = json_object_size(sample);
    const char *name;
    json_t *language;
    Q_TRY(q_arena_alloc(&r->arena, languages, sizeof(*labels), &labels));
    Q_TRY(q_arena_alloc(&r->arena, languages, sizeof(*values), &values));
    json_object_foreach(sample, name, language)
    {
        size_t at = count;
        if (number_at(language, "tokens") <= 0)
            continue;
        for (; at > 0 && strcmp(labels[at - 1], name) > 0; at--) {
            labels[at] = labels[at - 1];
            values[at] = values[at - 1];
        }
        labels[at] = name;
        values[at] = number_at(language, "bytes") / number_at(language, "tokens");
        count++;
    }
    q_report_heading(r->report, "Bytes per token by language");
    q_report_text(r->report,
                  "In the sample: the first documents of each language in each part. More bytes per token is "
                  "a shorter sequence for the same text; scripts of three bytes a character start from a "
                  "higher number.");
    q_report_bars(r->report, &(struct q_bars){"Bytes per token", NULL, labels, values, count});
    return Q_OK;
}

/* Paths of a recipe are relative to it; NAME= stays before them. */
static q_status resolve(struct reporting *r, const char *given, const char **out)
{
    const char *equals = strchr(given, '='), *slash = strchr(given, '/');
    const char *path = equals && (!slash || slash > equals) ? equals + 1 : given;
    if (*path == '/' || !r->recipe.folder)
        return q_arena_printf(&r->arena, out, "%s", given);
    return q_arena_printf(&r->arena, out, "%.*s%s/%s", (int)(path - given), given, r->recipe.folder, path);
}

/* This vocabulary first, then those of the recipe and of the command line. */
static q_status list_vocabularies(struct reporting *r, const struct tokenizer_report_options *options,
                                  const char ***out, size_t *count)
{
    struct tokenizer_settings settings;
    Q_TRY(q_recipe_load(options->report.common.recipe, &options->report.common.set, &r->recipe));
    Q_TRY(q_settings_load(&tokenizer_settings_table, q_recipe_section(&r->recipe, "tokenizer"), &r->recipe.arena,
                          &settings));
    Q_TRY(q_arena_alloc(&r->arena, 1 + settings.compare.count + options->others.count, sizeof(**out), out));
    Q_TRY(q_arena_printf(&r->arena, &(*out)[0], "this=%s", r->folder));
    *count = 1;
    for (size_t i = 0; i < settings.compare.count; i++)
        Q_TRY(resolve(r, settings.compare.items[i], &(*out)[(*count)++]));
    for (size_t i = 0; i < options->others.count; i++)
        (*out)[(*count)++] = options->others.items[i];
    return Q_OK;
}

/* A vocabulary that cannot be read is a remark on the page, not the end of it. */
static q_status load_vocabularies(struct reporting *r, const char **given, size_t count, struct comparison *comparison)
{
    q_status status = comparison_load(comparison, given, count);
    if (status == Q_OK || status == Q_ERR_MEMORY)
        return status;
    q_report_warning(r->report, "no comparison: %s", q_error_text());
    comparison_release(comparison);
    return comparison_load(comparison, given, 1);
}

static q_status put_comparison(struct reporting *r, const struct tokenizer_report_options *options)
{
    struct comparison comparison = {0};
    struct text_source *source = NULL;
    const char **given;
    size_t count;
    q_status status;
    Q_TRY_GOTO(done, list_vocabularies(r, options, &given, &count));
    Q_TRY_GOTO(done, load_vocabularies(r, given, count, &comparison));
    Q_TRY_GOTO(done, text_source_open_part(r->sample, 0, 0, &source));
    Q_TRY_GOTO(done, comparison_run(&comparison, source, false, r->pool));
    status = comparison_report(&comparison, r->report);
done:
    text_source_close(source);
    comparison_release(&comparison);
    return status;
}

static q_status put_growth(struct reporting *r)
{
    struct vocabulary_growth growth;
    struct q_series series[1 + GROWTH_LANGUAGES];
    Q_TRY(vocabulary_growth_measure(r->folder, r->sample, r->pool, &growth));
    for (size_t i = 0; i < growth.lines; i++)
        series[i] = (struct q_series){growth.names[i], growth.merges, growth.bytes_per_token[i], growth.points};
    q_report_heading(r->report, "What the size is worth");
    q_report_text(r->report, "The same sample with the first merges only. A vocabulary trained smaller would have just "
                             "these; where a line flattens, more tokens bring that language little.");
    q_report_lines(r->report, &(struct q_lines){.title = "Bytes per token with the first merges",
                                                .x_label = "merges",
                                                .y_label = "bytes per token",
                                                .series = series,
                                                .count = growth.lines,
                                                .log_x = true});
    return Q_OK;
}

static q_status put_merge_counts(struct reporting *r, const json_t *statistics)
{
    const json_t *curve = json_object_get(statistics, "merge_counts"), *ranks = json_object_get(curve, "ranks"),
                 *counts = json_object_get(curve, "per_million_bytes");
    size_t points = Q_MIN(json_array_size(ranks), json_array_size(counts));
    double *x, *y;
    if (points < 2)
        return Q_OK;
    Q_TRY(q_arena_alloc(&r->arena, points, sizeof(*x), &x));
    Q_TRY(q_arena_alloc(&r->arena, points, sizeof(*y), &y));
    for (size_t i = 0; i < points; i++) {
        x[i] = json_number_value(json_array_get(ranks, i)) + 1;
        y[i] = json_number_value(json_array_get(counts, i));
    }
    const struct q_series series = {"pair when merged", x, y, points};
    q_report_lines(r->report, &(struct q_lines){.title = "How common each merge was",
                                                .x_label = "merge",
                                                .y_label = "per million bytes",
                                                .series = &series,
                                                .count = 1,
                                                .log_x = true,
                                                .log_y = true});
    return Q_OK;
}

static q_status put_token(q_string token, struct text_table *table)
{
    struct q_buffer text = {0};
    q_status status = token_show(token, SHOWN_BYTES, &text);
    if (!status)
        status = q_buffer_terminate(&text);
    if (!status)
        status = text_table_put(table, "%s", text.data);
    q_buffer_release(&text);
    return status;
}

static q_status fill_merges(const struct vocabulary *vocabulary, struct text_table *table)
{
    static const char *const header[] = {"merge", "left", "right", "token"};
    size_t shown = Q_MIN(vocabulary->merge_count, (size_t)MERGES_SHOWN);
    for (size_t i = 0; i < Q_COUNT_OF(header); i++)
        Q_TRY(text_table_put(table, "%s", header[i]));
    for (size_t i = 0; i < shown; i++) {
        size_t rank = shown > 1 ? i * (vocabulary->merge_count - 1) / (shown - 1) : 0;
        const struct vocabulary_merge *merge = &vocabulary->merges[rank];
        Q_TRY(text_table_put(table, "%zu", rank));
        Q_TRY(put_token(vocabulary->tokens[merge->left], table));
        Q_TRY(put_token(vocabulary->tokens[merge->right], table));
        Q_TRY(put_token(vocabulary->tokens[merge->id], table));
    }
    return Q_OK;
}

/* Merges at even distances from the first to the last: what was learned when. */
static q_status put_merges(struct reporting *r)
{
    struct text_table table = {.columns = 4};
    q_status status = fill_merges(&r->tokenizer->vocabulary, &table);
    if (!status) {
        q_report_heading(r->report, "Merges, from the commonest to the last");
        q_report_table(r->report, &(struct q_table){table.cells, table.columns, table.cells + table.columns,
                                                    table.count / table.columns - 1});
    }
    text_table_release(&table);
    return status;
}

static q_status put_audit(struct reporting *r)
{
    struct audit audit = {0};
    q_status status = audit_run(&audit, r->tokenizer, NULL, r->pool);
    if (!status)
        status = audit_report(&audit, r->report);
    audit_release(&audit);
    return status;
}

static q_status find_sample(struct reporting *r)
{
    const char *path;
    struct stat st;
    bool exists;
    Q_TRY(q_fs_join(&r->arena, r->folder, "sample.jsonl.zst", &path));
    Q_TRY(q_fs_look(path, &exists, &st));
    r->sample = exists ? path : NULL;
    return Q_OK;
}

static q_status fill_report(struct reporting *r, const struct tokenizer_report_options *options)
{
    json_t *statistics = json_object_get(r->manifest.json, "statistics");
    Q_TRY(find_sample(r));
    Q_TRY(put_figures(r, statistics));
    Q_TRY(put_times(r));
    Q_TRY(put_languages(r, json_object_get(statistics, "sample")));
    if (r->sample) {
        Q_TRY(put_comparison(r, options));
        Q_TRY(put_growth(r));
    }
    Q_TRY(put_merge_counts(r, statistics));
    Q_TRY(put_audit(r));
    return put_merges(r);
}

q_status cmd_report(void *given, const char *const *arguments, size_t count)
{
    const struct tokenizer_report_options *options = given;
    const struct q_common *common = &options->report.common;
    struct reporting r = {.folder = arguments[0]};
    q_status status;
    (void)count;
    Q_TRY_GOTO(done, q_manifest_read(r.folder, &r.manifest));
    Q_TRY_GOTO(done, tokenizer_load(r.folder, &r.tokenizer));
    Q_TRY_GOTO(done, q_pool_create((unsigned)common->threads, &r.pool));
    Q_TRY_GOTO(done, q_report_create("Tokenizer", &r.report));
    Q_TRY_GOTO(done, fill_report(&r, options));
    status = q_report_deliver(r.report, r.folder, common->out, options->report.fragment);
done:
    q_report_release(r.report);
    tokenizer_release(r.tokenizer);
    q_manifest_release(&r.manifest);
    q_recipe_release(&r.recipe);
    q_arena_release(&r.arena);
    if (r.pool)
        q_pool_release(r.pool);
    return status;
}
