/* Every operation of the CUDA backend, on an emulated device, against the plain operations in double: odd shapes, guard bands, poisoned outputs, threads
 * and blocks in order and backwards. */
#include "tests/train/ops_report.h"
#include "train/cuda/cuda_ops.h"

#include <cuda_runtime_api.h>

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

/* What has a way of its own there. */
static void attention_and_grouped_products_are_so_on_hopper_too(void **state)
{
    (void)state;
    static const char *const operations[] = {"attention", "grouped"};
    struct op_table table;
    cuda_table_bf16(&table);
    emulated_device.hopper = true;
    for (int i = 0; i < 2; i++) {
        const struct ops_wanted wanted = {.table = &table, .threads = 3, .operation = operations[i]};
        const unsigned long before = emulated_device.products;
        size_t failed, cases = 0;
        assert_ok(ops_check(&wanted, print_result, &cases, &failed));
        assert_int_equal(failed, 0);
        assert_true(emulated_device.products > before);
    }
    emulated_device.hopper = false;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fp32_operations_are_the_plain_ones),
        cmocka_unit_test(bf16_operations_are_the_plain_ones_rounded),
        cmocka_unit_test(attention_and_grouped_products_are_so_on_hopper_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
