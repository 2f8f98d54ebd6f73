/* Children: what they print, how they end, what becomes of them when we are killed. */
#include "base/clock.h"
#include "orchestrate/launch.h"
#include "orchestrate/launch_log.h"
#include "tests/base/cmocka_all.h"
#include "tests/base/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static q_status shell(const char *script, struct q_buffer *out, struct q_buffer *error, struct launch_end *end)
{
    const char *const arguments[] = {"/bin/sh", "-c", script, NULL};
    q_buffer_clear(out);
    q_buffer_clear(error);
    return launch_capture(arguments, out, error, end);
}

static void pause_ms(long milliseconds)
{
    (void)nanosleep(&(struct timespec){.tv_sec = milliseconds / 1000, .tv_nsec = milliseconds % 1000 * 1000000}, NULL);
}

static void test_captures_both_streams(void **state)
{
    (void)state;
    struct q_buffer out = {0}, error = {0};
    struct launch_end end;
    assert_ok(shell("echo question; echo trouble >&2; exit 3", &out, &error, &end));
    assert_true(q_string_is(q_buffer_string(&out), "question\n"));
    assert_true(q_string_is(q_buffer_string(&error), "trouble\n"));
    assert_int_equal(end.code, 3);
    assert_int_equal(end.signal, 0);
    assert_ok(shell("kill -9 $$", &out, &error, &end));
    assert_int_equal(end.code, 137);
    assert_int_equal(end.signal, SIGKILL);
    /* More than a pipe holds, on both at once, and standard input is empty. */
    assert_ok(shell("cat; head -c 300000 /dev/zero; head -c 300000 /dev/zero >&2", &out, &error, &end));
    assert_int_equal(out.size, 300000);
    assert_int_equal(error.size, 300000);
    q_buffer_release(&out);
    q_buffer_release(&error);
}

static void test_what_cannot_be_started(void **state)
{
    (void)state;
    struct q_buffer out = {0}, error = {0};
    struct launch_end end;
    struct q_arena arena = {0};
    const char *path;
    const char *const arguments[] = {"./no-such-program", NULL};
    assert_fails(launch_capture(arguments, &out, &error, &end), Q_ERR_SYSTEM, "could not be started");
    setenv("QUERN_LIBEXEC", ".", 1);
    assert_fails(launch_find(&arena, "quern-nothing", &path), Q_ERR_SYSTEM, "is not in QUERN_LIBEXEC ('.')");
    scratch_write("quern-plain", "text", 4);
    assert_fails(launch_find(&arena, "quern-plain", &path), Q_ERR_SYSTEM, "is not in QUERN_LIBEXEC");
    unsetenv("QUERN_LIBEXEC");
    assert_fails(launch_find(&arena, "quern-nothing", &path), Q_ERR_SYSTEM, "was not found");
    assert_ok(launch_find(&arena, "sh", &path)); /* not beside us: PATH */
    assert_true(q_string_ends(q_string_of(path), "/sh"));
    q_arena_release(&arena);
    q_buffer_release(&out);
    q_buffer_release(&error);
}

/* A log shows what a terminal would at last show. */
static void test_log_leaves_out_what_was_redrawn(void **state)
{
    (void)state;
    struct launch_log log;
    assert_ok(launch_log_open(&log, "log"));
    const char stream[] = "first\n\r[#....] 20%\r\033[K[##...] 40%\r\033[Kdone\nplain \033[1mbold\033[0m\r\nlast";
    for (size_t i = 0; i < sizeof stream - 1; i++) /* byte by byte: pieces may end anywhere */
        launch_log_add(&log, (q_string){stream + i, 1});
    launch_log_close(&log);
    assert_true(scratch_holds("log", "first\ndone\nplain bold\nlast"));
}

static void count_tick(void *context)
{
    ++*(int *)context;
}

static void test_runs_with_a_log(void **state)
{
    (void)state;
    int ticks = 0;
    const char *const arguments[] = {"/bin/sh", "-c", "echo working >&2; sleep 0.3; exit 75", NULL};
    struct launch_watch watch = {
        .arguments = arguments, .log_path = "run.log", .inherited_fd = -1, .tick = count_tick, .context = &ticks};
    struct launch_end end;
    assert_ok(launch_run(&watch, &end));
    assert_int_equal(end.code, 75);
    assert_true(ticks >= 2);
    assert_true(scratch_holds("run.log", "working\n"));
}

/* Where our standard error is a terminal, the child's is one too, of the same width, so that it draws its progress;
 * elsewhere it is not. */
