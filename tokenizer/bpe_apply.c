/* What a merge changes.
 *
 * At each place of the pair (a, b), between neighbours x and y, the piece goes from  x a b y  to  x c y:
 *
 *     (x, a) and (b, y) lose the piece's count; (x, c) and (c, y) gain it
 *
 * The changes are summed by neighbour while the places are walked, for there are few neighbours and many places; then each sum goes to the table of
 * pairs once, and each new pair with a count becomes a candidate with the list of its places.
 */
#include "tokenizer/bpe_trainer.h"

#include "base/check.h"

enum { PREFETCH = 12 }; /* places ahead */

static q_status side_note(struct bpe_side *side, uint32_t id, uint32_t position, uint64_t count)
{
    uint32_t index = side->index_of[id];
    if (index == BPE_END) {
        Q_TRY(q_grow(&side->neighbours, &side->capacity, side->count + 1, sizeof(*side->neighbours)));
        index = (uint32_t)side->count++;
        side->index_of[id] = index;
        side->neighbours[index] = (struct bpe_neighbour){.id = id, .first = position};
    }
    side->neighbours[index].weight += (int64_t)count;
    side->neighbours[index].places++;
    if (side->record_count == side->record_capacity)
        Q_TRY(q_grow(&side->records, &side->record_capacity, side->record_count + 1, sizeof(*side->records)));
    side->records[side->record_count++] = (struct bpe_record){index, position};
    return Q_OK;
}

static void side_clear(struct bpe_side *side)
{
    for (size_t i = 0; i < side->count; i++)
        side->index_of[side->neighbours[i].id] = BPE_END;
    side->count = side->record_count = 0;
}

/* Merges at one place, which must hold the pair. */
static q_status merge_at(struct bpe_trainer *t, uint32_t position, bpe_pair pair, uint32_t made, uint64_t count)
{
    uint32_t *slots = t->words.slots;
    uint32_t second = position + t->length[pair >> 32], after = second + t->length[(uint32_t)pair];
    uint32_t x = slots[position - 1], y = slots[after];
    if (x != BPE_END)
        Q_TRY(side_note(&t->left, x, position - t->length[x], count));
    if (y != BPE_END)
        Q_TRY(side_note(&t->right, y, position, count));
    slots[second - 1] = BPE_GAP;
    slots[second] = BPE_GAP;
    slots[position] = made;
    slots[after - 1] = made;
    return Q_OK;
}

static bool holds(const struct bpe_trainer *t, uint32_t position, bpe_pair pair)
{
    return t->words.slots[position] == pair >> 32 && t->words.slots[position + t->length[pair >> 32]] == (uint32_t)pair;
}

static q_status merge_places(struct bpe_trainer *t, const uint32_t *places, uint32_t count, bpe_pair pair,
                             uint32_t made)
{
    size_t region = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (i + PREFETCH < count)
            __builtin_prefetch(&t->words.slots[places[i + PREFETCH]], 1);
        if (!holds(t, places[i], pair))
            continue;
        region = bpe_words_region(&t->words, region, places[i]);
        Q_TRY(merge_at(t, places[i], pair, made, t->words.regions[region].count));
    }
    return Q_OK;
}

/* Whether the pair that a neighbour makes with the new token can come to be merged: the token that it would be must stay under the bound of length,
 * and its count, which only falls, must start at the least one. Other pairs are not counted at all. */
static bool is_counted(const struct bpe_trainer *t, const struct bpe_neighbour *n, uint32_t made)
{
    uint64_t bound = t->options->max_token_length;
    return n->weight >= t->least && (bound == 0 || (uint64_t)t->length[n->id] + t->length[made] < bound);
}

/* The pair that a neighbour makes with the new token. */
static bpe_pair pair_with(uint32_t made, const struct bpe_neighbour *n, bool on_left)
{
    return on_left ? bpe_pair_of(n->id, made) : bpe_pair_of(made, n->id);
}

/* All gains first, then all losses: a pair may have both (a neighbour that is merged next). A pair that is not in the table is not counted and has
 * nothing to lose. */
static q_status change_counts(struct bpe_trainer *t, bpe_pair pair, uint32_t made)
{
    Q_TRY(bpe_pairs_reserve(&t->pairs, t->left.count + t->right.count));
    for (int on_left = 1; on_left >= 0; on_left--) {
        struct bpe_side *side = on_left ? &t->left : &t->right;
        for (size_t i = 0; i < side->count; i++) {
            struct bpe_neighbour *n = &side->neighbours[i];
            if (is_counted(t, n, made))
                bpe_pairs_put(&t->pairs, pair_with(made, n, on_left))->count += n->weight;
        }
    }
    for (int on_left = 1; on_left >= 0; on_left--) {
        struct bpe_side *side = on_left ? &t->left : &t->right;
        for (size_t i = 0; i < side->count; i++) {
            struct bpe_neighbour *n = &side->neighbours[i];
            bpe_pair lost = on_left ? bpe_pair_of(n->id, (uint32_t)(pair >> 32)) : bpe_pair_of((uint32_t)pair, n->id);
            struct bpe_count *slot = bpe_pairs_find(&t->pairs, lost);
            if (slot)
                slot->count -= n->weight;
        }
    }
    return Q_OK;
}

