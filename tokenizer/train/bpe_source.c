#include "tokenizer/train/bpe_source.h"

#include "base/check.h"

enum { BUCKET_BITS = 16 /* 64 KiB of pieces, which a cache holds */ };

/* The used slots by where their bytes lie, to a bucket: the table's own order is that of hashes, in which every piece would be a cache miss, and pieces that
 * came together in the text, so of one language, would lie far apart. */
static q_status sort_by_place(struct bpe_table_source *table)
{
    const struct counts *counts = table->counts;
    size_t buckets = (counts->bytes.size >> BUCKET_BITS) + 1, *starts, sum = 0;
    Q_TRY(q_alloc_zero(buckets, sizeof(*starts), &starts));
    q_status status = q_alloc(counts->used, sizeof(*table->order), &table->order);
    if (status) {
        q_release(starts);
        return status;
    }
    for (size_t i = 0; i < counts->capacity; i++)
        if (counts->slots[i].count)
            starts[counts->slots[i].offset >> BUCKET_BITS]++;
    for (size_t b = 0; b < buckets; b++) {
        size_t here = starts[b];
        starts[b] = sum;
        sum += here;
    }
    for (size_t i = 0; i < counts->capacity; i++)
        if (counts->slots[i].count)
            table->order[starts[counts->slots[i].offset >> BUCKET_BITS]++] = i;
    table->count = sum;
    q_release(starts);
    return Q_OK;
}

static q_status table_rewind(void *context)
{
    struct bpe_table_source *table = context;
    table->at = 0;
    return table->order ? Q_OK : sort_by_place(table);
}

static q_status table_next(void *context, q_string *piece, uint64_t *count, bool *any)
{
    enum { AHEAD = 8 };
    struct bpe_table_source *table = context;
    *any = table->at < table->count;
    if (!*any)
        return Q_OK;
    if (table->at + AHEAD < table->count)
        __builtin_prefetch(&table->counts->slots[table->order[table->at + AHEAD]]);
    const struct counts_slot *slot = &table->counts->slots[table->order[table->at++]];
    *piece = counts_piece(table->counts, slot);
    *count = slot->count;
    return Q_OK;
}

static void table_finish(void *context)
{
    struct bpe_table_source *table = context;
    counts_release(table->counts);
    bpe_table_source_release(table);
}

void bpe_table_source_init(struct bpe_table_source *table, struct counts *counts, struct bpe_source *out)
{
    *table = (struct bpe_table_source){.counts = counts};
    *out = (struct bpe_source){table, table_rewind, table_next, table_finish};
}

void bpe_table_source_release(struct bpe_table_source *table)
{
    q_release(table->order);
    table->order = NULL;
}

static q_status stream_rewind(void *context)
{
    struct bpe_stream_source *source = context;
    count_stream_rewind(source->stream);
    source->pieces = 0;
    return Q_OK;
}

static q_status stream_next(void *context, q_string *piece, uint64_t *count, bool *any)
{
    struct bpe_stream_source *source = context;
    struct count_entry entry;
    Q_TRY(count_stream_next(source->stream, &entry));
    *piece = entry.piece;
    *count = entry.count;
    *any = entry.piece.data != NULL;
    source->pieces += *any;
    return Q_OK;
}

static void stream_finish(void *context)
{
    struct bpe_stream_source *source = context;
    if (source->release)
        source->release(source->context);
    source->release = NULL;
}

void bpe_stream_source_init(struct bpe_stream_source *source, struct bpe_source *out)
{
    *out = (struct bpe_source){source, stream_rewind, stream_next, stream_finish};
}
