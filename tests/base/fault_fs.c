#include "tests/base/fault_fs.h"

#include "base/check.h"
#include "base/fs.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static enum fault_kind fault_kind;
static uint64_t fault_at;
static atomic_uint_fast64_t calls_made;

static pthread_mutex_t trace_lock = PTHREAD_MUTEX_INITIALIZER;
static char trace[4096];

static void note(const char *name)
{
    static const char *last;
    (void)pthread_mutex_lock(&trace_lock);
    size_t used = strlen(trace);
    if (used == 0 || strcmp(last, name) != 0)
        (void)snprintf(trace + used, sizeof(trace) - used, "%s ", name);
    last = name;
    (void)pthread_mutex_unlock(&trace_lock);
}

/* What is to happen to a call. */
enum verdict { GO_ON, FAIL, FAIL_AFTER, INTERRUPT, ONE_BYTE, HALF, NO_SPACE };

static enum verdict judge(const char *name, bool moves_bytes, bool writes, bool may_interrupt)
{
    note(name);
    uint64_t number = atomic_fetch_add(&calls_made, 1) + 1;
    if (fault_at == 0 || number < fault_at)
        return GO_ON;
    switch (fault_kind) {
    case FAULT_FAIL:
        return number == fault_at ? FAIL : GO_ON;
    case FAULT_FAIL_AFTER:
        return number == fault_at ? FAIL_AFTER : GO_ON;
    case FAULT_DISK_FULL:
        return !writes ? GO_ON : number == fault_at ? HALF : NO_SPACE;
    case FAULT_SHORT:
        return moves_bytes ? ONE_BYTE : GO_ON;
    case FAULT_INTERRUPT:
        return may_interrupt && (number - fault_at) % 2 == 0 ? INTERRUPT : GO_ON;
    case FAULT_KILL:
        return number != fault_at ? GO_ON : writes ? HALF : FAIL;
    case FAULT_NONE:
        break;
    }
    return GO_ON;
}

static void die_if_wanted(void)
{
    if (fault_kind == FAULT_KILL)
        (void)raise(SIGKILL);
}

/* The errno of a call that is not to happen; 0: it happens. */
static int refusal(enum verdict verdict)
{
    switch (verdict) {
    case FAIL:
        die_if_wanted();
        return EIO;
    case INTERRUPT:
        return EINTR;
    case NO_SPACE:
        return ENOSPC;
    default:
        return 0;
    }
}

/* Runs `call` under the verdict of a call that moves no bytes. */
#define PLAIN_CALL(name, may_interrupt, call)                                                                          \
    do {                                                                                                               \
        enum verdict verdict = judge(name, false, false, may_interrupt);                                               \
        int refused = refusal(verdict);                                                                                \
        if (refused) {                                                                                                 \
            errno = refused;                                                                                           \
            return -1;                                                                                                 \
        }                                                                                                              \
        int result = (call);                                                                                           \
        if (verdict == FAIL_AFTER) {                                                                                   \
            errno = EIO;                                                                                               \
            return -1;                                                                                                 \
        }                                                                                                              \
        return result;                                                                                                 \
    } while (0)

static int fault_open(const char *path, int flags, mode_t mode)
{
    enum verdict verdict = judge("open", false, false, true);
    int refused = refusal(verdict == FAIL_AFTER ? FAIL : verdict); /* a descriptor that nobody knows would only leak */
    if (refused) {
        errno = refused;
        return -1;
    }
    return q_fs_system.open(path, flags, mode);
}

static int fault_close(int fd)
{
    enum verdict verdict = judge("close", false, false, false);
    if (verdict == FAIL)
        die_if_wanted();
    int result = q_fs_system.close(fd); /* a close that fails has closed */
    if (verdict == FAIL || verdict == FAIL_AFTER) {
        errno = EIO;
        return -1;
    }
    return result;
}

/* How many of `count` bytes a reading or writing call may move. */
static size_t cut(enum verdict verdict, size_t count)
{
    return verdict == ONE_BYTE ? Q_MIN(count, (size_t)1) : verdict == HALF ? count / 2 : count;
}

