/* Time and the wish to stop. */
#include "base/clock.h"
#include "tests/base/cmocka_all.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void test_time_goes_forward(void **state)
{
    (void)state;
    double before = q_seconds();
    (void)usleep(2000);
    assert_true(q_seconds() >= before + 0.002);
}

static void test_time_text(void **state)
{
    (void)state;
    char text[21];
    q_time_text(text);
    assert_int_equal(strlen(text), 20);
    static const char pattern[] = "dddd-dd-ddTdd:dd:ddZ";
    for (size_t i = 0; i < 20; i++)
        assert_true(pattern[i] == 'd' ? text[i] >= '0' && text[i] <= '9' : text[i] == pattern[i]);
}

/* In a child: the signals in order; the exit code is how it looks afterwards. */
static int after_signals(const int *signals, size_t count)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        q_stop_on_signals();
        if (q_stop_requested())
            _exit(1);
        for (size_t i = 0; i < count; i++)
            (void)raise(signals[i]);
        _exit(q_stop_requested() ? 75 : 2);
    }
    int code;
    assert_int_equal(waitpid(child, &code, 0), child);
    return WIFSIGNALED(code) ? -WTERMSIG(code) : WEXITSTATUS(code);
}

static void test_signals_ask_to_stop(void **state)
{
    (void)state;
    assert_int_equal(after_signals((const int[]){SIGINT}, 1), 75);
    assert_int_equal(after_signals((const int[]){SIGTERM}, 1), 75);
    assert_int_equal(after_signals((const int[]){SIGUSR2}, 1), 75);
    assert_int_equal(after_signals((const int[]){SIGTERM, SIGTERM, SIGUSR2, SIGINT}, 4), 75);
    assert_int_equal(after_signals(NULL, 0), 2);
}

static void test_second_interrupt_ends_it(void **state)
{
    (void)state;
    assert_int_equal(after_signals((const int[]){SIGINT, SIGINT}, 2), -SIGINT);
}

static void test_request(void **state)
{
    (void)state;
    assert_false(q_stop_requested());
    q_stop_request();
    assert_true(q_stop_requested());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_time_goes_forward),
        cmocka_unit_test(test_time_text),
        cmocka_unit_test(test_signals_ask_to_stop),
        cmocka_unit_test(test_second_interrupt_ends_it),
        cmocka_unit_test(test_request),
    };
    return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
