/* The counter's own: what its files share. */
#ifndef QUERN_TOKENIZER_COUNTER_PRIVATE_H
#define QUERN_TOKENIZER_COUNTER_PRIVATE_H

#include "base/memory.h"
#include "tokenizer/count/counter.h"
#include "tokenizer/count/piece_slot.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    COUNTER_PART_BITS = 6,
    COUNTER_PARTS = 1 << COUNTER_PART_BITS,
    COUNTER_FRONT_SETS = 1 << 12, /* of two slots, which are one cache line */
    COUNTER_BATCH = 64,
};

/* Bytes of long pieces. They never move. */
struct counter_chunk {
    struct counter_chunk *next;
    size_t bytes, used; /* this header counted */
};

struct counter_part {
    _Alignas(64) pthread_mutex_t lock;
    struct piece_slot *slots; /* while counting: at hash * capacity, or behind; when sorted: [0, used) in order */
    size_t capacity, used;
    struct counter_chunk *chunks;
};

struct counter_batch {
    struct piece_slot slots[COUNTER_BATCH];
    uint64_t hash[COUNTER_BATCH];
    size_t size;
};

struct counter_worker {
    struct piece_slot (*front)[2];
    struct counter_batch *batches; /* [COUNTER_PARTS] */
    char *stage;                   /* bytes of the long pieces in the batches */
    size_t staged;
    struct pretokenize_scratch scratch;
    struct counts_total total;
};

struct counter {
    struct counter_options options;
    struct q_arena arena;
    struct counter_part *parts;
    struct counter_worker *workers;
    unsigned threads;
    atomic_bool full;
    atomic_uint_fast64_t slot_bytes, chunk_bytes;
    uint64_t piece_bytes_max; /* a longer one is a run of its own */
    bool sorted;

    pthread_mutex_t runs_lock;
    uint32_t runs;

    struct counter_reading *reading; /* counter_stream.c: of the tables */
};

/* counter_table.c: adds the slots of a batch, whose long pieces' bytes are copied, and empties it. */
q_status counter_add_batch(struct counter *counter, unsigned part, struct counter_batch *batch) Q_MUST_USE;
q_status counter_create_parts(struct counter *counter) Q_MUST_USE;
void counter_release_part(struct counter *counter, struct counter_part *part);

/* counter_sort.c: every part's slots in order, in place; the parts cannot be added to any more. */
void counter_sort(struct counter *counter);

/* counter_stream.c */
void counter_release_reading(struct counter *counter);

/* counter_run.c: all runs and these files as one stream; one piece as a run. */
q_status counter_stream_runs(struct counter *counter, const char *const *paths, size_t count,
                             struct count_stream **out) Q_MUST_USE;
q_status counter_write_piece(struct counter *counter, q_string piece, uint64_t count) Q_MUST_USE;

/* counter.c: all that waits in fronts and batches, into the parts. */
q_status counter_flush(struct counter *counter) Q_MUST_USE;
void counter_info(const struct counter *counter, struct count_info *out);

#endif
