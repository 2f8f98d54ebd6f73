/* Every operation of every CPU backend of this processor against the plain operations in double: odd shapes, guard bands, poisoned outputs, one thread against
 * three. */
#include "tests/train/ops_report.h"

#include <string.h>

static void check_backend(const char *name)
{
    const struct op_table *table;
    if (op_table_find(name, &table) != Q_OK)
        skip();
    check_table(table);
}

static void generic_operations_are_the_plain_ones(void **state)
{
    (void)state;
    check_backend("cpu-generic");
}

static void avx2_operations_are_the_plain_ones(void **state)
{
    (void)state;
    check_backend("cpu-avx2");
}

static void avx512_operations_are_the_plain_ones(void **state)
{
    (void)state;
    check_backend("cpu-avx512");
}

static void bf16_operations_are_the_plain_ones_rounded(void **state)
{
    (void)state;
    check_backend("cpu-generic-bf16");
    check_backend("cpu-bf16");
}

/* Where the processor has the instructions; as loops they are in test_cpu_pairs. */
static void dot_operations_are_the_plain_ones_rounded(void **state)
{
    (void)state;
    check_backend("cpu-avx512-dot-bf16");
}

static void amx_operations_are_the_plain_ones_rounded(void **state)
{
    (void)state;
    check_backend("cpu-amx-bf16");
}

/* The check must be able to fail: a backend with a wrong operation, one that writes too far, one that lacks an operation. */
static void wrong_embed(struct op_context *context, op_real *out, const op_real *table, const int32_t *ids,
                        size_t tokens, size_t hidden)
{
    op_table_cpu(OP_FP32)->embed(context, out, table, ids, tokens, hidden);
    ((float *)(void *)out)[tokens * hidden - 1] *= 1.001F;
}

static void far_embed(struct op_context *context, op_real *out, const op_real *table, const int32_t *ids, size_t tokens,
                      size_t hidden)
{
    op_table_cpu(OP_FP32)->embed(context, out, table, ids, tokens, hidden);
    ((float *)(void *)out)[tokens * hidden] = 0;
}

static void lazy_embed(struct op_context *context, op_real *out, const op_real *table, const int32_t *ids,
                       size_t tokens, size_t hidden)
{
    op_table_cpu(OP_FP32)->embed(context, out, table, ids, tokens - 1, hidden);
}

static void collect(void *context, const struct ops_result *result)
{
    if (!result->passed)
        *(const char **)context = result->what;
}

static void defects_are_seen(void **state)
{
    (void)state;
    struct op_table table = *op_table_cpu(OP_FP32);
    const struct ops_wanted wanted = {.table = &table, .threads = 1};
    const char *what = NULL;
    size_t failed;
    table.embed = wrong_embed;
    assert_int_equal(ops_check(&wanted, collect, &what, &failed), Q_OK);
    assert_int_equal(failed, 5);
    assert_string_equal(what, "differs from the plain operation");
    table.embed = far_embed;
    assert_int_equal(ops_check(&wanted, collect, &what, &failed), Q_OK);
    assert_int_equal(failed, 5);
    assert_string_equal(what, "wrote outside of a tensor");
    table.embed = lazy_embed;
    assert_int_equal(ops_check(&wanted, collect, &what, &failed), Q_OK);
    assert_int_equal(failed, 5);
    assert_string_equal(what, "left a number unwritten, not finite or wrong");
    table.embed = NULL;
    assert_int_equal(ops_check(&wanted, collect, &what, &failed), Q_ERR_USAGE);
    assert_non_null(strstr(q_error_text(), "lacks the operation 'embed'"));
}

static void check_result(void *context, const struct ops_result *result)
{
    const char **what = context;
    assert_true(result->error <= 1 && result->apart <= 1 + result->against);
    if (!result->passed)
        *what = result->what;
}

/* Another backend beside it: whose defect it is is said. */
static void backends_are_compared(void **state)
{
    (void)state;
    struct op_table other = *op_table_cpu(OP_FP32);
    struct ops_wanted wanted = {.table = op_table_cpu(OP_FP32), .against = &other, .threads = 2, .operation = "embed"};
    const char *what = NULL;
    size_t failed;
    assert_int_equal(ops_check(&wanted, check_result, &what, &failed), Q_OK);
    assert_int_equal(failed, 0);
    other.embed = wrong_embed;
    assert_int_equal(ops_check(&wanted, check_result, &what, &failed), Q_OK);
    assert_int_equal(failed, 5);
    assert_string_equal(what, "is right, but not the other backend's");
    wanted.against = op_table_cpu(OP_BF16);
    assert_int_equal(ops_check(&wanted, check_result, &what, &failed), Q_ERR_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(generic_operations_are_the_plain_ones),
        cmocka_unit_test(avx2_operations_are_the_plain_ones),
        cmocka_unit_test(avx512_operations_are_the_plain_ones),
        cmocka_unit_test(bf16_operations_are_the_plain_ones_rounded),
        cmocka_unit_test(dot_operations_are_the_plain_ones_rounded),
        cmocka_unit_test(amx_operations_are_the_plain_ones_rounded),
        cmocka_unit_test(defects_are_seen),
        cmocka_unit_test(backends_are_compared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
