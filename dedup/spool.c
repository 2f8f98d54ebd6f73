#include "dedup/spool.h"

#include "base/check.h"
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <unistd.h>

enum { WRITE_BYTES = 1 << 20 }; /* gathered before a write */

void spool_init(struct spool *spool, const char *folder, uint64_t memory_max)
{
    *spool = (struct spool){.folder = folder, .memory_max = memory_max};
}

void spool_release(struct spool *spool)
{
    if (spool->has_file)
        q_fs_close(spool->fd);
    q_buffer_release(&spool->tail);
    spool->has_file = false;
}

/* A file that no other process can have: its name holds ours, and it must not exist. */
static q_status open_file(struct spool *spool)
{
    static atomic_uint made;
    struct q_buffer path = {0};
    q_status status =
        q_buffer_printf(&path, "%s/.spool-%ld-%u.partial", spool->folder, (long)getpid(), atomic_fetch_add(&made, 1));
    if (status == Q_OK)
        status = q_buffer_terminate(&path);
    if (status == Q_OK) {
        spool->fd = q_fs()->open(path.data, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (spool->fd < 0) {
            status = q_fail_errno(errno, "cannot make a temporary file in '%s'", spool->folder);
        } else {
            spool->has_file = true;
            if (q_fs()->unlink(path.data) != 0)
                status = q_fail_errno(errno, "cannot unlink '%s'", path.data);
        }
    }
    q_buffer_release(&path);
    return status;
}

static q_status flush(struct spool *spool)
{
    if (!spool->has_file)
        Q_TRY(open_file(spool));
    q_status status = q_fs_write_all(spool->fd, spool->folder, spool->tail.data, spool->tail.size);
    if (status != Q_OK)
        return q_context(status, "temporary file");
    spool->stored += spool->tail.size;
    q_buffer_clear(&spool->tail);
    return Q_OK;
}

q_status spool_append(struct spool *spool, const void *bytes, size_t count, uint64_t *place)
{
    uint64_t bound = spool->has_file ? WRITE_BYTES : Q_MAX(spool->memory_max, (uint64_t)WRITE_BYTES);
    if (spool->tail.size > 0 && spool->tail.size + (uint64_t)count > bound)
        Q_TRY(flush(spool));
    if (place)
        *place = spool_size(spool);
    return q_buffer_append(&spool->tail, bytes, count);
}

q_status spool_read(const struct spool *spool, uint64_t place, void *bytes, size_t count)
{
    q_check(place <= spool_size(spool) && count <= spool_size(spool) - place);
    if (place < spool->stored) {
        size_t in_file = (size_t)Q_MIN((uint64_t)count, spool->stored - place);
        q_status status = q_fs_read_at(spool->fd, spool->folder, place, bytes, in_file);
        if (status != Q_OK)
            return q_context(status, "temporary file");
        bytes = (char *)bytes + in_file;
        place += in_file, count -= in_file;
    }
    if (count)
        memcpy(bytes, spool->tail.data + (place - spool->stored), count);
    return Q_OK;
}
