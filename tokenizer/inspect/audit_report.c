/* An audit as sections of a report. */
#include "base/check.h"
#include "tokenizer/inspect/audit.h"
#include "tokenizer/inspect/audit_tables.h"

enum { LISTED = 40, LENGTH_BINS = 24, SCRIPTS_SHOWN = 16 };

typedef q_status (*fill_function)(const struct audit *audit, struct text_table *table);

static void put_table(struct q_report *report, const struct text_table *table)
{
    q_report_table(report, &(struct q_table){table->cells, table->columns, table->cells + table->columns,
                                             table->count / table->columns - 1});
}

static q_status put_filled(const struct audit *audit, fill_function fill, struct q_report *report)
{
    struct text_table table = {0};
    q_status status = fill(audit, &table);
    if (!status)
        put_table(report, &table);
    text_table_release(&table);
    return status;
}

static q_status put_listed(const struct audit *audit, const char *text, const uint32_t *ids, size_t count,
                           struct q_report *report)
{
    struct text_table table = {0};
    if (!count)
        return Q_OK;
    q_status status = audit_tokens_fill(audit, ids, Q_MIN(count, (size_t)LISTED), &table);
    if (!status) {
        if (count > LISTED)
            q_report_text(report, "%s: the first %d of %zu.", text, LISTED, count);
        else
            q_report_text(report, "%s.", text);
        put_table(report, &table);
    }
    text_table_release(&table);
    return status;
}

static void put_lengths(const struct audit *audit, struct q_report *report)
{
    double edges[LENGTH_BINS + 1], values[LENGTH_BINS] = {0};
    for (int i = 0; i <= LENGTH_BINS; i++)
        edges[i] = i + 1;
    for (uint32_t id = 0; id < tokenizer_size(audit->tokenizer); id++) {
        size_t size = tokenizer_bytes(audit->tokenizer, id).size;
        if (size && audit->reach[id] != TOKEN_ADDED)
            values[Q_MIN(size, (size_t)LENGTH_BINS) - 1]++;
    }
    q_report_histogram(report, &(struct q_histogram){.title = "Tokens by length (the last column: that and longer)",
                                                     .x_label = "bytes",
                                                     .y_label = "tokens",
                                                     .edges = edges,
                                                     .values = values,
                                                     .count = LENGTH_BINS});
}

static void put_kinds(const struct audit *audit, struct q_report *report)
{
    const char *labels[SCRIPTS_SHOWN + 1];
    double values[SCRIPTS_SHOWN + 1];
    size_t count = 0;
    for (size_t i = 0; i < audit->kind_count; i++) {
        if (count <= SCRIPTS_SHOWN) {
            labels[count] = count < SCRIPTS_SHOWN ? audit->kinds[i].name : "all others";
            values[count++] = audit->kinds[i].tokens;
        } else {
            values[SCRIPTS_SHOWN] += audit->kinds[i].tokens;
        }
    }
    q_report_bars(report, &(struct q_bars){"What the tokens are spent on", "tokens", labels, values, count});
}

static q_status fill_scripts(const struct audit *audit, struct text_table *table)
{
    return audit_scripts_fill(audit, true, table);
}

static q_status put_uses(const struct audit *audit, struct q_report *report)
{
    uint32_t suspects[LISTED];
    size_t count;
    char text[3][32];
    if (!audit->measured)
        return Q_OK;
    q_report_heading(report, "Tokens that the texts do not use");
    q_report_text(report,
                  "The texts measured are %s tokens. %s of the tokens that a text can give are never used in them, %s "
                  "once or twice. What a training text does not have a model does not learn: tokens of this list that "
                  "the whole corpus lacks too are what prompts can break a model with.",
                  text_grouped(text[0], audit->measure.all.tokens[0]), text_grouped(text[1], audit->unused.count),
                  text_grouped(text[2], audit->rare.count));
    Q_TRY(audit_suspects(audit, LISTED, suspects, &count));
    return put_listed(audit, "The longest that are never used", suspects, count, report);
}

q_status audit_report(const struct audit *audit, struct q_report *report)
{
    q_report_heading(report, "Tokens");
    put_lengths(audit, report);
    put_kinds(audit, report);
    Q_TRY(put_filled(audit, audit_figures_fill, report));
    q_report_heading(report, "Layout of ids");
    Q_TRY(put_filled(audit, audit_ranges_fill, report));
    q_report_heading(report, "Scripts");
    q_report_text(report,
                  "Tokens by the script of their first letter, and the characters of Unicode " UNICODE_SCRIPTS_VERSION
                  " by how many tokens one of them alone is.");
    Q_TRY(put_filled(audit, fill_scripts, report));
    q_report_heading(report, "Tokens that no text gives");
    q_report_text(report, "A token is reached when a text of valid UTF-8 encodes to it; the audit looks for that text. "
                          "The others are ids, and rows of a model's matrices, that training never sees.");
    Q_TRY(put_filled(audit, audit_reach_fill, report));
    Q_TRY(put_listed(audit, "Those that no text gives", audit->unreachable.ids, audit->unreachable.count, report));
    Q_TRY(put_uses(audit, report));
    q_report_heading(report, "Tokens to know of");
    Q_TRY(put_listed(audit, "The longest tokens", audit->longest, audit->longest_count, report));
    return put_listed(audit, "Punctuation that takes the line break behind it along", audit->line_breaks.ids,
                      audit->line_breaks.count, report);
}
