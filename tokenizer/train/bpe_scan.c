/* A count of all pairs as the words stand: when the queue is empty and the floor has to fall, and where training goes on from merges that are known.
 *
 * Pairs are dealt by hash to parts, and a thread counts one part at a time, exactly, in a table of its own; each walks all the words for that. Where a table
 * has no room, there are twice as many parts. The first parts are a sample of all pairs, and say how low the floor may fall within the bound on memory.
 *
 * Where memory is bounded, a sketch comes first: an array of sums, each of all pairs with the same low bits of their hash. A pair whose sum is below the floor
 * is below it too, and takes no room in a table. As many sums as a table has room for say how high the floor is to be.
 *
 *     count   part after part: pairs that are not below the floor are found
 *     choose  bpe_lists_make, as for new pairs
 *     write   one more walk: the places of those that have lists
 */
#include "tokenizer/train/bpe_trainer.h"

#include "base/check.h"
#include "tokenizer/pretokenize/piece_hash.h"

#include <stdlib.h>

enum {
    TABLE_FIRST = 1 << 10,
    TABLE_SHARE = 4, /* of the budget for tables, and as much for what is found */
    PARTS_MAX = 1 << 20,
};

/* A pair is a sum whose `length` is its left token's bytes and `total` its right one's. */
struct pair_table {
    struct bpe_sum *slots;
    size_t capacity, used;
    bool full;
};

struct scan {
    struct bpe_trainer *trainer;
    struct pair_table *tables; /* [threads] */
    unsigned threads;
    uint64_t parts, first_part; /* thread k counts part first_part + k */
    size_t table_max;           /* slots of one table */
    uint64_t wanted;
    struct bpe_sum *found;
    size_t found_count, found_capacity, found_max;
    uint64_t *sketch; /* NULL: none */
    uint64_t sketch_mask;
    unsigned sketch_shift; /* of an index, to 32 bits */
    uint64_t sketch_floor; /* what is below it is not in the tables */
    uint32_t *index;       /* found pair + 1 by hash */
    size_t index_capacity;
};

static uint64_t token_hash(const struct bpe_words *words, uint64_t position, uint32_t length)
{
    return piece_hash(words->text + position, length);
}

static uint64_t pair_hash(uint64_t left, uint64_t right)
{
    return piece_hash_fold(left ^ 0x8EBC6AF09C88C6E3ull, right ^ 0x589965CC75374CC3ull);
}

/* Parts of the same size, by the hash's high half; a division would cost as much as the rest. */
static uint64_t part_of(uint64_t hash, uint64_t parts)
{
    return (hash >> 32) * parts >> 32;
}

static bool same_pair(const struct bpe_words *words, const struct bpe_sum *sum, uint64_t place, uint32_t left,
                      uint32_t right)
{
    return sum->length == left && sum->total == right &&
           memcmp(words->text + sum->first, words->text + place, (size_t)left + right) == 0;
}

/* Calls `each` for all pairs of the words in the order of their places. */
static inline void each_pair(const struct scan *scan, void *mine,
                             void (*each)(const struct scan *scan, void *mine, uint64_t hash, uint64_t place,
                                          uint32_t left, uint32_t right, struct bpe_cursor *cursor))
{
    const struct bpe_words *words = &scan->trainer->words;
    struct bpe_cursor cursor = {0};
    for (unsigned s = 0; s < words->segment_count; s++) {
        uint64_t end = words->segments[s].end, place = words->segments[s].begin;
        uint64_t left_hash = 0;
        uint32_t left = 0; /* 0: no token on the left in this piece */
        while (place < end) {
            uint32_t length = bpe_length(words, place);
            uint64_t hash = token_hash(words, place, length);
            if (left && !bpe_is_piece(words, place))
                each(scan, mine, pair_hash(left_hash, hash), place - left, left, length, &cursor);
            left = length;
            left_hash = hash;
            place += length;
        }
    }
}

static size_t probe(const struct bpe_words *words, const struct pair_table *table, uint64_t hash, uint64_t place,
                    uint32_t left, uint32_t right)
{
    size_t at = hash & (table->capacity - 1);
    while (table->slots[at].weight &&
           (table->slots[at].key != hash || !same_pair(words, &table->slots[at], place, left, right)))
        at = (at + 1) & (table->capacity - 1);
    return at;
}

