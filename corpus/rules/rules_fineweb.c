/* The rules that FineWeb added to those of Gopher and C4 (Penedo et al., "The FineWeb datasets", 2024, section 3.6), measured as datatrove 0.9's
 * FineWebQualityFilter does. A line is one that is not blank. */
#include "corpus/rules/rules.h"
#include "corpus/rules/rules_tables.h"

#include <math.h>

#define BOUND(field, default_text, words) CORPUS_ROW_BOUND(corpus_fineweb_settings, field, default_text, 0, 1e6, words)

static const struct q_setting rows[] = {
    CORPUS_ROW_ENABLED(corpus_fineweb_settings, "false"),
    BOUND(stopped_lines_min, "0.12",
          "smaller share of lines that end in a mark that ends sentences: dropped as fineweb.stopped-lines"),
    BOUND(short_lines_max, "0.67", "larger share of lines of at most 30 characters: dropped as fineweb.short-lines"),
    BOUND(duplicate_characters_max, "0.01",
          "larger share of characters in lines that stood above already: dropped as fineweb.duplicate-characters"),
    BOUND(newlines_per_word_max, "0.3", "more line ends per word: dropped as fineweb.newlines-per-word"),
    {0}};

const struct q_settings_table corpus_fineweb_table = {"fineweb", rows, sizeof(struct corpus_fineweb_settings)};

static double stopped_lines(const struct corpus_subject *s)
{
    return corpus_ratio(s->metrics->stopped_lines, s->metrics->text_lines);
}

static double short_lines(const struct corpus_subject *s)
{
    return corpus_ratio(s->metrics->short_lines, s->metrics->text_lines);
}

static double duplicate_characters(const struct corpus_subject *s)
{
    const struct corpus_metrics *m = s->metrics;
    return corpus_ratio(m->duplicate_line_characters, m->characters - m->newlines);
}

static double newlines_per_word(const struct corpus_subject *s)
{
    return corpus_ratio(s->metrics->newlines, s->metrics->words);
}

#define AT(field) offsetof(struct corpus_rules, fineweb.field)

static const struct corpus_rule rules[] = {
    {"fineweb.stopped-lines", stopped_lines, AT(stopped_lines_min), CORPUS_NO_BOUND, 0, 1},
    {"fineweb.short-lines", short_lines, CORPUS_NO_BOUND, AT(short_lines_max), 0, 1},
    {"fineweb.duplicate-characters", duplicate_characters, CORPUS_NO_BOUND, AT(duplicate_characters_max), 0, 1},
    {"fineweb.newlines-per-word", newlines_per_word, CORPUS_NO_BOUND, AT(newlines_per_word_max), 0, INFINITY},
    {0}};

const struct corpus_rule_family corpus_fineweb_family = {
    .name = "fineweb", .enabled = offsetof(struct corpus_rules, fineweb.enabled), .rules = rules};