static ssize_t moved(enum verdict verdict, ssize_t result)
{
    if (verdict == HALF)
        die_if_wanted();
    if (verdict != FAIL_AFTER && !(verdict == HALF && result == 0))
        return result;
    errno = verdict == HALF ? ENOSPC : EIO;
    return -1;
}

#define MOVING_CALL(name, writes, call)                                                                                \
    do {                                                                                                               \
        enum verdict verdict = judge(name, true, writes, true);                                                        \
        int refused = refusal(verdict);                                                                                \
        if (refused) {                                                                                                 \
            errno = refused;                                                                                           \
            return -1;                                                                                                 \
        }                                                                                                              \
        return moved(verdict, (call));                                                                                 \
    } while (0)

static ssize_t fault_read(int fd, void *bytes, size_t count)
{
    MOVING_CALL("read", false, q_fs_system.read(fd, bytes, cut(verdict, count)));
}

static ssize_t fault_pread(int fd, void *bytes, size_t count, off_t offset)
{
    MOVING_CALL("pread", false, q_fs_system.pread(fd, bytes, cut(verdict, count), offset));
}

static ssize_t fault_write(int fd, const void *bytes, size_t count)
{
    MOVING_CALL("write", true, q_fs_system.write(fd, bytes, cut(verdict, count)));
}

static int fault_fsync(int fd)
{
    PLAIN_CALL("fsync", false, q_fs_system.fsync(fd));
}

static int fault_ftruncate(int fd, off_t size)
{
    PLAIN_CALL("ftruncate", false, q_fs_system.ftruncate(fd, size));
}

static int fault_fstat(int fd, struct stat *out)
{
    PLAIN_CALL("fstat", false, q_fs_system.fstat(fd, out));
}

static int fault_stat(const char *path, struct stat *out)
{
    PLAIN_CALL("stat", false, q_fs_system.stat(path, out));
}

static int fault_rename(const char *from, const char *to)
{
    PLAIN_CALL("rename", false, q_fs_system.rename(from, to));
}

static int fault_unlink(const char *path)
{
    PLAIN_CALL("unlink", false, q_fs_system.unlink(path));
}

static int fault_rmdir(const char *path)
{
    PLAIN_CALL("rmdir", false, q_fs_system.rmdir(path));
}

static int fault_mkdir(const char *path, mode_t mode)
{
    PLAIN_CALL("mkdir", false, q_fs_system.mkdir(path, mode));
}

static int fault_flock(int fd, int operation)
{
    PLAIN_CALL("flock", true, q_fs_system.flock(fd, operation));
}

static const struct q_fs_calls faulty_calls = {
    .open = fault_open,
    .close = fault_close,
    .read = fault_read,
    .pread = fault_pread,
    .write = fault_write,
    .fsync = fault_fsync,
    .ftruncate = fault_ftruncate,
    .fstat = fault_fstat,
    .stat = fault_stat,
    .rename = fault_rename,
    .unlink = fault_unlink,
    .rmdir = fault_rmdir,
    .mkdir = fault_mkdir,
    .flock = fault_flock,
};

void fault_fs_start(enum fault_kind kind, uint64_t k)
{
    fault_kind = kind;
    fault_at = kind == FAULT_NONE ? 0 : k;
    atomic_store(&calls_made, 0);
    trace[0] = 0;
    q_fs_replace(&faulty_calls);
}

bool fault_fs_stop(void)
{
    q_fs_replace(NULL);
    return fault_at != 0 && atomic_load(&calls_made) >= fault_at;
}

uint64_t fault_fs_calls(void)
{
    return atomic_load(&calls_made);
}

const char *fault_fs_trace(void)
{
    return trace;
}

bool fault_fs_killed(uint64_t k, int (*work)(void *context), void *context, int *exit_code)
{
    pid_t child = fork();
    q_check(child >= 0);
    if (child == 0) {
        fault_fs_start(FAULT_KILL, k);
        _exit(work(context));
    }
    int state;
    while (waitpid(child, &state, 0) < 0)
        q_check(errno == EINTR);
    if (WIFSIGNALED(state) && WTERMSIG(state) == SIGKILL)
        return true;
    *exit_code = WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state);
    return false;
}
