/* Status texts: one line, cut whole, carried over threads; and the checks. */
#include "base/check.h"
#include "base/status.h"
#include "tests/base/cmocka_all.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void test_text_is_formatted(void **state)
{
    (void)state;
    assert_int_equal(q_fail(Q_ERR_INPUT, "'%s' has %d parts", "x", 3), Q_ERR_INPUT);
    assert_string_equal(q_error_text(), "'x' has 3 parts");
    assert_int_equal(q_context(Q_ERR_INPUT, "shard '%s'", "y"), Q_ERR_INPUT);
    assert_string_equal(q_error_text(), "shard 'y': 'x' has 3 parts");
    assert_int_equal(q_context(Q_OK, "nothing"), Q_OK);
    assert_string_equal(q_error_text(), "shard 'y': 'x' has 3 parts");
}

static void test_text_may_quote_itself(void **state)
{
    (void)state;
    q_fail(Q_ERR_SYSTEM, "inner");
    q_fail(Q_ERR_SYSTEM, "outer (%s)", q_error_text());
    assert_string_equal(q_error_text(), "outer (inner)");
}

static void test_text_is_one_line(void **state)
{
    (void)state;
    q_fail(Q_ERR_INPUT, "'%s'", "a\nb\x1b[2J\tc");
    assert_string_equal(q_error_text(), "'a?b?[2J?c'");
}

static void test_errno_words(void **state)
{
    (void)state;
    assert_int_equal(q_fail_errno(ENOENT, "cannot open '%s'", "x"), Q_ERR_SYSTEM);
    assert_string_equal(q_error_text(), "cannot open 'x': no such file or directory");
    assert_int_equal(q_fail_errno(ENOMEM, "cannot map"), Q_ERR_MEMORY);
    q_fail_errno(54321, "cannot");
    assert_string_equal(q_error_text(), "cannot: system error 54321");
}

/* Every length around the limit: never longer, the end marked, no character cut in two. */
static void test_long_text_is_cut(void **state)
{
    (void)state;
    char text[2 * Q_ERROR_TEXT_MAX];
    for (size_t length = Q_ERROR_TEXT_MAX - 8; length < Q_ERROR_TEXT_MAX + 8; length++) {
        for (size_t i = 0; i < length; i++)
            text[i] = i % 2 ? '\xa9' : '\xc3'; /* e with an accent, as UTF-8 */
        text[length] = 0;
        q_fail(Q_ERR_INPUT, "%s", text);
        size_t got = strlen(q_error_text());
        assert_true(got < Q_ERROR_TEXT_MAX);
        if (length < Q_ERROR_TEXT_MAX) {
            assert_string_equal(q_error_text(), text);
        } else {
            assert_string_equal(q_error_text() + got - 3, "...");
            assert_true((got - 3) % 2 == 0);
            assert_memory_equal(q_error_text(), text, got - 3);
        }
        q_context(Q_ERR_INPUT, "%s", text); /* the context alone fills it */
        assert_true(strlen(q_error_text()) < Q_ERROR_TEXT_MAX);
    }
}

static void *fail_elsewhere(void *out)
{
    q_error_take(out, q_fail(Q_ERR_MEMORY, "from another thread"));
    return NULL;
}

static void test_error_crosses_threads(void **state)
{
    (void)state;
    struct q_error error;
    pthread_t thread;
    q_fail(Q_ERR_INPUT, "here");
    assert_int_equal(pthread_create(&thread, NULL, fail_elsewhere, &error), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_string_equal(q_error_text(), "here");
    assert_int_equal(q_error_put(&error), Q_ERR_MEMORY);
    assert_string_equal(q_error_text(), "from another thread");
}

static void test_exit_codes(void **state)
{
    (void)state;
    assert_int_equal(q_exit_code(Q_OK), 0);
    assert_int_equal(q_exit_code(Q_ERR_USAGE), 2);
    assert_int_equal(q_exit_code(Q_ERR_INPUT), 3);
    assert_int_equal(q_exit_code(Q_ERR_SYSTEM), 4);
    assert_int_equal(q_exit_code(Q_ERR_MEMORY), 4);
    assert_int_equal(q_exit_code(Q_STOPPED), 75);
}

static q_status tried(q_status inner, int *reached)
{
    *reached = 0;
    Q_TRY(inner);
    *reached = 1;
    return Q_OK;
}

static void test_try_returns_on_failure(void **state)
{
    (void)state;
    int reached;
    assert_int_equal(tried(Q_STOPPED, &reached), Q_STOPPED);
    assert_int_equal(reached, 0);
    assert_int_equal(tried(Q_OK, &reached), Q_OK);
    assert_int_equal(reached, 1);
}

static void test_failed_check_aborts(void **state)
{
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)!freopen("/dev/null", "w", stderr);
        (void)signal(SIGABRT, SIG_DFL);
        q_check(1 + 1 == 3);
        _exit(0);
    }
    int code;
    assert_int_equal(waitpid(child, &code, 0), child);
    assert_true(WIFSIGNALED(code) && WTERMSIG(code) == SIGABRT);
}

static void test_checked_arithmetic(void **state)
{
    (void)state;
    size_t size = 7;
    uint64_t wide = 7;
    assert_false(q_add_size(SIZE_MAX, 1, &size));
    assert_false(q_mul_size(SIZE_MAX / 2 + 1, 2, &size));
    assert_false(q_add_u64(UINT64_MAX, 1, &wide));
    assert_false(q_mul_u64(UINT64_MAX, 2, &wide));
    assert_true(size == 7 && wide == 7); /* left alone */
    assert_true(q_add_size(SIZE_MAX - 1, 1, &size) && size == SIZE_MAX);
    assert_true(q_mul_u64(UINT64_MAX / 3, 3, &wide) && wide == UINT64_MAX);
    assert_true(q_ceil_div(0, 5) == 0 && q_ceil_div(5, 5) == 1 && q_ceil_div(6, 5) == 2);
    assert_true(q_ceil_div(UINT64_MAX, 2) == UINT64_MAX / 2 + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_is_formatted),   cmocka_unit_test(test_text_may_quote_itself),
        cmocka_unit_test(test_text_is_one_line),    cmocka_unit_test(test_errno_words),
        cmocka_unit_test(test_long_text_is_cut),    cmocka_unit_test(test_error_crosses_threads),
        cmocka_unit_test(test_exit_codes),          cmocka_unit_test(test_try_returns_on_failure),
        cmocka_unit_test(test_failed_check_aborts), cmocka_unit_test(test_checked_arithmetic),
    };
    return cmocka_run_group_tests_name("status", tests, NULL, NULL);
}
