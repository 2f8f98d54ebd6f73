/* The repetition rules of Gopher (Rae et al., "Scaling language models: methods, analysis and insights from training Gopher", 2021, table A1). Two public
 * programs count differently (repetition.h); `counting` says whose measures these are: extra, datatrove's; every, DCLM's. */
#include "corpus/rules/rules.h"
#include "corpus/rules/rules_tables.h"

#include <math.h>

#define BOUND(field, default_text, words)                                                                              \
    CORPUS_ROW_BOUND(corpus_repetition_settings, field, default_text, 0, 1e6, words)

static const char *const countings[] = {"extra", "every", NULL};

static const struct q_setting rows[] = {
    CORPUS_ROW_ENABLED(corpus_repetition_settings, "false"),
    {.name = "counting",
     .type = Q_SETTING_CHOICE,
     .offset = offsetof(struct corpus_repetition_settings, counting),
     .standard = "extra",
     .choices = countings,
     .meaning = "copies beyond the first, over all characters (as datatrove), or every copy, over the characters of "
                "words or lines (as DCLM)"},
    BOUND(paragraphs_max, "0.3", "larger share of paragraphs that are copies: dropped as repetition.paragraphs"),
    BOUND(paragraph_characters_max, "0.2", "the same in characters: repetition.paragraph-characters"),
    BOUND(lines_max, "0.3", "larger share of lines that are copies: repetition.lines"),
    BOUND(line_characters_max, "0.2", "the same in characters: repetition.line-characters"),
    BOUND(top_2_max, "0.2", "larger share of characters in the most frequent two words: repetition.top-2"),
    BOUND(top_3_max, "0.18", "three words: repetition.top-3"),
    BOUND(top_4_max, "0.16", "four words: repetition.top-4"),
    BOUND(grams_5_max, "0.15", "larger share of characters in repeated five words: repetition.grams-5"),
    BOUND(grams_6_max, "0.14", "six words: repetition.grams-6"),
    BOUND(grams_7_max, "0.13", "seven words: repetition.grams-7"),
    BOUND(grams_8_max, "0.12", "eight words: repetition.grams-8"),
    BOUND(grams_9_max, "0.11", "nine words: repetition.grams-9"),
    BOUND(grams_10_max, "0.1", "ten words: repetition.grams-10"),
    {0}};

const struct q_settings_table corpus_repetition_table = {"repetition", rows, sizeof(struct corpus_repetition_settings)};

static bool extra(const struct corpus_subject *s)
{
    return s->rules->repetition.counting == CORPUS_COUNT_EXTRA;
}

static double paragraphs(const struct corpus_subject *s)
{
    const struct corpus_repetition *r = s->repetition;
    return corpus_ratio(extra(s) ? r->extra_paragraphs : r->every_paragraphs, r->paragraphs);
}

static double paragraph_characters(const struct corpus_subject *s)
{
    const struct corpus_repetition *r = s->repetition;
    if (extra(s))
        return corpus_ratio(r->extra_paragraph_characters, s->metrics->characters);
    return corpus_ratio(r->every_paragraph_characters, s->metrics->characters - s->metrics->newlines);
}

static double lines(const struct corpus_subject *s)
{
    const struct corpus_metrics *m = s->metrics;
    return corpus_ratio(extra(s) ? m->duplicate_lines : m->repeated_lines, m->text_lines);
}

static double line_characters(const struct corpus_subject *s)
{
    const struct corpus_metrics *m = s->metrics;
    if (extra(s))
        return corpus_ratio(m->duplicate_line_characters, m->characters);
    return corpus_ratio(m->repeated_line_characters, m->characters - m->newlines);
}

static double top_gram(const struct corpus_subject *s, unsigned n)
{
    const struct corpus_repetition *r = s->repetition;
    if (extra(s))
        return corpus_ratio(r->extra_top_grams[n - CORPUS_TOP_GRAM_MIN], s->metrics->characters);
    return corpus_ratio(r->every_top_grams[n - CORPUS_TOP_GRAM_MIN], r->word_characters);
}

static double grams(const struct corpus_subject *s, unsigned n)
{
    const struct corpus_repetition *r = s->repetition;
    if (extra(s))
        return corpus_ratio(r->extra_grams[n - CORPUS_DUPLICATE_GRAM_MIN], s->metrics->characters);
    return corpus_ratio(r->every_grams[n - CORPUS_DUPLICATE_GRAM_MIN], r->word_characters);
}

#define MEASURE(name, of, n)                                                                                           \
    static double name(const struct corpus_subject *s)                                                                 \
    {                                                                                                                  \
        return of(s, n);                                                                                               \
    }
MEASURE(top_2, top_gram, 2)
MEASURE(top_3, top_gram, 3)
MEASURE(top_4, top_gram, 4)
MEASURE(grams_5, grams, 5)
MEASURE(grams_6, grams, 6)
MEASURE(grams_7, grams, 7)
MEASURE(grams_8, grams, 8)
MEASURE(grams_9, grams, 9)
MEASURE(grams_10, grams, 10)

#define MAX(field) CORPUS_NO_BOUND, offsetof(struct corpus_rules, repetition.field)

/* The copies of an n-gram may overlap ("a a a a"), so their share may be above 1. */
static const struct corpus_rule rules[] = {
    {"repetition.paragraphs", paragraphs, MAX(paragraphs_max), 0, 1},
    {"repetition.paragraph-characters", paragraph_characters, MAX(paragraph_characters_max), 0, 1},
    {"repetition.lines", lines, MAX(lines_max), 0, 1},
    {"repetition.line-characters", line_characters, MAX(line_characters_max), 0, 1},
    {"repetition.top-2", top_2, MAX(top_2_max), 0, INFINITY},
    {"repetition.top-3", top_3, MAX(top_3_max), 0, INFINITY},
    {"repetition.top-4", top_4, MAX(top_4_max), 0, INFINITY},
    {"repetition.grams-5", grams_5, MAX(grams_5_max), 0, 1},
    {"repetition.grams-6", grams_6, MAX(grams_6_max), 0, 1},
    {"repetition.grams-7", grams_7, MAX(grams_7_max), 0, 1},
    {"repetition.grams-8", grams_8, MAX(grams_8_max), 0, 1},
    {"repetition.grams-9", grams_9, MAX(grams_9_max), 0, 1},
    {"repetition.grams-10", grams_10, MAX(grams_10_max), 0, 1},
    {0}};

const struct corpus_rule_family corpus_repetition_family = {.name = "repetition",
                                                            .flags = CORPUS_NEEDS_REPETITION,
                                                            .enabled =
                                                                offsetof(struct corpus_rules, repetition.enabled),
                                                            .rules = rules};
