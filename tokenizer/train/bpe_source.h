/* Where training has its counts from: pieces one after the other, in an order that is the same each time. */
#ifndef QUERN_TOKENIZER_BPE_SOURCE_H
#define QUERN_TOKENIZER_BPE_SOURCE_H

#include "base/status.h"
#include "base/string.h"
#include "tokenizer/count/count_stream.h"
#include "tokenizer/count/counts.h"

#include <stdbool.h>
#include <stdint.h>

struct bpe_source {
    void *context;
    q_status (*rewind)(void *context);
    /* *piece is good until the next call; *any = false at the end. */
    q_status (*next)(void *context, q_string *piece, uint64_t *count, bool *any);
    /* The source is not needed any more and may give its memory back; may be NULL. */
    void (*finish)(void *context);
};

/* The counts of a table, in the order in which their bytes lie; its memory is released by `finish`. */
struct bpe_table_source {
    struct counts *counts;
    size_t *order; /* slots by offset; NULL before the first rewind */
    size_t count, at;
};

void bpe_table_source_init(struct bpe_table_source *table, struct counts *counts, struct bpe_source *out);
void bpe_table_source_release(struct bpe_table_source *table);

/* A stream. finish calls `release` (may be NULL), behind which the stream is not used any more. */
struct bpe_stream_source {
    struct count_stream *stream;
    void (*release)(void *context);
    void *context;
    uint64_t pieces; /* given since the last rewind */
};

void bpe_stream_source_init(struct bpe_stream_source *source, struct bpe_source *out);

#endif
