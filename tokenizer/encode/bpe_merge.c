#include "tokenizer/encode/bpe_index.h"

#include "base/check.h"

enum {
    WINDOW = 16, /* bytes */
    FEW = 5,     /* tokens of a window: long ones, which are bpe_match's */
    SEAMS = 8,   /* in a row that do not agree */
};

/* A token of a long piece, in the slot of its first byte. */
struct bpe_node {
    uint32_t id;
    uint32_t rank; /* of the merge with the next token; BPE_NO_RANK: none, or this slot is inside a token */
    uint32_t next; /* slots; `size` at the end */
    uint32_t previous;
};

void bpe_workspace_release(struct bpe_workspace *workspace)
{
    q_release(workspace->nodes);
    q_release(workspace->heap);
    q_release(workspace->dead);
    *workspace = (struct bpe_workspace){0};
}

size_t bpe_merge_plain(const struct tokenizer *tokenizer, const uint8_t *piece, size_t size, uint32_t *ids)
{
    size_t count = size;
    for (size_t i = 0; i < size; i++)
        ids[i] = tokenizer->vocabulary.byte_id[piece[i]];
    for (;;) {
        const struct bpe_merge_slot *best = NULL;
        size_t place = 0;
        for (size_t i = 0; i + 1 < count; i++) {
            const struct bpe_merge_slot *merge = bpe_find_merge(tokenizer, ids[i], ids[i + 1]);
            if (merge && (!best || merge->rank < best->rank)) {
                best = merge;
                place = i;
            }
        }
        if (!best)
            return count;
        ids[place] = best->id;
        count--;
        memmove(ids + place + 1, ids + place + 2, (count - place - 1) * sizeof(*ids));
    }
}

/* A heap of rank * 2^32 + slot: the lowest rank first, then the leftmost. */
static void heap_push(uint64_t *heap, size_t *count, uint64_t entry)
{
    size_t at = (*count)++;
    for (; at > 0 && entry < heap[(at - 1) / 2]; at = (at - 1) / 2)
        heap[at] = heap[(at - 1) / 2];
    heap[at] = entry;
}

