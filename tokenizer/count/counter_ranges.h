/* The sorted parts of a counter as one sequence, cut into ranges that any thread may merge on its own: from one piece with which a frame begins
 * (counts_file.h) to the next, in each part from a binary search on. */
#ifndef QUERN_TOKENIZER_COUNTER_RANGES_H
#define QUERN_TOKENIZER_COUNTER_RANGES_H

#include "tokenizer/count/counter_private.h"

/* Range i goes from borders[i - 1], or the start, to borders[i], or the end: there is one more than borders. */
struct counter_ranges {
    const struct counter *counter;
    const struct piece_slot **borders;
    size_t count;
};

/* The parts must be sorted. Release also after a failure. */
q_status counter_ranges_create(struct counter_ranges *ranges, struct counter *counter) Q_MUST_USE;
void counter_ranges_release(struct counter_ranges *ranges);

/* As count_ranges has them; context: the ranges. */
q_status counter_range_open(void *context, size_t range, struct count_source *out) Q_MUST_USE;
void counter_range_close(void *context, struct count_source *source);
/* The next slot of what open gave; NULL at the end. */
const struct piece_slot *counter_range_next(struct count_source *source);
/* How many slots lie before the range. */
size_t counter_range_begin(const struct counter_ranges *ranges, size_t range);

#endif
