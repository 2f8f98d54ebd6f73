/* Several vocabularies side by side on the same texts: as a table, as JSON, and as a section of a report. */
#ifndef QUERN_TOKENIZER_COMPARE_H
#define QUERN_TOKENIZER_COMPARE_H

#include "base/report.h"
#include "tokenizer/inspect/text_measure.h"

/* A figure by language. */
enum compare_figure {
    COMPARE_BYTES_PER_TOKEN,      /* more is better: fewer tokens for the same text */
    COMPARE_CHARACTERS_PER_TOKEN, /* more is better; comparable between scripts of one, two and three bytes a character */
    COMPARE_TOKENS_PER_WORD,      /* fertility, less is better; only in languages that have words between blanks */
};

struct comparison {
    struct q_arena arena;
    const char *names[TEXT_MEASURE_VOCABULARIES_MAX]; /* distinct */
    struct tokenizer *tokenizers[TEXT_MEASURE_VOCABULARIES_MAX];
    size_t count;
    struct text_measure measure;
    /* Tokens that are no special ones: how many a vocabulary has ([i][i]), and how many of them another has with the same bytes. */
    uint32_t shared[TEXT_MEASURE_VOCABULARIES_MAX][TEXT_MEASURE_VOCABULARIES_MAX];
};

/* Loads the vocabularies, each given as PATH or NAME=PATH; without a NAME it is that of the file, or of its folder where the file is tokenizer.json.
 * Q_ERR_USAGE for none, too many, or two of one name. Release also after a failure. */
q_status comparison_load(struct comparison *comparison, const char *const *given, size_t count) Q_MUST_USE;
void comparison_release(struct comparison *comparison);
/* Measures the texts, or only those held out of training, and the overlaps. */
q_status comparison_run(struct comparison *comparison, struct text_source *source, bool held_out_only,
                        struct q_pool *pool) Q_MUST_USE;

/* The figure of a language; 0 where it makes no sense. */
double comparison_figure(const struct measured_language *language, size_t vocabulary, enum compare_figure figure);
/* Whether `value` is as good as the best of all vocabularies, to the two digits that are shown. */
bool comparison_is_best(const struct comparison *comparison, const struct measured_language *language, double value,
                        enum compare_figure figure);
/* Tokens relative to those of the first vocabulary: of all texts, and the geometric mean over languages, in which every language counts the same. */
double comparison_tokens_to_first(const struct comparison *comparison, size_t vocabulary);
double comparison_mean_to_first(const struct comparison *comparison, size_t vocabulary);

/* Appends tables for a terminal; one JSON object. */
q_status comparison_print(const struct comparison *comparison, enum compare_figure figure,
                          struct q_buffer *out) Q_MUST_USE;
q_status comparison_json(const struct comparison *comparison, struct q_buffer *out) Q_MUST_USE;
/* Adds a section to a report. */
q_status comparison_report(const struct comparison *comparison, struct q_report *report) Q_MUST_USE;

#endif
