/* Count files (docs/formats/counts.md), read and written entry by entry: neither side holds more than a frame or two.
 *
 * Everything that gives entries in order is a count_source: a file, a merge of files (count_stream.h), a sorted table. A file is written by pulling a
 * source dry, so its bytes are a function of the entries alone: not of the table, the threads or the runs that they came through.
 */
#ifndef QUERN_TOKENIZER_COUNTS_FILE_H
#define QUERN_TOKENIZER_COUNTS_FILE_H

#include "base/publish.h"
#include "base/status.h"
#include "base/string.h"
#include "base/threads.h"

#include <stdint.h>

enum {
    COUNT_NAME_BYTES = 32, /* of a pretokenizer's name, its NUL counted */
    COUNT_SCALE = 1024,    /* counts are in units of 1/COUNT_SCALE where weights were given, else of 1 */
};

/* What was counted; adds up with the counts. */
struct counts_total {
    uint64_t documents;
    uint64_t bytes;  /* of text */
    uint64_t pieces; /* the sum of all counts */
};

struct count_entry {
    q_string piece; /* never empty; data is NULL behind the last entry */
    uint64_t count; /* from 1, in units of 1/scale */
};

/* What a file or a stream says of itself. */
struct count_info {
    char pretokenizer[COUNT_NAME_BYTES];
    uint32_t scale;   /* 1 or COUNT_SCALE */
    uint64_t entries; /* distinct pieces; of several sources together: at most */
    struct counts_total total;
};

/* Entries in order. The piece that `next` gave stays where it is until the next call. */
struct count_source {
    void *context;
    q_status (*next)(void *context, struct count_entry *out);
};

/* Publishes what the source gives: names, scale, documents and bytes of *info; entries and the sum of the counts are found on the way and put into *info,
 * which must be what info->total.pieces says where that is not 0 (else Q_ERR_INPUT). level: zstd's. Frames are compressed by all threads of the pool (NULL: by
 * the caller). Q_STOPPED when asked to stop. identity may be NULL. */
q_status counts_file_write(const char *path, int level, const struct count_source *source, struct q_pool *pool,
                           struct count_info *info, struct q_file_identity *identity) Q_MUST_USE;

/* The same entries as ranges, rising, that any thread may ask for on its own: each begins at a piece with which a frame begins (below), but the first. */
struct count_ranges {
    void *context;
    size_t count;
    q_status (*open)(void *context, size_t range, struct count_source *out);
    void (*close)(void *context, struct count_source *source); /* what open gave */
};

/* As above, and the same file: here threads also pull. */
q_status counts_file_write_ranges(const char *path, int level, const struct count_ranges *ranges, struct q_pool *pool,
                                  struct count_info *info, struct q_file_identity *identity) Q_MUST_USE;

struct counts_reader;

/* Checks all but the entries: Q_ERR_INPUT for a file that is cut, damaged, of another version or of another Unicode. */
q_status counts_reader_open(const char *path, struct counts_reader **out) Q_MUST_USE;
void counts_reader_close(struct counts_reader *reader); /* NULL is allowed */
const struct count_info *counts_reader_info(const struct counts_reader *reader);
/* Bytes of memory that reading takes at most, this file's largest frame counted. */
uint64_t counts_reader_memory(const struct counts_reader *reader);
/* Checks every entry, and at the end that they are those the file speaks of: Q_ERR_INPUT. */
q_status counts_reader_next(struct counts_reader *reader, struct count_entry *out) Q_MUST_USE;
void counts_reader_rewind(struct counts_reader *reader);
const char *counts_reader_path(const struct counts_reader *reader);

/* Whether a frame begins at this piece wherever it stands: a function of its bytes, so that parts of a file can be made on their own. */
bool counts_piece_begins_frame(q_string piece);

#endif
