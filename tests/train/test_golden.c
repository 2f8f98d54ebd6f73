/* The model against other implementations: logits, loss, every gradient, ten AdamW steps, tokens per expert. The folder golden/ was made by golden/reference.py, in double precision; those of
 * QUERN_DATA by transformers' DeepseekV3ForCausalLM. Run by hand with QUERN_GOLDEN_PRINT=1 it prints the largest differences; QUERN_BACKEND chooses the operations. */
#include "golden.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void check(const char *folder, unsigned threads)
{
    const struct op_table *ops = op_table_cpu(OP_FP32);
    const char *backend = getenv("QUERN_BACKEND");
    struct golden_differences differences;
    if (backend)
        assert_int_equal(op_table_find(backend, &ops), Q_OK);
    if (golden_compare(folder, ops, threads, &differences) != Q_OK)
        fail_msg("%s", q_error_text());
    bool passed = golden_within_bounds(&differences);
    if (!passed || getenv("QUERN_GOLDEN_PRINT"))
        golden_print(folder, &differences);
    assert_true(passed);
}

static void check_data(const char *name, unsigned threads)
{
    const char *data = getenv("QUERN_DATA");
    char folder[4096];
    if (!data)
        skip();
    (void)snprintf(folder, sizeof(folder), "%s/train/%s", data, name);
    check(folder, threads);
}

static void a_second_implementation_agrees(void **state)
{
    (void)state;
    check(QUERN_SOURCE "/tests/train/golden/plain", 2);
}

static void modules_of_multi_token_prediction_agree(void **state)
{
    (void)state;
    check(QUERN_SOURCE "/tests/train/golden/mtp", 2);
}

static void plain_positions_match_transformers(void **state)
{
    (void)state;
    check_data("golden-v3", 1);
}

static void yarn_matches_transformers(void **state)
{
    (void)state;
    check_data("golden-yarn", 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_second_implementation_agrees),
        cmocka_unit_test(modules_of_multi_token_prediction_agree),
        cmocka_unit_test(plain_positions_match_transformers),
        cmocka_unit_test(yarn_matches_transformers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
