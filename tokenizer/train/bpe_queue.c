#include "tokenizer/train/bpe_queue.h"

#include "base/check.h"
#include "base/memory.h"

enum { SHELF_FALLS_BY = 8 /* each lowering */ };

void bpe_queue_release(struct bpe_queue *queue)
{
    q_release(queue->heap);
    q_release(queue->low);
    *queue = (struct bpe_queue){0};
}

static void heap_up(struct bpe_candidate *heap, size_t at)
{
    struct bpe_candidate moving = heap[at];
    for (; at > 0; at = (at - 1) / 2) {
        size_t parent = (at - 1) / 2;
        if (!bpe_goes_before(&moving, &heap[parent]))
            break;
        heap[at] = heap[parent];
    }
    heap[at] = moving;
}

static void heap_down(struct bpe_candidate *heap, size_t count, size_t at)
{
    struct bpe_candidate moving = heap[at];
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= count)
            break;
        if (child + 1 < count && bpe_goes_before(&heap[child + 1], &heap[child]))
            child++;
        if (!bpe_goes_before(&heap[child], &moving))
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = moving;
}

q_status bpe_queue_add(struct bpe_queue *queue, struct bpe_candidate candidate)
{
    if (queue->shelf == 0 || candidate.count < queue->shelf) {
        Q_TRY(q_grow(&queue->low, &queue->low_capacity, queue->low_count + 1, sizeof(*queue->low)));
        queue->low[queue->low_count++] = candidate;
        return Q_OK;
    }
    Q_TRY(q_grow(&queue->heap, &queue->heap_capacity, queue->heap_count + 1, sizeof(*queue->heap)));
    queue->heap[queue->heap_count] = candidate;
    heap_up(queue->heap, queue->heap_count++);
    return Q_OK;
}

/* Moves what is no longer below the shelf into the heap, which is empty. The new shelf is at most the highest count, so the heap gets something. */
static q_status lower_shelf(struct bpe_queue *queue)
{
    uint64_t highest = 0;
    for (size_t i = 0; i < queue->low_count; i++)
        highest = Q_MAX(highest, queue->low[i].count);
    queue->shelf = Q_MAX(highest / SHELF_FALLS_BY, 1);
    size_t kept = 0;
    for (size_t i = 0; i < queue->low_count; i++) {
        if (queue->low[i].count < queue->shelf)
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
        Q_TRY(lower_shelf(queue));
    *any = queue->heap_count > 0;
    if (!*any)
        return Q_OK;
    *out = queue->heap[0];
    queue->heap[0] = queue->heap[--queue->heap_count];
    if (queue->heap_count > 0)
        heap_down(queue->heap, queue->heap_count, 0);
    return Q_OK;
}

/* What is on the shelf or above goes before all that is below it. */
bool bpe_queue_is_first(const struct bpe_queue *queue, const struct bpe_candidate *candidate)
{
    if (queue->heap_count > 0)
        return bpe_goes_before(candidate, &queue->heap[0]);
    return queue->low_count == 0 || candidate->count >= queue->shelf;
}

void bpe_queue_cut(struct bpe_queue *queue, uint64_t count, bpe_pair pair, void (*drop)(void *context, uint64_t places),
                   void *context)
{
    const struct bpe_candidate last = {.count = count, .pair = pair};
    struct bpe_candidate *const arrays[] = {queue->heap, queue->low};
    size_t *const counts[] = {&queue->heap_count, &queue->low_count};
    for (int k = 0; k < 2; k++) {
        size_t kept = 0;
        for (size_t i = 0; i < *counts[k]; i++) {
            if (bpe_goes_before(&last, &arrays[k][i]))
                drop(context, arrays[k][i].places);
            else
                arrays[k][kept++] = arrays[k][i];
        }
        *counts[k] = kept;
    }
    for (size_t i = queue->heap_count / 2; i-- > 0;)
        heap_down(queue->heap, queue->heap_count, i);
}
