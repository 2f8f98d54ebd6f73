/* Counting a source of texts with all threads. */
#ifndef QUERN_TOKENIZER_COUNT_TEXTS_H
#define QUERN_TOKENIZER_COUNT_TEXTS_H

#include "base/accounting.h"
#include "base/status.h"
#include "base/threads.h"
#include "tokenizer/counts.h"
#include "tokenizer/text_source.h"

/* Adds the pieces of every text that is not held out. Each thread has a table of its own; they are added up at the end, so memory is at worst that of
 * the distinct pieces times the threads. accounting (may be NULL): held-out documents are dropped as "held-out". Q_STOPPED when asked to stop. */
q_status count_texts(struct text_source *source, struct q_pool *pool, struct counts *counts,
                     struct q_accounting *accounting) Q_MUST_USE;

#endif
