/* Ways of operations (cuda_ways.h), on an emulated device: each that is left out is not taken, what is computed is right all the same, and what was taken is
 * said; so on a GPU whose code was compiled without Hopper's instructions; and what is no way is refused. */
#include "base/check.h"
#include "base/log.h"
#include "tests/train/cuda/ways_taken.h"
#include "tests/train/ops_report.h"
#include "train/cuda/cuda_ops.h"
#include "train/cuda/cuda_plan.h"

#include <cuda_runtime_api.h>
#include <stdlib.h>
#include <string.h>

static void leave_out(const char *text)
{
    assert_int_equal(setenv("QUERN_CUDA_WITHOUT", text, 1), 0);
}

static void (*release)(struct op_context *context);
static struct op_table table;
static struct op_ways taken; /* of the context that was released last */

static void look_and_release(struct op_context *context)
{
    if (context)
        taken = *table.ways(context);
    release(context);
}

/* The operations whose names begin so, against the plain ones in double: they are right. */
static void check_operations(const char *operation)
{
    size_t failed, cases = 0;
    cuda_table_bf16(&table);
    release = table.release;
    table.release = look_and_release;
    const struct ops_wanted wanted = {.table = &table, .threads = 1, .operation = operation};
    assert_ok(ops_check(&wanted, print_result, &cases, &failed));
    assert_true(cases > 0);
    assert_int_equal(failed, 0);
}

static void assert_taken(const char *operation, const char *way, bool expect)
{
    if ((times_taken(&taken, operation, way) > 0) != expect)
        fail_msg("'%s' by '%s' was %staken", operation, way, expect ? "not " : "");
}

/* Checks the operations whose names begin so, some ways left out, on Hopper; `old`: with code that is not Hopper's own. */
static void check_without(const char *begin, const char *left_out, bool old)
{
    emulated_device.hopper = true;
    emulated_device.hopper_plain = old;
    leave_out(left_out);
    check_operations(begin);
    assert_string_equal(taken.left_out, left_out);
    emulated_device.hopper = emulated_device.hopper_plain = false;
    leave_out("");
}

/* All shapes that suit mma suit wgmma; some suit neither. */
static void grouped_products_go_the_next_way(void **state)
{
    (void)state;
    static const struct {
        const char *left_out;
        bool old, clusters, wgmma, mma; /* the ways that are taken */
    } cases[] = {{"", true, false, false, true},
                 {"wgmma-grouped", false, false, false, true},
                 {"mma-grouped", false, true, false, false},
                 {"mma-grouped,clusters", false, false, true, false},
                 {"wgmma-grouped,mma-grouped", false, false, false, false}};
    for (size_t i = 0; i < Q_COUNT_OF(cases); i++) {
        const unsigned long before = emulated_device.products;
        check_without("grouped", cases[i].left_out, cases[i].old);
        assert_taken("grouped", "wgmma clusters", cases[i].clusters);
        assert_taken("grouped", "wgmma", cases[i].wgmma);
        assert_int_equal(emulated_device.products > before, cases[i].clusters || cases[i].wgmma);
        assert_taken("grouped", "mma", cases[i].mma);
        assert_taken("grouped", "plain", true);
    }
}

/* Many head sizes are none of Hopper's. Forward and backward are checked together: their names begin alike. */
static void attention_goes_the_next_way(void **state)
{
    (void)state;
    check_without("attention", "wgmma-attention", false);
    assert_taken("attention", "wgmma", false);
    assert_taken("attention", "mma", true);
    assert_taken("attention backward", "wgmma", true);
    check_without("attention", "wgmma-attention-backward,mma-attention", false);
    assert_taken("attention", "wgmma", true);
    assert_taken("attention", "mma", false);
    assert_taken("attention", "plain", true);
    assert_taken("attention backward", "wgmma", false);
    assert_taken("attention backward", "mma", false);
    const unsigned long before = emulated_device.products;
    check_without("attention", "", true);
    assert_int_equal(emulated_device.products, before);
    assert_taken("attention", "mma", true);
    assert_taken("attention backward", "mma", true);
}

static void products_go_the_plain_way(void **state)
{
    (void)state;
    check_operations("matmul");
    assert_taken("matmul", "cuBLASLt", true);
    assert_taken("matmul", "plain", false);
    leave_out("cublaslt");
    check_operations("matmul");
    assert_taken("matmul", "cuBLASLt", false);
    assert_non_null(strstr(way_taken(&taken, "matmul", "plain")->why, "NT, m "));
    leave_out("");
}

struct plain_product {
    size_t m, n, k, a_stride, b_stride, c_stride;
};

/* The first one of that name. */
static struct plain_product first_plain(const char *name)
{
    struct plain_product p;
    const struct op_way *row = way_taken(&taken, name, "plain");
    assert_non_null(row);
    assert_int_equal(sscanf(row->why, "%*2s, m %zu, n %zu, k %zu, strides %zu, %zu, %zu", &p.m, &p.n, &p.k, &p.a_stride,
                            &p.b_stride, &p.c_stride),
                     6);
    return p;
}

/* Whatever the vocabulary, cuBLASLt may move rows 16 bytes at a time. */
static void rows_of_logits_begin_at_whole_packs(void **state)
{
    (void)state;
    leave_out("cublaslt");
    check_operations("cross_entropy");
    leave_out("");
    const struct plain_product logits = first_plain("cross-entropy, logits"), dx = first_plain("cross-entropy, dx"),
                               dweight = first_plain("cross-entropy, dweight");
    assert_true(logits.n % CUDA_PACK != 0 && dx.k % CUDA_PACK != 0);
    assert_int_equal(logits.c_stride, cuda_logits_stride(logits.n));
    assert_int_equal(dx.a_stride, cuda_logits_stride(dx.k));
    assert_int_equal(dweight.a_stride, cuda_logits_stride(dweight.m));
}

static void what_is_no_way_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"wgmma", "graphs,mma", "graphs,", ",graphs", "Graphs", "graphs cublaslt"};
    static const char *const named[] = {"'wgmma'", "'mma'", NULL, "''", "'Graphs'", "'graphs cublaslt'"};
    struct op_context *context;
    cuda_table_fp32(&table);
    for (size_t i = 0; i < Q_COUNT_OF(wrong); i++) {
        leave_out(wrong[i]);
        context = NULL;
        const q_status status = table.create(NULL, &context);
        assert_int_equal(status, named[i] ? Q_ERR_USAGE : Q_OK);
        if (named[i]) {
            assert_null(context);
            assert_non_null(strstr(q_error_text(), named[i]));
            assert_non_null(strstr(q_error_text(), "give some of wgmma-grouped,"));
            assert_null(strchr(q_error_text(), '\n'));
        }
        table.release(context);
    }
    leave_out("");
}

/* In the order of the list, each once. */
static void what_is_left_out_is_said(void **state)
{
    (void)state;
    struct op_context *context;
    cuda_table_bf16(&table);
    leave_out("graphs,mma-grouped,graphs");
    assert_ok(table.create(NULL, &context));
    assert_string_equal(table.ways(context)->left_out, "mma-grouped,graphs");
    assert_int_equal(table.ways(context)->count, 0);
    table.release(context);
    leave_out("");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grouped_products_go_the_next_way), cmocka_unit_test(attention_goes_the_next_way),
        cmocka_unit_test(products_go_the_plain_way),        cmocka_unit_test(rows_of_logits_begin_at_whole_packs),
        cmocka_unit_test(what_is_no_way_is_refused),        cmocka_unit_test(what_is_left_out_is_said),
    };
    q_log_set_level(Q_LOG_ERROR); /* each context says what is left out */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
