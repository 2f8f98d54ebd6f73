/* An audit as tables for a terminal, and its lists line by line. */
#include "base/check.h"
#include "tokenizer/inspect/audit.h"
#include "tokenizer/inspect/audit_tables.h"
#include "tokenizer/inspect/token_kinds.h"

#include <stdio.h>

enum { SHOWN_BYTES = 60, EXAMPLES = 12 };

static double percent(double part, double whole)
{
    return whole > 0 ? 100 * part / whole : 0;
}

static q_status put_count(struct text_table *table, uint64_t count)
{
    char text[32];
    return text_table_put(table, "%s", text_grouped(text, count));
}

static q_status put_header(struct text_table *table, const char *const *names, size_t columns)
{
    table->columns = columns;
    for (size_t i = 0; i < columns; i++)
        Q_TRY(text_table_put(table, "%s", names[i]));
    return Q_OK;
}

q_status audit_token_put(const struct audit *audit, uint32_t id, struct text_table *table)
{
    struct q_buffer text = {0};
    q_status status = token_show(tokenizer_bytes(audit->tokenizer, id), SHOWN_BYTES, &text);
    if (!status)
        status = q_buffer_terminate(&text);
    if (!status)
        status = text_table_put(table, "%s", text.data);
    q_buffer_release(&text);
    return status;
}

q_status audit_ranges_fill(const struct audit *audit, struct text_table *table)
{
    static const char *const header[] = {"ids from", "to", "how many", "what", "first"};
    Q_TRY(put_header(table, header, Q_COUNT_OF(header)));
    for (size_t i = 0; i < audit->range_count; i++) {
        const struct audit_range *range = &audit->ranges[i];
        Q_TRY(put_count(table, range->first));
        Q_TRY(put_count(table, range->last));
        Q_TRY(put_count(table, range->last - range->first + 1));
        Q_TRY(text_table_put(table, "%s", range->kind));
        Q_TRY(audit_token_put(audit, range->first, table));
    }
    return Q_OK;
}

q_status audit_figures_fill(const struct audit *audit, struct text_table *table)
{
    static const char *const header[] = {"what", "tokens", "share", "remark"};
    uint32_t partial = audit->head + audit->tail + audit->both;
    const struct {
        const char *what;
        uint32_t count;
        const char *remark;
    } rows[] = {
        {"no text gives them", (uint32_t)audit->unreachable.count, "of valid UTF-8; by reason below"},
        {"part of a character", partial, "longer than a byte; besides the single bytes from 0x80 on"},
        {"  begin within one", audit->head, ""},
        {"  end within one", audit->tail, ""},
        {"  both", audit->both, ""},
        {"punctuation + line breaks", (uint32_t)audit->line_breaks.count,
         "a prompt that ends in the punctuation alone is tokenized otherwise"},
        {"1 digit", audit->digits[1], "of 10"},
        {"2 digits", audit->digits[2], "of 100"},
        {"3 digits", audit->digits[3], "of 1,000"},
        {"4 digits and more", audit->digits[0], ""},
        {"another one but for a leading space", audit->space_twins, ""},
        {"another one but for case", audit->case_twins, ""},
        {"another one but for either", audit->either_twins, ""},
    };
    Q_TRY(put_header(table, header, Q_COUNT_OF(header)));
    for (size_t i = 0; i < Q_COUNT_OF(rows); i++) {
        Q_TRY(text_table_put(table, "%s", rows[i].what));
        Q_TRY(put_count(table, rows[i].count));
        Q_TRY(text_table_put(table, "%.2f%%", percent(rows[i].count, audit->tokens)));
        Q_TRY(text_table_put(table, "%s", rows[i].remark));
    }
    return Q_OK;
}

q_status audit_reach_fill(const struct audit *audit, struct text_table *table)
{
    static const char *const header[] = {"ids", "how many"};
    Q_TRY(put_header(table, header, Q_COUNT_OF(header)));
    for (size_t i = 0; i < TOKEN_REACH_COUNT; i++) {
        if (i && !audit->reach_counts[i])
            continue;
        Q_TRY(text_table_put(table, "%s", token_reach_texts[i]));
        Q_TRY(put_count(table, audit->reach_counts[i]));
    }
    return Q_OK;
}

