#include "train/watch/step_log.h"

#include "base/document.h"
#include "base/fs.h"
#include "base/json.h"

#include <errno.h>
#include <fcntl.h>

enum { BATCH_BYTES = 1 << 20 };

struct step_log {
    struct q_arena arena;
    const char *path;
    int fd;
};

/* Whether a line is a whole one of a step up to `step`. */
static bool is_kept(q_string line, const char *path, uint64_t step)
{
    json_t *value = NULL;
    uint64_t seen = 0;
    bool kept =
        q_json_parse(line, path, &value) == Q_OK && q_json_get_u64(value, path, "step", &seen) == Q_OK && seen <= step;
    json_decref(value);
    return kept;
}

/* *kept: bytes of the lines to keep. Reads the file in batches: a long run's lines fill gigabytes. */
static q_status bytes_to_keep(const char *path, uint64_t step, uint64_t *kept)
{
    struct q_lines_reader *reader;
    struct q_buffer batch = {0};
    bool more = true;
    *kept = 0;
    Q_TRY(q_lines_open(path, &reader));
    q_status status = Q_OK;
    while (more && !(status = q_lines_next(reader, BATCH_BYTES, &batch)) && batch.size > 0) {
        q_string rest = q_buffer_string(&batch), line;
        while (more && q_string_next_line(&rest, &line)) {
            more = is_kept(line, path, step) && line.data + line.size < batch.data + batch.size; /* its end is there */
            *kept += more ? line.size + 1 : 0;
        }
    }
    q_buffer_release(&batch);
    q_lines_close(reader);
    return status;
}

static q_status cut_behind(const char *path, uint64_t step)
{
    bool exists;
    struct stat stat;
    uint64_t kept;
    Q_TRY(q_fs_look(path, &exists, &stat));
    if (!exists)
        return Q_OK;
    Q_TRY(bytes_to_keep(path, step, &kept));
    if (kept == (uint64_t)stat.st_size)
        return Q_OK;
    int fd = q_fs()->open(path, O_WRONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return q_fail_errno(errno, "cannot open '%s'", path);
    q_status status = q_fs()->ftruncate(fd, (off_t)kept) == 0 ? Q_OK : q_fail_errno(errno, "cannot cut '%s'", path);
    q_fs_close(fd);
    return status;
}

q_status step_log_open(const char *run_folder, const char *name, uint64_t step, struct step_log **out)
{
    struct step_log *log;
    Q_TRY(q_alloc_zero(1, sizeof *log, &log));
    log->fd = -1;
    q_status status = q_fs_join(&log->arena, run_folder, name, &log->path);
    if (!status)
        status = cut_behind(log->path, step);
    if (!status) {
        log->fd = q_fs()->open(log->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
        if (log->fd < 0)
            status = q_fail_errno(errno, "cannot open '%s'", log->path);
    }
    if (status)
        step_log_close(log);
    else
        *out = log;
    return status;
}

void step_log_close(struct step_log *log)
{
    if (!log)
        return;
    q_fs_close(log->fd);
    q_arena_release(&log->arena);
    q_release(log);
}

q_status step_log_flush(const char *run_folder, const char *name)
{
    struct q_arena arena = {0};
    const char *path;
    int fd = -1;
    q_status status = q_fs_join(&arena, run_folder, name, &path);
    if (!status && (fd = q_fs()->open(path, O_WRONLY | O_CLOEXEC, 0)) < 0 && errno != ENOENT)
        status = q_fail_errno(errno, "cannot open '%s'", path);
    if (fd >= 0 && q_fs()->fsync(fd) != 0)
        status = q_fail_errno(errno, "cannot flush '%s'", path);
    q_fs_close(fd);
    q_arena_release(&arena);
    return status;
}

q_status step_log_append(struct step_log *log, const struct q_buffer *line)
{
    return q_fs_write_all(log->fd, log->path, line->data, line->size);
}