static q_status grow(struct pair_table *table)
{
    struct pair_table grown = {.capacity = table->capacity ? 2 * table->capacity : TABLE_FIRST, .used = table->used};
    Q_TRY(q_alloc_pages(grown.capacity * sizeof(*grown.slots), &grown.slots));
    for (size_t i = 0; i < table->capacity; i++) {
        if (table->slots[i].weight == 0)
            continue;
        size_t at = table->slots[i].key & (grown.capacity - 1);
        while (grown.slots[at].weight)
            at = (at + 1) & (grown.capacity - 1);
        grown.slots[at] = table->slots[i];
    }
    q_release_pages(table->slots, table->capacity * sizeof(*table->slots));
    *table = grown;
    return Q_OK;
}

static void count_pair(const struct scan *scan, void *mine, uint64_t hash, uint64_t place, uint32_t left,
                       uint32_t right, struct bpe_cursor *cursor)
{
    struct pair_table *table = mine;
    const struct bpe_words *words = &scan->trainer->words;
    if (table->full || part_of(hash, scan->parts) != scan->first_part + (uint64_t)(table - scan->tables) ||
        !bpe_may_grow(scan->trainer, left, right))
        return;
    if (scan->sketch && scan->sketch[hash & scan->sketch_mask] < scan->sketch_floor)
        return;
    if (4 * table->used >= 3 * table->capacity && (2 * table->capacity > scan->table_max || grow(table))) {
        table->full = true;
        return;
    }
    struct bpe_sum *sum = &table->slots[probe(words, table, hash, place, left, right)];
    if (sum->weight == 0) {
        *sum = (struct bpe_sum){.key = hash, .first = place, .length = left, .total = right};
        table->used++;
    } else {
        sum->bytes += bpe_place_bytes(place - sum->last);
    }
    sum->last = place;
    sum->weight += bpe_count_at(words, cursor, place);
}

static void count_part(void *context, unsigned thread, size_t k)
{
    const struct scan *scan = context;
    (void)thread;
    each_pair(scan, &scan->tables[k], count_pair);
}

/* Each thread adds to the sums that are its own. */
static void sketch_pair(const struct scan *scan, void *mine, uint64_t hash, uint64_t place, uint32_t left,
                        uint32_t right, struct bpe_cursor *cursor)
{
    const uint64_t at = hash & scan->sketch_mask;
    if (part_of(at << (32 + scan->sketch_shift), scan->threads) == *(const size_t *)mine &&
        bpe_may_grow(scan->trainer, left, right))
        scan->sketch[at] += bpe_count_at(&scan->trainer->words, cursor, place);
}

static void sketch_part(void *context, unsigned thread, size_t k)
{
    (void)thread;
    each_pair(context, &k, sketch_pair);
}

/* The lowest floor, from the wanted one on and in powers of two, with no more sums on it or above than the tables have room for. */
static q_status make_sketch(struct scan *scan, uint64_t bytes)
{
    uint64_t sums = 64, above[65] = {0};
    const uint64_t room = (uint64_t)scan->table_max * scan->threads / 2;
    while (2 * sums * sizeof(*scan->sketch) <= bytes && sums < 1ull << 31)
        sums *= 2;
    scan->sketch_mask = sums - 1;
    scan->sketch_shift = 32 - (unsigned)__builtin_ctzll(sums);
    Q_TRY(q_alloc_pages(sums * sizeof(*scan->sketch), &scan->sketch));
    q_pool_for(scan->trainer->pool, scan->threads, sketch_part, scan);
    for (uint64_t i = 0; i < sums; i++)
        for (unsigned k = 0; k < 64 && scan->wanted << k >> k == scan->wanted && scan->sketch[i] >= scan->wanted << k;
             k++)
            above[k]++;
    unsigned level = 0;
    while (above[level] > room && above[level + 1] > 0)
        level++;
    scan->sketch_floor = scan->wanted << level;
    return Q_OK;
}

static int by_order(const void *left, const void *right)
{
    const struct bpe_sum *a = left, *b = right;
    if (a->weight != b->weight)
        return a->weight > b->weight ? -1 : 1;
    return (a->key > b->key) - (a->key < b->key);
}

