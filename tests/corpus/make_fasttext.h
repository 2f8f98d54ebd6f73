/* fastText model files in memory, for tests, with the matrices that are in them. Failures are the machine's and end the test program. */
#ifndef QUERN_TESTS_MAKE_FASTTEXT_H
#define QUERN_TESTS_MAKE_FASTTEXT_H

#include "base/memory.h"

enum { MADE_NAMES_MAX = 1024 };

struct made_fasttext {
    int version; /* 12, 11 */
    int dimensions, word_ngrams, loss, buckets, minn, maxn;
    const char *words[MADE_NAMES_MAX], *labels[MADE_NAMES_MAX]; /* NULL ends */
    bool quantised, norms, quantised_output;
    int part;      /* of a quantiser */
    int pruned;    /* -1: not; else the first so many odd buckets are kept, rows in reverse */
    uint64_t dice; /* of the weights, -2..2 */
};

struct made_matrices {
    float *input, *output; /* [rows][dimensions], [labels][dimensions]; q_release */
    size_t rows, labels;
};

/* `out` is cleared first. Labels were used 10, 8, 6 ... times, the last 1. */
void make_fasttext(const struct made_fasttext *made, struct q_buffer *out, struct made_matrices *matrices);

#endif
