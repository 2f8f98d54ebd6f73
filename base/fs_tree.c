/* Folders and names (fs.h): making, listing and removing them; paths as text.
 *
 * Every list is sorted by bytes, because the order in which a file system lists names is nobody's promise.
 */
#include "base/check.h"
#include "base/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* A list of strings that grows; moved into the caller's arena when complete. */
struct names {
    const char **items;
    size_t count, capacity;
};

static q_status names_add(struct names *names, const char *name)
{
    Q_TRY(q_grow(&names->items, &names->capacity, names->count + 1, sizeof(*names->items)));
    names->items[names->count++] = name;
    return Q_OK;
}

static int compare_names(const void *a, const void *b)
{
    const char *left, *right;
    memcpy(&left, a, sizeof(left));
    memcpy(&right, b, sizeof(right));
    return strcmp(left, right);
}

/* Sorts and hands over; the list is released either way. */
static q_status names_finish(struct names *names, q_status status, struct q_arena *arena, const char ***out_names,
                             size_t *out_count)
{
    const char **items = NULL;
    if (status == Q_OK)
        status = q_arena_alloc(arena, names->count, sizeof(*items), &items);
    if (status == Q_OK) {
        if (names->count > 0) {
            qsort(names->items, names->count, sizeof(*names->items), compare_names);
            memcpy(items, names->items, names->count * sizeof(*items));
        }
        *out_names = items;
        *out_count = names->count;
    }
    q_release(names->items);
    return status;
}

/* `follow` false: a link in the folder's place is refused. */
static q_status open_folder(const char *path, bool follow, DIR **out)
{
    int fd = q_fs()->open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | (follow ? 0 : O_NOFOLLOW), 0);
    if (fd < 0) {
        bool absent = errno == ENOENT || errno == ENOTDIR;
        q_status status = q_fail_errno(errno, "cannot open the folder '%s'", path);
        return absent ? Q_ERR_INPUT : status;
    }
    *out = fdopendir(fd); /* owns fd from here on */
    if (*out)
        return Q_OK;
    q_status status = q_fail_errno(errno, "cannot list '%s'", path);
    q_fs_close(fd);
    return status;
}

/* The next entry but "." and ".."; NULL at the end. */
static q_status next_entry(DIR *folder, const char *path, struct dirent **out)
{
    do {
        errno = 0;
        *out = readdir(folder);
        if (!*out && errno != 0)
            return q_fail_errno(errno, "cannot list '%s'", path);
    } while (*out && (strcmp((*out)->d_name, ".") == 0 || strcmp((*out)->d_name, "..") == 0));
    return Q_OK;
}

static q_status list_unsorted(const char *path, bool follow, struct q_arena *arena, struct names *names)
{
    DIR *folder;
    Q_TRY(open_folder(path, follow, &folder));
    struct dirent *entry;
    const char *name;
    q_status status;
    while ((status = next_entry(folder, path, &entry)) == Q_OK && entry) {
        Q_TRY_GOTO(out, q_arena_cstring(arena, q_string_of(entry->d_name), &name));
        Q_TRY_GOTO(out, names_add(names, name));
    }
out:
    (void)closedir(folder);
    return status;
}

q_status q_fs_list(const char *path, struct q_arena *arena, const char ***out_names, size_t *out_count)
{
    struct names names = {0};
    q_status status = list_unsorted(path, true, arena, &names);
    return names_finish(&names, status, arena, out_names, out_count);
}

/* A walk through the tree under `root`: folders still to be listed, as paths relative to it, are a list and not a
 * recursion, so one folder is open at a time and depth costs no stack. */
struct walk {
    const char *root;
    char *real_root; /* without links; from malloc */
    struct q_arena *arena;
    struct names folders, files;
};

/* Whether a link leads to something inside the tree. */
static bool link_stays_inside(const struct walk *walk, const char *path)
{
    char *real = realpath(path, NULL);
    size_t size = strlen(walk->real_root);
    bool inside =
        real && strncmp(real, walk->real_root, size) == 0 && (real[size] == '/' || walk->real_root[size - 1] == '/');
    free(real);
    return inside;
}

