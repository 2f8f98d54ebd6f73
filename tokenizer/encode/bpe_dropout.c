#include "tokenizer/encode/bpe_dropout.h"

#include "base/check.h"

/* A token of a long piece, in the slot of its first byte. */
struct bpe_dropout_node {
    uint32_t id;
    uint32_t rank; /* of the merge with the next token; BPE_NO_RANK: none, or this slot is inside a token */
    uint32_t next; /* slots; `size` at the end */
    uint32_t previous;
};

void bpe_dropout_workspace_release(struct bpe_dropout_workspace *workspace)
{
    q_release(workspace->nodes);
    q_release(workspace->heap);
    *workspace = (struct bpe_dropout_workspace){0};
}

/* The numbers of the steps, four to a draw. */
struct steps {
    q_random_key key;
    uint64_t next;
    uint32_t words[4]; /* of the draw that `next` is in, but for next mod 4 = 0 */
};

static struct steps steps_from(q_random_key key, uint64_t position)
{
    struct steps steps = {.key = key, .next = position};
    if (position % 4)
        q_random_words(key, position / 4, steps.words);
    return steps;
}

static double next_number(struct steps *steps)
{
    if (steps->next % 4 == 0)
        q_random_words(steps->key, steps->next / 4, steps->words);
    return steps->words[steps->next++ % 4] * 0x1p-32;
}

bool bpe_dropout_spares(const struct bpe_dropout *dropout, uint64_t position, size_t count)
{
    struct steps steps = steps_from(dropout->key, position);
    while (count > 0 && next_number(&steps) >= dropout->rate)
        count--;
    return count == 0;
}

/* A pair's rank and id as one number, smaller is earlier; BPE_NO_MERGE. */
static uint64_t worth(const struct tokenizer *tokenizer, uint32_t left, uint32_t right)
{
    const struct bpe_merge_slot *merge = bpe_find_merge(tokenizer, left, right);
    return merge ? (uint64_t)merge->rank << 32 | merge->id : BPE_NO_MERGE;
}

/* The place of the first candidate, the leftmost of equals; `pairs` where there is none. Ranks look random, so a branch in the loop would be guessed wrong
 * too often: the least of rank * 2^32 + place is found without one. */
static size_t first_candidate(const uint64_t *worths, size_t pairs)
{
    uint64_t first = BPE_NO_MERGE;
    for (size_t i = 0; i < pairs; i++) {
        uint64_t candidate = worths[i] >> 32 << 32 | i;
        first = candidate < first ? candidate : first;
    }
    return first >> 32 == BPE_NO_RANK ? pairs : (uint32_t)first;
}

/* The same where the first ones are left out, as many as u says. */
static size_t remaining_candidate(const uint64_t *worths, size_t pairs, double u, double rate)
{
    uint64_t left[BPE_DROPOUT_SHORT_MAX];
    memcpy(left, worths, pairs * sizeof(*left));
    size_t place = first_candidate(left, pairs);
    for (double bound = rate; u < bound && place < pairs; bound *= rate) {
        left[place] = BPE_NO_MERGE;
        place = first_candidate(left, pairs);
    }
    return place;
}

/* By a scan for the lowest rank, with a draw for each step: nearly all of them leave nothing out. */
size_t bpe_dropout_short(const struct tokenizer *tokenizer, const struct bpe_dropout *dropout, uint64_t position,
                         const uint8_t *piece, size_t size, uint32_t *ids)
{
    uint64_t worths[BPE_DROPOUT_SHORT_MAX];
    size_t count = size;
    q_check(size > 0 && size <= BPE_DROPOUT_SHORT_MAX);
    for (size_t i = 0; i < size; i++)
        ids[i] = tokenizer->vocabulary.byte_id[piece[i]];
    for (size_t i = 0; i + 1 < size; i++)
        worths[i] = tokenizer->byte_pairs[piece[i] << 8 | piece[i + 1]];
    struct steps steps = steps_from(dropout->key, position);
    while (count > 1) {
        double u = next_number(&steps);
        size_t place = u < dropout->rate ? remaining_candidate(worths, count - 1, u, dropout->rate)
                                         : first_candidate(worths, count - 1);
        if (place == count - 1)
            break;
        ids[place] = (uint32_t)worths[place];
        count--;
        for (size_t i = place + 1; i < count; i++)
            ids[i] = ids[i + 1];
        for (size_t i = place; i + 1 < count; i++)
            worths[i] = worths[i + 1];
        if (place + 1 < count)
            worths[place] = worth(tokenizer, ids[place], ids[place + 1]);
        if (place > 0)
            worths[place - 1] = worth(tokenizer, ids[place - 1], ids[place]);
    }
    return count;
}

/* The candidates of a long piece as rank * 2^32 + slot: a heap at the front of the array, and at its back those left out of the present step. An
 * entry is out of date when its slot's rank is another by now; it goes when it is met. */
struct candidates {
    uint64_t *entries;
    size_t queued, room; /* room: where those left out begin */
};

