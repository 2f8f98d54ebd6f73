#include "tokenizer/train/bpe_words.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/hash.h"

#include <stdlib.h>

enum { SMALL_COUNT = 1 << 12, FIRST_CAPACITY = 64, STOP_EVERY = 1 << 16 };

/* The pieces of one segment that have the same count: first how many bytes they are, then where the next of them goes. */
struct count_class {
    uint64_t count;
    uint64_t bytes;
    uint64_t at;
    unsigned segment;
};

/* Classes by count and segment: most counts are small and find their class in an array, larger ones in a hash table. */
struct layout {
    unsigned segments;
    struct count_class *small; /* [SMALL_COUNT * segments] */
    struct count_class *large; /* open addressing; count = 0: empty */
    size_t large_capacity, large_used;
};

static void layout_release(struct layout *layout)
{
    q_release(layout->small);
    q_release(layout->large);
}

static struct count_class *probe(struct count_class *large, size_t capacity, uint64_t count, unsigned segment)
{
    uint64_t mixed = (count * 0x9E3779B97F4A7C15ull + segment) * 0xD1342543DE82EF95ull;
    size_t at = (size_t)(mixed >> 32) & (capacity - 1);
    while (large[at].count && (large[at].count != count || large[at].segment != segment))
        at = (at + 1) & (capacity - 1);
    return &large[at];
}

static q_status grow_large(struct layout *layout)
{
    struct count_class *large;
    size_t capacity = layout->large_capacity ? 2 * layout->large_capacity : FIRST_CAPACITY;
    Q_TRY(q_alloc_zero(capacity, sizeof(*large), &large));
    for (size_t i = 0; i < layout->large_capacity; i++)
        if (layout->large[i].count)
            *probe(large, capacity, layout->large[i].count, layout->large[i].segment) = layout->large[i];
    q_release(layout->large);
    layout->large = large;
    layout->large_capacity = capacity;
    return Q_OK;
}

static q_status class_of(struct layout *layout, uint64_t count, unsigned segment, struct count_class **out)
{
    if (count < SMALL_COUNT) {
        *out = &layout->small[count * layout->segments + segment];
    } else {
        if (2 * layout->large_used >= layout->large_capacity)
            Q_TRY(grow_large(layout));
        *out = probe(layout->large, layout->large_capacity, count, segment);
        layout->large_used += (*out)->count == 0;
    }
    (*out)->count = count;
    (*out)->segment = segment;
    return Q_OK;
}

/* Walks the source once, giving each piece its class. What is done with it depends on `words`: NULL, sizes are added up; else the piece is put there. */
static q_status each_piece(struct bpe_source *source, struct layout *layout, struct bpe_words *words,
                           void (*each)(struct bpe_words *words, struct count_class *class, q_string piece))
{
    q_string piece;
    uint64_t count, dealt = 0;
    bool any;
    Q_TRY(source->rewind(source->context));
    for (;;) {
        struct count_class *class;
        Q_TRY(source->next(source->context, &piece, &count, &any));
        if (!any)
            return Q_OK;
        if (piece.size < 2)
            continue;
        Q_TRY(class_of(layout, count, (unsigned)(dealt++ % layout->segments), &class));
        each(words, class, piece);
        if (dealt % STOP_EVERY == 0 && q_stop_requested())
            return q_fail(Q_STOPPED, "stopped while the pieces were read");
    }
}

static void add_size(struct bpe_words *words, struct count_class *class, q_string piece)
{
    words->pieces++;
    words->identity += q_hash64(piece.data, piece.size, class->count); /* a sum: the order does not matter */
    class->bytes += piece.size;
}

static void put_piece(struct bpe_words *words, struct count_class *class, q_string piece)
{
    uint64_t at = class->at;
    q_check(piece.size <= class->bytes); /* the same as in the first walk */
    memcpy((uint8_t *)words->text_pages + BPE_TEXT_PAD + at, piece.data, piece.size);
    words->marks[at >> 6].pieces |= 1ull << (at & 63);
    class->at += piece.size;
    class->bytes -= piece.size;
}

