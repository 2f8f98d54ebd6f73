/* cmocka and the headers that it wants before it. */
#ifndef QUERN_TESTS_CMOCKA_ALL_H
#define QUERN_TESTS_CMOCKA_ALL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

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

/* Dice for mutations: xorshift64*, the same rolls every time. `state` starts at any number but 0. */
static inline uint64_t dice_roll(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545f4914f6cdd1d;
}

#endif