/* Queues what a side made, and says where each list is to be written. */
static q_status queue_new(struct bpe_trainer *t, struct bpe_side *side, uint32_t made, bool on_left)
{
    for (size_t i = 0; i < side->count; i++) {
        struct bpe_neighbour *n = &side->neighbours[i];
        n->list = NULL;
        if (!is_counted(t, n, made))
            continue;
        const struct bpe_count *slot = bpe_pairs_find(&t->pairs, pair_with(made, n, on_left));
        if (slot->count < t->least)
            continue;
        struct bpe_candidate candidate = {(uint64_t)slot->count, slot->pair, BPE_ONE_PLACE | n->first};
        if (n->places > 1)
            Q_TRY(bpe_places_add(&t->places, n->places, &candidate.places, &n->list));
        Q_TRY(bpe_queue_add(&t->queue, candidate));
    }
    return Q_OK;
}

static void write_lists(struct bpe_side *side)
{
    for (size_t i = 0; i < side->record_count; i++) {
        struct bpe_neighbour *n = &side->neighbours[side->records[i].neighbour];
        if (n->list)
            *n->list++ = side->records[i].position;
    }
}

q_status bpe_apply(struct bpe_trainer *t, const struct bpe_candidate *candidate, uint32_t made)
{
    uint32_t one, count;
    const uint32_t *places = bpe_places_get(&t->places, candidate->places, &one, &count);
    Q_TRY(merge_places(t, places, count, candidate->pair, made));
    bpe_places_drop(&t->places, candidate->places);
    Q_TRY(change_counts(t, candidate->pair, made));
    Q_TRY(queue_new(t, &t->left, made, true));
    Q_TRY(queue_new(t, &t->right, made, false));
    write_lists(&t->left);
    write_lists(&t->right);
    side_clear(&t->left);
    side_clear(&t->right);
    return Q_OK;
}

/* The tables of the first count: a row per left byte. */
struct first_pairs {
    uint64_t weight[256 * 256];
    uint32_t places[256 * 256];
    uint32_t *list[256 * 256];
    uint8_t *byte_of; /* [vocab_size] */
};

/* The pair of bytes at a position, or -1 at the end of a piece or of the array. */
static int first_pair_at(const struct bpe_words *words, const struct first_pairs *first, uint32_t position)
{
    uint32_t left = words->slots[position], right = words->slots[position + 1];
    return left == BPE_END || right == BPE_END ? -1 : first->byte_of[left] << 8 | first->byte_of[right];
}

static q_status queue_first(struct bpe_trainer *t, struct first_pairs *first)
{
    const uint32_t *byte_id = t->out->byte_id;
    const struct bpe_words *words = &t->words;
    Q_TRY(bpe_pairs_reserve(&t->pairs, Q_COUNT_OF(first->weight)));
    for (unsigned i = 0; i < Q_COUNT_OF(first->weight); i++) {
        if (first->places[i] == 0 || first->weight[i] < (uint64_t)t->least)
            continue;
        struct bpe_candidate candidate = {first->weight[i], bpe_pair_of(byte_id[i >> 8], byte_id[i & 255]), 0};
        /* A list of one place is written as any other: its handle would need the place. */
        Q_TRY(bpe_places_add(&t->places, first->places[i], &candidate.places, &first->list[i]));
        bpe_pairs_put(&t->pairs, candidate.pair)->count = (int64_t)first->weight[i];
        Q_TRY(bpe_queue_add(&t->queue, candidate));
    }
    for (uint32_t p = 0; p + 1 < words->slot_count; p++) {
        int pair = first_pair_at(words, first, p);
        if (pair >= 0 && first->list[pair])
            *first->list[pair]++ = p;
    }
    return Q_OK;
}

q_status bpe_apply_start(struct bpe_trainer *t)
{
    struct first_pairs *first;
    Q_TRY(q_alloc_zero(1, sizeof(*first), &first));
    q_status status = q_alloc_zero(t->options->vocab_size, 1, &first->byte_of);
    if (!status) {
        for (unsigned b = 0; b < 256; b++)
            first->byte_of[t->out->byte_id[b]] = (uint8_t)b;
        size_t region = 0;
        for (uint32_t p = 0; p + 1 < t->words.slot_count; p++) {
            int pair = first_pair_at(&t->words, first, p);
            if (pair < 0)
                continue;
            region = bpe_words_region(&t->words, region, p);
            first->weight[pair] += t->words.regions[region].count;
            first->places[pair]++;
        }
        status = queue_first(t, first);
    }
    q_release(first->byte_of);
    q_release(first);
    return status;
}