static int by_falling_count(const void *left, const void *right)
{
    const struct count_class *a = *(struct count_class *const *)left, *b = *(struct count_class *const *)right;
    if (a->segment != b->segment)
        return a->segment < b->segment ? -1 : 1;
    return (a->count < b->count) - (a->count > b->count);
}

/* No pair can have a count above that of all bytes together: one check for all sums of training. */
static q_status add_weight(struct bpe_words *words, const struct count_class *class)
{
    uint64_t weight;
    if (!q_mul_u64(class->count, class->bytes, &weight) || !q_add_u64(words->weight, weight, &words->weight) ||
        words->weight > BPE_SUM_MAX)
        return q_fail(Q_ERR_INPUT, "the counts stand for more than 2^60 bytes of text");
    words->bytes += class->bytes;
    return Q_OK;
}

/* The classes in use, segment after segment, by falling count. */
static q_status sort_classes(struct layout *layout, struct count_class ***out, size_t *out_count)
{
    size_t count = 0, small = (size_t)SMALL_COUNT * layout->segments;
    Q_TRY(q_alloc(small + layout->large_used, sizeof(**out), out));
    for (size_t i = 0; i < small; i++)
        if (layout->small[i].bytes)
            (*out)[count++] = &layout->small[i];
    for (size_t i = 0; i < layout->large_capacity; i++)
        if (layout->large[i].bytes)
            (*out)[count++] = &layout->large[i];
    qsort(*out, count, sizeof(**out), by_falling_count);
    *out_count = count;
    return Q_OK;
}

/* Says where each class begins, and makes the segments' tables of regions. */
static q_status place_classes(struct count_class **classes, size_t count, struct bpe_words *words)
{
    uint64_t at = 0;
    size_t next = 0;
    for (unsigned s = 0; s < words->segment_count; s++) {
        struct bpe_segment *segment = &words->segments[s];
        size_t first = next;
        while (next < count && classes[next]->segment == s)
            next++;
        Q_TRY(q_alloc(next - first, sizeof(*segment->regions), &segment->regions));
        segment->begin = at;
        for (size_t i = first; i < next; i++) {
            Q_TRY(add_weight(words, classes[i]));
            classes[i]->at = at;
            at += classes[i]->bytes;
            segment->regions[segment->region_count++] = (struct bpe_region){at, classes[i]->count};
        }
        segment->end = at;
        at = (at / 64 + 1) * 64; /* behind the start at `end`, on a word of its own */
    }
    words->size = at;
    return Q_OK;
}

static q_status index_blocks(struct bpe_segment *segment)
{
    size_t blocks = (size_t)q_ceil_div(segment->end - segment->begin, 1 << BPE_BLOCK_BITS), region = 0;
    Q_TRY(q_alloc(blocks, sizeof(*segment->block_region), &segment->block_region));
    for (size_t b = 0; b < blocks; b++) {
        while (segment->regions[region].end <= segment->begin + ((uint64_t)b << BPE_BLOCK_BITS))
            region++;
        segment->block_region[b] = (uint32_t)region;
    }
    return Q_OK;
}

static void set_starts(struct bpe_marks *marks, const struct bpe_segment *segment)
{
    for (uint64_t p = segment->begin; p <= segment->end; p += 64)
        marks[p >> 6].starts = UINT64_MAX;
    if ((segment->end & 63) != 63)
        marks[segment->end >> 6].starts = (2ull << (segment->end & 63)) - 1;
    marks[segment->end >> 6].pieces |= 1ull << (segment->end & 63);
}

/* What the words take is known before a byte of it is allocated. */
static q_status check_room(const struct bpe_words *words, uint64_t memory, uint64_t others)
{
    uint64_t regions = 0, needed = words->size + words->size / 4 + (words->size >> BPE_BLOCK_BITS) * sizeof(uint32_t);
    for (unsigned s = 0; s < words->segment_count; s++)
        regions += words->segments[s].region_count * sizeof(struct bpe_region);
    needed += q_memory_resident_bytes() + regions + others;
    if (needed <= memory)
        return Q_OK;
    return q_fail(Q_ERR_USAGE,
                  "a memory of %llu MB is too little to train on %llu MB of distinct pieces; at least %llu MB",
                  (unsigned long long)memory / 1000000, (unsigned long long)words->bytes / 1000000,
                  (unsigned long long)needed / 1000000 + 1);
}

