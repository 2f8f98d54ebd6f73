/* Cutting a large file into pieces where its format allows: at the first line or record that begins at or behind each multiple of `part_bytes`.
 *
 *   plain JSON lines   The number of the items before a cut is part of ids, so that these do not depend on where the file is cut; it is counted while
 *                      the file is hashed.
 *   records            WARC and ARC, plain or a record to a member of gzip or zstd. Their ids have the offset in the file. Where a member begins cannot
 *                      be told for certain from the middle of a file: a record may hold a crawl itself. So the search begins CORPUS_CUT_LEAD_BYTES
 *                      before the multiple and reads records from there on; a cut that is wrong all the same is noticed when the piece before it is
 *                      read to its end (reader.h). A file whose only member holds all records is not cut.
 *
 * All is a function of the file's bytes and `part_bytes`.
 */
#ifndef QUERN_CORPUS_CUT_H
#define QUERN_CORPUS_CUT_H

#include "base/hash.h"
#include "base/memory.h"
#include "corpus/read/reader.h"

enum { CORPUS_CUT_LEAD_BYTES = 4 << 20 };

/* Where a piece of a file begins. */
struct corpus_cut {
    uint64_t offset; /* in bytes */
    uint64_t index;  /* items before it */
};

struct corpus_pieces {
    enum corpus_piece_kind kind; /* CORPUS_WHOLE_FILE: it is not cut */
    struct corpus_cut *cuts;     /* the first one is the file's beginning */
    size_t count;                /* at least 1 */
};

/* options: how the file is read. All pieces have at least part_bytes, but for lines and records that reach over a multiple. In the arena; the indices
 * are 0 until corpus_cut_count. */
q_status corpus_cut_file(const char *path, uint64_t bytes, const struct corpus_reader_options *options,
                         uint64_t part_bytes, struct q_arena *arena, struct corpus_pieces *pieces) Q_MUST_USE;

/* Hashes a file that is cut into lines as q_fs_hash_file does, and counts the items before each cut: lines that are not blank. */
q_status corpus_cut_count(const char *path, struct corpus_pieces *pieces, uint64_t *bytes, q_hash *hash) Q_MUST_USE;

#endif
