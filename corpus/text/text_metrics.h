/* Metrics: what the rules look at, computed in one pass over a document's text.
 *
 * A word is a run of characters between white space. Scripts that are written without spaces (Han, kana; Thai, Lao, Khmer, Myanmar, Tibetan) have no
 * such runs, so their words are estimated from their letters: one word per two of Han and kana, one per four of the others, rounded up in each
 * run. That goes by script, not by the document's language: mixed text needs no switch, and a wrong language breaks nothing. Estimated words
 * count as words with a letter, and have no length of their own.
 */
#ifndef QUERN_CORPUS_TEXT_METRICS_H
#define QUERN_CORPUS_TEXT_METRICS_H

#include "base/string.h"

struct corpus_metrics {
    uint64_t characters; /* code points, white space included */
    uint64_t words;      /* spaced and estimated ones */
    uint64_t spaced_words;
    uint64_t word_characters; /* of the spaced words, code points */
    uint64_t letter_words;    /* words with at least one letter */
    uint64_t hashes;          /* '#' */
    uint64_t ellipses;        /* "..." and U+2026 */
    uint64_t lines;           /* that are not blank */
    uint64_t bullet_lines;    /* those that begin with a bullet: - * or one of U+2022 U+2023 U+25CF U+25E6 U+00B7 */
    uint64_t ellipsis_lines;  /* those that end in an ellipsis */
    unsigned stop_words;      /* how many of {the, be, to, of, and, that, have, with} stand in the text, 0..8 */
};

/* text: valid UTF-8, normalised (normalise.h). Pure. */
void corpus_measure(q_string text, struct corpus_metrics *out);

#endif
