/* The queue of candidates: pairs of neighbouring tokens on their way to becoming tokens, by falling count, then by rising pair.
 *
 * A candidate's count is what was last known. Counts only fall, so the queue is lazy: the first candidate's places are looked at, and it is put
 * back when its count has fallen.
 *
 * Nearly all candidates are rare and come late. So those below a shelf wait unsorted, and the shelf is lowered when the heap is empty; the heap stays small
 * enough for the cache.
 */
#ifndef QUERN_TOKENIZER_BPE_QUEUE_H
#define QUERN_TOKENIZER_BPE_QUEUE_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* left id * 2^32 + right id: smaller is earlier. */
typedef uint64_t bpe_pair;

static inline bpe_pair bpe_pair_of(uint32_t left, uint32_t right)
{
    return (uint64_t)left << 32 | right;
}

#define BPE_NO_PAIR UINT64_MAX

struct bpe_candidate {
    uint64_t count;
    bpe_pair pair;
    uint64_t places; /* bpe_places.h */
};

static inline bool bpe_goes_before(const struct bpe_candidate *a, const struct bpe_candidate *b)
{
    return a->count != b->count ? a->count > b->count : a->pair < b->pair;
}

/* Ready when zeroed. */
struct bpe_queue {
    struct bpe_candidate *heap; /* heap[0] is first */
    size_t heap_count, heap_capacity;
    struct bpe_candidate *low; /* below the shelf */
    size_t low_count, low_capacity;
    uint64_t shelf; /* 0: not chosen yet, everything goes to `low` */
};

void bpe_queue_release(struct bpe_queue *queue);
q_status bpe_queue_add(struct bpe_queue *queue, struct bpe_candidate candidate) Q_MUST_USE;
/* The first candidate; *any = false when there is none. */
q_status bpe_queue_take(struct bpe_queue *queue, struct bpe_candidate *out, bool *any) Q_MUST_USE;
/* Whether the candidate goes before all that are queued. */
bool bpe_queue_is_first(const struct bpe_queue *queue, const struct bpe_candidate *candidate);
/* Takes out every candidate that goes behind one of this count and pair; `drop` is given the list of each. */
void bpe_queue_cut(struct bpe_queue *queue, uint64_t count, bpe_pair pair, void (*drop)(void *context, uint64_t places),
                   void *context);
/* The i-th of all, in no order; for those who change `places` only. */
static inline size_t bpe_queue_count(const struct bpe_queue *queue)
{
    return queue->heap_count + queue->low_count;
}
static inline struct bpe_candidate *bpe_queue_at(const struct bpe_queue *queue, size_t i)
{
    return i < queue->heap_count ? &queue->heap[i] : &queue->low[i - queue->heap_count];
}

#endif
