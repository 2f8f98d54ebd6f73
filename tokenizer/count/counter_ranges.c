#include "tokenizer/count/counter_ranges.h"

#include "base/check.h"
#include "tokenizer/count/merge_tree.h"

#include <stdlib.h>

/* The pieces with which ranges begin. */
struct borders {
    const struct piece_slot **slots;
    size_t count, capacity;
};

/* The search for them, by part. */
struct border_search {
    const struct counter *counter;
    struct borders found[COUNTER_PARTS];
    q_status status[COUNTER_PARTS];
};

/* A range of all parts, merged. */
struct range_source {
    const struct counter *counter;
    size_t at[COUNTER_PARTS], end[COUNTER_PARTS];
    struct merge_tree tree;
};

static void find_borders(void *context, unsigned worker, size_t number)
{
    struct border_search *search = context;
    const struct counter_part *part = &search->counter->parts[number];
    struct borders *found = &search->found[number];
    (void)worker;
    for (size_t i = 0; i < part->used; i++) {
        if (!counts_piece_begins_frame(piece_of(&part->slots[i])))
            continue;
        search->status[number] = q_grow(&found->slots, &found->capacity, found->count + 1, sizeof(*found->slots));
        if (search->status[number])
            return;
        found->slots[found->count++] = &part->slots[i];
    }
}

static int by_piece(const void *left, const void *right)
{
    return piece_compare(*(const struct piece_slot *const *)left, *(const struct piece_slot *const *)right);
}

static q_status gather_borders(struct border_search *search, struct borders *all)
{
    for (unsigned i = 0; i < COUNTER_PARTS; i++) {
        const struct borders *found = &search->found[i];
        if (search->status[i]) /* its text stayed with the thread that failed */
            return q_fail(search->status[i], "out of memory for the borders of a part of the counts");
        Q_TRY(q_grow(&all->slots, &all->capacity, all->count + found->count, sizeof(*all->slots)));
        if (found->count)
            memcpy(all->slots + all->count, found->slots, found->count * sizeof(*found->slots));
        all->count += found->count;
    }
    if (all->count)
        qsort(all->slots, all->count, sizeof(*all->slots), by_piece);
    return Q_OK;
}

q_status counter_ranges_create(struct counter_ranges *ranges, struct counter *counter)
{
    struct border_search *search;
    struct borders all = {0};
    *ranges = (struct counter_ranges){.counter = counter};
    Q_TRY(q_alloc_zero(1, sizeof(*search), &search));
    search->counter = counter;
    q_pool_for(counter->options.pool, COUNTER_PARTS, find_borders, search);
    q_status status = gather_borders(search, &all);
    for (unsigned i = 0; i < COUNTER_PARTS; i++)
        q_release(search->found[i].slots);
    q_release(search);
    ranges->borders = all.slots;
    ranges->count = all.count;
    return status;
}

void counter_ranges_release(struct counter_ranges *ranges)
{
    q_release(ranges->borders);
    *ranges = (struct counter_ranges){0};
}

/* The first slot of a sorted part that is not before the piece. */
static size_t lower_bound(const struct counter_part *part, const struct piece_slot *piece)
{
    size_t low = 0, high = part->used;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (piece_compare(&part->slots[middle], piece) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool slot_before(const void *context, size_t a, size_t b)
{
    const struct range_source *source = context;
    const struct counter_part *parts = source->counter->parts;
    return piece_compare(&parts[a].slots[source->at[a]], &parts[b].slots[source->at[b]]) < 0;
}

static void set_leaf(struct range_source *source, size_t i)
{
    source->tree.ended[i] = source->at[i] == source->end[i];
    if (!source->tree.ended[i])
        source->tree.prefix[i] = __builtin_bswap64(source->counter->parts[i].slots[source->at[i]].word[0]);
}

const struct piece_slot *counter_range_next(struct count_source *given)
{
    struct range_source *source = given->context;
    const size_t part = merge_tree_first(&source->tree);
    if (source->tree.ended[part])
        return NULL;
    const struct piece_slot *slot = &source->counter->parts[part].slots[source->at[part]++];
    set_leaf(source, part);
    merge_tree_play(&source->tree, part);
    return slot;
}

static q_status next_in_range(void *context, struct count_entry *out)
{
    struct count_source source = {context, next_in_range};
    const struct piece_slot *slot = counter_range_next(&source);
    *out = slot ? (struct count_entry){piece_of(slot), slot->count} : (struct count_entry){0};
    return Q_OK;
}

static size_t bound(const struct counter_ranges *ranges, const struct counter_part *part, size_t range)
{
    if (range == 0)
        return 0;
    return range <= ranges->count ? lower_bound(part, ranges->borders[range - 1]) : part->used;
}

size_t counter_range_begin(const struct counter_ranges *ranges, size_t range)
{
    size_t before = 0;
    for (size_t i = 0; i < COUNTER_PARTS; i++)
        before += bound(ranges, &ranges->counter->parts[i], range);
    return before;
}

void counter_range_close(void *context, struct count_source *given)
{
    struct range_source *source = given->context;
    (void)context;
    merge_tree_release(&source->tree);
    q_release(source);
}

q_status counter_range_open(void *context, size_t range, struct count_source *out)
{
    const struct counter_ranges *ranges = context;
    struct range_source *source;
    Q_TRY(q_alloc_zero(1, sizeof(*source), &source));
    *out = (struct count_source){source, next_in_range};
    q_status status = merge_tree_create(&source->tree, COUNTER_PARTS);
    if (status) {
        counter_range_close(NULL, out);
        return status;
    }
    source->counter = ranges->counter;
    source->tree.context = source;
    source->tree.before = slot_before;
    for (size_t i = 0; i < COUNTER_PARTS; i++) {
        const struct counter_part *part = &ranges->counter->parts[i];
        source->at[i] = bound(ranges, part, range);
        source->end[i] = bound(ranges, part, range + 1);
        set_leaf(source, i);
    }
    merge_tree_build(&source->tree);
    return Q_OK;
}
