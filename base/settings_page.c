/* A table of settings as people read it: ranges, choices, the page of docs/settings/. */
#include "base/check.h"
#include "base/settings.h"
#include "base/settings_private.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

static bool has_max(const struct q_setting *row)
{
    return row->max > row->min || (row->max == row->min && row->max != 0);
}

bool q_setting_in_range(const struct q_setting *row, double value)
{
    if (row->min == 0 && row->max == 0)
        return true;
    return value >= row->min && (!has_max(row) || value <= row->max);
}

/* A bound in the unit it is thought of: 1TiB, 14.8T, 0.5. */
static const char *bound_text(enum q_setting_type type, double value, char out[40])
{
    static const char bytes[][4] = {"", "KiB", "MiB", "GiB", "TiB"}, counts[][4] = {"", "K", "M", "B", "T"};
    double base = type == Q_SETTING_BYTES ? 1024 : 1000;
    size_t unit = 0;
    if (type == Q_SETTING_BYTES || type == Q_SETTING_COUNT)
        for (; unit < 4 && value >= base && fmod(value, base) == 0; unit++)
            value /= base;
    const char *suffix = type == Q_SETTING_BYTES ? bytes[unit] : counts[unit];
    if (fabs(value) < 1e6 || type == Q_SETTING_DOUBLE)
        (void)snprintf(out, 40, "%.10g%s", value, suffix);
    else
        (void)snprintf(out, 40, "%.0f%s", value, suffix);
    return out;
}

const char *q_setting_range(const struct q_setting *row, char out[Q_RANGE_TEXT])
{
    char low[40], high[40];
    bound_text(row->type, row->min, low);
    bound_text(row->type, row->max, high);
    out[0] = '\0';
    if (row->min == 0 && row->max == 0)
        return out;
    if (has_max(row))
        (void)snprintf(out, Q_RANGE_TEXT, "%s to %s", low, high);
    else
        (void)snprintf(out, Q_RANGE_TEXT, "at least %s", low);
    return out;
}

const char *q_setting_choices(const struct q_setting *row, char *out, size_t out_size)
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; row->choices[i] && used < out_size; i++) {
        const char *before = i == 0 ? "" : row->choices[i + 1] ? ", " : " or ";
        used += (size_t)snprintf(out + used, out_size - used, "%s%s", before, row->choices[i]);
    }
    return out;
}

static const char *type_words(enum q_setting_type type)
{
    static const char *const words[] = {
        [Q_SETTING_BOOL] = "true or false", [Q_SETTING_I64] = "whole number", [Q_SETTING_U64] = "whole number",
        [Q_SETTING_DOUBLE] = "number",      [Q_SETTING_BYTES] = "bytes",      [Q_SETTING_COUNT] = "count",
        [Q_SETTING_TEXT] = "text",          [Q_SETTING_CHOICE] = "choice",    [Q_SETTING_TEXTS] = "list of texts",
        [Q_SETTING_SECTION] = "section",    [Q_SETTING_LIST] = "list",        [Q_SETTING_TREE] = "mapping",
    };
    q_check(type > Q_SETTING_END && type < Q_COUNT_OF(words));
    return words[type];
}

static const char *tag_words(enum q_tag tag)
{
    return tag == Q_TAG_IDENTITY ? "identity" : tag == Q_TAG_SCHEDULE ? "schedule" : "operational";
}

/* A cell of a Markdown table: '|' would end it. */
static q_status append_cell(struct q_buffer *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '|')
            Q_TRY(q_buffer_append_byte(out, '\\'));
        Q_TRY(q_buffer_append_byte(out, *text == '\n' ? ' ' : *text));
    }
    return q_buffer_append_string(out, Q_STRING(" | "));
}

static q_status append_standard(struct q_buffer *out, const struct q_setting *row)
{
    bool must = row->type != Q_SETTING_TEXT && row->type != Q_SETTING_TEXTS && row->type != Q_SETTING_LIST &&
                row->type != Q_SETTING_TREE && row->type != Q_SETTING_SECTION;
    if (!row->standard)
        return append_cell(out, must ? "must be given" : "");
    Q_TRY(q_buffer_append_byte(out, '`'));
    Q_TRY(q_buffer_append_string(out, q_string_of(row->standard)));
    return append_cell(out, "`");
}

/* Whether a section of the page's own table has the same rows: they are not said twice. */
static bool is_said(const struct q_settings_table *page, const struct q_settings_table *table,
                    const struct q_setting *section)
{
    for (const struct q_setting *row = page->rows; page != table && row->type; row++)
        if (row->type == Q_SETTING_SECTION && row->table == section->table)
            return true;
    return false;
}

static q_status append_rows(const struct q_settings_table *page, const struct q_settings_table *table,
                            const char *prefix, struct q_buffer *out)
{
    char words[512], range[Q_RANGE_TEXT], name[256];
    for (const struct q_setting *row = table->rows; row->type; row++) {
        const char *allowed =
            row->type == Q_SETTING_CHOICE ? q_setting_choices(row, words, sizeof(words)) : q_setting_range(row, range);
        bool nested = row->type == Q_SETTING_SECTION || row->type == Q_SETTING_LIST;
        Q_TRY(q_buffer_printf(out, "| `%s%s` | ", prefix, row->name));
        Q_TRY(append_cell(out, type_words(row->type)));
        Q_TRY(append_cell(out, row->unit ? row->unit : ""));
        Q_TRY(append_standard(out, row));
        Q_TRY(append_cell(out, allowed));
        Q_TRY(append_cell(out, nested ? "" : tag_words(row->tag)));
        bool said = nested && is_said(page, table, row);
        Q_TRY(append_cell(out, said ? "its settings are as above" : row->meaning));
        out->size--; /* the last cell's space */
        Q_TRY(q_buffer_append_byte(out, '\n'));
        if (!nested || said)
            continue;
        (void)snprintf(name, sizeof(name), "%s%s%s.", prefix, row->name, row->type == Q_SETTING_LIST ? "[]" : "");
        Q_TRY(append_rows(page, row->table, name, out));
    }
    return Q_OK;
}

q_status q_settings_markdown(const struct q_settings_table *table, struct q_buffer *out)
{
    Q_TRY(q_buffer_append_string(out, Q_STRING("| setting | type | unit | default | allowed | tag | meaning |\n"
                                               "|---|---|---|---|---|---|---|\n")));
    return append_rows(table, table, "", out);
}