/* The better half of what is found; the floor rises to the last of it. */
static void halve_found(struct scan *scan)
{
    qsort(scan->found, scan->found_count, sizeof(*scan->found), by_order);
    scan->found_count = Q_MAX(scan->found_count / 2, (size_t)1);
    scan->trainer->floor = scan->found[scan->found_count - 1].weight;
    scan->trainer->floor_pair = scan->found[scan->found_count - 1].key;
}

/* What is found keeps the pair itself in `key`. */
static q_status find_pairs(struct scan *scan, const struct pair_table *table)
{
    const struct bpe_trainer *t = scan->trainer;
    const char *text = (const char *)t->words.text;
    for (size_t i = 0; i < table->capacity; i++) {
        const struct bpe_sum *sum = &table->slots[i];
        if (sum->weight == 0 || sum->weight < t->floor)
            continue;
        bpe_pair pair = bpe_pair_of(bpe_trainer_id(t, (q_string){text + sum->first, sum->length}),
                                    bpe_trainer_id(t, (q_string){text + sum->first + sum->length, sum->total}));
        if (!bpe_is_kept(t, sum->weight, pair))
            continue;
        if (scan->found_count >= scan->found_max)
            halve_found(scan);
        Q_TRY(q_grow(&scan->found, &scan->found_capacity, scan->found_count + 1, sizeof(*scan->found)));
        scan->found[scan->found_count] = *sum;
        scan->found[scan->found_count++].key = pair;
    }
    return Q_OK;
}

static int by_falling(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a < b) - (a > b);
}

/* The floor that is wanted, or one that leaves something above it, and about as much as there is room for. The counts of the first parts stand for all. */
static q_status choose_floor(struct scan *scan)
{
    struct bpe_trainer *t = scan->trainer;
    uint64_t *counts;
    size_t total = 0, used = 0;
    for (unsigned k = 0; k < scan->threads; k++)
        total += scan->tables[k].used;
    t->floor_pair = BPE_NO_PAIR;
    t->floor = t->least;
    if (total == 0) {
        t->floor = Q_MAX(t->floor, scan->sketch_floor);
        return Q_OK;
    }
    Q_TRY(q_alloc(total, sizeof(*counts), &counts));
    for (unsigned k = 0; k < scan->threads; k++)
        for (size_t i = 0; i < scan->tables[k].capacity; i++)
            if (scan->tables[k].slots[i].weight)
                counts[used++] = scan->tables[k].slots[i].weight;
    qsort(counts, used, sizeof(*counts), by_falling);
    size_t room = scan->found_max / 2 / (scan->parts / scan->threads);
    t->floor = Q_MAX(Q_MIN(scan->wanted, counts[0]), t->least);
    t->floor = Q_MAX(t->floor, scan->sketch_floor);
    if (room < used)
        t->floor = Q_MAX(t->floor, Q_MAX(counts[room], t->least));
    q_release(counts);
    return Q_OK;
}

static void clear_tables(struct scan *scan)
{
    for (unsigned k = 0; k < scan->threads; k++) {
        struct pair_table *table = &scan->tables[k];
        if (table->capacity)
            memset(table->slots, 0, table->capacity * sizeof(*table->slots));
        table->used = 0;
        table->full = false;
    }
}

/* One round counts as many parts as there are threads. *full: a table had no room. */
static q_status count_round(struct scan *scan, bool *full)
{
    *full = false;
    clear_tables(scan);
    q_pool_for(scan->trainer->pool, scan->threads, count_part, scan);
    for (unsigned k = 0; k < scan->threads; k++)
        *full = *full || scan->tables[k].full;
    if (*full && scan->parts * 2 > PARTS_MAX)
        return q_fail(Q_ERR_MEMORY, "no memory for a table of pairs");
    return Q_OK;
}

static q_status count_all(struct scan *scan)
{
    scan->parts = scan->threads;
    for (scan->first_part = 0; scan->first_part < scan->parts;) {
        bool full;
        Q_TRY(count_round(scan, &full));
        if (full) {
            scan->parts *= 2;
            scan->first_part = 0;
            scan->found_count = 0;
            continue;
        }
        if (scan->first_part == 0)
            Q_TRY(choose_floor(scan));
        for (unsigned k = 0; k < scan->threads; k++)
            Q_TRY(find_pairs(scan, &scan->tables[k]));
        scan->first_part += scan->threads;
    }
    return Q_OK;
}

