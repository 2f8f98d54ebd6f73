#include "orchestrate/launch_log.h"

#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>

enum { LINE_BYTES_MAX = 1 << 16 };

q_status launch_log_open(struct launch_log *log, const char *path)
{
    *log = (struct launch_log){.path = path};
    log->fd = q_fs()->open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (log->fd < 0)
        return q_fail_errno(errno, "log '%s'", path);
    return Q_OK;
}

static void write_line(struct launch_log *log)
{
    if (log->fd >= 0 && log->line.size && q_fs_write_all(log->fd, log->path, log->line.data, log->line.size) != Q_OK) {
        q_fs_close(log->fd);
        log->fd = -1;
    }
    q_buffer_clear(&log->line);
}

/* One byte of the stream. Escape sequences are ESC [ parameters letter, and ESC letter. */
static void add_byte(struct launch_log *log, char c)
{
    if (log->escape) {
        bool inside = log->escape == 1 ? c == '[' : !(c >= '@' && c <= '~');
        log->escape = inside ? 2 : 0;
        return;
    }
    if (log->returned && c != '\n') /* the line is drawn again from its start */
        q_buffer_clear(&log->line);
    log->returned = c == '\r';
    if (c == '\033')
        log->escape = 1;
    else if (c == '\r')
        return;
    else if (q_buffer_append_byte(&log->line, c) != Q_OK || c == '\n' || log->line.size >= LINE_BYTES_MAX)
        write_line(log);
}

void launch_log_add(struct launch_log *log, q_string bytes)
{
    for (size_t i = 0; i < bytes.size; i++)
        add_byte(log, bytes.data[i]);
}

void launch_log_close(struct launch_log *log)
{
    write_line(log);
    q_fs_close(log->fd);
    q_buffer_release(&log->line);
    log->fd = -1;
}
