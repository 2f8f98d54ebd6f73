#include "bench/measure.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { OUTPUT_MAX = 16 << 20 };

/* Starts the command with standard output to `out_fd` (-1: /dev/null). */
static q_status start(const char *const *arguments, int out_fd, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    int error = posix_spawn_file_actions_init(&actions);
    if (error)
        return q_fail_errno(error, "cannot start '%s'", arguments[0]);
    error = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    if (!error && out_fd >= 0)
        error = posix_spawn_file_actions_adddup2(&actions, out_fd, 1);
    else if (!error)
        error = posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    if (!error)
        error = posix_spawnp(pid, arguments[0], &actions, NULL, (char *const *)(uintptr_t)arguments, environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    return error ? q_fail_errno(error, "cannot start '%s'", arguments[0]) : Q_OK;
}

static q_status read_output(int fd, struct q_buffer *output)
{
    size_t got = 1;
    q_buffer_clear(output);
    while (got) {
        Q_TRY(q_buffer_reserve(output, 1 << 16));
        Q_TRY(q_fs_read_some(fd, "the command's output", output->data + output->size, 1 << 16, &got));
        output->size += got;
        if (output->size > OUTPUT_MAX)
            return q_fail(Q_ERR_SYSTEM, "the command wrote more than %d bytes", OUTPUT_MAX);
    }
    return Q_OK;
}

static double seconds_of(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec * 1e-6;
}

/* Waits for the command and fills in what it used. */
static q_status finish(const char *name, pid_t pid, double started, struct measured_run *run)
{
    struct rusage usage;
    int code;
    while (wait4(pid, &code, 0, &usage) < 0) {
        if (errno != EINTR)
            return q_fail_errno(errno, "cannot wait for '%s'", name);
    }
    run->seconds = q_seconds() - started;
    run->cpu_seconds = seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
    run->peak_bytes = (uint64_t)usage.ru_maxrss * 1024;
    if (WIFSIGNALED(code))
        return q_fail(Q_ERR_SYSTEM, "'%s' was killed by signal %d", name, WTERMSIG(code));
    if (WEXITSTATUS(code))
        return q_fail(Q_ERR_SYSTEM, "'%s' failed with exit code %d", name, WEXITSTATUS(code));
    return Q_OK;
}

q_status measure_run(const char *const *arguments, struct q_buffer *output, struct measured_run *run)
{
    int ends[2] = {-1, -1};
    pid_t pid;
    if (output && pipe2(ends, O_CLOEXEC) != 0)
        return q_fail_errno(errno, "cannot make a pipe");
    double started = q_seconds();
    q_status status = start(arguments, ends[1], &pid), read = Q_OK;
    q_fs_close(ends[1]);
    if (status == Q_OK) {
        struct q_error error;
        if (output)
            read = read_output(ends[0], output);
        q_error_take(&error, read);
        q_fs_close(ends[0]);
        ends[0] = -1;
        status = finish(arguments[0], pid, started, run);
        if (read != Q_OK)
            status = q_error_put(&error);
    }
    q_fs_close(ends[0]);
    return status;
}
