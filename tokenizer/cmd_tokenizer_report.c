/* quern-tokenizer report: what a trained vocabulary is like, as one page. */
#include "base/check.h"
#include "base/fs.h"
#include "base/manifest.h"
#include "base/report_verb.h"
#include "tokenizer/bpe_index.h"
#include "tokenizer/cmd_tokenizer.h"
#include "tokenizer/token_kinds.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    LENGTH_BINS = 24, /* the last one takes all longer tokens */
    LONGEST_SHOWN = 40,
    MERGES_SHOWN = 120,
    KINDS_MAX = 64,
    SHOWN_BYTES = 200,
};

struct reporting {
    struct q_report *report;
    struct q_manifest manifest;
    struct tokenizer *tokenizer;
    struct q_arena arena;
};

static double number_at(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static void put_figures(struct reporting *r, const json_t *statistics)
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
    (void)snprintf(text, sizeof(text), "%.0f", number_at(statistics, "vocabulary"));
    q_report_figure(r->report, text, "tokens");
    q_report_figure(r->report, q_format_bytes(text, number_at(statistics, "text_bytes")), "of text counted");
    q_report_figure(r->report, q_format_count(text, number_at(statistics, "distinct_pieces")), "distinct pieces");
    if (tokens > 0) {
        (void)snprintf(text, sizeof(text), "%.2f", bytes / tokens);
        q_report_figure(r->report, text, "bytes per token in the sample");
    }
}

struct rate {
    const char *name;
    double rate, bytes, tokens, documents;
};

static int by_falling_bytes(const void *left, const void *right)
{
    const struct rate *a = left, *b = right;
    return a->bytes != b->bytes ? (a->bytes < b->bytes) - (a->bytes > b->bytes) : strcmp(a->name, b->name);
}

static q_status rates_of(struct reporting *r, json_t *sample, struct rate **out, size_t *count)
{
    const char *name;
    json_t *language;
    *count = 0;
    Q_TRY(q_arena_alloc(&r->arena, json_object_size(sample), sizeof(**out), out));
    json_object_foreach(sample, name, language)
    {
        double bytes = number_at(language, "bytes"), tokens = number_at(language, "tokens");
        if (tokens > 0)
            (*out)[(*count)++] = (struct rate){name, bytes / tokens, bytes, tokens, number_at(language, "documents")};
    }
    qsort(*out, *count, sizeof(**out), by_falling_bytes);
    return Q_OK;
}

/* Languages by how much of them the sample has, as bars and as a table. */
static q_status put_languages(struct reporting *r, json_t *sample)
{
    static const char *const header[] = {"language", "documents", "bytes", "tokens", "bytes per token"};
    enum { COLUMNS = Q_COUNT_OF(header) };
    struct rate *rates;
    size_t count;
    const char **labels, **cells;
    double *values;
    Q_TRY(rates_of(r, sample, &rates, &count));
    Q_TRY(q_arena_alloc(&r->arena, count, sizeof(*labels), &labels));
    Q_TRY(q_arena_alloc(&r->arena, count, sizeof(*values), &values));
    Q_TRY(q_arena_alloc(&r->arena, count * COLUMNS, sizeof(*cells), &cells));
    for (size_t i = 0; i < count; i++) {
        labels[i] = cells[i * COLUMNS] = rates[i].name;
        values[i] = rates[i].rate;
        Q_TRY(q_arena_printf(&r->arena, &cells[i * COLUMNS + 1], "%.0f", rates[i].documents));
        Q_TRY(q_arena_printf(&r->arena, &cells[i * COLUMNS + 2], "%.0f", rates[i].bytes));
        Q_TRY(q_arena_printf(&r->arena, &cells[i * COLUMNS + 3], "%.0f", rates[i].tokens));
        Q_TRY(q_arena_printf(&r->arena, &cells[i * COLUMNS + 4], "%.2f", rates[i].rate));
    }
    q_report_heading(r->report, "Bytes per token by language");
    q_report_text(r->report, "The first documents of each part, encoded. More bytes per token is a shorter sequence "
                             "for the same text; scripts "
                             "of three bytes a character start from a higher number.");
    q_report_bars(r->report, &(struct q_bars){"Bytes per token", NULL, labels, values, count});
    q_report_table(r->report, &(struct q_table){header, COLUMNS, cells, count});
    return Q_OK;
}

