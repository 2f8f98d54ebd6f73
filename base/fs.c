/* Files: the table of calls, and whole reads and writes on top of it. Folders and names: fs_tree.c. */
#include "base/fs.h"

#include "base/check.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum { PIECE_BYTES = 1 << 20 };

static int system_open(const char *path, int flags, mode_t mode)
{
    return open(path, flags, mode);
}

static int system_fstat(int fd, struct stat *out)
{
    return fstat(fd, out);
}

static int system_stat(const char *path, struct stat *out)
{
    return stat(path, out);
}

const struct q_fs_calls q_fs_system = {
    .open = system_open,
    .close = close,
    .read = read,
    .pread = pread,
    .write = write,
    .fsync = fsync,
    .ftruncate = ftruncate,
    .fstat = system_fstat,
    .stat = system_stat,
    .rename = rename,
    .unlink = unlink,
    .rmdir = rmdir,
    .mkdir = mkdir,
    .flock = flock,
};

static const struct q_fs_calls *calls_in_use = &q_fs_system;

const struct q_fs_calls *q_fs(void)
{
    return calls_in_use;
}

void q_fs_replace(const struct q_fs_calls *calls)
{
    calls_in_use = calls ? calls : &q_fs_system;
}

q_status q_fs_open_read(const char *path, int *out_fd)
{
    int fd;
    do
        fd = q_fs()->open(path, O_RDONLY | O_CLOEXEC, 0);
    while (fd < 0 && errno == EINTR);
    if (fd < 0) {
        /* A name that is not there is the caller's; a disk or a permission is the machine's. */
        bool absent = errno == ENOENT || errno == ENOTDIR;
        q_status status = q_fail_errno(errno, "cannot open '%s'", path);
        return absent ? Q_ERR_INPUT : status;
    }
    *out_fd = fd;
    return Q_OK;
}

void q_fs_close(int fd)
{
    if (fd >= 0)
        (void)q_fs()->close(fd); /* never again on EINTR: Linux has closed it */
}

q_status q_fs_read_some(int fd, const char *path, void *bytes, size_t count, size_t *got)
{
    ssize_t n;
    do
        n = q_fs()->read(fd, bytes, Q_MIN(count, (size_t)SSIZE_MAX));
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EISDIR ? q_fail(Q_ERR_INPUT, "'%s' is a folder, not a file", path)
                               : q_fail_errno(errno, "cannot read '%s'", path);
    *got = (size_t)n;
    return Q_OK;
}

q_status q_fs_read_at(int fd, const char *path, uint64_t offset, void *bytes, size_t count)
{
    char *at = bytes;
    uint64_t end;
    if (!q_add_u64(offset, count, &end) || end > INT64_MAX)
        return q_fail(Q_ERR_INPUT, "'%s' is cut short: nothing at byte %llu", path, (unsigned long long)offset);
    while (count > 0) {
        ssize_t n = q_fs()->pread(fd, at, count, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return q_fail_errno(errno, "cannot read '%s'", path);
        if (n == 0)
            return q_fail(Q_ERR_INPUT, "'%s' is cut short at byte %llu", path, (unsigned long long)offset);
        at += n;
        count -= (size_t)n;
        offset += (uint64_t)n;
    }
    return Q_OK;
}

q_status q_fs_write_all(int fd, const char *path, const void *bytes, size_t count)
{
    const char *at = bytes;
    while (count > 0) {
        ssize_t n = q_fs()->write(fd, at, count);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) /* POSIX lets a write of more than nothing write nothing; going on could be for ever */
            return q_fail_errno(n < 0 ? errno : EIO, "cannot write '%s'", path);
        at += n;
        count -= (size_t)n;
    }
    return Q_OK;
}

