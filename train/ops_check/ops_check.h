/* Checking and timing a backend's operations, for the tests and for `quern-train ops`.
 *
 * A check runs each case of ops_cases_list.c with the backend and with the plain operations in double on the same
 * numbers, which are such as the backend's types can hold. What is written as BF16 may differ by the one rounding that makes it so, 2^-8 of the number.
 * Every tensor stands between guard bands, in some cases at an address that is aligned to 4 bytes alone, where that is allowed; outputs are poisoned with
 * NaN before; inputs must not change; the call is repeated with one thread and must give the same bits (of a table
 * that is nondeterministic: be as near). Another backend may be run beside it.
 */
#ifndef QUERN_TRAIN_OPS_CHECK_H
#define QUERN_TRAIN_OPS_CHECK_H

#include "train/ops.h"

struct ops_wanted {
    const struct op_table *table;
    const struct op_table *against; /* checks: another one of the same precision; NULL: none */
    unsigned threads;
    const char *operation; /* those alone whose names begin so; NULL: all */
    bool large;            /* checks: ops_large_cases too */
};

struct ops_result {
    const char *operation; /* "matmul NT" */
    const char *shape;     /* "37 x 33 x 70" */
    bool passed;
    const char *what;   /* why not: a line; "" where it passed */
    double difference;  /* largest |ours - plain|, beyond one rounding to BF16, over the tensor's largest |plain| */
    const char *tensor; /* where */
    double error;       /* that, in units of what passes */
    double against;     /* the same of the other backend, in units of what it may be */
    double
        apart; /* and of ours from the other's, beyond two roundings, in units of the larger: at most 2 where both pass */
    char way[OP_WAYS_TEXT]; /* op_ways_since */
    double seconds;         /* ops_perf: median of a call */
    double flop, bytes;     /* of a call; flop 0 where it is not arithmetic that counts */
};

/* NaN counts as the largest. */
static inline void ops_keep_largest(double *largest, double value)
{
    if (!(value <= *largest))
        *largest = value;
}

typedef void ops_report(void *context, const struct ops_result *result);

/* The largest difference that passes: float's rounding over sums of some hundred terms. */
#define OPS_DIFFERENCE_MAX 1e-5
/* And where factors are rounded to BF16 before they are multiplied (op_table.rounds_factors): half of the last of their 8 bits. */
#define OPS_DIFFERENCE_ROUNDED_MAX 0x1p-8
/* And for each product of a sum that matrix units make: they add up to 16 of them at a time and cut what does not fit into the 24 bits of the sum (Fasi,
 * Higham, Mikaitis and Pranesh, "Numerical behavior of NVIDIA tensor cores", PeerJ Computer Science 7, 2021). */
#define OPS_DIFFERENCE_CUT (0x1p-24 / 16)

/* *failed: cases that did not pass. A status, which names the case, only where one could not be run (memory, a device that fails), or
 * where the backends cannot be compared (Q_ERR_USAGE). */
q_status ops_check(const struct ops_wanted *wanted, ops_report *report, void *context, size_t *failed) Q_MUST_USE;

/* Times every operation at the shapes that a model's layer has with so many tokens: each is called for about `seconds`, by the backend's own clock and
 * without waiting between calls. Numbers are random and finite; what one call leaves the next one finds. */
struct model_config;
q_status ops_perf(const struct ops_wanted *wanted, const struct model_config *config, size_t batch, size_t sequence,
                  double seconds, ops_report *report, void *context) Q_MUST_USE;

#endif