static q_status make_room(struct bpe_words *words)
{
    words->text_room = (size_t)words->size + 2 * BPE_TEXT_PAD;
    words->mark_room = ((size_t)words->size / 64 + 4) * sizeof(struct bpe_marks);
    Q_TRY(q_alloc_pages(words->text_room, &words->text_pages));
    Q_TRY(q_alloc_pages(words->mark_room, &words->mark_pages));
    words->text = (const uint8_t *)words->text_pages + BPE_TEXT_PAD;
    words->marks = (struct bpe_marks *)words->mark_pages + 1;
    for (unsigned s = 0; s < words->segment_count; s++) {
        Q_TRY(index_blocks(&words->segments[s]));
        set_starts(words->marks, &words->segments[s]);
    }
    return Q_OK;
}

static q_status create(struct bpe_source *source, struct layout *layout, uint64_t memory, uint64_t others,
                       struct bpe_words *out)
{
    struct count_class **classes = NULL;
    size_t count;
    Q_TRY(q_alloc_zero((size_t)SMALL_COUNT * layout->segments, sizeof(*layout->small), &layout->small));
    Q_TRY(q_alloc_zero(layout->segments, sizeof(*out->segments), &out->segments));
    out->segment_count = layout->segments;
    Q_TRY(each_piece(source, layout, out, add_size));
    Q_TRY(sort_classes(layout, &classes, &count));
    q_status status = place_classes(classes, count, out);
    q_release(classes);
    if (!status)
        status = check_room(out, memory, others);
    if (!status)
        status = make_room(out);
    return status ? status : each_piece(source, layout, out, put_piece);
}

q_status bpe_words_create(struct bpe_source *source, unsigned segments, uint64_t memory, uint64_t others,
                          struct bpe_words *out)
{
    struct layout layout = {.segments = segments};
    *out = (struct bpe_words){0};
    q_status status = create(source, &layout, memory, others, out);
    layout_release(&layout);
    if (!status && source->finish)
        source->finish(source->context);
    if (status)
        bpe_words_release(out);
    return status;
}

void bpe_words_release(struct bpe_words *words)
{
    for (unsigned s = 0; words->segments && s < words->segment_count; s++) {
        q_release(words->segments[s].regions);
        q_release(words->segments[s].block_region);
    }
    q_release(words->segments);
    q_release_pages(words->text_pages, words->text_room);
    q_release_pages(words->mark_pages, words->mark_room);
    *words = (struct bpe_words){0};
}

/* A start always follows: the segment's end is one. */
uint32_t bpe_length_far(const struct bpe_words *words, uint64_t position)
{
    uint32_t length = 1;
    uint64_t starts;
    while ((starts = bpe_starts(words, position + length)) == 0)
        length += 64;
    return length + (uint32_t)__builtin_ctzll(starts);
}

uint32_t bpe_length_before_far(const struct bpe_words *words, uint64_t position)
{
    uint32_t length = 0;
    uint64_t starts;
    while ((starts = bpe_starts(words, position - length - 64)) == 0)
        length += 64;
    return length + (uint32_t)__builtin_clzll(starts) + 1;
}

void bpe_cursor_seek(const struct bpe_words *words, struct bpe_cursor *cursor, uint64_t position)
{
    while (position >= words->segments[cursor->segment].end)
        cursor->segment++;
    const struct bpe_segment *segment = &words->segments[cursor->segment];
    const struct bpe_region *region =
        &segment->regions[segment->block_region[(position - segment->begin) >> BPE_BLOCK_BITS]];
    while (region->end <= position)
        region++;
    cursor->end = region->end;
    cursor->count = region->count;
}
