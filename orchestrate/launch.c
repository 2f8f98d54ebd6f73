#include "orchestrate/launch.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/options.h"

#include "orchestrate/launch_log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

enum { CAPTURE_BYTES_MAX = 64 << 20, PIECE = 1 << 16, TICK_MS = 100 };

/* Exit code of a child that could not become the program, as shells have it. */
enum { EXIT_NOT_STARTED = 127 };

static bool executable(const char *path)
{
    return access(path, X_OK) == 0 && !q_fs_is_directory(path);
}

static q_status find_in_path(struct q_arena *arena, const char *name, const char **out)
{
    const char *path = getenv("PATH");
    q_string rest = q_string_of(path ? path : "");
    while (rest.size) {
        size_t colon = q_string_find(rest, Q_STRING(":"), 0);
        q_string folder = q_string_slice(rest, 0, colon);
        rest = colon == SIZE_MAX ? Q_STRING("") : q_string_slice(rest, colon + 1, rest.size);
        const char *candidate;
        Q_TRY(q_arena_printf(arena, &candidate, "%.*s/%s", Q_STRING_ARGS(folder), name));
        if (folder.size && executable(candidate)) {
            *out = candidate;
            return Q_OK;
        }
    }
    return q_fail(Q_ERR_SYSTEM, "program '%s' was not found beside quern or in PATH; build it or set QUERN_LIBEXEC",
                  name);
}

q_status launch_find(struct q_arena *arena, const char *name, const char **out_path)
{
    const char *folder = getenv("QUERN_LIBEXEC"), *path;
    bool fixed = folder && folder[0];
    if (!fixed)
        Q_TRY(q_program_folder(arena, &folder));
    Q_TRY(q_fs_join(arena, folder, name, &path));
    if (executable(path)) {
        *out_path = path;
        return Q_OK;
    }
    if (fixed)
        return q_fail(Q_ERR_SYSTEM, "program '%s' is not in QUERN_LIBEXEC ('%s')", name, folder);
    return find_in_path(arena, name, out_path);
}

/* What the child's side of a start needs; all of it was prepared before the fork. */
struct start {
    const char *const *arguments;
    int out_fd, error_fd; /* become 1 and 2; -1: as ours */
    int null_fd;
    uint64_t memory_bytes;
    int inherited_fd;
    pid_t parent;
};

/* In the child, between fork and exec: only calls that are safe there. */
_Noreturn static void become(const struct start *start)
{
    /* Killed with the parent; if that died before the request was made, nobody will ask: leave at once. */
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != start->parent)
        _exit(EXIT_NOT_STARTED);
    (void)setpgid(0, 0);
    static const int numbers[] = {SIGINT, SIGTERM, SIGUSR2, SIGPIPE};
    for (size_t i = 0; i < Q_COUNT_OF(numbers); i++)
        (void)signal(numbers[i], SIG_DFL);
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    bool ready = dup2(start->null_fd, STDIN_FILENO) >= 0;
    ready = ready && (start->out_fd < 0 || dup2(start->out_fd, STDOUT_FILENO) >= 0);
    ready = ready && (start->error_fd < 0 || dup2(start->error_fd, STDERR_FILENO) >= 0);
    if (start->inherited_fd >= 0)
        ready = ready && fcntl(start->inherited_fd, F_SETFD, 0) == 0;
    if (start->memory_bytes) {
        struct rlimit limit = {start->memory_bytes, start->memory_bytes};
        ready = ready && setrlimit(RLIMIT_DATA, &limit) == 0;
    }
    if (ready)
        execv(start->arguments[0], (char *const *)(uintptr_t)start->arguments);
    _exit(EXIT_NOT_STARTED);
}

