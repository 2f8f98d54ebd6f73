/* Spools: bytes put aside during a step, read back at any place, gone with the process.
 *
 * They stay in memory up to a bound and go to a file without a name behind it (created, then unlinked at once), so
 * that nothing is left behind by a killed process. What was appended in one call is never parted between memory and
 * file.
 *
 * Appending is for one thread; reading is for many, as long as nobody appends.
 */
#ifndef QUERN_DEDUP_SPOOL_H
#define QUERN_DEDUP_SPOOL_H

#include "base/memory.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

struct spool {
    const char *folder; /* where the file is made when one is needed; borrowed */
    uint64_t memory_max;
    struct q_buffer tail; /* what is not in the file: bytes stored .. stored + tail.size */
    uint64_t stored;
    int fd; /* valid where has_file */
    bool has_file;
};

/* Ready after this; spool_release is safe on a zeroed one too. */
void spool_init(struct spool *spool, const char *folder, uint64_t memory_max);
void spool_release(struct spool *spool);

static inline uint64_t spool_size(const struct spool *spool)
{
    return spool->stored + spool->tail.size;
}

/* Appends; *place (may be NULL) is where the bytes begin. Q_ERR_SYSTEM names the folder where the disk is full. */
q_status spool_append(struct spool *spool, const void *bytes, size_t count, uint64_t *place) Q_MUST_USE;
/* Exactly `count` bytes at `place`, which must have been appended. */
q_status spool_read(const struct spool *spool, uint64_t place, void *bytes, size_t count) Q_MUST_USE;

#endif
