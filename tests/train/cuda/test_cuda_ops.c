/* Every operation of the CUDA backend, on an emulated device, against the plain operations in double: odd shapes, guard bands, poisoned outputs, threads
 * and blocks in order and backwards. And what happens where there is no device, no memory, or where a call fails. Run by hand with QUERN_OPS_PRINT=1 it
 * prints the differences. */
#include "train/cuda/cuda_ops.h"
#include "train/ops_check.h"

#include "tests/base/cmocka_all.h"

#include <cuda_runtime_api.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_result(void *context, const struct ops_result *result)
{
    size_t *cases = context;
    (*cases)++;
    if (!result->passed)
        print_error("%s (%s): %s: '%s' (%g)\n", result->operation, result->shape, result->what, result->tensor,
                    result->difference);
    else if (getenv("QUERN_OPS_PRINT"))
        printf("# %-28s %-24s %.2g %s\n", result->operation, result->shape, result->difference, result->tensor);
}

static void check_table(void (*fill)(struct op_table *))
{
    struct op_table table;
    size_t failed, cases = 0;
    fill(&table);
    if (ops_check(&table, 3, print_result, &cases, &failed) != Q_OK)
        fail_msg("%s", q_error_text());
    assert_true(cases > 50);
    assert_int_equal(failed, 0);
}

static void fp32_operations_are_the_plain_ones(void **state)
{
    (void)state;
    check_table(cuda_table_fp32);
}

static void bf16_operations_are_the_plain_ones_rounded(void **state)
{
    (void)state;
    check_table(cuda_table_bf16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fp32_operations_are_the_plain_ones),
        cmocka_unit_test(bf16_operations_are_the_plain_ones_rounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
