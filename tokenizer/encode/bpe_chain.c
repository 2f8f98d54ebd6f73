#include "tokenizer/encode/bpe_chain.h"

#include "base/check.h"
#include "tokenizer/encode/bpe_index.h"

struct bpe_node {
    uint32_t id;
    uint32_t rank; /* of the merge with the next token; BPE_NO_RANK: none, or this slot is inside a token */
    uint32_t next; /* slots; `size` at the end */
    uint32_t previous;
};

void bpe_chain_release(struct bpe_chain *chain)
{
    q_release(chain->nodes);
    q_release(chain->heap);
    *chain = (struct bpe_chain){0};
}

static void push(struct bpe_chain *chain, uint64_t entry)
{
    uint64_t *heap = chain->heap;
    size_t at = chain->queued++;
    for (; at > 0 && entry < heap[(at - 1) / 2]; at = (at - 1) / 2)
        heap[at] = heap[(at - 1) / 2];
    heap[at] = entry;
}

static uint64_t pop(struct bpe_chain *chain)
{
    uint64_t *heap = chain->heap;
    size_t count = --chain->queued, at = 0, child;
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

static void queue(struct bpe_chain *chain, uint32_t slot, uint32_t rank)
{
    chain->nodes[slot].rank = rank;
    if (rank != BPE_NO_RANK)
        push(chain, (uint64_t)rank << 32 | slot);
}

/* Looks up the pair that begins at a slot and queues it. */
static void queue_pair(struct bpe_chain *chain, const struct tokenizer *tokenizer, uint32_t slot)
{
    const struct bpe_node *node = &chain->nodes[slot];
    const struct bpe_merge_slot *merge =
        node->next < chain->size ? bpe_find_merge(tokenizer, node->id, chain->nodes[node->next].id) : NULL;
    queue(chain, slot, merge ? merge->rank : BPE_NO_RANK);
}

q_status bpe_chain_begin(struct bpe_chain *chain, const struct tokenizer *tokenizer, const uint8_t *piece, size_t bytes)
{
    if (bytes >= UINT32_MAX)
        return q_fail(Q_ERR_MEMORY, "a piece of %zu bytes has no place to be cut; at most 4 GiB", bytes);
    uint32_t size = chain->size = (uint32_t)bytes;
    chain->queued = 0;
    Q_TRY(q_grow(&chain->nodes, &chain->node_capacity, size, sizeof(*chain->nodes)));
    Q_TRY(q_grow(&chain->heap, &chain->heap_capacity, 2 * (size_t)size, sizeof(*chain->heap)));
    for (uint32_t i = 0; i < size; i++)
        chain->nodes[i] = (struct bpe_node){tokenizer->vocabulary.byte_id[piece[i]], BPE_NO_RANK, i + 1, i - 1};
    for (uint32_t i = 0; i + 1 < size; i++)
        queue(chain, i, (uint32_t)(tokenizer->byte_pairs[piece[i] << 8 | piece[i + 1]] >> 32));
    return Q_OK;
}

bool bpe_chain_next(struct bpe_chain *chain, uint64_t *merge)
{
    while (chain->queued > 0) {
        *merge = pop(chain);
        if (chain->nodes[(uint32_t)*merge].rank == *merge >> 32)
            return true;
    }
    return false;
}

void bpe_chain_return(struct bpe_chain *chain, uint64_t merge)
{
    push(chain, merge);
}

void bpe_chain_merge(struct bpe_chain *chain, const struct tokenizer *tokenizer, uint64_t merge)
{
    uint32_t slot = (uint32_t)merge;
    struct bpe_node *node = &chain->nodes[slot], *taken = &chain->nodes[node->next];
    node->id = bpe_find_merge(tokenizer, node->id, taken->id)->id;
    node->next = taken->next;
    taken->rank = BPE_NO_RANK;
    if (node->next < chain->size)
        chain->nodes[node->next].previous = slot;
    queue_pair(chain, tokenizer, slot);
    if (slot > 0)
        queue_pair(chain, tokenizer, node->previous);
}

size_t bpe_chain_ids(const struct bpe_chain *chain, uint32_t *ids)
{
    size_t count = 0;
    for (uint32_t i = 0; i < chain->size; i = chain->nodes[i].next)
        ids[count++] = chain->nodes[i].id;
    return count;
}