static q_status walk_entry(struct walk *walk, const char *relative)
{
    const char *path;
    struct stat info;
    Q_TRY(q_fs_join(walk->arena, walk->root, relative, &path));
    if (lstat(path, &info) != 0)
        return errno == ENOENT ? Q_OK : q_fail_errno(errno, "cannot look at '%s'", path); /* removed meanwhile */
    if (S_ISDIR(info.st_mode))
        return names_add(&walk->folders, relative);
    /* A link to a folder is left out below: its files are listed where they lie, and loops cannot be. */
    if (S_ISLNK(info.st_mode) && (q_fs()->stat(path, &info) != 0 || !link_stays_inside(walk, path)))
        return Q_OK;
    return S_ISREG(info.st_mode) ? names_add(&walk->files, relative) : Q_OK;
}

static q_status walk_folder(struct walk *walk, const char *relative)
{
    struct names names = {0};
    const char *path, *inner;
    q_status status;
    Q_TRY_GOTO(out, q_fs_join(walk->arena, walk->root, relative, &path));
    Q_TRY_GOTO(out, list_unsorted(path, true, walk->arena, &names));
    for (size_t i = 0; i < names.count; i++) {
        if (names.items[i][0] == '.')
            continue;
        Q_TRY_GOTO(out, q_fs_join(walk->arena, relative, names.items[i], &inner));
        Q_TRY_GOTO(out, walk_entry(walk, inner));
    }
out:
    q_release(names.items);
    return status;
}

static q_status walk_tree(struct walk *walk)
{
    bool exists;
    struct stat info;
    Q_TRY(q_fs_look(walk->root, &exists, &info));
    if (!exists)
        return q_fail(Q_ERR_INPUT, "'%s' does not exist", walk->root);
    if (!S_ISDIR(info.st_mode))
        return names_add(&walk->files, "");
    walk->real_root = realpath(walk->root, NULL);
    if (!walk->real_root)
        return q_fail_errno(errno, "cannot look at '%s'", walk->root);
    Q_TRY(names_add(&walk->folders, ""));
    while (walk->folders.count > 0)
        Q_TRY(walk_folder(walk, walk->folders.items[--walk->folders.count]));
    return Q_OK;
}

q_status q_fs_list_tree(const char *root, struct q_arena *arena, const char ***out_names, size_t *out_count)
{
    struct walk walk = {.root = root, .arena = arena};
    q_status status = walk_tree(&walk);
    free(walk.real_root);
    q_release(walk.folders.items);
    return names_finish(&walk.files, status, arena, out_names, out_count);
}

/* glob asks here about folders that it cannot read: what is not there does not match, what is shut is a failure. */
static _Thread_local int glob_errno;

static int stop_glob(const char *path, int error_number)
{
    (void)path;
    glob_errno = error_number;
    return error_number != ENOENT && error_number != ENOTDIR;
}

q_status q_fs_glob(const char *pattern, struct q_arena *arena, const char ***out_paths, size_t *out_count)
{
    glob_t found = {0};
    struct names names = {0};
    q_status status = Q_OK;
    int result = glob(pattern, GLOB_NOSORT, stop_glob, &found);
    if (result != 0 && result != GLOB_NOMATCH)
        status = q_fail_errno(result == GLOB_NOSPACE ? ENOMEM : glob_errno, "cannot list '%s'", pattern);
    for (size_t i = 0; status == Q_OK && result == 0 && i < found.gl_pathc; i++) {
        const char *path;
        status = q_arena_cstring(arena, q_string_of(found.gl_pathv[i]), &path);
        if (status == Q_OK)
            status = names_add(&names, path);
    }
    globfree(&found);
    return names_finish(&names, status, arena, out_paths, out_count);
}

/* One folder of the path; durable in its parent when new. */
static q_status make_directory(struct q_arena *arena, const char *path)
{
    const char *parent;
    if (q_fs()->mkdir(path, 0777) == 0) {
        Q_TRY(q_fs_parent(arena, path, &parent));
        return q_fs_sync_directory(parent);
    }
    if (errno == EEXIST && q_fs_is_directory(path)) /* there already, or made by another process meanwhile */
        return Q_OK;
    return q_fail_errno(errno, "cannot make the folder '%s'", path);
}

