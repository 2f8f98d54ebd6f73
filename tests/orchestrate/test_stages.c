/* The table of stages and the ranges that people write. */
#include "orchestrate/stages.h"
#include "tests/base/cmocka_all.h"

#include <stdio.h>
#include <string.h>

static void test_ranges(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t first, last;
    } cases[] = {{"1", 0, 0},   {"6", 5, 5},   {"dedup", 1, 1}, {"1..3", 0, 2},    {"dedup..shards", 1, 3},
                 {"..3", 0, 2}, {"4..", 3, 5}, {"..", 0, 5},    {"2..eval", 1, 5}, {"train..train", 4, 4}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t first = 99, last = 99;
        assert_ok(stages_parse_range(cases[i].text, &first, &last));
        assert_int_equal(first, cases[i].first);
        assert_int_equal(last, cases[i].last);
    }
}

static void test_ranges_refused(void **state)
{
    (void)state;
    size_t first, last;
    assert_fails(stages_parse_range("7", &first, &last), Q_ERR_USAGE, "no stage '7'");
    assert_fails(stages_parse_range("0", &first, &last), Q_ERR_USAGE, "no stage '0'");
    assert_fails(stages_parse_range("", &first, &last), Q_ERR_USAGE, "no stage ''");
    assert_fails(stages_parse_range("shard", &first, &last), Q_ERR_USAGE, "did you mean 'shards'?");
    assert_fails(stages_parse_range("3..1", &first, &last), Q_ERR_USAGE, "run backwards");
    assert_fails(stages_parse_range("1...3", &first, &last), Q_ERR_USAGE, "no stage '.3'");
    assert_fails(stages_parse_range("1-3", &first, &last), Q_ERR_USAGE, "no stage '1-3'");
}

/* Every stage takes only from stages before it, and has steps and a program. */
static void test_table_is_in_order(void **state)
{
    (void)state;
    for (size_t i = 0; i < STAGE_COUNT; i++) {
        char program[64];
        snprintf(program, sizeof program, "quern-%s", stages[i].name);
        assert_string_equal(stages[i].program, program);
        assert_in_range(stages[i].step_count, 1, STAGE_STEPS_MAX);
        for (size_t k = 0; k < stages[i].input_count; k++)
            assert_true(stages[i].inputs[k].from < i);
    }
}

static void test_kinds(void **state)
{
    (void)state;
    enum step_kind kind;
    for (int i = STEP_MAP; i <= STEP_GANG; i++) {
        assert_ok(step_kind_parse(q_string_of(step_kind_name((enum step_kind)i)), &kind));
        assert_int_equal(kind, i);
    }
    assert_fails(step_kind_parse(Q_STRING("mapp"), &kind), Q_ERR_INPUT, "'mapp'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_ranges_refused),
        cmocka_unit_test(test_table_is_in_order),
        cmocka_unit_test(test_kinds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
