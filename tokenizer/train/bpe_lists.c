/* Which new pairs are kept, where their places go, and the bound on memory.
 *
 * A pair whose count is below the floor is not kept: no candidate, no list. It may be needed later, when the queue is empty and the floor has to fall; then
 * bpe_scan.c finds it again, as it finds all. So the floor decides over memory and time, never over the result.
 *
 *     too little room   the floor rises until half of the budget would be enough; what is below it is dropped
 *     a list too long   it is not written (BPE_NO_LIST), and its places are found by looking through all words, once or twice
 */
#include "tokenizer/train/bpe_trainer.h"

#include "base/check.h"

#include <stdlib.h>

enum {
    LIST_SHARE = 8, /* a list longer than the budget by this is not written */
    LEVEL_BITS = 6, /* counts by size: 64 levels to an octave */
    LEVELS = (64 - LEVEL_BITS + 1) << LEVEL_BITS,
    BYTES_OF_CANDIDATE = 40, /* with the queue's growth, and what is lost at a list's end */
};

void bpe_sum_join(struct bpe_sum *total, const struct bpe_sum *portion)
{
    if (total->weight == 0) {
        total->first = portion->first;
        total->bytes = portion->bytes;
    } else {
        total->bytes += portion->bytes + bpe_place_bytes(portion->first - total->last);
    }
    total->weight += portion->weight;
    total->last = portion->last;
}

static uint64_t list_bytes(const struct bpe_sum *total)
{
    return total->bytes ? bpe_place_bytes(total->first) + total->bytes : 0; /* one place needs no list */
}

static uint64_t list_bytes_max(const struct bpe_trainer *t)
{
    return Q_MIN(t->budget / LIST_SHARE, (uint64_t)BPE_LIST_BYTES_MAX / 2);
}

static uint64_t room_of(const struct bpe_trainer *t, const struct bpe_sum *total)
{
    uint64_t bytes = list_bytes(total);
    return BYTES_OF_CANDIDATE + (bytes > list_bytes_max(t) ? 0 : bytes);
}

bool bpe_may_grow(const struct bpe_trainer *t, uint32_t left, uint32_t right)
{
    uint64_t bound = t->options->max_token_length, length = (uint64_t)left + right;
    if (length > VOCABULARY_TOKEN_BYTES_MAX)
        return false;
    return bound == 0 || length < bound || (left == 1 && right == 1);
}

static q_status make_list(struct bpe_trainer *t, struct bpe_sum *total, unsigned portions, uint64_t *handle)
{
    uint64_t bytes = list_bytes(total);
    bool indexed = portions > 1 && bytes >= t->tuning.shared_bytes;
    uint32_t table = indexed ? (uint32_t)(portions * sizeof(struct bpe_portion)) : 0;
    uint8_t *list;
    Q_TRY(bpe_places_add(&t->places, (uint32_t)bytes + table, indexed, handle, &list));
    memset(list, 0, table);
    if (portions > 1)
        total->key =
            indexed ? (uintptr_t)list : 0; /* for bpe_sum_deal; a single portion's sums are still to be found by key */
    total->at = list + table;
    total->end = total->at + bytes;
    return Q_OK;
}

q_status bpe_lists_make(struct bpe_trainer *t, const struct bpe_totals *totals, unsigned portions, bool *any)
{
    for (size_t i = 0; i < totals->count; i++) {
        struct bpe_sum *total = &totals->sums[i];
        total->at = NULL;
        total->last = 0;
        if (total->weight < t->floor)
            continue;
        struct bpe_candidate candidate = {total->weight, totals->pair_of(t, totals->context, total),
                                          BPE_ONE_PLACE | total->first};
        if (!bpe_is_kept(t, candidate.count, candidate.pair))
            continue;
        if (list_bytes(total) > list_bytes_max(t)) {
            candidate.places = BPE_NO_LIST;
        } else if (total->bytes) {
            Q_TRY(make_list(t, total, portions, &candidate.places));
            *any = true;
        }
        Q_TRY(bpe_queue_add(&t->queue, candidate));
    }
    return Q_OK;
}

