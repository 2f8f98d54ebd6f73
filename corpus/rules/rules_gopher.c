/* The quality rules of Gopher (Rae et al., "Scaling language models: methods, analysis and insights from training Gopher", 2021, A1.1), measured as
 * datatrove 0.9's GopherQualityFilter does. datatrove takes each punctuation mark for a word when it asks for the share of words with a letter, so that
 * documentation and code fail; `symbols_are_words` says whether that is to be followed. What is more here: where at least half of a document's words
 * are estimated (scripts without spaces), mean word length says nothing and the rule does not apply; the standard list of stop words is English, and is
 * asked of English only, a given list of every document.
 */
#include "corpus/rules/rules.h"
#include "corpus/rules/rules_tables.h"

#include <math.h>

#define BOUND(field, default_text, least, most, words)                                                                 \
    CORPUS_ROW_BOUND(corpus_gopher_settings, field, default_text, least, most, words)

static const struct q_setting rows[] = {
    CORPUS_ROW_ENABLED(corpus_gopher_settings, "true"),
    BOUND(words_min, "50", 0, 1e9, "fewer words, symbols not counted: dropped as gopher.words"),
    BOUND(words_max, "100000", 1, 1e12, "more words: dropped as gopher.words"),
    BOUND(word_length_min, "3", 0, 1e6, "shorter mean word, in characters: dropped as gopher.mean-word-length"),
    BOUND(word_length_max, "10", 0, 1e6, "longer mean word: dropped as gopher.mean-word-length"),
    BOUND(hash_ratio_max, "0.1", 0, 1e6, "more '#' per word: dropped as gopher.hash-ratio"),
    BOUND(ellipsis_ratio_max, "0.1", 0, 1e6, "more ellipses per word: dropped as gopher.ellipsis-ratio"),
    BOUND(bullet_lines_max, "0.9", 0, 1,
          "larger share of lines that begin with '-' or a bullet: dropped as gopher.bullet-lines"),
    BOUND(ellipsis_lines_max, "0.3", 0, 1,
          "larger share of lines that end in an ellipsis: dropped as gopher.ellipsis-lines"),
    BOUND(letter_words_min, "0.8", 0, 1, "smaller share of words with a letter: dropped as gopher.letter-words"),
    BOUND(stop_words_min, "2", 0, 1e6, "fewer of the stop words: dropped as gopher.stop-words"),
    CORPUS_ROW_SWITCH(corpus_gopher_settings, symbols_are_words, "false",
                      "whether punctuation marks and other symbols count as words in shares of words, as in datatrove"),
    {.name = "stop_words",
     .type = Q_SETTING_TEXTS,
     .offset = offsetof(struct corpus_gopher_settings, stop_words),
     .meaning = "the stop words, exact case; not given: the, be, to, of, and, that, have, with, asked of English only"},
    {0}};

const struct q_settings_table corpus_gopher_table = {"gopher", rows, sizeof(struct corpus_gopher_settings)};

static double words(const struct corpus_subject *s)
{
    return (double)s->metrics->plain_words;
}

static double mean_word_length(const struct corpus_subject *s)
{
    const struct corpus_metrics *m = s->metrics;
    return m->estimated_words * 2 >= m->words ? NAN : corpus_ratio(m->plain_characters, m->plain_words);
}

/* The words that shares are of. */
static uint64_t all_words(const struct corpus_subject *s)
{
    return s->rules->gopher.symbols_are_words ? s->metrics->words : s->metrics->plain_words;
}

static double hash_ratio(const struct corpus_subject *s)
{
    return corpus_ratio(s->metrics->hashes, all_words(s));
}

static double ellipsis_ratio(const struct corpus_subject *s)
{
    return corpus_ratio(s->metrics->ellipses, all_words(s));
}

static double bullet_lines(const struct corpus_subject *s)
{
    return corpus_ratio(s->metrics->bullet_lines, s->metrics->lines);
}

static double ellipsis_lines(const struct corpus_subject *s)
{
    return corpus_ratio(s->metrics->ellipsis_lines, s->metrics->lines);
}

static double letter_words(const struct corpus_subject *s)
{
    return corpus_ratio(s->metrics->letter_words, all_words(s));
}

static double stop_words(const struct corpus_subject *s)
{
    bool english = q_string_is(s->lang, "en") || q_string_starts(s->lang, "en-");
    return s->rules->gopher.stop_words.count || english ? (double)s->stop_words : NAN;
}

#define AT(field) offsetof(struct corpus_rules, gopher.field)

static const struct corpus_rule rules[] = {
    {"gopher.words", words, AT(words_min), AT(words_max), 0, INFINITY},
    {"gopher.mean-word-length", mean_word_length, AT(word_length_min), AT(word_length_max), 0, INFINITY},
    {"gopher.hash-ratio", hash_ratio, CORPUS_NO_BOUND, AT(hash_ratio_max), 0, INFINITY},
    {"gopher.ellipsis-ratio", ellipsis_ratio, CORPUS_NO_BOUND, AT(ellipsis_ratio_max), 0, INFINITY},
    {"gopher.bullet-lines", bullet_lines, CORPUS_NO_BOUND, AT(bullet_lines_max), 0, 1},
    {"gopher.ellipsis-lines", ellipsis_lines, CORPUS_NO_BOUND, AT(ellipsis_lines_max), 0, 1},
    {"gopher.letter-words", letter_words, AT(letter_words_min), CORPUS_NO_BOUND, 0, 1},
    {"gopher.stop-words", stop_words, AT(stop_words_min), CORPUS_NO_BOUND, 0, INFINITY},
    {0}};

const struct corpus_rule_family corpus_gopher_family = {.name = "gopher",
                                                        .flags = CORPUS_NEEDS_STOP_WORDS,
                                                        .enabled = offsetof(struct corpus_rules, gopher.enabled),
                                                        .rules = rules};
