#include "tests/corpus/make_archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(int good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "make_archive: %s\n", what);
    exit(4);
}

static void set_format(struct archive *a, const char *format)
{
    static const struct {
        const char *name;
        int (*set)(struct archive *);
    } formats[] = {{"tar", archive_write_set_format_ustar},   {"pax", archive_write_set_format_pax},
                   {"zip", archive_write_set_format_zip},     {"7z", archive_write_set_format_7zip},
                   {"cpio", archive_write_set_format_cpio},   {"ar", archive_write_set_format_ar_svr4},
                   {"iso", archive_write_set_format_iso9660}, {"raw", archive_write_set_format_raw}};
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (strcmp(format, formats[i].name) == 0) {
            must(formats[i].set(a) == ARCHIVE_OK, format);
            return;
        }
    must(0, format);
}

void make_archive(const char *format, const char *filter, const struct made_entry *entries, size_t count,
                  struct q_buffer *out)
{
    size_t room = 1 << 20, used;
    for (size_t i = 0; i < count; i++)
        room += (entries[i].size ? entries[i].size : strlen(entries[i].bytes)) * 2 + 4096;
    out->size = 0;
    must(q_buffer_reserve(out, room) == Q_OK, "no memory");
    struct archive *a = archive_write_new();
    must(a != NULL, "no memory");
    set_format(a, format);
    must(!filter[0] || archive_write_add_filter_by_name(a, filter) == ARCHIVE_OK, filter);
    archive_write_set_bytes_in_last_block(a, 1);
    must(archive_write_open_memory(a, out->data, room, &used) == ARCHIVE_OK, "open");
    for (size_t i = 0; i < count; i++) {
        size_t size = entries[i].size ? entries[i].size : strlen(entries[i].bytes);
        struct archive_entry *entry = archive_entry_new();
        archive_entry_set_pathname(entry, entries[i].name);
        archive_entry_set_filetype(entry, AE_IFREG);
        archive_entry_set_perm(entry, 0644);
        archive_entry_set_size(entry, (la_int64_t)size);
        archive_entry_set_mtime(entry, 0, 0);
        must(archive_write_header(a, entry) == ARCHIVE_OK, archive_error_string(a));
        must(archive_write_data(a, entries[i].bytes, size) == (la_ssize_t)size, "data");
        archive_entry_free(entry);
    }
    must(archive_write_close(a) == ARCHIVE_OK, "close");
    archive_write_free(a);
    out->size = used;
}

void make_debian_package(const struct made_entry *entries, size_t count, struct q_buffer *out)
{
    struct q_buffer control = {0}, data = {0};
    const struct made_entry info = {"./control", "Package: made\nDescription: made by a test, not for reading\n", 0};
    make_archive("tar", "xz", &info, 1, &control);
    make_archive("tar", "xz", entries, count, &data);
    const struct made_entry members[] = {{"debian-binary", "2.0\n", 0},
                                         {"control.tar.xz", control.data, control.size},
                                         {"data.tar.xz", data.data, data.size}};
    make_archive("ar", "", members, 3, out);
    q_buffer_release(&control);
    q_buffer_release(&data);
}
