#include "tokenizer/bpe_pairs.h"

#include "base/check.h"

enum {
    CAPACITY_FIRST = 1 << 16,
    FLOOR_FALLS_BY = 8, /* each lowering of the floor */
};

void bpe_pairs_release(struct bpe_pairs *pairs)
{
    q_release(pairs->slots);
    *pairs = (struct bpe_pairs){0};
}

/* Fibonacci hashing of a mix of both ids; the high bits are the good ones. */
static size_t slot_of(bpe_pair pair, size_t capacity)
{
    uint64_t mixed = (pair ^ pair >> 29) * 0x9E3779B97F4A7C15ull;
    return (size_t)(mixed ^ mixed >> 32) & (capacity - 1);
}

static struct bpe_count *probe(struct bpe_count *slots, size_t capacity, bpe_pair pair)
{
    size_t at = slot_of(pair, capacity);
    while (slots[at].pair != pair && slots[at].pair != BPE_NO_PAIR)
        at = (at + 1) & (capacity - 1);
    return &slots[at];
}

q_status bpe_pairs_reserve(struct bpe_pairs *pairs, size_t more)
{
    size_t capacity = pairs->capacity ? pairs->capacity : CAPACITY_FIRST;
    while (pairs->used + more > capacity / 4 * 3)
        capacity *= 2;
    if (capacity == pairs->capacity)
        return Q_OK;
    struct bpe_count *slots;
    Q_TRY(q_alloc(capacity, sizeof(*slots), &slots));
    for (size_t i = 0; i < capacity; i++)
        slots[i].pair = BPE_NO_PAIR;
    for (size_t i = 0; i < pairs->capacity; i++)
        if (pairs->slots[i].pair != BPE_NO_PAIR)
            *probe(slots, capacity, pairs->slots[i].pair) = pairs->slots[i];
    q_release(pairs->slots);
    pairs->slots = slots;
    pairs->capacity = capacity;
    return Q_OK;
}

struct bpe_count *bpe_pairs_find(const struct bpe_pairs *pairs, bpe_pair pair)
{
    if (pairs->capacity == 0)
        return NULL;
    struct bpe_count *slot = probe(pairs->slots, pairs->capacity, pair);
    return slot->pair == pair ? slot : NULL;
}

struct bpe_count *bpe_pairs_put(struct bpe_pairs *pairs, bpe_pair pair)
{
    struct bpe_count *slot = probe(pairs->slots, pairs->capacity, pair);
    if (slot->pair != pair) {
        *slot = (struct bpe_count){.pair = pair};
        pairs->used++;
    }
    return slot;
}

void bpe_queue_release(struct bpe_queue *queue)
{
    q_release(queue->heap);
    q_release(queue->low);
    *queue = (struct bpe_queue){0};
}

static bool goes_before(const struct bpe_candidate *a, const struct bpe_candidate *b)
{
    return a->count != b->count ? a->count > b->count : a->pair < b->pair;
}

static void heap_up(struct bpe_candidate *heap, size_t at)
{
    struct bpe_candidate moving = heap[at];
    for (; at > 0; at = (at - 1) / 2) {
        size_t parent = (at - 1) / 2;
        if (!goes_before(&moving, &heap[parent]))
            break;
        heap[at] = heap[parent];
    }
    heap[at] = moving;
}

static void heap_down(struct bpe_candidate *heap, size_t count)
{
    struct bpe_candidate moving = heap[0];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= count)
            break;
        if (child + 1 < count && goes_before(&heap[child + 1], &heap[child]))
            child++;
        if (!goes_before(&heap[child], &moving))
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = moving;
}

q_status bpe_queue_add(struct bpe_queue *queue, struct bpe_candidate candidate)
{
    if (queue->floor == 0 || candidate.count < queue->floor) {
        Q_TRY(q_grow(&queue->low, &queue->low_capacity, queue->low_count + 1, sizeof(*queue->low)));
        queue->low[queue->low_count++] = candidate;
        return Q_OK;
    }
    Q_TRY(q_grow(&queue->heap, &queue->heap_capacity, queue->heap_count + 1, sizeof(*queue->heap)));
    queue->heap[queue->heap_count] = candidate;
    heap_up(queue->heap, queue->heap_count++);
    return Q_OK;
}

/* Moves what is no longer below the floor into the heap, which is empty. The new floor is at most the highest count, so the heap gets something. */
static q_status lower_floor(struct bpe_queue *queue)
{
    uint64_t highest = 0;
    for (size_t i = 0; i < queue->low_count; i++)
        highest = Q_MAX(highest, queue->low[i].count);
    queue->floor = Q_MAX(highest / FLOOR_FALLS_BY, 1);
    size_t kept = 0;
    for (size_t i = 0; i < queue->low_count; i++) {
        if (queue->low[i].count < queue->floor)
            queue->low[kept++] = queue->low[i];
        else
            Q_TRY(bpe_queue_add(queue, queue->low[i]));
    }
    queue->low_count = kept;
    return Q_OK;
}

q_status bpe_queue_take(struct bpe_queue *queue, struct bpe_candidate *out, bool *any)
{
    if (queue->heap_count == 0 && queue->low_count > 0)
        Q_TRY(lower_floor(queue));
    *any = queue->heap_count > 0;
    if (!*any)
        return Q_OK;
    *out = queue->heap[0];
    queue->heap[0] = queue->heap[--queue->heap_count];
    if (queue->heap_count > 0)
        heap_down(queue->heap, queue->heap_count);
    return Q_OK;
}
