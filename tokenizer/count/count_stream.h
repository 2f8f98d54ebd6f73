/* Counts from any number of files, added up and in order, in little memory: what a merge writes and what training reads.
 *
 *     files --> readers --> the smallest piece first (merge_tree.h), equal pieces added --> entries
 *
 * More files than may be open at once, or than the memory has room for, are first merged into fewer, in a folder that the caller gives.
 *
 *     struct count_entry entry;
 *     Q_TRY(count_stream_open(paths, count, &options, &stream));
 *     while (!(status = count_stream_next(stream, &entry)) && entry.piece.data)
 *         use(entry.piece, entry.count);
 *     count_stream_close(stream);
 */
#ifndef QUERN_TOKENIZER_COUNT_STREAM_H
#define QUERN_TOKENIZER_COUNT_STREAM_H

#include "base/status.h"
#include "base/threads.h"
#include "tokenizer/count/counts.h"
#include "tokenizer/count/counts_file.h"
#include "tokenizer/count/work_folder.h"

#include <stdbool.h>
#include <stdint.h>

/* What two open readers of ordinary frames and a file being written take: less memory than this does not do. */
#define COUNT_STREAM_MEMORY_MIN (16ull << 20)

struct count_stream_options {
    uint64_t memory; /* bytes for all of the stream; 0: as many as it takes */
    /* Opened, for files of earlier passes, removed as soon as they are read. NULL: every file must fit. */
    struct work_folder *work;
    struct q_pool *pool; /* for earlier passes; NULL: the caller alone */
};

struct count_stream;

/* Opens them all: each is checked but for its entries, and they must be of one pretokenizer (Q_ERR_INPUT). Where files differ in scale the stream has the
 * finer one. Q_ERR_USAGE where the memory is too little for these files; the text says what would do. */
q_status count_stream_open(const char *const *paths, size_t count, const struct count_stream_options *options,
                           struct count_stream **out) Q_MUST_USE;
/* The entries of a table, sorted; the table is borrowed and must not change meanwhile. */
q_status count_stream_of(const struct counts *counts, struct count_stream **out) Q_MUST_USE;
/* What somebody else gives, who is asked to begin anew by rewind(source->context). */
q_status count_stream_of_source(const struct count_source *source, void (*rewind)(void *context),
                                const struct count_info *info, struct count_stream **out) Q_MUST_USE;
/* Documents and bytes that the sources do not speak of, as the runs of a count do not. */
void count_stream_add_total(struct count_stream *stream, const struct counts_total *total);
void count_stream_close(struct count_stream *stream); /* NULL is allowed */

/* info->entries: at most; the totals are exact. */
const struct count_info *count_stream_info(const struct count_stream *stream);
/* Pieces rise strictly, by their bytes as unsigned numbers. entry.piece.data is NULL at the end. Q_ERR_INPUT: a damaged file, sums beyond 64 bits. */
q_status count_stream_next(struct count_stream *stream, struct count_entry *out) Q_MUST_USE;
/* Begins anew, for a second pass. */
void count_stream_rewind(struct count_stream *stream);

#endif
