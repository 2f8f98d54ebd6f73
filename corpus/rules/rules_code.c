/* Rules for source code, after those of The Stack and StarCoder (Kocetkov et al. 2022; Li et al., "StarCoder: may the source be with you!", 2023,
 * section 3): lengths of lines, shares of characters, marks of generated files. Code is what bears a name of source code, or comes from an input that
 * `sources` names; the rules for prose are then not asked. A comment at the beginning that speaks of a licence or copyright is taken out.
 */
#include "base/check.h"
#include "corpus/rules/rules.h"
#include "corpus/rules/rules_tables.h"
#include "corpus/text/text_lines.h"

#include <math.h>

#define BOUND(field, default_text, least, most, words)                                                                 \
    CORPUS_ROW_BOUND(corpus_code_settings, field, default_text, least, most, words)

static const struct q_setting rows[] = {
    CORPUS_ROW_ENABLED(corpus_code_settings, "false"),
    {.name = "sources",
     .type = Q_SETTING_TEXTS,
     .offset = offsetof(struct corpus_code_settings, sources),
     .meaning = "inputs whose documents are all source code, whatever their names"},
    CORPUS_ROW_SWITCH(corpus_code_settings, licence_header, "true",
                      "take out a comment at the beginning that speaks of a licence or copyright"),
    BOUND(line_length_max, "1000", 1, 1e9, "a longer line, in characters: dropped as code.line-length"),
    BOUND(mean_line_length_max, "100", 1, 1e9, "longer mean line: dropped as code.mean-line-length"),
    BOUND(alphanumeric_min, "0.25", 0, 1, "smaller share of letters and digits: dropped as code.alphanumeric"),
    BOUND(letters_min, "0.15", 0, 1, "smaller share of letters: dropped as code.letters"),
    BOUND(generated_max, "0", 0, 1,
          "0: files that say in their first ten lines that they are generated are dropped as code.generated; 1: kept"),
    {0}};

const struct q_settings_table corpus_code_table = {"code", rows, sizeof(struct corpus_code_settings)};

/* --- the licence at the beginning -------------------------------------------------------------------------------------------------- */

/* The comment that the text begins with, its lines whole: a block of C, "<!-- ... -->", or lines that begin with // # -- ; % or a doubled quote; 0: none. */
static size_t comment_size(q_string text)
{
    static const char *const blocks[][2] = {
        {"/*", "*/"}, {"<!--", "-->"}, {"(*", "*)"}, {"{-", "-}"}, {"\"\"\"", "\"\"\""}};
    static const char *const marks[] = {"//", "#", "--", ";", "%", "!"};
    for (size_t i = 0; i < Q_COUNT_OF(blocks); i++)
        if (q_string_starts(text, blocks[i][0])) {
            size_t end = q_string_find(text, q_string_of(blocks[i][1]), strlen(blocks[i][0]));
            size_t line = end == SIZE_MAX ? SIZE_MAX : q_string_find(text, Q_STRING("\n"), end);
            return line == SIZE_MAX ? 0 : line + 1;
        }
    for (size_t i = 0; i < Q_COUNT_OF(marks); i++) {
        size_t at = 0;
        while (at < text.size && q_string_starts(q_string_slice(text, at, text.size), marks[i])) {
            size_t line = q_string_find(text, Q_STRING("\n"), at);
            if (line == SIZE_MAX)
                return 0;
            at = line + 1;
        }
        if (at)
            return at;
    }
    return 0;
}

static bool is_licence(q_string comment)
{
    static const struct corpus_phrase words[] = {{"copyright", 2}, {"license", 2}, {"licence", 2}, {"spdx-", 3}};
    return corpus_phrases_in(comment, words, Q_COUNT_OF(words)) != 0;
}

static q_status edit(struct corpus_subject *s, struct corpus_line_edit *edit, bool *changed)
{
    size_t first = q_string_starts(s->text, "#!") ? Q_MIN(q_string_find(s->text, Q_STRING("\n"), 0), s->text.size) : 0;
    size_t from = first + (first && first < s->text.size);
    q_string rest = q_string_slice(s->text, from, s->text.size);
    size_t size = s->rules->code.licence_header ? comment_size(rest) : 0;
    q_string comment = q_string_slice(rest, 0, size);
    if (!size || !is_licence(comment))
        return Q_OK;
    for (q_string line; q_string_next_line(&comment, &line);)
        corpus_count_line(edit->counts, "code.licence-header", line.size);
    while (size < rest.size && rest.data[size] == '\n')
        size++;
    *changed = true;
    Q_TRY(q_buffer_append_string(edit->out, q_string_slice(s->text, 0, from)));
    return q_buffer_append_string(edit->out, q_string_slice(rest, size, rest.size));
}

/* --- rules ------------------------------------------------------------------------------------------------------------------------- */

static double line_length(const struct corpus_subject *s)
{
    return (double)s->metrics->longest_line;
}

static double mean_line_length(const struct corpus_subject *s)
{
    return corpus_ratio(s->metrics->characters - s->metrics->newlines, s->metrics->lines);
}

static double share_of(const struct corpus_subject *s, unsigned class)
{
    const uint16_t *classes = corpus_character_classes();
    const uint8_t *at = (const uint8_t *)s->text.data, *end = at + s->text.size;
    uint64_t count = 0;
    for (size_t size; at < end; at += size)
        count += (corpus_character_class(classes, corpus_character_at(at, &size)) & class) != 0;
    return corpus_ratio(count, s->metrics->characters);
}

static double alphanumeric(const struct corpus_subject *s)
{
    return share_of(s, CORPUS_LETTER | CORPUS_DIGIT);
}

static double letters(const struct corpus_subject *s)
{
    return share_of(s, CORPUS_LETTER);
}

static double generated(const struct corpus_subject *s)
{
    enum { LINES = 10 };
    static const struct corpus_phrase words[] = {
        {"auto-generated", 4}, {"autogenerated", 4}, {"automatically generated", 14},
        {"generated by", 11},  {"do not edit", 10},  {"do not modify", 12}};
    size_t end = 0;
    for (unsigned i = 0; i < LINES && end < s->text.size; i++)
        end = Q_MIN(q_string_find(s->text, Q_STRING("\n"), end), s->text.size - 1) + 1;
    return corpus_phrases_in(q_string_slice(s->text, 0, end), words, Q_COUNT_OF(words)) != 0;
}

#define AT(field) offsetof(struct corpus_rules, code.field)

static const struct corpus_rule rules[] = {
    {"code.line-length", line_length, CORPUS_NO_BOUND, AT(line_length_max), 0, INFINITY},
    {"code.mean-line-length", mean_line_length, CORPUS_NO_BOUND, AT(mean_line_length_max), 0, INFINITY},
    {"code.alphanumeric", alphanumeric, AT(alphanumeric_min), CORPUS_NO_BOUND, 0, 1},
    {"code.letters", letters, AT(letters_min), CORPUS_NO_BOUND, 0, 1},
    {"code.generated", generated, CORPUS_NO_BOUND, AT(generated_max), 0, 1},
    {0}};

const struct corpus_rule_family corpus_code_family = {.name = "code",
                                                      .flags = CORPUS_FOR_CODE,
                                                      .enabled = offsetof(struct corpus_rules, code.enabled),
                                                      .rules = rules,
                                                      .edit = edit};
