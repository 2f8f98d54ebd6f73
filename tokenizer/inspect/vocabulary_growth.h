/* What the size of a vocabulary is worth: bytes per token of the same texts with its first merges only, 512, 1,024, 2,048, ... up to all.
 *
 * A vocabulary that was trained smaller would have just these merges, so this is the curve of all sizes.
 */
#ifndef QUERN_TOKENIZER_VOCABULARY_GROWTH_H
#define QUERN_TOKENIZER_VOCABULARY_GROWTH_H

#include "base/status.h"
#include "base/threads.h"
#include "tokenizer/inspect/text_measure.h"

enum { GROWTH_POINTS_MAX = 20, GROWTH_LANGUAGES = 7 };

struct vocabulary_growth {
    size_t points;
    double merges[GROWTH_POINTS_MAX];
    /* [0] is all texts, the others are the languages with the most text. */
    size_t lines;
    char names[1 + GROWTH_LANGUAGES][32];
    double bytes_per_token[1 + GROWTH_LANGUAGES][GROWTH_POINTS_MAX];
};

/* `vocabulary` is a tokenizer.json or its folder, `texts` a file of documents. */
q_status vocabulary_growth_measure(const char *vocabulary, const char *texts, struct q_pool *pool,
                                   struct vocabulary_growth *out) Q_MUST_USE;

#endif