void bpe_sum_deal(struct bpe_sum *total, struct bpe_sum *portion, unsigned number)
{
    portion->at = total->at;
    if (!total->at)
        return;
    uint64_t base = total->last, bytes = bpe_place_bytes(portion->first - base) + portion->bytes;
    total->last = portion->last;
    portion->last = base;
    total->at += bytes;
    portion->end = total->at;
    if (total->key) {
        struct bpe_portion *entry = (struct bpe_portion *)total->key + number;
        *entry = (struct bpe_portion){(uint32_t)base, (uint32_t)(base >> 32), (uint32_t)bytes, (uint32_t)bytes};
    }
}

static q_status tidy(struct bpe_trainer *t)
{
    struct bpe_places_owner *owners;
    size_t count = bpe_queue_count(&t->queue);
    Q_TRY(q_alloc(count + 1, sizeof(*owners), &owners));
    for (size_t i = 0; i < count; i++) {
        struct bpe_candidate *candidate = bpe_queue_at(&t->queue, i);
        owners[i] = (struct bpe_places_owner){candidate->places, &candidate->places};
    }
    owners[count] = (struct bpe_places_owner){t->job.candidate.places, &t->job.candidate.places};
    q_status status = bpe_places_tidy(&t->places, owners, count + 1);
    q_release(owners);
    return status;
}

q_status bpe_lists_tidy(struct bpe_trainer *t)
{
    bool needs = t->places.held > 4 * t->places.chunk_bytes && t->places.live < t->places.held / 2;
    return needs ? tidy(t) : Q_OK;
}

/* The same level for all counts that share their highest bits; one each for small counts. */
static unsigned level_of(uint64_t count)
{
    if (count >> LEVEL_BITS == 0)
        return (unsigned)count;
    unsigned shift = 63 - (unsigned)__builtin_clzll(count) - LEVEL_BITS;
    return (shift << LEVEL_BITS) + (unsigned)(count >> shift);
}

/* The smallest count of a level. */
static uint64_t level_floor(unsigned level)
{
    unsigned shift = level >> LEVEL_BITS;
    if (shift == 0)
        return level;
    shift--;
    return (uint64_t)(level - (shift << LEVEL_BITS)) << shift;
}

/* A pair that is queued or would be, and what it holds. */
struct holder {
    struct bpe_candidate candidate;
    uint64_t bytes;
};

static uint64_t held_by(const struct bpe_trainer *t, const struct bpe_candidate *candidate)
{
    uint32_t bytes = 0;
    bool indexed;
    if (!(candidate->places & BPE_ONE_PLACE))
        (void)bpe_places_get(&t->places, candidate->places, &bytes, &indexed);
    return BYTES_OF_CANDIDATE + bytes;
}

/* Walks all pairs, queued and new. pairs: whether those of new ones, which have to be looked up, are wanted. */
static void each_holder(const struct bpe_trainer *t, const struct bpe_totals *totals, size_t sets, bool pairs,
                        void (*each)(void *context, const struct holder *holder), void *context)
{
    for (size_t i = 0; i < bpe_queue_count(&t->queue); i++) {
        struct holder holder = {*bpe_queue_at(&t->queue, i), 0};
        holder.bytes = held_by(t, &holder.candidate);
        each(context, &holder);
    }
    for (size_t set = 0; set < sets; set++) {
        for (size_t i = 0; i < totals[set].count; i++) {
            const struct bpe_sum *sum = &totals[set].sums[i];
            if (sum->weight < t->floor)
                continue;
            struct holder holder = {{.count = sum->weight}, room_of(t, sum)};
            if (pairs)
                holder.candidate.pair = totals[set].pair_of(t, totals[set].context, sum);
            each(context, &holder);
        }
    }
}

