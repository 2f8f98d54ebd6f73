/* Levels read by libarchive: archives (ar, tar, cpio, zip, 7z, iso) and single compressed files (gz, xz, zst, bz2, lz4). */
#include "base/check.h"
#include "base/json.h"
#include "corpus/read/reader_level.h"

#include <errno.h>
#include <stdio.h>

enum { RETRIES_MAX = 16 };

static void note_error(struct corpus_level *level)
{
    const char *text = archive_error_string(level->archive);
    snprintf(level->reader->note, sizeof level->reader->note, "%s", text ? text : "no reason given");
}

static la_ssize_t read_block(struct archive *archive, void *context, const void **bytes)
{
    struct corpus_level *level = context;
    int64_t got = corpus_level_read(level, level->block, CORPUS_BLOCK_BYTES);
    if (got < 0) {
        archive_set_error(archive, EIO, "the archive around it cannot be read");
        return ARCHIVE_FATAL;
    }
    level->source_ended |= got == 0;
    level->given += (uint64_t)got;
    *bytes = level->block;
    return (la_ssize_t)got;
}

/* Only the outermost file can seek (a level that must and is inside another was read whole). */
static la_int64_t seek_file(struct archive *archive, void *context, la_int64_t offset, int whence)
{
    struct corpus_level *level = context;
    struct corpus_reader *reader = level->reader;
    (void)archive;
    int64_t base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? (int64_t)reader->offset : (int64_t)reader->size, to;
    if (__builtin_add_overflow(base, offset, &to) || to < 0)
        return ARCHIVE_FATAL;
    level->head_at = level->head.size; /* what was peeked at lies at the beginning: read it again from the file */
    level->source_ended = false;
    reader->offset = (uint64_t)to;
    return to;
}

/* Formats and filters by name: archive_read_support_filter_all would start programs for those that are not built in. */
static struct archive *new_archive(bool single)
{
    struct archive *a = archive_read_new();
    if (!a)
        return NULL;
    archive_read_support_filter_gzip(a);
    archive_read_support_filter_bzip2(a);
    archive_read_support_filter_xz(a);
    archive_read_support_filter_lzma(a);
    archive_read_support_filter_zstd(a);
    archive_read_support_filter_lz4(a);
    archive_read_support_format_ar(a);
    archive_read_support_format_tar(a);
    archive_read_support_format_cpio(a);
    archive_read_support_format_zip(a);
    archive_read_support_format_7zip(a);
    archive_read_support_format_iso9660(a);
    if (single) {
        archive_read_support_format_empty(a); /* a compressed file of nothing */
        archive_read_support_format_raw(a);   /* takes anything; bids lowest, so an archive inside wins */
    }
    archive_read_set_options(a, "!mac-ext");
    return a;
}

const char *corpus_archive_reason(struct corpus_level *level)
{
    if (!level->outer || !level->outer->failure) /* else the note is about the level outside, whose damage this is */
        note_error(level);
    bool begins_well = corpus_is_archive(q_buffer_string(&level->head));
    return level->source_ended && begins_well ? "archive-truncated" : "archive-damaged";
}

q_status corpus_archive_open(struct corpus_level *level, const char **reason)
{
    int result;
    *reason = NULL;
    level->archive = new_archive(corpus_is_archive(q_buffer_string(&level->head)) && !level->whole);
    if (!level->archive)
        return q_fail(Q_ERR_MEMORY, "no memory for an archive reader");
    if (level->whole) {
        level->source_ended = true;
        result = archive_read_open_memory(level->archive, level->head.data, level->head.size);
    } else {
        if (!level->outer)
            archive_read_set_seek_callback(level->archive, seek_file);
        result = archive_read_open(level->archive, level, NULL, read_block, NULL);
    }
    if (result < ARCHIVE_WARN)
        *reason = corpus_archive_reason(level);
    return Q_OK;
}

/* An entry's name as libarchive has it: the bytes of the archive where they are UTF-8, else what it converts. */
static q_string entry_name(struct archive_entry *entry)
{
    q_string raw = q_string_of(archive_entry_pathname(entry)),
             converted = q_string_of(archive_entry_pathname_utf8(entry));
    if (converted.size && (!raw.size || !q_utf8_valid(raw)))
        return converted;
    return raw;
}