q_status q_fs_make_directories(const char *path)
{
    if (q_fs_is_directory(path))
        return Q_OK;
    struct q_arena arena = {0};
    q_status status = Q_OK;
    const char *prefix;
    size_t length = strlen(path);
    for (size_t i = 1; i <= length && status == Q_OK; i++) {
        if ((path[i] != '/' && path[i] != 0) || path[i - 1] == '/')
            continue;
        Q_TRY_GOTO(out, q_arena_cstring(&arena, (q_string){path, i}, &prefix));
        if (!q_fs_is_directory(prefix))
            status = make_directory(&arena, prefix);
    }
out:
    q_arena_release(&arena);
    return status;
}

/* Removes what `path` names. unlink takes files and links of every kind; only a true folder is entered. */
static q_status remove_tree(const char *path, unsigned depth)
{
    enum { DEPTH_MAX = 512 }; /* a bound for the stack */
    if (q_fs()->unlink(path) == 0 || errno == ENOENT)
        return Q_OK;
    if (errno != EISDIR && errno != EPERM) /* EPERM: POSIX's answer for a folder */
        return q_fail_errno(errno, "cannot remove '%s'", path);
    if (depth == DEPTH_MAX)
        return q_fail(Q_ERR_SYSTEM, "cannot remove '%s': more than %d folders deep", path, DEPTH_MAX);
    struct q_arena arena = {0};
    struct names names = {0};
    const char *inner;
    q_status status;
    Q_TRY_GOTO(out, list_unsorted(path, false, &arena, &names));
    for (size_t i = 0; i < names.count; i++) {
        Q_TRY_GOTO(out, q_fs_join(&arena, path, names.items[i], &inner));
        Q_TRY_GOTO(out, remove_tree(inner, depth + 1));
    }
    if (q_fs()->rmdir(path) != 0 && errno != ENOENT)
        status = q_fail_errno(errno, "cannot remove the folder '%s'", path);
out:
    q_release(names.items);
    q_arena_release(&arena);
    return status;
}

q_status q_fs_remove_tree(const char *path)
{
    return remove_tree(path, 0);
}

q_status q_fs_join(struct q_arena *arena, const char *a, const char *b, const char **out)
{
    size_t size = strlen(a);
    if (b[0] == 0)
        return q_arena_cstring(arena, q_string_of(a), out);
    if (size == 0 || b[0] == '/' || strcmp(a, ".") == 0)
        return q_arena_cstring(arena, q_string_of(b), out);
    return q_arena_printf(arena, out, "%s%s%s", a, a[size - 1] == '/' ? "" : "/", b);
}

q_status q_fs_parent(struct q_arena *arena, const char *path, const char **out)
{
    size_t size = strlen(path);
    while (size > 1 && path[size - 1] == '/') /* "a/b/" is "a/b" */
        size--;
    while (size > 0 && path[size - 1] != '/')
        size--;
    while (size > 1 && path[size - 1] == '/')
        size--;
    return q_arena_cstring(arena, size ? (q_string){path, size} : Q_STRING("."), out);
}

const char *q_fs_base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

q_status q_fs_free_bytes(const char *path, uint64_t *out_bytes)
{
    struct q_arena arena = {0};
    struct statvfs info;
    q_status status = Q_OK;
    const char *at = path;
    while (statvfs(at, &info) != 0) {
        const char *parent;
        if (errno != ENOENT || strcmp(at, ".") == 0 || strcmp(at, "/") == 0)
            Q_TRY_GOTO(out, q_fail_errno(errno, "cannot look at the disk of '%s'", path));
        Q_TRY_GOTO(out, q_fs_parent(&arena, at, &parent));
        at = parent;
    }
    if (!q_mul_u64(info.f_bavail, info.f_frsize, out_bytes))
        *out_bytes = UINT64_MAX;
out:
    q_arena_release(&arena);
    return status;
}
