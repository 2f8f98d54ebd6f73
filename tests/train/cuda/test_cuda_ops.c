/* Every operation of the CUDA backend, on an emulated device, against the plain operations in double: odd shapes, guard bands, poisoned outputs, threads
 * and blocks in order and backwards. */
#include "tests/train/ops_report.h"
#include "train/cuda/cuda_ops.h"

static void fp32_operations_are_the_plain_ones(void **state)
{
    (void)state;
    struct op_table table;
    cuda_table_fp32(&table);
    check_table(&table);
}

static void bf16_operations_are_the_plain_ones_rounded(void **state)
{
    (void)state;
    struct op_table table;
    cuda_table_bf16(&table);
    check_table(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fp32_operations_are_the_plain_ones),
        cmocka_unit_test(bf16_operations_are_the_plain_ones_rounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
