/* Counting a source of texts with all threads, in the memory that was promised.
 *
 *     one thread reads batches of documents --> all count them (counter.h) --> their accounting, in order
 *
 * Where the counter becomes full, no more batches are taken, the threads come to rest, all of them spill, and the documents that were under way go on where
 * they stood. So a round's length depends on the memory, and what comes out does not.
 */
#ifndef QUERN_TOKENIZER_COUNT_TEXTS_H
#define QUERN_TOKENIZER_COUNT_TEXTS_H

#include "base/accounting.h"
#include "base/status.h"
#include "base/threads.h"
#include "tokenizer/count/count_weights.h"
#include "tokenizer/count/counter.h"
#include "tokenizer/count/text_source.h"

struct count_texts_options {
    const struct pretokenizer *pretokenizer;
    const struct count_weights *weights; /* NULL: all 1 */
    double sample;                       /* share of the documents that are counted, 0..1; 1: all */
    uint64_t sample_seed;
    uint64_t memory; /* bytes that the whole process may have resident at its peak; 0: count_memory_standard() */
    struct work_folder *folder; /* for what does not fit, as counter_options.folder */
};

/* Half of the machine's memory (or of its container's). */
uint64_t count_memory_standard(void);
/* Whether counting with so many threads can keep to `memory` from here on: Q_ERR_USAGE says the least that would do. */
q_status count_memory_check(uint64_t memory, unsigned threads) Q_MUST_USE;

/* What is left of `memory` (0: the standard) for merging files with so many threads, likewise checked. */
q_status count_memory_of_merge(uint64_t memory, unsigned threads, uint64_t *out) Q_MUST_USE;
/* A counter with its share of the memory, for who has pieces and no texts. */
q_status count_create_counter(const struct count_texts_options *options, uint32_t scale, struct q_pool *pool,
                              struct counter **out) Q_MUST_USE;

/* Whether a document is in the sample: a pure function of seed and id (of seed and text where it has none). */
bool count_sample_has(double share, uint64_t seed, q_string id);

/* Counts the pieces of every text that is not held out, and gives the counter for writing or streaming; the caller releases it. accounting (may be NULL):
 * documents are dropped as "held-out", "not-sampled" or "weight-0". Q_STOPPED when asked to stop. Q_ERR_USAGE: the memory is too little, also for a text so
 * long that it does not fit. */
q_status count_texts(struct text_source *source, struct q_pool *pool, const struct count_texts_options *options,
                     struct q_accounting *accounting, struct counter **out) Q_MUST_USE;

#endif
