/* Metrics: what the rules look at, measured once over a document's words and lines. Definitions are those of datatrove 0.9's filters, where there is
 * one, so that a threshold means here what it means there. A line is what stands between line ends; characters are code points.
 */
#ifndef QUERN_CORPUS_TEXT_METRICS_H
#define QUERN_CORPUS_TEXT_METRICS_H

#include "corpus/text/hash_set.h"
#include "corpus/text/words.h"

struct corpus_metrics {
    uint64_t characters; /* white space included */
    uint64_t newlines;
    uint64_t longest_line; /* of the lines that are not blank, in characters */

    uint64_t words;            /* all (words.h) */
    uint64_t plain_words;      /* those that are not symbols alone */
    uint64_t plain_characters; /* of these */
    uint64_t estimated_words;  /* of scripts without spaces */
    uint64_t letter_words;     /* with at least one letter */
    uint64_t chunks;           /* runs between white space */
    uint64_t sentences;        /* summed over the lines; each line that has a word has one at least */

    uint64_t hashes;   /* '#' */
    uint64_t ellipses; /* "..." and U+2026 */

    uint64_t lines;                     /* all, blank ones too */
    uint64_t bullet_lines;              /* that begin with '-' or U+2022 */
    uint64_t ellipsis_lines;            /* that end in an ellipsis */
    uint64_t text_lines;                /* that are not blank; the next ones are of these */
    uint64_t stopped_lines;             /* that end in a mark that ends sentences */
    uint64_t short_lines;               /* of at most CORPUS_SHORT_LINE characters */
    uint64_t duplicate_lines;           /* that stood above already */
    uint64_t duplicate_line_characters; /* of these */
    uint64_t repeated_lines;            /* those and their first copies */
    uint64_t repeated_line_characters;
};

enum { CORPUS_SHORT_LINE = 30 };

/* text: valid UTF-8, normalised (normalise.h), in one with its words. The set is scratch. Fails for want of memory only. */
q_status corpus_measure(q_string text, const struct corpus_words *words, struct corpus_hash_set *set,
                        struct corpus_metrics *out) Q_MUST_USE;

#endif
