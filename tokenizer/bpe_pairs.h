/* Pairs of neighbouring tokens on their way to becoming tokens: their counts, and the queue of candidates.
 *
 *   bpe_pairs   pair -> count, for every pair that ever had one
 *   bpe_queue   candidates by falling count, then by rising pair; each with the list of its positions
 *
 * A candidate's count is the pair's at the time it was queued. Counts only fall from then on, as neighbours are merged away, so the queue is lazy: the
 * first candidate is compared with the pair's present count and put back when that differs.
 *
 * Nearly all pairs are rare and are never reached. So candidates below a floor wait unsorted, and the floor is lowered when the heap is empty; the
 * heap stays small enough for the cache.
 */
#ifndef QUERN_TOKENIZER_BPE_PAIRS_H
#define QUERN_TOKENIZER_BPE_PAIRS_H

#include "base/memory.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

/* left * 2^32 + right: smaller is earlier. */
typedef uint64_t bpe_pair;

static inline bpe_pair bpe_pair_of(uint32_t left, uint32_t right)
{
    return (uint64_t)left << 32 | right;
}

struct bpe_count {
    bpe_pair pair;
    int64_t count;
};

/* Ready when zeroed. Open addressing; slots with `pair` = BPE_NO_PAIR are empty. */
struct bpe_pairs {
    struct bpe_count *slots;
    size_t capacity, used;
};

#define BPE_NO_PAIR UINT64_MAX

void bpe_pairs_release(struct bpe_pairs *pairs);
/* Room for `more` pairs, so that bpe_pairs_put cannot fail and what it gave stays where it is until the next reserve. */
q_status bpe_pairs_reserve(struct bpe_pairs *pairs, size_t more) Q_MUST_USE;
struct bpe_count *bpe_pairs_find(const struct bpe_pairs *pairs, bpe_pair pair); /* NULL where it never had a count */
struct bpe_count *bpe_pairs_put(struct bpe_pairs *pairs, bpe_pair pair);        /* found, or added with count 0 */

/* A pair, the count it was queued with, and where its left token stood then. */
struct bpe_candidate {
    uint64_t count;
    bpe_pair pair;
    uint64_t places; /* bpe_places.h */
};

struct bpe_queue {
    struct bpe_candidate *heap; /* heap[0] is first */
    size_t heap_count, heap_capacity;
    struct bpe_candidate *low; /* below the floor */
    size_t low_count, low_capacity;
    uint64_t floor; /* 0: not chosen yet, everything goes to `low` */
};

void bpe_queue_release(struct bpe_queue *queue);
q_status bpe_queue_add(struct bpe_queue *queue, struct bpe_candidate candidate) Q_MUST_USE;
/* The first candidate; *any = false when there is none. */
q_status bpe_queue_take(struct bpe_queue *queue, struct bpe_candidate *out, bool *any) Q_MUST_USE;

#endif
