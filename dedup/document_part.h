/* A part of documents read frame by frame: any frame on its own, so that workers share a part and verification finds
 * its way back.
 *
 * Frames are numbered among those that hold data. One reader serves one thread at a time.
 */
#ifndef QUERN_DEDUP_DOCUMENT_PART_H
#define QUERN_DEDUP_DOCUMENT_PART_H

#include "base/memory.h"
#include "base/seekable.h"
#include "base/status.h"
#include "base/string.h"

struct document_part {
    struct q_seekable_reader *reader; /* NULL while closed */
    const char *path;                 /* as given: borrowed */
    uint32_t *frames;                 /* the file's numbers of the data frames */
    uint32_t frame_count;
    struct q_buffer plain; /* of the frame read last */
};

/* Closes what was open. Q_ERR_INPUT for what is no seekable zstd file. A zeroed struct may be opened and closed. */
q_status document_part_open(struct document_part *part, const char *path) Q_MUST_USE;
void document_part_close(struct document_part *part);

/* The whole lines of data frame `frame` into part->plain. Q_ERR_INPUT where the last one has no end. */
q_status document_part_read(struct document_part *part, uint32_t frame) Q_MUST_USE;

#endif