/* Scripts by how many tokens they have; those without a token and without a character of one token only where `all`. */
q_status audit_scripts_fill(const struct audit *audit, bool all, struct text_table *table)
{
    static const char *const header[] = {"script", "tokens", "share", "characters", "one token", "two tokens", "more"};
    Q_TRY(put_header(table, header, Q_COUNT_OF(header)));
    for (size_t i = 0; i < audit->kind_count; i++) {
        const struct audit_kind *kind = &audit->kinds[i];
        const struct audit_coverage *coverage = NULL;
        for (size_t k = UNICODE_SCRIPT_COMMON; k < UNICODE_SCRIPTS; k++)
            if (!strcmp(unicode_script_names[k], kind->name))
                coverage = &audit->coverage[k];
        if (!strcmp(kind->name, "special") || (!all && coverage && kind->tokens < 10 && !coverage->one))
            continue;
        Q_TRY(text_table_put(table, "%s", kind->name));
        Q_TRY(put_count(table, kind->tokens));
        Q_TRY(text_table_put(table, "%.2f%%", percent(kind->tokens, audit->tokens)));
        if (!coverage) {
            for (size_t k = 3; k < Q_COUNT_OF(header); k++)
                Q_TRY(text_table_put(table, "%s", ""));
            continue;
        }
        Q_TRY(put_count(table, coverage->characters));
        Q_TRY(text_table_put(table, "%.1f%%", percent(coverage->one, coverage->characters)));
        Q_TRY(text_table_put(table, "%.1f%%", percent(coverage->two, coverage->characters)));
        Q_TRY(text_table_put(table, "%.1f%%", percent(coverage->more, coverage->characters)));
    }
    return Q_OK;
}

q_status audit_tokens_fill(const struct audit *audit, const uint32_t *ids, size_t count, struct text_table *table)
{
    static const char *const header[] = {"id", "bytes", "token", "reach", "uses"};
    size_t columns = Q_COUNT_OF(header) - (audit->measured ? 0 : 1);
    Q_TRY(put_header(table, header, columns));
    for (size_t i = 0; i < count; i++) {
        Q_TRY(text_table_put(table, "%u", ids[i]));
        Q_TRY(text_table_put(table, "%zu", tokenizer_bytes(audit->tokenizer, ids[i]).size));
        Q_TRY(audit_token_put(audit, ids[i], table));
        Q_TRY(text_table_put(table, "%s", token_reach_texts[audit->reach[ids[i]]]));
        if (audit->measured)
            Q_TRY(put_count(table, audit->measure.uses[0][ids[i]]));
    }
    return Q_OK;
}

q_status audit_suspects(const struct audit *audit, size_t wanted, uint32_t *ids, size_t *count)
{
    *count = 0;
    for (size_t i = 0; i < audit->unused.count; i++) {
        uint32_t id = audit->unused.ids[i];
        size_t size = tokenizer_bytes(audit->tokenizer, id).size, at = *count;
        struct token_shape shape = token_shape(tokenizer_bytes(audit->tokenizer, id));
        if (shape.head || shape.tail)
            continue;
        while (at > 0 && tokenizer_bytes(audit->tokenizer, ids[at - 1]).size < size)
            at--;
        if (at == wanted)
            continue;
        *count = Q_MIN(*count + 1, wanted);
        for (size_t k = *count - 1; k > at; k--)
            ids[k] = ids[k - 1];
        ids[at] = id;
    }
    return Q_OK;
}

typedef q_status (*fill_function)(const struct audit *audit, struct text_table *table);

static q_status print_with(const struct audit *audit, const char *title, fill_function fill, struct q_buffer *out)
{
    struct text_table table = {0};
    q_status status = fill(audit, &table);
    if (!status)
        status = q_buffer_printf(out, "%s%s\n", out->size ? "\n" : "", title);
    if (!status)
        status = text_table_print(&table, out);
    text_table_release(&table);
    return status;
}

static q_status fill_scripts(const struct audit *audit, struct text_table *table)
{
    return audit_scripts_fill(audit, false, table);
}

/* "title (N): a, b, c, ...": a line of examples. */
static q_status print_examples(const struct audit *audit, const char *title, const uint32_t *ids, size_t count,
                               struct q_buffer *out)
{
    char text[32];
    if (!count)
        return Q_OK;
    Q_TRY(q_buffer_printf(out, "\n%s (%s): ", title, text_grouped(text, count)));
    for (size_t i = 0; i < Q_MIN(count, (size_t)EXAMPLES); i++) {
        Q_TRY(q_buffer_append_string(out, i ? Q_STRING(", ") : Q_STRING("")));
        Q_TRY(token_show(tokenizer_bytes(audit->tokenizer, ids[i]), SHOWN_BYTES, out));
        Q_TRY(q_buffer_printf(out, " %u", ids[i]));
    }
    return q_buffer_append_string(out, count > EXAMPLES ? Q_STRING(", ...\n") : Q_STRING("\n"));
}

