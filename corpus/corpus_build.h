/* Building: the parts of a plan, each published whole with its record, and the manifest.
 *
 * Within a part, one thread reads items and packs them in batches, all threads work on batches, and the results are merged in the order read: the same
 * bytes for any number of threads. Memory: batches in flight (two per thread and two more), each CORPUS_BATCH_BYTES of items or one larger item
 * (item_bytes_max), and as much again for its text; and of each thread for the longest text at hand 6 bytes per byte of prose for its rules, at most 32
 * (rules.h), and up to 6 for its way there. What an item of more than CORPUS_LARGE_BYTES took is given back with the next one. tests/long/bombs.sh holds
 * the program to it.
 */
#ifndef QUERN_CORPUS_BUILD_H
#define QUERN_CORPUS_BUILD_H

#include "base/threads.h"
#include "corpus/corpus_plan.h"

enum {
    CORPUS_OUTPUT_VERSION = 8, /* raised by hand when documents change for the same input and settings */
    CORPUS_BATCH_BYTES = 1 << 20,
    CORPUS_BATCH_ITEMS = 4096,
};

#define CORPUS_DOCUMENTS_SUFFIX ".jsonl.zst"

/* Builds one part and publishes its record. Q_STOPPED where a stop was asked for: the part is not published. */
q_status corpus_build_part(const struct corpus_plan *plan, struct q_step *step, uint64_t part,
                           struct q_pool *pool) Q_MUST_USE;

/* Statistics of the whole step from its parts' records, with the accounting of each source under "sources" (new reference). Q_ERR_INPUT where a source
 * gave nothing at all but failures. */
q_status corpus_build_statistics(const struct corpus_plan *plan, struct q_step *step, json_t **out) Q_MUST_USE;

#endif
