#include "tokenizer/encode/bpe_dropout.h"

#include "base/check.h"

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

/* The merge of this step; false where all are left out. These wait at the back of the heap's array, which has room for them and what is queued together. */
static bool take(struct bpe_chain *chain, double u, double rate, uint64_t *merge)
{
    size_t end = 2 * (size_t)chain->size, left_out = end;
    double bound = rate;
    bool found = false;
    while (!found && bpe_chain_next(chain, merge)) {
        found = u >= bound;
        bound *= rate;
        if (!found)
            chain->heap[--left_out] = *merge;
    }
    while (found && left_out < end)
        bpe_chain_return(chain, chain->heap[left_out++]);
    return found;
}

q_status bpe_dropout_long(const struct tokenizer *tokenizer, struct bpe_workspace *workspace,
                          const struct bpe_dropout *dropout, uint64_t position, const uint8_t *piece, size_t size,
                          uint32_t *ids, size_t *count)
{
    struct bpe_chain *chain = &workspace->chain;
    struct steps steps = steps_from(dropout->key, position);
    uint64_t merge;
    Q_TRY(bpe_chain_begin(chain, tokenizer, piece, size));
    while (chain->queued > 0 && take(chain, next_number(&steps), dropout->rate, &merge))
        bpe_chain_merge(chain, tokenizer, merge);
    *count = bpe_chain_ids(chain, ids);
    return Q_OK;
}

q_status bpe_dropout_merge(const struct tokenizer *tokenizer, struct bpe_workspace *workspace,
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
