#include "tokenizer/count/counts.h"

#include "base/check.h"
#include "base/seekable.h"
#include "tokenizer/count/count_stream.h"
#include "tokenizer/pretokenize/piece_hash.h"

enum { CAPACITY_FIRST = 1 << 12, ENDS = 256 };

void counts_release(struct counts *counts)
{
    q_release(counts->slots);
    q_buffer_release(&counts->bytes);
    pretokenize_scratch_release(&counts->scratch);
    *counts = (struct counts){.pretokenizer = counts->pretokenizer};
}

/* Moves to a larger table. */
static q_status grow(struct counts *counts, size_t capacity)
{
    struct counts_slot *slots;
    Q_TRY(q_alloc_zero(capacity, sizeof(*slots), &slots));
    for (size_t i = 0; i < counts->capacity; i++) {
        if (counts->slots[i].count == 0)
            continue;
        size_t at = counts->slots[i].hash & (capacity - 1);
        while (slots[at].count)
            at = (at + 1) & (capacity - 1);
        slots[at] = counts->slots[i];
    }
    q_release(counts->slots);
    counts->slots = slots;
    counts->capacity = capacity;
    return Q_OK;
}

/* The piece's slot, or the empty one where it would go. The table must not be full. */
static struct counts_slot *find(const struct counts *counts, q_string piece, uint64_t hash)
{
    size_t at = hash & (counts->capacity - 1);
    for (;; at = (at + 1) & (counts->capacity - 1)) {
        struct counts_slot *slot = &counts->slots[at];
        if (slot->count == 0 || (slot->hash == hash && q_string_equal(counts_piece(counts, slot), piece)))
            return slot;
    }
}

static q_status add_hashed(struct counts *counts, q_string piece, uint64_t hash, uint64_t count)
{
    if (!q_add_u64(counts->total.pieces, count, &counts->total.pieces))
        return q_fail(Q_ERR_INPUT, "the counts of all pieces do not fit 64 bits");
    if (counts->used >= counts->capacity / 3 * 2) /* more than two thirds full, linear probing gets slow */
        Q_TRY(grow(counts, counts->capacity ? counts->capacity * 2 : CAPACITY_FIRST));
    struct counts_slot *slot = find(counts, piece, hash);
    if (slot->count == 0) {
        if (piece.size > UINT32_MAX)
            return q_fail(Q_ERR_INPUT, "a piece of %zu bytes is too long to count; at most 4 GiB", piece.size);
        uint64_t offset = counts->bytes.size;
        Q_TRY(q_buffer_append_string(&counts->bytes, piece));
        *slot = (struct counts_slot){.hash = hash, .offset = offset, .count = count, .size = (uint32_t)piece.size};
        counts->used++;
    } else {
        slot->count += count; /* at most the sum of all, which fits */
    }
    return Q_OK;
}

q_status counts_add(struct counts *counts, q_string piece, uint64_t count)
{
    return add_hashed(counts, piece, piece_hash((const uint8_t *)piece.data, piece.size), count);
}

q_status counts_add_text(struct counts *counts, q_string text)
{
    size_t at = 0, start = 0, ends[ENDS], count;
    do {
        Q_TRY(pretokenizer_cut(counts->pretokenizer, &counts->scratch, text, &at, ends, ENDS, &count));
        for (size_t i = 0; i < count; start = ends[i++])
            Q_TRY(counts_add(counts, q_string_slice(text, start, ends[i]), 1));
    } while (count > 0);
    counts->total.documents++;
    counts->total.bytes += text.size;
    return Q_OK;
}

q_status counts_add_all(struct counts *counts, const struct counts *more)
{
    q_check(Q_MAX(counts->scale, 1u) == Q_MAX(more->scale, 1u));
    if (counts->pretokenizer != more->pretokenizer)
        return q_fail(Q_ERR_INPUT, "counts of pretokenizer '%s' do not add to counts of '%s'", more->pretokenizer->name,
                      counts->pretokenizer->name);
    /* Room first: pieces come in the order of their hashes, and would fill one end of a small table to the last slot. */
    size_t capacity = CAPACITY_FIRST;
    while (counts->used + more->used > capacity / 3 * 2)
        capacity *= 2;
    if (capacity > counts->capacity)
        Q_TRY(grow(counts, capacity));
    for (size_t i = 0; i < more->capacity; i++) {
        const struct counts_slot *slot = &more->slots[i];
        if (slot->count)
            Q_TRY(add_hashed(counts, counts_piece(more, slot), slot->hash, slot->count));
    }
    counts->total.documents += more->total.documents;
    counts->total.bytes += more->total.bytes;
    return Q_OK;
}

