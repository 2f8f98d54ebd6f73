#include "tokenizer/train/train_pace.h"

#include <math.h>
#include <string.h>

static const double NOTE_RATIO = 1.09; /* an eighth of an octave */

void train_pace_note(struct train_pace *pace, uint64_t merges, double seconds)
{
    unsigned last = pace->count - 1;
    if (merges == 0)
        return;
    /* The newest note moves on until it is far enough from the one before it. */
    if (pace->count >= 2 && pace->notes[last].merges < pace->notes[last - 1].merges * NOTE_RATIO)
        pace->count--;
    if (pace->count == TRAIN_PACE_NOTES) {
        memmove(pace->notes, pace->notes + 1, (TRAIN_PACE_NOTES - 1) * sizeof(pace->notes[0]));
        pace->count--;
    }
    pace->notes[pace->count].merges = (double)merges;
    pace->notes[pace->count++].seconds = seconds;
}

double train_pace_left(const struct train_pace *pace, uint64_t merges)
{
    if (pace->count < 12)
        return INFINITY;
    /* Three points: now, and about a half and a quarter of what is done, or the oldest that are kept. */
    unsigned now = pace->count - 1, middle = now > 8 ? now - 8 : now / 2, first = now > 16 ? now - 16 : 0;
    double k0 = pace->notes[first].merges, k1 = pace->notes[middle].merges, k2 = pace->notes[now].merges;
    double t0 = pace->notes[first].seconds, t1 = pace->notes[middle].seconds, t2 = pace->notes[now].seconds;
    double l1 = log(k1 / k0), l2 = log(k2 / k1), left = (double)merges;
    if (middle == first || k1 <= k0 || k2 <= k1 || left <= k2)
        return left <= k2 ? 0.0 : (double)INFINITY;
    double determinant = l1 * (k2 - k1) - l2 * (k1 - k0);
    double a = ((t1 - t0) * (k2 - k1) - (t2 - t1) * (k1 - k0)) / determinant;
    double b = (l1 * (t2 - t1) - l2 * (t1 - t0)) / determinant;
    if (!(a >= 0.0)) { /* all of it by the merge */
        a = 0.0;
        b = (t2 - t1) / (k2 - k1);
    } else if (!(b >= 0.0)) {
        a = (t2 - t1) / l2;
        b = 0.0;
    }
    return a * log(left / k2) + b * (left - k2);
}
