/* cmocka and the headers that it wants before it. */
#ifndef QUERN_TESTS_CMOCKA_ALL_H
#define QUERN_TESTS_CMOCKA_ALL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/status.h"

/* A call that must succeed; its error text is shown where it does not. */
#define assert_ok(expression)                                                                                          \
    do {                                                                                                               \
        if ((expression) != Q_OK)                                                                                      \
            fail_msg("%s: %s", #expression, q_error_text());                                                           \
    } while (0)

/* A call that must fail with this status, and with `part` somewhere in its text. */
#define assert_fails(expression, wanted, part)                                                                         \
    do {                                                                                                               \
        q_status status_ = (expression);                                                                               \
        if (status_ != (wanted) || !strstr(q_error_text(), (part)))                                                    \
            fail_msg("%s: status %d, text '%s'", #expression, (int)status_, q_error_text());                           \
    } while (0)

/* Other rolls of the same dice: a number in QUERN_DICE, which fuzzing counts up (tests/long/fuzz-tokenizer.sh). */
static inline uint64_t dice_turn(void)
{
    static uint64_t turn;
    static bool known;
    if (!known) {
        const char *given = getenv("QUERN_DICE");
        turn = (given ? strtoull(given, NULL, 10) : 0) * 0x9e3779b97f4a7c15;
        known = true;
    }
    return turn;
}

/* Dice for mutations: xorshift64*, the same rolls every time. `state` starts at any number but 0. */
static inline uint64_t dice_roll(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545f4914f6cdd1d ^ dice_turn();
}

#endif
