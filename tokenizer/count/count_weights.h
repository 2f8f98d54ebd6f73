/* Weights of documents when their pieces are counted: by language, by source, or both (their product).
 *
 *     lang:en=0.5     an English document's pieces count half
 *     source:wiki=3   those of the input `wiki` three times
 *     lang:*=0.1      every language without a weight of its own, and documents without one
 *
 * What no rule names has weight 1. Counts are whole numbers of units of 1/COUNT_SCALE (counts_file.h), so that they add up to the same sum in any order: an
 * occurrence is round(weight * COUNT_SCALE) units, at least one where the weight is not 0. Weight 0 leaves documents out.
 */
#ifndef QUERN_TOKENIZER_COUNT_WEIGHTS_H
#define QUERN_TOKENIZER_COUNT_WEIGHTS_H

#include "base/memory.h"
#include "base/options.h"
#include "base/status.h"
#include "base/string.h"

#include <stdint.h>

enum count_weight_kind { COUNT_WEIGHT_LANG, COUNT_WEIGHT_SOURCE, COUNT_WEIGHT_KINDS };

struct count_weight {
    enum count_weight_kind kind;
    q_string name; /* "*": every other one */
    double weight;
};

/* Ready when zeroed: every weight is 1, and counts have scale 1. */
struct count_weights {
    struct count_weight *rules;
    size_t count, capacity;
};

/* Adds rules as written above; they borrow the texts. Q_ERR_USAGE names one that is malformed, comes twice, or whose weight is not 0 or from 1/1024 to 1024. */
q_status count_weights_add(struct count_weights *weights, const struct q_texts *texts) Q_MUST_USE;
void count_weights_release(struct count_weights *weights);
/* Of the counts: 1 without rules, else COUNT_SCALE. */
uint32_t count_weights_scale(const struct count_weights *weights);
/* What one occurrence in such a document adds, in units of 1/scale; 0: the document is left out. */
uint64_t count_weights_units(const struct count_weights *weights, q_string lang, q_string source);

#endif
