#include "tokenizer/count/work_folder.h"

#include "base/check.h"
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>

static bool is_ours(const char *name)
{
    const q_string string = q_string_of(name);
    return q_string_is(string, "lock") || q_string_starts(string, "run-") || q_string_starts(string, "pass-");
}

/* The lock last: until then the folder is that of a living process to everyone else. */
static q_status remove_all(struct work_folder *folder)
{
    const char **names, *path;
    size_t count;
    Q_TRY(q_fs_list(folder->path, &folder->arena, &names, &count));
    for (size_t i = 0; i < count; i++)
        if (!is_ours(names[i]))
            return q_fail(Q_ERR_USAGE, "'%s' holds '%s', which quern did not make; move it away", folder->path,
                          names[i]);
    for (size_t i = 0; i < count; i++) {
        Q_TRY(q_fs_join(&folder->arena, folder->path, names[i], &path));
        if (strcmp(names[i], "lock") != 0)
            Q_TRY(q_fs_unlink(path));
    }
    Q_TRY(q_fs_join(&folder->arena, folder->path, "lock", &path));
    Q_TRY(q_fs_unlink(path));
    if (q_fs()->rmdir(folder->path) != 0 && errno != ENOENT)
        return q_fail_errno(errno, "cannot remove '%s'", folder->path);
    return Q_OK;
}

/* Opens and locks the folder's lock; *out is -1 where there is none to be opened. */
static q_status take_lock(struct work_folder *folder, int flags, int *out)
{
    const char *path;
    bool taken;
    Q_TRY(q_fs_join(&folder->arena, folder->path, "lock", &path));
    *out = q_fs()->open(path, O_RDWR | O_CLOEXEC | flags, 0666);
    if (*out < 0)
        return flags || errno != ENOENT ? q_fail_errno(errno, "cannot open '%s'", path) : Q_OK;
    q_status status = q_fs_lock(*out, path, LOCK_EX, &taken);
    if (!status && !taken)
        status = q_fail(Q_ERR_SYSTEM, "another process is at work in '%s'; wait for it or stop it", folder->path);
    if (status)
        q_fs_close(*out);
    return status;
}

q_status work_folder_open(struct work_folder *folder, const char *beside)
{
    bool exists;
    int lock;
    Q_TRY(q_arena_printf(&folder->arena, &folder->path, "%s.work", beside));
    q_status status = q_fs_look(folder->path, &exists, NULL);
    if (!status && exists) {
        status = take_lock(folder, 0, &lock);
        if (!status) {
            status = remove_all(folder);
            q_fs_close(lock);
        }
    }
    if (status) /* not ours: nothing there is to be removed by close */
        folder->path = NULL;
    return status;
}

q_status work_folder_make(struct work_folder *folder)
{
    q_check(folder->path);
    if (folder->lock)
        return Q_OK;
    Q_TRY(q_fs_make_directories(folder->path));
    int lock;
    Q_TRY(take_lock(folder, O_CREAT, &lock));
    folder->lock = lock;
    return Q_OK;
}

void work_folder_close(struct work_folder *folder)
{
    if (folder->lock) {
        struct q_error kept;
        q_error_take(&kept, Q_ERR_SYSTEM);
        (void)(remove_all(folder) == Q_OK); /* what is left is removed the next time */
        (void)q_error_put(&kept);
        q_fs_close(folder->lock);
    }
    q_arena_release(&folder->arena);
    *folder = (struct work_folder){0};
}