static q_status begin(struct start *start, pid_t *out_pid)
{
    start->parent = getpid();
    start->null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (start->null_fd < 0)
        return q_fail_errno(errno, "'/dev/null'");
    pid_t pid = fork();
    if (pid == 0)
        become(start);
    int error = errno;
    (void)close(start->null_fd);
    if (pid < 0)
        return q_fail_errno(error, "'%s' could not be started", start->arguments[0]);
    *out_pid = pid;
    return Q_OK;
}

/* Hands a stop on to the child, once. */
static void hand_on_stop(pid_t pid, bool *told)
{
    if (q_stop_requested() && !*told) {
        (void)kill(pid, SIGTERM);
        *told = true;
    }
}

/* Waits for the child's end; a stop is handed on meanwhile, for a child may live on behind closed streams. */
static q_status await(pid_t pid, const char *path, bool told, struct launch_end *end)
{
    int state;
    pid_t got;
    while ((got = waitpid(pid, &state, told ? 0 : WNOHANG)) != pid) {
        if (got < 0 && errno != EINTR)
            return q_fail_errno(errno, "waiting for '%s'", path);
        hand_on_stop(pid, &told);
        (void)poll(NULL, 0, 2);
    }
    *end = (struct launch_end){0};
    if (WIFSIGNALED(state)) {
        end->signal = WTERMSIG(state);
        end->code = 128 + end->signal;
    } else {
        end->code = WEXITSTATUS(state);
    }
    if (end->code == EXIT_NOT_STARTED)
        return q_fail(Q_ERR_SYSTEM, "'%s' could not be started", path);
    return Q_OK;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

/* Reads what is there; closes *fd at the end of the stream. EIO is how a pseudo-terminal says that its other side is
 * closed. */
static q_status drain(int *fd, struct q_buffer *buffer)
{
    Q_TRY(q_buffer_reserve(buffer, PIECE));
    ssize_t got = read(*fd, buffer->data + buffer->size, PIECE);
    if (got > 0) {
        buffer->size += (size_t)got;
        return Q_OK;
    }
    if (got == 0 || errno == EIO)
        close_fd(fd);
    else if (errno != EINTR && errno != EAGAIN)
        return q_fail_errno(errno, "reading from a program");
    return Q_OK;
}

static q_status capture_streams(int *out_fd, struct q_buffer *out, int *error_fd, struct q_buffer *error)
{
    while (*out_fd >= 0 || *error_fd >= 0) {
        struct pollfd waits[2] = {{.fd = *out_fd, .events = POLLIN}, {.fd = *error_fd, .events = POLLIN}};
        if (poll(waits, 2, -1) < 0 && errno != EINTR)
            return q_fail_errno(errno, "poll");
        if (waits[0].fd >= 0 && waits[0].revents)
            Q_TRY(drain(out_fd, out));
        if (waits[1].fd >= 0 && waits[1].revents)
            Q_TRY(drain(error_fd, error));
        if (out->size > CAPTURE_BYTES_MAX || error->size > CAPTURE_BYTES_MAX)
            return q_fail(Q_ERR_SYSTEM, "a program printed more than %d MiB", CAPTURE_BYTES_MAX >> 20);
    }
    return Q_OK;
}

q_status launch_capture(const char *const *arguments, struct q_buffer *out, struct q_buffer *error,
                        struct launch_end *end)
{
    int out_pipe[2], error_pipe[2];
    if (pipe2(out_pipe, O_CLOEXEC))
        return q_fail_errno(errno, "pipe");
    if (pipe2(error_pipe, O_CLOEXEC)) {
        int number = errno;
        close_fd(&out_pipe[0]);
        close_fd(&out_pipe[1]);
        return q_fail_errno(number, "pipe");
    }
    struct start start = {.arguments = arguments, .out_fd = out_pipe[1], .error_fd = error_pipe[1], .inherited_fd = -1};
    pid_t pid = 0;
    q_status status = begin(&start, &pid);
    close_fd(&out_pipe[1]);
    close_fd(&error_pipe[1]);
    if (status == Q_OK) {
        status = capture_streams(&out_pipe[0], out, &error_pipe[0], error);
        struct q_error first;
        q_error_take(&first, status);
        if (status != Q_OK)
            (void)kill(pid, SIGKILL);
        q_status ended = await(pid, arguments[0], false, end);
        status = status != Q_OK ? q_error_put(&first) : ended;
    }
    close_fd(&out_pipe[0]);
    close_fd(&error_pipe[0]);
    return status;
}

/* The two ends of the stream for the child's standard error: a pseudo-terminal where ours is a terminal, so that the
 * child draws its progress as it would alone; else a pipe. */
static q_status open_stream(int *read_fd, int *write_fd)
{
    if (isatty(STDERR_FILENO)) {
        char name[64];
        int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
        bool ready = master >= 0 && !grantpt(master) && !unlockpt(master) && !ptsname_r(master, name, sizeof name);
        int slave = ready ? open(name, O_RDWR | O_NOCTTY | O_CLOEXEC) : -1;
        if (slave >= 0) {
            struct termios mode;
            struct winsize size;
            if (!tcgetattr(slave, &mode)) {
                cfmakeraw(&mode); /* bytes as they are: the real terminal does the line ends */
                (void)tcsetattr(slave, TCSANOW, &mode);
            }
            if (!ioctl(STDERR_FILENO, TIOCGWINSZ, &size))
                (void)ioctl(slave, TIOCSWINSZ, &size);
            *read_fd = master;
            *write_fd = slave;
            return Q_OK;
        }
        close_fd(&master); /* no pseudo-terminal to be had: a pipe will do */
    }
    int ends[2];
    if (pipe2(ends, O_CLOEXEC))
        return q_fail_errno(errno, "pipe");
    *read_fd = ends[0];
    *write_fd = ends[1];
    return Q_OK;
}

/* Passes the stream on until it ends; the child's death ends it. */
static q_status pass_on(const struct launch_watch *watch, int *fd, pid_t pid, struct launch_log *log, bool *told)
{
    struct q_buffer piece = {0};
    q_status status = Q_OK;
    while (*fd >= 0 && status == Q_OK) {
        hand_on_stop(pid, told);
        struct pollfd wait = {.fd = *fd, .events = POLLIN};
        int ready = poll(&wait, 1, TICK_MS);
        if (watch->tick)
            watch->tick(watch->context);
        if (ready <= 0)
            continue;
        q_buffer_clear(&piece);
        status = drain(fd, &piece);
        launch_log_add(log, q_buffer_string(&piece));
        /* A terminal that is gone must not stop the work. */
        if (q_fs_write_all(STDERR_FILENO, "standard error", piece.data, piece.size) != Q_OK)
            continue;
    }
    q_buffer_release(&piece);
    return status;
}

q_status launch_run(const struct launch_watch *watch, struct launch_end *end)
{
    int read_fd = -1, write_fd = -1;
    pid_t pid = 0;
    bool told = false;
    struct launch_log log;
    Q_TRY(launch_log_open(&log, watch->log_path));
    q_status status = open_stream(&read_fd, &write_fd);
    struct start start = {.arguments = watch->arguments,
                          .out_fd = -1,
                          .error_fd = write_fd,
                          .memory_bytes = watch->memory_bytes,
                          .inherited_fd = watch->inherited_fd};
    if (status == Q_OK)
        status = begin(&start, &pid);
    close_fd(&write_fd);
    if (status == Q_OK) {
        status = pass_on(watch, &read_fd, pid, &log, &told);
        struct q_error first;
        q_error_take(&first, status);
        if (status != Q_OK)
            (void)kill(pid, SIGTERM);
        q_status ended = await(pid, watch->arguments[0], told || status != Q_OK, end);
        status = status != Q_OK ? q_error_put(&first) : ended;
    }
    close_fd(&read_fd);
    launch_log_close(&log);
    return status;
}