/* Appends "/NAME" to the level's name: valid UTF-8, no line ends, no "./" or "/" at its beginning. */
static q_status append_name(struct corpus_level *level)
{
    struct q_buffer *name = &level->reader->name;
    q_string own = entry_name(level->entry);
    uint64_t replaced;
    name->size = level->name_size;
    if (level->single)
        return Q_OK;
    while (q_string_starts(own, "./") || q_string_starts(own, "/"))
        own = q_string_slice(own, own.data[0] == '/' ? 1 : 2, own.size);
    if (name->size)
        Q_TRY(q_buffer_append_byte(name, '/'));
    size_t from = name->size;
    Q_TRY(q_utf8_repair(own, name, &replaced));
    for (size_t i = from; i < name->size; i++)
        if ((unsigned char)name->data[i] < 0x20 || name->data[i] == 0x7F)
            name->data[i] = '?';
    return Q_OK;
}

static bool is_file(struct archive_entry *entry)
{
    mode_t type = archive_entry_filetype(entry);
    return (type == AE_IFREG || type == 0) && !archive_entry_hardlink(entry) && !archive_entry_symlink(entry);
}

static bool is_ar(const struct corpus_level *level)
{
    return (archive_format(level->archive) & ARCHIVE_FORMAT_BASE_MASK) == ARCHIVE_FORMAT_AR;
}

/* Of a Debian package only the files it installs are of interest. */
static bool is_packaging(struct corpus_level *level, q_string own)
{
    if (!is_ar(level))
        return false;
    level->debian |= q_string_starts(own, "debian-binary");
    level->data_seen |= q_string_starts(own, "data.tar");
    return level->debian && !q_string_starts(own, "data.tar");
}

/* libarchive takes the end of the file for the end of an ar, also in the middle of a header, and a package cut between its members looks whole. */
static bool ends_too_soon(struct corpus_level *level)
{
    if (!is_ar(level))
        return false;
    return (level->debian && !level->data_seen) || (uint64_t)archive_filter_bytes(level->archive, 0) < level->given;
}

q_status corpus_archive_step(struct corpus_level *level, enum corpus_step *step, const char **reason)
{
    int result = archive_read_next_header(level->archive, &level->entry);
    Q_TRY(level->reader->status);
    *step = CORPUS_STEP_FAILED;
    if (result == ARCHIVE_EOF) {
        *step = ends_too_soon(level) ? CORPUS_STEP_FAILED : CORPUS_STEP_END;
        *reason = "archive-truncated";
        return Q_OK;
    }
    if (result == ARCHIVE_RETRY && ++level->retries < RETRIES_MAX) {
        *step = CORPUS_STEP_SKIP;
        return Q_OK;
    }
    if (result != ARCHIVE_OK && result != ARCHIVE_WARN) {
        *reason = corpus_archive_reason(level);
        return Q_OK;
    }
    level->retries = 0;
    level->data_left = 0;
    level->gap = level->data_at = 0;
    level->entries++;
    level->single = archive_format(level->archive) == ARCHIVE_FORMAT_RAW;
    Q_TRY(append_name(level));
    level->entry_name_size = level->reader->name.size;
    bool skip = !is_file(level->entry) || (!level->single && is_packaging(level, entry_name(level->entry)));
    *step = skip ? CORPUS_STEP_SKIP : CORPUS_STEP_ENTRY;
    return Q_OK;
}

/* The next block of the entry, with the hole before it. */
static int next_block(struct corpus_level *level)
{
    const void *block;
    size_t size;
    la_int64_t offset;
    int result;
    do {
        result = archive_read_data_block(level->archive, &block, &size, &offset);
        if (result != ARCHIVE_OK && result != ARCHIVE_WARN)
            return result;
    } while (size == 0 && (offset <= 0 || (uint64_t)offset <= level->data_at));
    level->gap = offset > 0 && (uint64_t)offset > level->data_at ? (uint64_t)offset - level->data_at : 0;
    level->data = block;
    level->data_left = size;
    return ARCHIVE_OK;
}

/* archive_read_data would throw away what it has when the rest is damaged: hence blocks. */
int64_t corpus_archive_read(struct corpus_level *level, void *bytes, size_t size)
{
    size_t count;
    if (!level->gap && !level->data_left) {
        int result = next_block(level);
        if (result != ARCHIVE_OK)
            return result == ARCHIVE_EOF ? 0 : result;
    }
    if (level->gap) {
        count = (size_t)Q_MIN(level->gap, (uint64_t)size);
        memset(bytes, 0, count);
        level->gap -= count;
    } else {
        count = Q_MIN(level->data_left, size);
        memcpy(bytes, level->data, count);
        level->data += count;
        level->data_left -= count;
    }
    level->data_at += count;
    return (int64_t)count;
}
