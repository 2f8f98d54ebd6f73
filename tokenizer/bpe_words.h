/* The distinct pieces as sequences of tokens in one array, the way training merges them.
 *
 * One slot of u32 for each byte. A token lies in as many slots as it has bytes: its id in the first and in the last, BPE_GAP between. So the neighbours
 * of a token are found by its length alone, without links, and a merge writes four slots:
 *
 *     slots   | E | t | h | e | E | c | a | t | E |           E = BPE_END, between pieces and at both ends
 *     "th"    | E | H   H | e | E | c | a | t | E |           H = id of "th": next = at + 2, and the token before e ends at at - 1
 *     "the"   | E | T   .   T | E | c | a | t | E |           . = BPE_GAP
 *
 * A position is the number of a token's first slot. A position that was written down for token x and whose slot still holds x is still the
 * start of an x: a slot inside a token is BPE_GAP, and one at a token's end can hold x only if x ends where it began, which needs one byte.
 *
 * Pieces are laid out by falling count, so that the count of a position is found in a short table of regions, and a list of rising
 * positions walks that table once.
 */
#ifndef QUERN_TOKENIZER_BPE_WORDS_H
#define QUERN_TOKENIZER_BPE_WORDS_H

#include "base/status.h"
#include "tokenizer/counts.h"

#include <stdint.h>

#define BPE_END UINT32_MAX
#define BPE_GAP (UINT32_MAX - 1)
#define BPE_SUM_MAX (1ull << 60)

struct bpe_region {
    uint32_t end; /* position behind it */
    uint64_t count;
};

struct bpe_words {
    uint32_t *slots;
    uint32_t slot_count;
    struct bpe_region *regions; /* rising ends, falling counts */
    size_t region_count;
};

/* byte_id[256]: the token of each byte. Releases the counts. */
q_status bpe_words_create(struct counts *counts, const uint32_t *byte_id, struct bpe_words *out) Q_MUST_USE;
void bpe_words_release(struct bpe_words *words);

/* The region of a position, looked for from `region` on (0, or what the call for a smaller position gave). */
static inline size_t bpe_words_region(const struct bpe_words *words, size_t region, uint32_t position)
{
    while (words->regions[region].end <= position)
        region++;
    return region;
}

#endif
