/* Cutting a large file into pieces where its format allows: at the first line that begins at or behind each multiple of `part_bytes`, or the first record that
 * can be read whole before the next one.
 *
 *   plain JSON lines   at line ends
 *   records            WARC and ARC, plain or a record to a member of gzip or zstd. Where a member begins cannot be told for certain from the middle
 *                      of a file: a record may hold a crawl itself. So the search begins CORPUS_CUT_LEAD_BYTES before the multiple and reads records
 *                      from there on, or at the last cut where that is nearer; a cut that is wrong all the same is noticed when the piece before it is
 *                      read to its end (reader.h). A file whose only member holds all records is not cut.
 *
 * All is a function of the file's bytes, `part_bytes` and how the file is read. Documents are the same however a file is cut, ids included, for these have
 * places in the file (struct corpus_item); but each piece has a bound of its own on what comes out of it, and of damage the bytes may be others.
 */
#ifndef QUERN_CORPUS_CUT_H
#define QUERN_CORPUS_CUT_H

#include "corpus/read/reader.h"

enum { CORPUS_CUT_LEAD_BYTES = 4 << 20 };

struct corpus_pieces {
    enum corpus_piece_kind kind; /* CORPUS_WHOLE_FILE: it is not cut */
    uint64_t *cuts;              /* the stored bytes at which the pieces begin: the first one at 0 */
    size_t count;                /* at least 1 */
};

/* options: how the file is read. All pieces have at least part_bytes, but for lines and records that reach over a multiple. In the arena. */
q_status corpus_cut_file(const char *path, uint64_t bytes, const struct corpus_reader_options *options,
                         uint64_t part_bytes, struct q_arena *arena, struct corpus_pieces *pieces) Q_MUST_USE;

#endif
