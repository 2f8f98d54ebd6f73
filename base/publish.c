/* Publishing (publish.h).
 *
 *     closed --open--> writing --commit--> closed, PATH is new
 *                         |
 *                         +--abandon, or any failure--> closed, PATH is as it was
 *
 * Invariant: whoever writes to an inode named PATH.partial holds its lock, and took it while that name still led to
 * that inode. Without the second half, a writer that opened the name just before another one's rename would lock, and
 * empty, the published file.
 */
#include "base/publish.h"

#include "base/check.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum { PIECE_BYTES = 1 << 20, LOCK_TRIES = 100 };

static q_status open_partial(const char *path, int *out_fd)
{
    int fd;
    do
        fd = q_fs()->open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    while (fd < 0 && errno == EINTR);
    if (fd == 0) { /* standard input was closed; 0 means "closed" in struct q_publish */
        fd = fcntl(0, F_DUPFD_CLOEXEC, 3);
        int error_number = errno;
        (void)q_fs()->close(0);
        errno = error_number;
    }
    if (fd < 0)
        return q_fail_errno(errno, "cannot create '%s'", path);
    *out_fd = fd;
    return Q_OK;
}

/* *same: whether `path` still names the open file. */
static q_status check_same_file(int fd, const char *path, bool *same)
{
    struct stat open_file, named;
    if (q_fs()->fstat(fd, &open_file) != 0)
        return q_fail_errno(errno, "cannot look at '%s'", path);
    Q_TRY(q_fs_look(path, same, &named));
    *same = *same && open_file.st_dev == named.st_dev && open_file.st_ino == named.st_ino;
    return Q_OK;
}

static q_status lock_file(int fd, const char *path)
{
    bool taken;
    Q_TRY(q_fs_lock(fd, path, LOCK_EX,
                    &taken)); /* without locks, the hash that commit reads back still finds a second writer */
    return taken ? Q_OK
                 : q_fail(Q_ERR_SYSTEM, "'%s' is being written by another process; wait for it or stop it", path);
}

/* Opens and locks the partial file; *out_fd is one that keeps the invariant. */
static q_status open_locked(const char *path, int *out_fd)
{
    for (int i = 0; i < LOCK_TRIES; i++) {
        int fd = -1;
        bool same = false;
        Q_TRY(open_partial(path, &fd));
        q_status status = lock_file(fd, path);
        if (status == Q_OK)
            status = check_same_file(fd, path, &same);
        if (status == Q_OK && same) {
            *out_fd = fd;
            return Q_OK;
        }
        q_fs_close(fd);
        Q_TRY(status);
    }
    return q_fail(Q_ERR_SYSTEM, "'%s' keeps being replaced by another process", path);
}

static q_status copy_path(const char *path, const char *suffix, char **out)
{
    size_t size = strlen(path), suffix_size = strlen(suffix) + 1;
    Q_TRY(q_alloc(size + suffix_size, 1, out));
    memcpy(*out, path, size);
    memcpy(*out + size, suffix, suffix_size);
    return Q_OK;
}

/* The rename would put a file in the place of whatever has the name: a device or a pipe (-o /dev/null, as root) would be gone from the machine. */
static q_status check_place(const char *path)
{
    struct stat info;
    bool exists;
    if (!*path)
        return q_fail(Q_ERR_USAGE, "a file must have a name; this one is empty");
    Q_TRY(q_fs_look(path, &exists, &info));
    if (exists && !S_ISREG(info.st_mode))
        return q_fail(Q_ERR_SYSTEM, "cannot write '%s': it is %s; choose another name", path,
                      S_ISDIR(info.st_mode) ? "a folder" : "no regular file");
    return Q_OK;
}

q_status q_publish_check(const char *path)
{
    struct q_arena arena = {0};
    const char *parent;
    q_status status;
    Q_TRY_GOTO(out, check_place(path));
    Q_TRY_GOTO(out, q_fs_parent(&arena, path, &parent));
    if (!q_fs_is_directory(parent))
        status = q_fail(Q_ERR_SYSTEM, "cannot write '%s': there is no folder '%s'", path, parent);
out:
    q_arena_release(&arena);
    return status;
}

