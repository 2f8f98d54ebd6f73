/* The quality rules of Gopher (Rae et al., "Scaling language models: methods, analysis and insights from training Gopher", 2021, A1.1).
 *
 * Measures are the paper's, over words between white space (text_metrics.h); public tools differ: datatrove counts the words of a tokenizer that splits
 * punctuation off, and all lines, blank ones too. Where at least half of a document's words are estimated (scripts without spaces), mean word length
 * says nothing and the rule does not apply. Stop words are English, and asked of English only.
 */
#include "corpus/rules/rules.h"

#include <math.h>

static double ratio(uint64_t part, uint64_t whole)
{
    return whole ? (double)part / (double)whole : 0;
}

static double words(const struct corpus_subject *s)
{
    return (double)s->metrics->words;
}

static double mean_word_length(const struct corpus_subject *s)
{
    if (s->metrics->spaced_words * 2 <= s->metrics->words)
        return NAN;
    return ratio(s->metrics->word_characters, s->metrics->spaced_words);
}

static double hash_ratio(const struct corpus_subject *s)
{
    return ratio(s->metrics->hashes, s->metrics->words);
}

static double ellipsis_ratio(const struct corpus_subject *s)
{
    return ratio(s->metrics->ellipses, s->metrics->words);
}

static double bullet_lines(const struct corpus_subject *s)
{
    return ratio(s->metrics->bullet_lines, s->metrics->lines);
}

static double ellipsis_lines(const struct corpus_subject *s)
{
    return ratio(s->metrics->ellipsis_lines, s->metrics->lines);
}

static double letter_words(const struct corpus_subject *s)
{
    return ratio(s->metrics->letter_words, s->metrics->words);
}

static double stop_words(const struct corpus_subject *s)
{
    bool english = q_string_is(s->lang, "en") || q_string_starts(s->lang, "en-");
    return english ? (double)s->metrics->stop_words : NAN;
}

#define BOUND(field) offsetof(struct corpus_settings, gopher.field)

static const struct corpus_rule rules[] = {
    {"gopher.words", words, BOUND(words_min), BOUND(words_max)},
    {"gopher.mean-word-length", mean_word_length, BOUND(word_length_min), BOUND(word_length_max)},
    {"gopher.hash-ratio", hash_ratio, CORPUS_NO_BOUND, BOUND(hash_ratio_max)},
    {"gopher.ellipsis-ratio", ellipsis_ratio, CORPUS_NO_BOUND, BOUND(ellipsis_ratio_max)},
    {"gopher.bullet-lines", bullet_lines, CORPUS_NO_BOUND, BOUND(bullet_lines_max)},
    {"gopher.ellipsis-lines", ellipsis_lines, CORPUS_NO_BOUND, BOUND(ellipsis_lines_max)},
    {"gopher.letter-words", letter_words, BOUND(letter_words_min), CORPUS_NO_BOUND},
    {"gopher.stop-words", stop_words, BOUND(stop_words_min), CORPUS_NO_BOUND},
    {NULL, NULL, 0, 0}};

const struct corpus_rule_family corpus_gopher_family = {"gopher", offsetof(struct corpus_settings, gopher.enabled),
                                                        rules};
