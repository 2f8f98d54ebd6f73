#include "tests/base/scratch.h"

#include "base/check.h"
#include "base/fs.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[256];
static char *came_from;

int scratch_enter(void **state)
{
    (void)state;
    const char *parent = getenv("TMPDIR");
    (void)snprintf(folder, sizeof(folder), "%s/quern-test-XXXXXX", parent && *parent ? parent : "/tmp");
    came_from = getcwd(NULL, 0);
    q_check(came_from && mkdtemp(folder) && chdir(folder) == 0);
    return 0;
}

int scratch_enter_memory(void **state)
{
    if (access("/dev/shm", W_OK | X_OK) == 0)
        setenv("TMPDIR", "/dev/shm", 0);
    return scratch_enter(state);
}

int scratch_leave(void **state)
{
    (void)state;
    q_check(chdir(came_from) == 0);
    free(came_from);
    return q_fs_remove_tree(folder) != Q_OK;
}

void scratch_write(const char *path, const void *bytes, size_t count)
{
    /* A new file: cutting an old one to nothing makes some file systems flush, thousands of times. */
    (void)unlink(path);
    FILE *file = fopen(path, "wb");
    q_check(file && fwrite(bytes, 1, count, file) == count && fclose(file) == 0);
}

void scratch_read(const char *path, struct q_buffer *out)
{
    q_buffer_clear(out);
    q_check(q_fs_read_file(path, 1 << 30, out) == Q_OK);
}

int scratch_holds(const char *path, const char *text)
{
    struct q_buffer bytes = {0};
    q_status status = q_fs_read_file(path, 1 << 20, &bytes);
    int same = status == Q_OK && q_string_is(q_buffer_string(&bytes), text);
    q_buffer_release(&bytes);
    return same;
}