static void put_lengths(struct reporting *r)
{
    double edges[LENGTH_BINS + 1], values[LENGTH_BINS] = {0};
    for (int i = 0; i <= LENGTH_BINS; i++)
        edges[i] = i + 1;
    for (uint32_t id = 0; id < tokenizer_size(r->tokenizer); id++) {
        size_t size = tokenizer_bytes(r->tokenizer, id).size;
        if (size && !tokenizer_is_special(r->tokenizer, id))
            values[Q_MIN(size, LENGTH_BINS) - 1]++;
    }
    q_report_heading(r->report, "Tokens");
    q_report_histogram(r->report, &(struct q_histogram){.title = "Tokens by length (the last column: that and longer)",
                                                        .x_label = "bytes",
                                                        .y_label = "tokens",
                                                        .edges = edges,
                                                        .values = values,
                                                        .count = LENGTH_BINS});
}

struct kind {
    const char *name;
    double tokens;
};

static int by_falling_tokens(const void *left, const void *right)
{
    const struct kind *a = left, *b = right;
    return a->tokens != b->tokens ? (a->tokens < b->tokens) - (a->tokens > b->tokens) : strcmp(a->name, b->name);
}

static void put_kinds(struct reporting *r)
{
    struct kind kinds[KINDS_MAX];
    const char *labels[KINDS_MAX];
    double values[KINDS_MAX];
    size_t count = 0;
    for (uint32_t id = 0; id < tokenizer_size(r->tokenizer); id++) {
        q_string token = tokenizer_bytes(r->tokenizer, id);
        if (!token.size)
            continue;
        const char *name = tokenizer_is_special(r->tokenizer, id) ? "special" : token_kind(token);
        size_t i = 0;
        while (i < count && strcmp(kinds[i].name, name) != 0)
            i++;
        if (i == count) {
            q_check(count < KINDS_MAX);
            kinds[count++] = (struct kind){name, 0};
        }
        kinds[i].tokens++;
    }
    qsort(kinds, count, sizeof(*kinds), by_falling_tokens);
    for (size_t i = 0; i < count; i++) {
        labels[i] = kinds[i].name;
        values[i] = kinds[i].tokens;
    }
    q_report_bars(r->report, &(struct q_bars){"What the tokens are spent on", "tokens", labels, values, count});
}

/* A token in quotes, with what cannot be seen written as ␣, \n or \xNN. */
static q_status show_token(struct reporting *r, q_string token, const char **out)
{
    struct q_buffer text = {0};
    bool valid = q_utf8_valid(token);
    q_status status = q_buffer_append_byte(&text, '"');
    for (size_t i = 0; i < Q_MIN(token.size, (size_t)SHOWN_BYTES) && !status; i++) {
        uint8_t byte = (uint8_t)token.data[i];
        if (byte == '\n' || byte == '\t' || byte == '\r')
            status = q_buffer_printf(&text, "\\%c", byte == '\n' ? 'n' : byte == '\t' ? 't' : 'r');
        else if (byte == ' ') /* a blank would run together with its neighbours on a page */
            status = q_buffer_append_string(&text, Q_STRING("␣"));
        else if (byte < 0x20 || byte == 0x7F || (byte >= 0x80 && !valid))
            status = q_buffer_printf(&text, "\\x%02x", byte);
        else
            status = q_buffer_append_byte(&text, token.data[i]);
    }
    if (!status)
        status = q_buffer_append_byte(&text, '"');
    if (!status)
        status = q_arena_cstring(&r->arena, q_buffer_string(&text), out);
    q_buffer_release(&text);
    return status;
}

struct long_token {
    uint32_t id;
    size_t size;
};

