/* Pieces with their counts as JSON lines, in and out: for those who count elsewhere, and for eyes.
 *
 *     {"piece": " the", "count": 12}
 *     {"hex": "ff20", "count": 1.5}      bytes that are not UTF-8; a weighted count, exact to 1/1024
 */
#ifndef QUERN_TOKENIZER_COUNT_PAIRS_H
#define QUERN_TOKENIZER_COUNT_PAIRS_H

#include "tokenizer/count/count_texts.h"

/* One line, appended with its end. */
q_status count_pair_write(const struct count_entry *entry, uint32_t scale, struct q_buffer *out) Q_MUST_USE;

/* Counts the pairs of these files; pieces are taken as they are, uncut, and the same piece may come many times. Of the options only pretokenizer (whose
 * pieces they are said to be), memory and folder matter. fractions: counts are kept in units of 1/1024, to the nearest; else one that is no whole number
 * is Q_ERR_INPUT. So is a line that is no such object, with file and number. */
q_status count_pairs(const char *const *paths, size_t count, bool fractions, const struct count_texts_options *options,
                     struct q_pool *pool, struct counter **out) Q_MUST_USE;

#endif