uint64_t counts_of(const struct counts *counts, q_string piece)
{
    if (counts->capacity == 0)
        return 0;
    return find(counts, piece, piece_hash((const uint8_t *)piece.data, piece.size))->count;
}

void counts_info(const struct counts *counts, struct count_info *out)
{
    *out = (struct count_info){
        .scale = counts->scale ? counts->scale : 1, .entries = counts->used, .total = counts->total};
    q_check(strlen(counts->pretokenizer->name) < sizeof(out->pretokenizer));
    memcpy(out->pretokenizer, counts->pretokenizer->name, strlen(counts->pretokenizer->name));
}

static q_status next_sorted(void *context, struct count_entry *out)
{
    return count_stream_next(context, out);
}

q_status counts_write(const struct counts *counts, const char *path, struct q_file_identity *identity)
{
    struct count_stream *stream;
    struct count_info info;
    Q_TRY(count_stream_of(counts, &stream));
    const struct count_source source = {stream, next_sorted};
    counts_info(counts, &info);
    q_status status = counts_file_write(path, Q_SEEKABLE_LEVEL, &source, NULL, &info, identity);
    count_stream_close(stream);
    return status;
}

static q_status take_info(struct counts *counts, const struct count_info *info, const char *path)
{
    const struct pretokenizer *pretokenizer =
        counts->pretokenizer && !strcmp(counts->pretokenizer->name, info->pretokenizer)
            ? counts->pretokenizer
            : pretokenizer_named(q_string_of(info->pretokenizer));
    if (!pretokenizer)
        return q_fail(Q_ERR_INPUT, "'%s' counts pieces of pretokenizer '%s', which quern does not know", path,
                      info->pretokenizer);
    if (!counts->pretokenizer)
        counts->pretokenizer = pretokenizer;
    if (counts->pretokenizer != pretokenizer)
        return q_fail(Q_ERR_INPUT, "'%s' counts pieces of pretokenizer '%s', not of '%s'", path, info->pretokenizer,
                      counts->pretokenizer->name);
    if (!q_add_u64(counts->total.documents, info->total.documents, &counts->total.documents) ||
        !q_add_u64(counts->total.bytes, info->total.bytes, &counts->total.bytes))
        return q_fail(Q_ERR_INPUT, "'%s' has totals that do not fit 64 bits", path);
    return Q_OK;
}

/* Brings the table to a finer scale. */
static q_status rescale(struct counts *counts, uint32_t scale)
{
    const uint64_t factor = scale / (counts->scale ? counts->scale : 1);
    counts->scale = scale;
    if (!q_mul_u64(counts->total.pieces, factor, &counts->total.pieces)) /* the sum bounds every count */
        return q_fail(Q_ERR_INPUT, "the counts of all pieces do not fit 64 bits in units of 1/%u", scale);
    for (size_t i = 0; i < counts->capacity; i++)
        counts->slots[i].count *= factor;
    return Q_OK;
}

static q_status add_entry(struct counts *counts, const struct count_entry *entry, uint32_t scale)
{
    uint64_t count;
    if (!q_mul_u64(entry->count, counts->scale / scale, &count))
        return q_fail(Q_ERR_INPUT, "the counts of all pieces do not fit 64 bits in units of 1/%u", counts->scale);
    return counts_add(counts, entry->piece, count);
}

static q_status meet_scale(struct counts *counts, uint32_t scale)
{
    const uint32_t finer = Q_MAX(scale, Q_MAX(counts->scale, 1u));
    return counts->scale == finer ? Q_OK : rescale(counts, finer);
}

q_status counts_add_stream(struct counts *counts, struct count_stream *stream)
{
    const struct count_info *info = count_stream_info(stream);
    struct count_entry entry;
    q_status status;
    Q_TRY(take_info(counts, info, "the stream"));
    Q_TRY(meet_scale(counts, info->scale));
    while (!(status = count_stream_next(stream, &entry)) && entry.piece.data)
        Q_TRY(add_entry(counts, &entry, info->scale));
    return status;
}

q_status counts_read(struct counts *counts, const char *path)
{
    struct counts_reader *reader;
    struct count_entry entry;
    Q_TRY(counts_reader_open(path, &reader));
    const struct count_info *info = counts_reader_info(reader);
    q_status status = take_info(counts, info, path);
    if (!status)
        status = meet_scale(counts, info->scale);
    while (!status && !(status = counts_reader_next(reader, &entry)) && entry.piece.data)
        status = add_entry(counts, &entry, info->scale);
    counts_reader_close(reader);
    return status;
}