static void add_level(void *context, const struct holder *holder)
{
    ((uint64_t *)context)[level_of(holder->candidate.count)] += holder->bytes;
}

struct holders {
    struct holder *items;
    size_t count;
};

static void add_holder(void *context, const struct holder *holder)
{
    struct holders *holders = context;
    if (holders->items)
        holders->items[holders->count] = *holder;
    holders->count++;
}

static int by_order(const void *left, const void *right)
{
    const struct holder *a = left, *b = right;
    return bpe_goes_before(&a->candidate, &b->candidate) ? -1 : bpe_goes_before(&b->candidate, &a->candidate);
}

/* Where pairs of one count are too many: a floor between them, by pair. */
static q_status raise_within_count(struct bpe_trainer *t, const struct bpe_totals *totals, size_t sets)
{
    struct holders holders = {0};
    uint64_t sum = 0;
    size_t kept = 0;
    each_holder(t, totals, sets, false, add_holder, &holders);
    Q_TRY(q_alloc(holders.count, sizeof(*holders.items), &holders.items));
    holders.count = 0;
    each_holder(t, totals, sets, true, add_holder, &holders);
    qsort(holders.items, holders.count, sizeof(*holders.items), by_order);
    while (kept + 1 < holders.count && (kept == 0 || sum + holders.items[kept].bytes <= t->budget / 2))
        sum += holders.items[kept++].bytes;
    t->floor = holders.items[Q_MAX(kept, (size_t)1) - 1].candidate.count;
    t->floor_pair = holders.items[Q_MAX(kept, (size_t)1) - 1].candidate.pair;
    q_release(holders.items);
    return Q_OK;
}

static void drop_list(void *context, uint64_t handle)
{
    bpe_places_drop(context, handle);
}

/* Raises the floor so far that what stays, the new pairs with it, takes half of the budget. */
static q_status raise_floor(struct bpe_trainer *t, const struct bpe_totals *totals, size_t sets)
{
    uint64_t *held, sum = 0;
    unsigned level = LEVELS;
    Q_TRY(q_alloc_zero(LEVELS, sizeof(*held), &held));
    each_holder(t, totals, sets, false, add_level, held);
    while (level > 0 && sum + held[level - 1] <= t->budget / 2)
        sum += held[--level];
    q_release(held);
    if (sum > t->budget / LIST_SHARE && level_floor(level) > t->floor) {
        t->floor = level_floor(level);
        t->floor_pair = BPE_NO_PAIR;
    } else {
        Q_TRY(raise_within_count(t, totals, sets));
    }
    bpe_queue_cut(&t->queue, t->floor, t->floor_pair, drop_list, &t->places);
    return Q_OK;
}

static uint64_t needed_for(const struct bpe_trainer *t, const struct bpe_totals *totals, size_t sets)
{
    uint64_t needed = bpe_queue_count(&t->queue) * BYTES_OF_CANDIDATE;
    for (size_t set = 0; set < sets; set++)
        for (size_t i = 0; i < totals[set].count; i++) {
            const struct bpe_sum *sum = &totals[set].sums[i];
            if (sum->weight > t->floor ||
                (sum->weight == t->floor &&
                 bpe_is_kept(t, sum->weight, totals[set].pair_of(t, totals[set].context, sum))))
                needed += room_of(t, sum);
        }
    return needed;
}

q_status bpe_lists_room(struct bpe_trainer *t, const struct bpe_totals *totals, size_t sets)
{
    while (t->budget != UINT64_MAX) {
        uint64_t needed = needed_for(t, totals, sets);
        if (t->places.held + needed <= t->budget)
            return Q_OK;
        Q_TRY(bpe_lists_tidy(t));
        if (t->places.held + needed <= t->budget)
            return Q_OK;
        Q_TRY(raise_floor(t, totals, sets));
        Q_TRY(tidy(t));
    }
    return Q_OK;
}
