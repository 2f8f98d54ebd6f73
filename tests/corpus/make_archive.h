/* Archives in memory, for tests. Failures are the machine's and end the test program. */
#ifndef QUERN_TESTS_MAKE_ARCHIVE_H
#define QUERN_TESTS_MAKE_ARCHIVE_H

#include "base/memory.h"

struct made_entry {
    const char *name;
    const void *bytes;
    size_t size; /* 0: strlen(bytes) */
};

/* format: "tar" (ustar), "pax", "zip", "7z", "cpio", "ar", "iso", "raw" (one entry); filter: "", "gzip", "xz", "zstd", "bzip2". `out` is cleared
 * first. Times and owners are 0, so that the same entries give the same bytes. */
void make_archive(const char *format, const char *filter, const struct made_entry *entries, size_t count,
                  struct q_buffer *out);

/* A Debian package: debian-binary, control.tar.xz and data.tar.xz with the entries. */
void make_debian_package(const struct made_entry *entries, size_t count, struct q_buffer *out);

#endif
