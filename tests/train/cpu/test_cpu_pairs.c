/* Every operation of the tables whose products multiply two BF16 numbers at a time, with their instructions emulated, against the plain operations in double:
 * odd shapes, guard bands, poisoned outputs, one thread against three. */
#include "tests/train/cpu/emulated_tables.h"
#include "tests/train/ops_report.h"

static void dot_operations_are_the_plain_ones_rounded(void **state)
{
    (void)state;
    struct op_table table;
    cpu_table_emulated_dot(&table);
    check_table(&table);
}

static void amx_operations_are_the_plain_ones_rounded(void **state)
{
    (void)state;
    struct op_table table;
    cpu_table_emulated_amx(&table);
    check_table(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dot_operations_are_the_plain_ones_rounded),
        cmocka_unit_test(amx_operations_are_the_plain_ones_rounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
