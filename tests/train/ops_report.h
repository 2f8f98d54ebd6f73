/* What the tests of backends do with ops_check. Run by hand with QUERN_OPS_PRINT=1 they print the differences. */
#ifndef QUERN_TESTS_TRAIN_OPS_REPORT_H
#define QUERN_TESTS_TRAIN_OPS_REPORT_H

#include "tests/base/cmocka_all.h"
#include "train/ops_check/ops_check.h"

#include <stdio.h>

static inline void print_result(void *context, const struct ops_result *result)
{
    size_t *cases = context;
    (*cases)++;
    if (!result->passed)
        print_error("%s (%s): %s: '%s' (%g)\n", result->operation, result->shape, result->what, result->tensor,
                    result->difference);
    else if (getenv("QUERN_OPS_PRINT"))
        printf("# %-28s %-24s %.2g %s\n", result->operation, result->shape, result->difference, result->tensor);
}

/* Every operation of the table, with three threads and with one. */
static inline void check_table(const struct op_table *table)
{
    const struct ops_wanted wanted = {.table = table, .threads = 3};
    size_t failed, cases = 0;
    if (ops_check(&wanted, print_result, &cases, &failed) != Q_OK)
        fail_msg("%s", q_error_text());
    assert_true(cases > 50);
    assert_int_equal(failed, 0);
}

#endif