static int by_falling_size(const void *left, const void *right)
{
    const struct long_token *a = left, *b = right;
    return a->size != b->size ? (a->size < b->size) - (a->size > b->size) : (a->id > b->id) - (a->id < b->id);
}

static q_status put_longest(struct reporting *r)
{
    static const char *const header[] = {"bytes", "id", "token"};
    const char *cells[LONGEST_SHOWN * Q_COUNT_OF(header)];
    struct long_token *tokens;
    size_t count = 0;
    Q_TRY(q_arena_alloc(&r->arena, tokenizer_size(r->tokenizer), sizeof(*tokens), &tokens));
    for (uint32_t id = 0; id < tokenizer_size(r->tokenizer); id++)
        if (!tokenizer_is_special(r->tokenizer, id))
            tokens[count++] = (struct long_token){id, tokenizer_bytes(r->tokenizer, id).size};
    qsort(tokens, count, sizeof(*tokens), by_falling_size);
    count = Q_MIN(count, (size_t)LONGEST_SHOWN);
    for (size_t i = 0; i < count; i++) {
        Q_TRY(q_arena_printf(&r->arena, &cells[3 * i], "%zu", tokens[i].size));
        Q_TRY(q_arena_printf(&r->arena, &cells[3 * i + 1], "%u", tokens[i].id));
        Q_TRY(show_token(r, tokenizer_bytes(r->tokenizer, tokens[i].id), &cells[3 * i + 2]));
    }
    q_report_heading(r->report, "The longest tokens");
    q_report_table(r->report, &(struct q_table){header, Q_COUNT_OF(header), cells, count});
    return Q_OK;
}

/* Merges at even distances from the first to the last: what was learned when. */
static q_status put_merges(struct reporting *r)
{
    static const char *const header[] = {"merge", "left", "right", "token"};
    const struct vocabulary *vocabulary = &r->tokenizer->vocabulary;
    const char *cells[MERGES_SHOWN * Q_COUNT_OF(header)];
    size_t shown = Q_MIN(vocabulary->merge_count, (size_t)MERGES_SHOWN);
    for (size_t i = 0; i < shown; i++) {
        size_t rank = shown > 1 ? i * (vocabulary->merge_count - 1) / (shown - 1) : 0;
        const struct vocabulary_merge *merge = &vocabulary->merges[rank];
        Q_TRY(q_arena_printf(&r->arena, &cells[4 * i], "%zu", rank));
        Q_TRY(show_token(r, vocabulary->tokens[merge->left], &cells[4 * i + 1]));
        Q_TRY(show_token(r, vocabulary->tokens[merge->right], &cells[4 * i + 2]));
        Q_TRY(show_token(r, vocabulary->tokens[merge->id], &cells[4 * i + 3]));
    }
    q_report_heading(r->report, "Merges, from the commonest to the last");
    q_report_table(r->report, &(struct q_table){header, Q_COUNT_OF(header), cells, shown});
    return Q_OK;
}

static q_status fill_report(struct reporting *r)
{
    json_t *statistics = json_object_get(r->manifest.json, "statistics");
    put_figures(r, statistics);
    Q_TRY(put_languages(r, json_object_get(statistics, "sample")));
    put_lengths(r);
    put_kinds(r);
    Q_TRY(put_longest(r));
    return put_merges(r);
}

q_status cmd_report(void *given, const char *const *arguments, size_t count)
{
    const struct q_report_options *options = given;
    struct reporting r = {0};
    q_status status;
    (void)count;
    Q_TRY_GOTO(done, q_manifest_read(arguments[0], &r.manifest));
    Q_TRY_GOTO(done, tokenizer_load(arguments[0], &r.tokenizer));
    Q_TRY_GOTO(done, q_report_create("Tokenizer", &r.report));
    Q_TRY_GOTO(done, fill_report(&r));
    status = q_report_deliver(r.report, arguments[0], options->common.out, options->fragment);
done:
    q_report_release(r.report);
    tokenizer_release(r.tokenizer);
    q_manifest_release(&r.manifest);
    q_arena_release(&r.arena);
    return status;
}