static void test_child_sees_a_terminal_where_we_do(void **state)
{
    (void)state;
    const char *const arguments[] = {"/bin/sh", "-c", "test -t 2 && stty size <&2 >&2 || echo none >&2", NULL};
    struct launch_watch watch = {.arguments = arguments, .log_path = "tty.log", .inherited_fd = -1};
    struct launch_end end;
    int master = posix_openpt(O_RDWR | O_NOCTTY), saved = dup(STDERR_FILENO), pipe_ends[2];
    if (master < 0 || grantpt(master) || unlockpt(master))
        skip(); /* no terminals to be had, as in a bare chroot */
    assert_true(saved >= 0 && !pipe(pipe_ends));
    int slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    struct winsize size = {.ws_row = 33, .ws_col = 77};
    assert_int_equal(ioctl(slave, TIOCSWINSZ, &size), 0);
    (void)dup2(slave, STDERR_FILENO);
    q_status first = launch_run(&watch, &end);
    (void)dup2(pipe_ends[1], STDERR_FILENO);
    q_status second = launch_run(&watch, &end);
    (void)dup2(saved, STDERR_FILENO);
    const int fds[] = {master, slave, saved, pipe_ends[0], pipe_ends[1]};
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++)
        close(fds[i]);
    assert_ok(first);
    assert_ok(second);
    assert_true(scratch_holds("tty.log", "33 77\nnone\n"));
}

/* A bound on memory makes the child's allocations fail. */
static void test_memory_is_bounded(void **state)
{
    (void)state;
    const char *const arguments[] = {"/bin/sh", "-c", "ulimit -d", NULL};
    struct launch_watch watch = {
        .arguments = arguments, .log_path = "m.log", .memory_bytes = 64 << 20, .inherited_fd = -1};
    struct launch_end end;
    int saved = dup(STDOUT_FILENO), to = open("limit", O_WRONLY | O_CREAT, 0666);
    assert_true(saved >= 0 && to >= 0);
    fflush(stdout);
    (void)dup2(to, STDOUT_FILENO);
    q_status status = launch_run(&watch, &end);
    (void)dup2(saved, STDOUT_FILENO);
    close(saved);
    close(to);
    assert_ok(status);
    assert_true(scratch_holds("limit", "65536\n")); /* KiB */
}

/* A stop is handed on as one SIGTERM; the flag stays set in its process, so a process of its own. */
static void test_hands_a_stop_on(void **state)
{
    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        const char *const arguments[] = {"/bin/sh", "-c",
                                         "trap 'echo told >&2; exit 75' TERM; while :; do sleep 0.05; done", NULL};
        struct launch_watch watch = {.arguments = arguments, .log_path = "stop.log", .inherited_fd = -1};
        struct launch_end end = {0};
        q_stop_on_signals();
        q_status status = launch_run(&watch, &end);
        _exit(status == Q_OK ? end.code : 1);
    }
    pause_ms(400);
    kill(pid, SIGINT);
    int code;
    assert_int_equal(waitpid(pid, &code, 0), pid);
    assert_true(WIFEXITED(code));
    assert_int_equal(WEXITSTATUS(code), 75);
    assert_true(scratch_holds("stop.log", "told\n"));
}

/* Killed, we take the child with us; until it is gone it holds the lock that it inherited. */
static void test_child_dies_with_us(void **state)
{
    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        int lock = open("lock", O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        const char *const arguments[] = {"/bin/sh", "-c", "echo $$ > child; exec sleep 60", NULL};
        struct launch_watch watch = {.arguments = arguments, .log_path = "kill.log", .inherited_fd = lock};
        struct launch_end end;
        (void)flock(lock, LOCK_EX);
        _exit(launch_run(&watch, &end) == Q_OK ? 0 : 1);
    }
    struct q_buffer text = {0};
    int64_t child = 0;
    for (int i = 0; i < 500 && child == 0; i++) {
        pause_ms(10);
        if (access("child", R_OK) == 0)
            scratch_read("child", &text);
        if (q_parse_i64(q_string_trim(q_buffer_string(&text)), &child) != Q_OK)
            child = 0;
    }
    q_buffer_release(&text);
    assert_true(child > 0);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    int lock = open("lock", O_RDONLY | O_CLOEXEC), taken = -1;
    for (int i = 0; i < 500 && taken; i++, pause_ms(10))
        taken = flock(lock, LOCK_EX | LOCK_NB);
    assert_int_equal(taken, 0);
    close(lock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_captures_both_streams),
        cmocka_unit_test(test_what_cannot_be_started),
        cmocka_unit_test(test_log_leaves_out_what_was_redrawn),
        cmocka_unit_test(test_runs_with_a_log),
        cmocka_unit_test(test_child_sees_a_terminal_where_we_do),
        cmocka_unit_test(test_memory_is_bounded),
        cmocka_unit_test(test_hands_a_stop_on),
        cmocka_unit_test(test_child_dies_with_us),
    };
    return cmocka_run_group_tests(tests, scratch_enter, scratch_leave);
}
