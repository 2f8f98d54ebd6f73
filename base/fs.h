/* Files: every call to the file system goes through one table, which a test may replace to fail the k-th call, to write short
 * or to kill the process there (tests/base/fault_fs.h).
 *
 * Names are paths of the machine, NUL-terminated; names found inside archives never become paths. Reads and writes go on over
 * short I/O and EINTR. Texts of failures name the path.
 */
#ifndef QUERN_BASE_FS_H
#define QUERN_BASE_FS_H

#include "base/hash.h"
#include "base/memory.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

/* The calls of the system that quern uses, with their POSIX meanings (-1 and errno on failure). */
struct q_fs_calls {
    int (*open)(const char *path, int flags, mode_t mode);
    int (*close)(int fd);
    ssize_t (*read)(int fd, void *bytes, size_t count);
    ssize_t (*pread)(int fd, void *bytes, size_t count, off_t offset);
    ssize_t (*write)(int fd, const void *bytes, size_t count);
    int (*fsync)(int fd);
    int (*ftruncate)(int fd, off_t size);
    int (*fstat)(int fd, struct stat *out);
    int (*stat)(const char *path, struct stat *out);
    int (*rename)(const char *from, const char *to);
    int (*unlink)(const char *path);
    int (*rmdir)(const char *path);
    int (*mkdir)(const char *path, mode_t mode);
    int (*flock)(int fd, int operation);
};

extern const struct q_fs_calls q_fs_system;

/* The table in use; replaced by tests only, before threads start. NULL puts q_fs_system back. */
const struct q_fs_calls *q_fs(void);
void q_fs_replace(const struct q_fs_calls *calls);

/* A whole file appended to `out`; Q_ERR_INPUT where it is absent or larger than bytes_max. "-" is standard input. */
q_status q_fs_read_file(const char *path, uint64_t bytes_max, struct q_buffer *out) Q_MUST_USE;
q_status q_fs_open_read(const char *path, int *out_fd) Q_MUST_USE;
/* Exactly `count` bytes at `offset`; fewer is Q_ERR_INPUT ("is cut short"). */
q_status q_fs_read_at(int fd, const char *path, uint64_t offset, void *bytes, size_t count) Q_MUST_USE;
/* Up to `count` bytes; *got = 0 at the end of the file. */
q_status q_fs_read_some(int fd, const char *path, void *bytes, size_t count, size_t *got) Q_MUST_USE;
q_status q_fs_write_all(int fd, const char *path, const void *bytes, size_t count) Q_MUST_USE;
void q_fs_close(int fd); /* for reading, where a failed close loses nothing; -1 is allowed */

/* *exists says whether the path names something; *out (may be NULL) gets its stat. Absence is not a failure. */
q_status q_fs_look(const char *path, bool *exists, struct stat *out) Q_MUST_USE;
bool q_fs_is_directory(const char *path);
q_status q_fs_hash_file(const char *path, uint64_t *out_bytes, q_hash *out_hash) Q_MUST_USE;

q_status q_fs_make_directories(const char *path) Q_MUST_USE; /* as mkdir -p, each new one made durable */
/* One try at flock (LOCK_EX or LOCK_SH): *taken is false where another process holds it. A file system without locks, as some cluster file systems are
 * mounted, counts as taken: to keep two writers apart is then the user's business. */
q_status q_fs_lock(int fd, const char *path, int operation, bool *taken) Q_MUST_USE;
q_status q_fs_sync_directory(const char *path) Q_MUST_USE;
q_status q_fs_unlink(const char *path) Q_MUST_USE;      /* absence is not a failure */
q_status q_fs_remove_tree(const char *path) Q_MUST_USE; /* does not follow links; absence is not a failure */

/* Regular files under `root` (itself, if it is one), as paths relative to it ("" for itself), sorted by bytes; hidden names, links that lead
 * out and links to folders are left out. `names` and the strings live in the arena. Q_ERR_INPUT where root is absent. */
q_status q_fs_list_tree(const char *root, struct q_arena *arena, const char ***out_names, size_t *out_count) Q_MUST_USE;
/* Names directly in a folder (no "." and ".."), sorted by bytes. */
q_status q_fs_list(const char *path, struct q_arena *arena, const char ***out_names, size_t *out_count) Q_MUST_USE;
/* Paths that match a shell pattern (glob(7)), sorted by bytes; none is *count = 0. */
q_status q_fs_glob(const char *pattern, struct q_arena *arena, const char ***out_paths, size_t *out_count) Q_MUST_USE;

/* "a/b" from "a" and "b"; a alone where b is "", b alone where it is absolute or a is "" or ".". In the arena. */
q_status q_fs_join(struct q_arena *arena, const char *a, const char *b, const char **out) Q_MUST_USE;
q_status q_fs_parent(struct q_arena *arena, const char *path, const char **out) Q_MUST_USE; /* "." for a bare name */
const char *q_fs_base_name(const char *path);                                               /* part behind the last slash */

/* Bytes free for this user where `path` (or its nearest existing parent) lies. */
q_status q_fs_free_bytes(const char *path, uint64_t *out_bytes) Q_MUST_USE;

#endif
