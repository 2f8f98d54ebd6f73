/* Publishing: a file appears under its name whole and durable, or not at all.
 *
 *   open     PATH.partial is opened and locked (another living writer is Q_ERR_SYSTEM), then cut to nothing; what a
 * killed run left
 *            there is overwritten
 *   write    appended and hashed on the way (XXH3-128)
 *   commit   fsync, read back through the file and compare the hash, rename to PATH, fsync of the folder
 *
 * Until the rename, a reader sees the old file or none; after it, the new one. q_publish_abandon (also after a failure)
 * removes the partial file. A zeroed struct may be abandoned.
 */
#ifndef QUERN_BASE_PUBLISH_H
#define QUERN_BASE_PUBLISH_H

#include "base/fs.h"
#include "base/hash.h"

struct q_publish {
    int fd; /* 0 while closed */
    char *path;
    char *partial_path;
    struct q_hasher *hasher;
    uint64_t bytes;
};

/* What a published file is: kept in manifests. */
struct q_file_identity {
    uint64_t bytes;
    q_hash hash;
};

/* Q_ERR_SYSTEM where the name is that of a folder, a device or a pipe: only regular files are replaced. */
q_status q_publish_open(struct q_publish *publish, const char *path) Q_MUST_USE;
q_status q_publish_write(struct q_publish *publish, const void *bytes, size_t count) Q_MUST_USE;
/* identity may be NULL. On failure the old file stands and the partial one is gone, with one exception: where only the
 * last step, the fsync of the folder, fails, the new file stands, whole, and a power cut may still bring the old one
 * back. The struct is closed either way. */
q_status q_publish_commit(struct q_publish *publish, struct q_file_identity *identity) Q_MUST_USE;
void q_publish_abandon(struct q_publish *publish);

/* Whether a file could be put there as far as the names say: for those who work long before they open it. The folder must be there, and nothing but
 * a regular file may have the name. */
q_status q_publish_check(const char *path) Q_MUST_USE;

/* All of the above for bytes at hand. */
q_status q_publish_bytes(const char *path, const void *bytes, size_t count,
                         struct q_file_identity *identity) Q_MUST_USE;

#endif
