/* What every level is read with: the bytes of its source, counted, and the items that it gives. The stack of levels is reader.c's. */
#include "corpus/read/reader_level.h"

#include "base/check.h"
#include "base/fs.h"

#include <errno.h>
#include <stdio.h>

/* --- bytes ------------------------------------------------------------------------------------------------------------------------- */

static int64_t read_file(struct corpus_reader *reader, void *bytes, size_t size)
{
    ssize_t got;
    size = (size_t)Q_MIN(size, reader->end - Q_MIN(reader->offset, reader->end));
    do
        got = q_fs()->pread(reader->fd, bytes, size, (off_t)reader->offset);
    while (got < 0 && errno == EINTR);
    if (got < 0) {
        reader->status = q_fail_errno(errno, "'%s' cannot be read", reader->path);
        return -1;
    }
    reader->offset += (uint64_t)got;
    return got;
}

bool corpus_count_unpacked(struct corpus_reader *reader, struct corpus_level *level, uint64_t bytes)
{
    if (!q_add_u64(reader->unpacked, bytes, &reader->unpacked))
        reader->unpacked = UINT64_MAX;
    if (reader->unpacked <= reader->unpacked_max)
        return true;
    level->failure = "archive-bomb";
    level->fatal = true;
    snprintf(reader->note, sizeof reader->note, "over %llu bytes come out of %llu",
             (unsigned long long)reader->unpacked_max, (unsigned long long)reader->stored);
    return false;
}

int64_t corpus_source_read(struct corpus_reader *reader, struct corpus_level *outer, void *bytes, size_t size)
{
    if (reader->status != Q_OK)
        return -1;
    if (!outer)
        return read_file(reader, bytes, size);
    if (outer->failure)
        return -1;
    int64_t got = corpus_archive_read(outer, bytes, size);
    if (got < 0) {
        outer->failure = archive_entry_is_encrypted(outer->entry) ? "archive-encrypted" : corpus_archive_reason(outer);
        outer->fatal = got == ARCHIVE_FATAL;
    }
    if (got > 0 && !corpus_count_unpacked(reader, outer, (uint64_t)got))
        return -1;
    return got < 0 ? -1 : got;
}

int64_t corpus_level_read(struct corpus_level *level, void *bytes, size_t size)
{
    size_t ahead = level->head.size - level->head_at;
    if (!ahead)
        return corpus_source_read(level->reader, level->outer, bytes, size);
    size = Q_MIN(size, ahead);
    memcpy(bytes, level->head.data + level->head_at, size);
    level->head_at += size;
    return (int64_t)size;
}

q_status corpus_level_fill(struct corpus_level *level, bool *ended)
{
    int64_t got = corpus_level_read(level, level->block, CORPUS_BLOCK_BYTES);
    Q_TRY(level->reader->status);
    level->block_offset += level->block_size;
    level->block_at = 0;
    level->block_size = got > 0 ? (size_t)got : 0;
    *ended = got <= 0;
    return Q_OK;
}

q_status corpus_source_fill(struct corpus_reader *reader, struct corpus_level *outer, struct q_buffer *to, uint64_t max,
                            bool *ended, bool *good)
{
    *ended = false;
    *good = true;
    while (to->size < max) {
        size_t room = (size_t)Q_MIN(max - to->size, (uint64_t)CORPUS_BLOCK_BYTES);
        Q_TRY(q_buffer_reserve(to, room));
        int64_t got = corpus_source_read(reader, outer, to->data + to->size, room);
        Q_TRY(reader->status);
        if (got <= 0) {
            *ended = got == 0;
            *good = got == 0;
            return Q_OK;
        }
        to->size += (size_t)got;
    }
    return Q_OK;
}

/* --- items ------------------------------------------------------------------------------------------------------------------------- */

void corpus_item_begin(struct corpus_reader *reader, struct corpus_item *item)
{
    *item = (struct corpus_item){.name = q_buffer_string(&reader->name), .index = reader->index++};
}

void corpus_item_refuse(struct corpus_reader *reader, struct corpus_item *item, const char *reason, bool failed,
                        uint64_t in_bytes)
{
    corpus_item_begin(reader, item);
    item->name = q_string_slice(item->name, 0, CORPUS_NAME_BYTES_MAX);
    item->reason = reason;
    item->failed = failed;
    item->in_bytes = in_bytes;
    item->note = failed && reader->note[0] ? reader->note : NULL;
}

uint64_t corpus_entry_bytes(const struct corpus_reader *reader, const struct corpus_level *outer)
{
    if (!outer)
        return reader->size;
    int64_t size = archive_entry_size_is_set(outer->entry) ? archive_entry_size(outer->entry) : 0;
    return size < 0 ? 0 : Q_MIN((uint64_t)size, (uint64_t)1 << 48);
}

bool corpus_level_is_file(const struct corpus_level *level)
{
    const struct corpus_level *outer = level->outer;
    while (outer && outer->single)
        outer = outer->outer;
    return !outer;
}