q_status q_publish_open(struct q_publish *publish, const char *path)
{
    *publish = (struct q_publish){0};
    q_status status;
    Q_TRY(check_place(path));
    Q_TRY_GOTO(failed, copy_path(path, "", &publish->path));
    Q_TRY_GOTO(failed, copy_path(path, ".partial", &publish->partial_path));
    Q_TRY_GOTO(failed, q_hasher_create(&publish->hasher));
    Q_TRY_GOTO(failed, open_locked(publish->partial_path, &publish->fd));
    if (q_fs()->ftruncate(publish->fd, 0) != 0)
        Q_TRY_GOTO(failed, q_fail_errno(errno, "cannot empty '%s'", publish->partial_path));
    return Q_OK;
failed:
    q_publish_abandon(publish);
    return status;
}

q_status q_publish_write(struct q_publish *publish, const void *bytes, size_t count)
{
    q_check(publish->fd > 0);
    Q_TRY(q_fs_write_all(publish->fd, publish->partial_path, bytes, count));
    q_hasher_add(publish->hasher, bytes, count);
    publish->bytes += count;
    return Q_OK;
}

/* Reads the file from its start and compares size and hash with what was written. The system is first asked to forget
 * the pages, which are on disk by now, so that the disk is read and not the cache. */
static q_status read_back(struct q_publish *publish, const q_hash *written)
{
    char *piece;
    uint64_t total = 0;
    (void)posix_fadvise(publish->fd, 0, 0, POSIX_FADV_DONTNEED);
    Q_TRY(q_alloc(PIECE_BYTES, 1, &piece));
    q_hasher_reset(publish->hasher);
    q_status status = Q_OK;
    for (;;) {
        ssize_t n = q_fs()->pread(publish->fd, piece, PIECE_BYTES, (off_t)total);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            status = q_fail_errno(errno, "cannot read '%s' back", publish->partial_path);
        if (n <= 0)
            break;
        q_hasher_add(publish->hasher, piece, (size_t)n);
        total += (uint64_t)n;
    }
    q_release(piece);
    Q_TRY(status);
    if (total != publish->bytes || !q_hash_equal(q_hasher_digest(publish->hasher), *written))
        return q_fail(Q_ERR_SYSTEM,
                      "'%s' does not read back as it was written; check the disk and the memory of this machine",
                      publish->partial_path);
    return Q_OK;
}

static void close_and_release(struct q_publish *publish)
{
    if (publish->fd > 0)
        q_fs_close(publish->fd); /* and so the lock goes */
    q_hasher_release(publish->hasher);
    q_release(publish->path);
    q_release(publish->partial_path);
    *publish = (struct q_publish){0};
}

q_status q_publish_commit(struct q_publish *publish, struct q_file_identity *identity)
{
    q_check(publish->fd > 0);
    const struct q_file_identity written = {publish->bytes, q_hasher_digest(publish->hasher)};
    q_status status;
    struct q_arena arena = {0};
    const char *parent; /* found first: behind the rename nothing but the disk may fail */
    Q_TRY_GOTO(failed, q_fs_parent(&arena, publish->path, &parent));
    if (q_fs()->fsync(publish->fd) != 0)
        Q_TRY_GOTO(failed, q_fail_errno(errno, "cannot make '%s' durable", publish->partial_path));
    Q_TRY_GOTO(failed, read_back(publish, &written.hash));
    if (q_fs()->rename(publish->partial_path, publish->path) != 0)
        Q_TRY_GOTO(failed, q_fail_errno(errno, "cannot rename '%s' to '%s'", publish->partial_path, publish->path));
    /* The new file stands from here on; a failure below says only that a power cut may still bring the old one back. */
    status = q_fs_sync_directory(parent);
    if (status == Q_OK && identity)
        *identity = written;
    close_and_release(publish);
    q_arena_release(&arena);
    return status;
failed:
    q_publish_abandon(publish);
    q_arena_release(&arena);
    return status;
}

void q_publish_abandon(struct q_publish *publish)
{
    /* Removed under the lock, so it is ours to remove. What cannot be removed stays partial by its name and is
     * overwritten by the next writer. */
    if (publish->fd > 0)
        (void)q_fs()->unlink(publish->partial_path);
    close_and_release(publish);
}

q_status q_publish_bytes(const char *path, const void *bytes, size_t count, struct q_file_identity *identity)
{
    struct q_publish publish;
    Q_TRY(q_publish_open(&publish, path));
    q_status status = q_publish_write(&publish, bytes, count);
    if (status == Q_OK)
        return q_publish_commit(&publish, identity);
    q_publish_abandon(&publish);
    return status;
}
