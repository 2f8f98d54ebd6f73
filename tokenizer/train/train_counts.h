/* What a training learns from: count files, texts that are counted first, or both, as one source.
 *
 *     train_counts_open --> train_counts.source --> bpe_train_source, which calls its `finish` --> train_counts_close
 */
#ifndef QUERN_TOKENIZER_TRAIN_COUNTS_H
#define QUERN_TOKENIZER_TRAIN_COUNTS_H

#include "tokenizer/count/count_texts.h"
#include "tokenizer/train/bpe_source.h"

struct train_counts_options {
    const char *const *files; /* of counts */
    size_t file_count;
    struct text_source *texts;           /* NULL: none */
    struct count_texts_options counting; /* folder is not looked at; pretokenizer is that which everything must be of */
    const char *beside;                  /* what is being made: what does not fit in memory lies beside it */
    unsigned threads;
};

/* Ready when zeroed. It must not move while it is open. */
struct train_counts {
    struct bpe_source source;
    struct count_info info; /* entries: at most */
    struct q_accounting accounting;

    struct bpe_stream_source from_stream;
    struct count_stream *stream;
    struct counter *counter;
    struct q_pool *pool;
    struct work_folder folder;
};

/* Counts the texts, with progress. Errors as of count_texts and count_stream_open; Q_ERR_INPUT for files of another pretokenizer. Close also after a
 * failure. */
q_status train_counts_open(struct train_counts *counts, const struct train_counts_options *options) Q_MUST_USE;
void train_counts_close(struct train_counts *counts);

#endif
