/* Counting pieces with all threads in bounded memory.
 *
 * Each thread has a small front table, which takes the pieces that come again and again (Zipf's law: four of five); what falls out of it goes, in batches, to
 * the 64 parts of a table that all threads share. A piece's part is told by its hash, so no piece is in two of them, no thread has a table of its own to be
 * added up, and memory does not depend on the threads:
 *
 *     text --cut--> piece --> front (256 KiB, in the L2 cache)            one thread's
 *                               |  what another piece pushed out
 *                               v
 *                             64 batches of 64 pieces
 *                               |  a full one, under its part's lock: every line is fetched ahead, so that memory is waited for once a batch
 *                               v
 *                             part 0 .. part 63: slots [capacity], linear probing; bytes of long pieces     all threads'
 *                               |  where the memory is used up: the parts sorted, and written in order as a run
 *                               v
 *                             run-00000.counts ... (counts_file.h), merged at the end (count_stream.h)
 *
 * A piece too long for the table's memory is a run of its own.
 */
#ifndef QUERN_TOKENIZER_COUNTER_H
#define QUERN_TOKENIZER_COUNTER_H

#include "base/publish.h"
#include "base/status.h"
#include "base/threads.h"
#include "tokenizer/count/count_stream.h"
#include "tokenizer/count/counts_file.h"
#include "tokenizer/count/work_folder.h"
#include "tokenizer/pretokenize/pretokenize.h"

#include <stdbool.h>
#include <stdint.h>

/* What a thread needs besides the tables (its front and batches), and the least for the tables themselves, per thread. */
#define COUNTER_THREAD_BYTES (1ull << 20)
#define COUNTER_TABLE_BYTES_MIN (8ull << 20)

struct counter_options {
    const struct pretokenizer *pretokenizer;
    uint32_t scale; /* of the weights: 1 or COUNT_SCALE */
    uint64_t
        table_bytes; /* for the shared table; at least COUNTER_TABLE_BYTES_MIN and a thread's more for each further thread */
    uint64_t merge_bytes; /* for merging runs */
    /* For runs: opened, closed by the caller behind the counter. NULL: none can be written. */
    struct work_folder *folder;
    struct q_pool *pool;
};

struct counter;

q_status counter_create(const struct counter_options *options, struct counter **out) Q_MUST_USE;
void counter_release(struct counter *counter); /* NULL is allowed */

/* Counts pieces of the text from *at on, each `weight` (> 0) times, and moves *at behind the last one: to the text's end, unless the table became full. Then
 * the caller lets all threads return, calls counter_spill, and goes on with the same text and *at. worker: below the pool's threads, one thread at a time. */
q_status counter_add_text(struct counter *counter, unsigned worker, q_string text, uint64_t weight,
                          size_t *at) Q_MUST_USE;
/* Counts a piece that was cut elsewhere. */
q_status counter_add_piece(struct counter *counter, unsigned worker, q_string piece, uint64_t count) Q_MUST_USE;
/* Adds to the totals. */
void counter_add_documents(struct counter *counter, unsigned worker, uint64_t documents, uint64_t bytes);
bool counter_is_full(const struct counter *counter);
/* Says that it is, for reasons of the caller's: the process has grown elsewhere. */
void counter_set_full(struct counter *counter);
/* Writes what the tables hold as a run and empties them. With all threads of the pool; none may be in counter_add_text. Nothing is written where they are
 * empty. */
q_status counter_spill(struct counter *counter) Q_MUST_USE;
uint64_t counter_table_bytes(const struct counter *counter); /* taken by tables now */
uint32_t counter_runs(const struct counter *counter);

/* What all threads have counted, as a file; the tables are gone then. *info (may be NULL): what it holds. */
q_status counter_write(struct counter *counter, const char *path, struct count_info *info,
                       struct q_file_identity *identity) Q_MUST_USE;
/* The same as a stream, with the counts of these files, which may have another scale; it borrows from the counter. Where there are no files and nothing was
 * spilled, it comes from memory. */
q_status counter_stream(struct counter *counter, const char *const *paths, size_t count,
                        struct count_stream **out) Q_MUST_USE;

#endif