static void push(struct candidates *candidates, uint64_t entry)
{
    uint64_t *heap = candidates->entries;
    size_t at = candidates->queued++;
    for (; at > 0 && entry < heap[(at - 1) / 2]; at = (at - 1) / 2)
        heap[at] = heap[(at - 1) / 2];
    heap[at] = entry;
}

static uint64_t pop(struct candidates *candidates)
{
    uint64_t *heap = candidates->entries;
    size_t count = --candidates->queued, at = 0, child;
    uint64_t first = heap[0], last = heap[count];
    while ((child = 2 * at + 1) < count) {
        if (child + 1 < count && heap[child + 1] < heap[child])
            child++;
        if (last <= heap[child])
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = last;
    return first;
}

/* The slot of the candidate that this step merges; false where all are left out. */
static bool take(struct candidates *candidates, const struct bpe_dropout_node *nodes, size_t size, double u,
                 double rate, uint32_t *slot)
{
    double bound = rate;
    size_t end = 2 * size;
    bool found = false;
    candidates->room = end;
    while (!found && candidates->queued > 0) {
        uint64_t entry = pop(candidates);
        *slot = (uint32_t)entry;
        if (nodes[*slot].rank != entry >> 32)
            continue;
        found = u >= bound;
        bound *= rate;
        if (!found)
            candidates->entries[--candidates->room] = entry;
    }
    while (found && candidates->room < end)
        push(candidates, candidates->entries[candidates->room++]);
    return found;
}

/* Looks up the pair that begins at a slot and queues it. */
static void queue_pair(const struct tokenizer *tokenizer, struct bpe_dropout_node *nodes, struct candidates *candidates,
                       uint32_t slot, uint32_t size)
{
    struct bpe_dropout_node *node = &nodes[slot];
    uint64_t merge = node->next < size ? worth(tokenizer, node->id, nodes[node->next].id) : BPE_NO_MERGE;
    node->rank = (uint32_t)(merge >> 32);
    if (merge != BPE_NO_MERGE)
        push(candidates, merge >> 32 << 32 | slot);
}

/* Each merge takes one entry for good and adds two at most, and there are fewer merges than bytes: so 2 * size entries are room enough, for those queued and
 * those left out together. */
q_status bpe_dropout_long(const struct tokenizer *tokenizer, struct bpe_dropout_workspace *workspace,
                          const struct bpe_dropout *dropout, uint64_t position, const uint8_t *piece, size_t bytes,
                          uint32_t *ids, size_t *count)
{
    if (bytes >= UINT32_MAX)
        return q_fail(Q_ERR_MEMORY, "a piece of %zu bytes has no place to be cut; at most 4 GiB", bytes);
    uint32_t size = (uint32_t)bytes, slot;
    Q_TRY(q_grow(&workspace->nodes, &workspace->node_capacity, size, sizeof(*workspace->nodes)));
    Q_TRY(q_grow(&workspace->heap, &workspace->heap_capacity, 2 * (size_t)size, sizeof(*workspace->heap)));
    struct bpe_dropout_node *nodes = workspace->nodes;
    struct candidates candidates = {workspace->heap, 0, 0};
    for (uint32_t i = 0; i < size; i++)
        nodes[i] = (struct bpe_dropout_node){tokenizer->vocabulary.byte_id[piece[i]], BPE_NO_RANK, i + 1, i - 1};
    for (uint32_t i = 0; i + 1 < size; i++)
        queue_pair(tokenizer, nodes, &candidates, i, size);
    struct steps steps = steps_from(dropout->key, position);
    while (candidates.queued > 0 && take(&candidates, nodes, size, next_number(&steps), dropout->rate, &slot)) {
        struct bpe_dropout_node *node = &nodes[slot], *taken = &nodes[node->next];
        node->id = bpe_find_merge(tokenizer, node->id, taken->id)->id;
        node->next = taken->next;
        taken->rank = BPE_NO_RANK;
        if (node->next < size)
            nodes[node->next].previous = slot;
        queue_pair(tokenizer, nodes, &candidates, slot, size);
        if (slot > 0)
            queue_pair(tokenizer, nodes, &candidates, node->previous, size);
    }
    *count = 0;
    for (uint32_t i = 0; i < size; i = nodes[i].next)
        ids[(*count)++] = nodes[i].id;
    return Q_OK;
}

q_status bpe_dropout_merge(const struct tokenizer *tokenizer, struct bpe_dropout_workspace *workspace,
                           const struct bpe_dropout *dropout, uint64_t position, const uint8_t *piece, size_t size,
                           uint32_t *ids, size_t *count)
{
    if (size == 0 || dropout->rate >= 1) { /* the latter without looking at every candidate */
        for (size_t i = 0; i < size; i++)
            ids[i] = tokenizer->vocabulary.byte_id[piece[i]];
        *count = size;
        return Q_OK;
    }
    if (size > BPE_DROPOUT_SHORT_MAX)
        return bpe_dropout_long(tokenizer, workspace, dropout, position, piece, size, ids, count);
    *count = bpe_dropout_short(tokenizer, dropout, position, piece, size, ids);
    return Q_OK;
}
