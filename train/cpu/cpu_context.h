/* The context of the CPU backend: the pool and the workspace, shared by all instruction sets. */
#ifndef QUERN_TRAIN_CPU_CONTEXT_H
#define QUERN_TRAIN_CPU_CONTEXT_H

#include "base/check.h"
#include "base/threads.h"
#include "train/op_host.h"

enum {
    CPU_PADDING =
        32, /* floats: the widest micro-panel of any instruction set, and more than stands behind a packed row */
    CPU_PACK_FLOATS =
        513 << 12, /* shared buffer for packed weights: 8 MiB, to stay in the last cache; a line between panels */
    CPU_LOGITS_FLOATS = 1 << 23, /* block of logits: rows are chosen to fit */
    CPU_LOGITS_ROWS_MIN = 48,
    CPU_LOGITS_ROWS_MAX = 512,
    CPU_KEYS = 96,           /* attention backward: keys of a block */
    CPU_QUERIES = 48,        /* attention forward: queries of a block */
    CPU_SPAN = 256,          /* attention: keys (forward) or queries (backward) that a block meets at once */
    CPU_NORM_ROWS = 64,      /* rows whose gradients of a norm's weight are summed together */
    CPU_DEPTH = 256,         /* products: depth of a block; a panel of it, 16 KiB, stays in the first cache */
    CPU_TILE_ROWS = 128,     /* products: rows of a tile of C, at most, */
    CPU_TILE_COLUMNS = 256,  /* and columns, of NT and NN, */
    CPU_DEEP_COLUMNS = 512,  /* and of TN */
    CPU_A_ROWS = 240,        /* products: rows of a packed block of A */
    CPU_GROUP_COLUMNS = 128, /* grouped products: columns of a packed block of B, which has so many floats; */
    CPU_GROUP_PANELS = CPU_DEPTH * (CPU_GROUP_COLUMNS + CPU_PADDING),
    CPU_GROUP_A = CPU_A_ROWS * (CPU_DEPTH + CPU_PADDING), /* of a packed block of A, */
    CPU_GROUP_NUMBERS = CPU_A_ROWS * CPU_DEPTH,           /* of one that is widened, */
    CPU_GROUP_SUMS = CPU_A_ROWS * CPU_GROUP_COLUMNS,      /* and of a block of C */
    CPU_SUM_BLOCK = 1 << 15,                              /* elements of a partial sum of squares */
};

/* The workspace: one block per worker, and one that all share (what it holds, an operation says). */
struct op_context {
    struct op_host host;
    struct q_pool *pool; /* borrowed */
    unsigned threads;
    bool narrow; /* of a table whose reals are BF16: what is widened needs room */
    struct op_limits limits;
    char *workers;
    size_t worker_bytes; /* of each */
    float *pack;         /* CPU_PACK_FLOATS or more */
    size_t pack_floats;
    float *shared;
    size_t shared_floats;
    size_t bytes; /* all of it */
};

/* Worker w's block as floats, aligned to 64 bytes. */
static inline float *cpu_scratch(const struct op_context *context, unsigned worker)
{
    return (float *)(void *)(context->workers + worker * context->worker_bytes);
}

/* Sizes, in floats, of what operations need; the operations and reserve use the same functions. */
size_t cpu_attention_floats(size_t sequence, size_t nope, size_t rope, size_t v, bool narrow); /* a worker's */
size_t cpu_logits_rows(size_t vocabulary);

/* Between rows of logits: never a multiple of a page, so that equal columns of several rows do not share a cache set. */
static inline size_t cpu_logits_stride(size_t vocabulary)
{
    return (vocabulary + 15) / 16 * 16 + 16;
}

static inline size_t cpu_round_up(size_t value, size_t multiple)
{
    return (value + multiple - 1) / multiple * multiple;
}

/* The functions of the table that do not depend on the instruction set. */
void cpu_context_install(struct op_table *table, bool narrow);

#endif