static uint64_t heap_pop(uint64_t *heap, size_t *count)
{
    uint64_t first = heap[0], last = heap[--*count];
    size_t at = 0, child;
    while ((child = 2 * at + 1) < *count) {
        if (child + 1 < *count && heap[child + 1] < heap[child])
            child++;
        if (last <= heap[child])
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = last;
    return first;
}

/* Looks up the pair that begins at a slot and queues it. */
static void queue_pair(const struct tokenizer *tokenizer, struct bpe_workspace *workspace, size_t *queued,
                       uint32_t slot, uint32_t size)
{
    struct bpe_node *node = &workspace->nodes[slot];
    const struct bpe_merge_slot *merge =
        node->next < size ? bpe_find_merge(tokenizer, node->id, workspace->nodes[node->next].id) : NULL;
    node->rank = merge ? merge->rank : BPE_NO_RANK;
    if (merge)
        heap_push(workspace->heap, queued, (uint64_t)merge->rank << 32 | slot);
}

/* Each merge takes one entry off the heap and adds two at most, and there are fewer merges than bytes: so 2 * size entries are room enough. An entry is
 * out of date when its slot's rank is another by now. */
q_status bpe_merge_long(const struct tokenizer *tokenizer, struct bpe_workspace *workspace, const uint8_t *piece,
                        size_t bytes, uint32_t *ids, size_t *count)
{
    if (bytes >= UINT32_MAX)
        return q_fail(Q_ERR_MEMORY, "a piece of %zu bytes has no place to be cut; at most 4 GiB", bytes);
    uint32_t size = (uint32_t)bytes;
    size_t queued = 0;
    Q_TRY(q_grow(&workspace->nodes, &workspace->node_capacity, size, sizeof(*workspace->nodes)));
    Q_TRY(q_grow(&workspace->heap, &workspace->heap_capacity, 2 * (size_t)size, sizeof(*workspace->heap)));
    struct bpe_node *nodes = workspace->nodes;
    for (uint32_t i = 0; i < size; i++)
        nodes[i] = (struct bpe_node){tokenizer->vocabulary.byte_id[piece[i]], BPE_NO_RANK, i + 1, i - 1};
    for (uint32_t i = 0; i + 1 < size; i++) {
        uint64_t merge = tokenizer->byte_pairs[piece[i] << 8 | piece[i + 1]];
        nodes[i].rank = (uint32_t)(merge >> 32);
        if (merge != BPE_NO_MERGE)
            heap_push(workspace->heap, &queued, merge >> 32 << 32 | i);
    }
    while (queued > 0) {
        uint64_t entry = heap_pop(workspace->heap, &queued);
        uint32_t slot = (uint32_t)entry;
        struct bpe_node *node = &nodes[slot];
        if (node->rank != entry >> 32)
            continue;
        struct bpe_node *taken = &nodes[node->next];
        node->id = bpe_find_merge(tokenizer, node->id, taken->id)->id;
        node->next = taken->next;
        taken->rank = BPE_NO_RANK;
        if (node->next < size)
            nodes[node->next].previous = slot;
        queue_pair(tokenizer, workspace, &queued, slot, size);
        if (slot > 0)
            queue_pair(tokenizer, workspace, &queued, node->previous, size);
    }
    *count = 0;
    for (uint32_t i = 0; i < size; i = nodes[i].next)
        ids[(*count)++] = nodes[i].id;
    return Q_OK;
}

/* A long piece by windows. Each begins where the one before it is left, and is encoded as a short piece; its last two tokens, which its end may have made, are
 * left to the next. By fact 1 of bpe_trees.h that is the encoding, if the tokens at each seam agree. Where they do not, the next window begins a token earlier.
 * 0: bpe_match is to be asked, for seams do not come to agree, or a window begins with many tokens, or ends with few. */
static size_t merge_by_windows(const struct bpe_trees *t, const uint8_t *piece, size_t size, uint32_t *numbers)
{
    size_t at = 0, count = 0, furthest = 0, seams = 0;
    for (;;) {
        size_t window = Q_MIN(size - at, (size_t)WINDOW), found = bpe_short(t, piece + at, window, numbers + count);
        if (found == 0 || (window == WINDOW && found < FEW))
            return 0;
        if (count > 0 &&
            !bpe_trees_agree(t, piece[at], numbers[count - 1], numbers[count], bpe_lowest_across(t, piece + at))) {
            if (++seams == SEAMS)
                return 0;
            at -= t->trees[numbers[--count]].size;
            continue;
        }
        if (at + window == size)
            return count + found;
        for (size_t kept = found > 2 ? found - 2 : 1; kept > 0; kept--)
            at += t->trees[numbers[count++]].size;
        seams = at > furthest ? 0 : seams;
        furthest = Q_MAX(furthest, at);
    }
}

q_status bpe_merge(const struct tokenizer *tokenizer, struct bpe_workspace *workspace, const uint8_t *piece,
                   size_t size, uint32_t *ids, size_t *count)
{
    const struct bpe_trees *t = &tokenizer->trees;
    if (!t->ordered)
        return bpe_merge_long(tokenizer, workspace, piece, size, ids, count);
    *count = bpe_short(t, piece, size, ids);
    if (*count == 0 && size > WINDOW && piece[1] < 0x80) /* in other scripts the longest tokens mostly agree */
        *count = merge_by_windows(t, piece, size, ids);
    if (*count == 0)
        Q_TRY(bpe_match_numbers(t, workspace, BPE_NO_TREE, piece, size, ids, count));
    for (size_t i = 0; i < *count; i++)
        ids[i] = bpe_tree_id(t, ids[i]);
    return Q_OK;
}