/* All of an open file. The size that the system states is only a hint: pipes have none, and files grow. */
static q_status read_rest(int fd, const char *path, uint64_t bytes_max, struct q_buffer *out)
{
    struct stat info;
    uint64_t total = 0;
    size_t room = PIECE_BYTES / 16, got;
    if (q_fs()->fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0)
        room = (size_t)Q_MIN((uint64_t)info.st_size, bytes_max) + 1; /* + 1: the end is seen without another growth */
    do {
        Q_TRY(q_buffer_reserve(out, room));
        Q_TRY(q_fs_read_some(fd, path, out->data + out->size, out->capacity - out->size, &got));
        out->size += got;
        total += got;
        if (total > bytes_max)
            return q_fail(Q_ERR_INPUT, "'%s' is larger than the %llu bytes allowed", path,
                          (unsigned long long)bytes_max);
        room = out->capacity > out->size ? 1 : PIECE_BYTES;
    } while (got > 0);
    return Q_OK;
}

q_status q_fs_read_file(const char *path, uint64_t bytes_max, struct q_buffer *out)
{
    if (strcmp(path, "-") == 0)
        return read_rest(STDIN_FILENO, "standard input", bytes_max, out);
    int fd;
    Q_TRY(q_fs_open_read(path, &fd));
    size_t before = out->size;
    q_status status = read_rest(fd, path, bytes_max, out);
    if (status != Q_OK)
        out->size = before;
    q_fs_close(fd);
    return status;
}

q_status q_fs_look(const char *path, bool *exists, struct stat *out)
{
    struct stat info;
    if (q_fs()->stat(path, &info) == 0) {
        *exists = true;
        if (out)
            *out = info;
        return Q_OK;
    }
    if (errno != ENOENT && errno != ENOTDIR)
        return q_fail_errno(errno, "cannot look at '%s'", path);
    *exists = false;
    return Q_OK;
}

bool q_fs_is_directory(const char *path)
{
    struct stat info;
    return q_fs()->stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

q_status q_fs_hash_file(const char *path, uint64_t *out_bytes, q_hash *out_hash)
{
    q_status status = Q_OK;
    struct q_hasher *hasher = NULL;
    char *piece = NULL;
    int fd = -1;
    uint64_t total = 0;
    size_t got;
    Q_TRY_GOTO(out, q_fs_open_read(path, &fd));
    Q_TRY_GOTO(out, q_hasher_create(&hasher));
    Q_TRY_GOTO(out, q_alloc(PIECE_BYTES, 1, &piece));
    do {
        Q_TRY_GOTO(out, q_fs_read_some(fd, path, piece, PIECE_BYTES, &got));
        q_hasher_add(hasher, piece, got);
        total += got;
    } while (got > 0);
    *out_bytes = total;
    *out_hash = q_hasher_digest(hasher);
out:
    q_release(piece);
    q_hasher_release(hasher);
    q_fs_close(fd);
    return status;
}

q_status q_fs_lock(int fd, const char *path, int operation, bool *taken)
{
    int result;
    do
        result = q_fs()->flock(fd, operation | LOCK_NB);
    while (result != 0 && errno == EINTR);
    *taken = result == 0 || errno == ENOSYS || errno == EOPNOTSUPP;
    return *taken || errno == EWOULDBLOCK ? Q_OK : q_fail_errno(errno, "cannot lock '%s'", path);
}

q_status q_fs_unlink(const char *path)
{
    if (q_fs()->unlink(path) != 0 && errno != ENOENT)
        return q_fail_errno(errno, "cannot remove '%s'", path);
    return Q_OK;
}

q_status q_fs_sync_directory(const char *path)
{
    int fd = q_fs()->open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (fd < 0)
        return q_fail_errno(errno, "cannot open the folder '%s'", path);
    q_status status = Q_OK;
    /* EINVAL: a file system that cannot sync folders, and so promises their order itself. */
    if (q_fs()->fsync(fd) != 0 && errno != EINVAL)
        status = q_fail_errno(errno, "cannot make the folder '%s' durable", path);
    q_fs_close(fd);
    return status;
}