static bpe_pair found_pair(const struct bpe_trainer *t, const void *context, const struct bpe_sum *total)
{
    (void)t;
    (void)context;
    return total->key;
}

static q_status index_found(struct scan *scan)
{
    const struct bpe_words *words = &scan->trainer->words;
    scan->index_capacity = 16;
    while (scan->index_capacity < 2 * scan->found_count)
        scan->index_capacity *= 2;
    Q_TRY(q_alloc_zero(scan->index_capacity, sizeof(*scan->index), &scan->index));
    for (size_t i = 0; i < scan->found_count; i++) {
        struct bpe_sum *sum = &scan->found[i];
        sum->key = pair_hash(token_hash(words, sum->first, sum->length),
                             token_hash(words, sum->first + sum->length, sum->total));
        size_t at = sum->key & (scan->index_capacity - 1);
        while (scan->index[at])
            at = (at + 1) & (scan->index_capacity - 1);
        scan->index[at] = (uint32_t)i + 1;
    }
    return Q_OK;
}

static void write_pair(const struct scan *scan, void *mine, uint64_t hash, uint64_t place, uint32_t left,
                       uint32_t right, struct bpe_cursor *cursor)
{
    (void)cursor;
    if (part_of(hash, scan->threads) != *(const size_t *)mine)
        return;
    for (size_t at = hash & (scan->index_capacity - 1); scan->index[at]; at = (at + 1) & (scan->index_capacity - 1)) {
        struct bpe_sum *sum = &scan->found[scan->index[at] - 1];
        if (sum->key == hash && same_pair(&scan->trainer->words, sum, place, left, right)) {
            bpe_sum_write(sum, place);
            return;
        }
    }
}

static void write_part(void *context, unsigned thread, size_t k)
{
    (void)thread;
    each_pair(context, &k, write_pair);
}

static void release_tables(struct scan *scan)
{
    for (unsigned k = 0; scan->tables && k < scan->threads; k++)
        q_release_pages(scan->tables[k].slots, scan->tables[k].capacity * sizeof(*scan->tables[k].slots));
    q_release(scan->tables);
    scan->tables = NULL;
    q_release_pages(scan->sketch, (scan->sketch_mask + 1) * sizeof(*scan->sketch));
    scan->sketch = NULL;
}

static q_status scan_words(struct scan *scan)
{
    struct bpe_trainer *t = scan->trainer;
    bool any = false;
    Q_TRY(q_alloc_zero(scan->threads, sizeof(*scan->tables), &scan->tables));
    /* There are no more pairs than bytes: if all of them had room, a sketch would be wasted. */
    if (t->words.bytes > (uint64_t)scan->table_max / 2 * scan->threads)
        Q_TRY(make_sketch(scan, Q_MIN(t->budget / TABLE_SHARE, 2 * sizeof(uint64_t) * t->words.bytes)));
    Q_TRY(count_all(scan));
    release_tables(scan);
    const struct bpe_totals totals = {scan->found, scan->found_count, found_pair, NULL};
    Q_TRY(bpe_lists_room(t, &totals, 1));
    Q_TRY(bpe_lists_make(t, &totals, 1, &any));
    if (!any)
        return Q_OK;
    Q_TRY(index_found(scan));
    q_pool_for(t->pool, scan->threads, write_part, scan);
    return Q_OK;
}

q_status bpe_scan(struct bpe_trainer *t, uint64_t wanted)
{
    struct scan scan = {.trainer = t,
                        .wanted = wanted,
                        .threads = q_pool_threads(t->pool),
                        .table_max = (size_t)1 << 40,
                        .found_max = BPE_NONE / 2};
    if (t->budget != UINT64_MAX) {
        uint64_t share = t->budget / TABLE_SHARE / sizeof(struct bpe_sum);
        scan.table_max = Q_MAX((size_t)share / scan.threads, (size_t)TABLE_FIRST);
        scan.found_max = Q_MAX((size_t)share, (size_t)TABLE_FIRST);
    }
    q_status status = scan_words(&scan);
    release_tables(&scan);
    q_release(scan.found);
    q_release(scan.index);
    return status;
}
