/* How long training will still take. Merges become cheaper as they become rarer: the time up to merge k is about a log k + b k, since the places of the
 * k-th merge are about 1/k of the first one's (Zipf's law), and each costs something for itself. Both are taken from the times of the last halvings of k. */
#ifndef QUERN_TOKENIZER_TRAIN_PACE_H
#define QUERN_TOKENIZER_TRAIN_PACE_H

#include <stdint.h>

enum { TRAIN_PACE_NOTES = 64 };

/* Ready when zeroed. Notes are an eighth of an octave apart. */
struct train_pace {
    struct {
        double merges, seconds;
    } notes[TRAIN_PACE_NOTES];
    unsigned count; /* kept: the newest */
};

/* So many merges were done at this time (q_seconds). */
void train_pace_note(struct train_pace *pace, uint64_t merges, double seconds);
/* Seconds from the last note to so many merges in all; INFINITY where it cannot be told yet. */
double train_pace_left(const struct train_pace *pace, uint64_t merges);

#endif