q_status audit_print(const struct audit *audit, struct q_buffer *out)
{
    uint32_t suspects[EXAMPLES];
    size_t suspect_count;
    Q_TRY(print_with(audit, "layout of ids", audit_ranges_fill, out));
    Q_TRY(print_with(audit, "which texts give them", audit_reach_fill, out));
    Q_TRY(print_with(audit, "tokens", audit_figures_fill, out));
    Q_TRY(print_with(audit,
                     "scripts: tokens by their first letter; characters of Unicode " UNICODE_SCRIPTS_VERSION
                     " by the tokens that one alone is",
                     fill_scripts, out));
    Q_TRY(print_examples(audit, "no text gives", audit->unreachable.ids, audit->unreachable.count, out));
    Q_TRY(print_examples(audit, "the longest", audit->longest, audit->longest_count, out));
    Q_TRY(print_examples(audit, "punctuation + line breaks", audit->line_breaks.ids, audit->line_breaks.count, out));
    if (!audit->measured)
        return Q_OK;
    char text[3][32];
    Q_TRY(q_buffer_printf(out,
                          "\nin the texts: %s tokens, %s of the tokens that can be reached never, %s once or twice\n",
                          text_grouped(text[0], audit->measure.all.tokens[0]),
                          text_grouped(text[1], audit->unused.count), text_grouped(text[2], audit->rare.count)));
    Q_TRY(audit_suspects(audit, EXAMPLES, suspects, &suspect_count));
    return print_examples(audit, "never used, the longest", suspects, suspect_count, out);
}

static q_status list_line(const struct audit *audit, uint32_t id, struct q_buffer *out)
{
    Q_TRY(q_buffer_printf(out, "%u\t", id));
    Q_TRY(token_show(tokenizer_bytes(audit->tokenizer, id), SIZE_MAX / 2, out));
    Q_TRY(q_buffer_printf(out, "\t%s", token_reach_keys[audit->reach[id]]));
    if (audit->measured)
        Q_TRY(q_buffer_printf(out, "\t%llu", (unsigned long long)audit->measure.uses[0][id]));
    return q_buffer_append_byte(out, '\n');
}

static const char *const list_names[] = {"unreachable", "partial", "line-breaks", "longest", "added",
                                         "all",         "unused",  "rare",        NULL};

q_status audit_list_check(const char *which, bool texts)
{
    for (size_t i = 0; which; i++) {
        if (!list_names[i])
            return q_fail(
                Q_ERR_USAGE,
                "'--list' is '%s'; it must be unreachable, partial, line-breaks, longest, added, all, or with "
                "texts unused or rare",
                which);
        if (strcmp(which, list_names[i]) != 0)
            continue;
        if (!texts && (!strcmp(which, "unused") || !strcmp(which, "rare")))
            return q_fail(Q_ERR_USAGE, "'--list %s' needs texts; give files", which);
        break;
    }
    return Q_OK;
}

q_status audit_list(const struct audit *audit, const char *which, struct q_buffer *out)
{
    const struct {
        const uint32_t *ids;
        size_t count;
    } lists[] = {/* in the order of list_names */
                 {audit->unreachable.ids, audit->unreachable.count},
                 {audit->partial.ids, audit->partial.count},
                 {audit->line_breaks.ids, audit->line_breaks.count},
                 {audit->longest, audit->longest_count},
                 {NULL, 0},
                 {NULL, 0},
                 {audit->unused.ids, audit->unused.count},
                 {audit->rare.ids, audit->rare.count}};
    size_t list = 0;
    Q_TRY(audit_list_check(which, audit->measured));
    while (strcmp(which, list_names[list]) != 0)
        list++;
    for (size_t i = 0; i < lists[list].count; i++)
        Q_TRY(list_line(audit, lists[list].ids[i], out));
    bool added = !strcmp(which, "added"), all = !strcmp(which, "all");
    for (uint32_t id = 0; id < tokenizer_size(audit->tokenizer) && (added || all); id++)
        if (all || audit->reach[id] == TOKEN_ADDED)
            Q_TRY(list_line(audit, id, out));
    return Q_OK;
}
