/* The distinct pieces as training sees them: their bytes once, end to end, and two bits a byte that say where tokens and pieces begin.
 *
 *     text      . t h e . c a t          bytes never change
 *     starts    1 1 0 0 1 1 0 1          "the" and "ca" are tokens by now; a merge takes one bit away
 *     pieces    1 0 0 0 1 0 0 0
 *
 * A token is known by its bytes, so nothing else need be written down: what stands between two starts is the token with these bytes (bpe_train.c says
 * why no two tokens share them). A position is the place of a byte, over all segments; the position of a pair is that of its first byte.
 *
 * Pieces are dealt to segments, which share no word of bits, so that each can be worked on by another thread. In a segment pieces lie by falling count:
 *
 *     | begin  count 90125: region 0 | count 77001: region 1 | ... | count 1: the last region | end      all segments in one array
 *
 * so a position's count is found in a short table, and a walk over rising positions goes through that table once.
 *
 * Memory: 1.25 bytes for each byte of distinct pieces.
 */
#ifndef QUERN_TOKENIZER_BPE_WORDS_H
#define QUERN_TOKENIZER_BPE_WORDS_H

#include "base/status.h"
#include "tokenizer/train/bpe_source.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define BPE_SUM_MAX (1ull << 60)

enum {
    BPE_BLOCK_BITS = 12, /* a table gives the first region of each block of 4 KiB */
    BPE_TEXT_PAD = 64,   /* bytes before and behind the text that may be loaded */
};

struct bpe_marks {
    uint64_t starts, pieces; /* bit i: of position 64 * index + i */
};

struct bpe_region {
    uint64_t end; /* position behind it */
    uint64_t count;
};

struct bpe_segment {
    uint64_t begin, end; /* positions; begin is a multiple of 64, and a start stands at end */
    struct bpe_region *regions;
    size_t region_count;
    uint32_t *block_region; /* [(end - begin) >> BPE_BLOCK_BITS, rounded up] */
};

struct bpe_words {
    const uint8_t *text; /* [size], with BPE_TEXT_PAD around it */
    struct bpe_marks *marks;
    uint64_t size; /* positions, with the gaps between segments */
    uint64_t bytes, pieces;
    uint64_t weight;   /* bytes times counts */
    uint64_t identity; /* a hash of pieces and counts, whatever their order */
    struct bpe_segment *segments;
    unsigned segment_count;
    void *text_pages, *mark_pages;
    size_t text_room, mark_room;
};

/* Reads the source twice: sizes by count, then the pieces. `segments` is at least 1; empty ones may come. Pieces of one byte are left out, as they have
 * no pair. Q_ERR_INPUT for counts that stand for more than 2^60 bytes. memory: what the process may take, of which
 * `others` are to be left for all that comes later; Q_ERR_USAGE says the least that would do. */
q_status bpe_words_create(struct bpe_source *source, unsigned segments, uint64_t memory, uint64_t others,
                          struct bpe_words *out) Q_MUST_USE;
void bpe_words_release(struct bpe_words *words);

/* The starts of the 64 positions from `position` on: bit i is of position + i. A position down to -64 is allowed. */
static inline uint64_t bpe_starts(const struct bpe_words *words, uint64_t position)
{
    const struct bpe_marks *marks = words->marks + ((int64_t)position >> 6);
    unsigned shift = position & 63;
    return marks[0].starts >> shift | marks[1].starts << 1 << (63 - shift);
}

static inline bool bpe_is_start(const struct bpe_words *words, uint64_t position)
{
    return words->marks[position >> 6].starts >> (position & 63) & 1;
}

static inline bool bpe_is_piece(const struct bpe_words *words, uint64_t position)
{
    return words->marks[position >> 6].pieces >> (position & 63) & 1;
}

uint32_t bpe_length_far(const struct bpe_words *words, uint64_t position);
uint32_t bpe_length_before_far(const struct bpe_words *words, uint64_t position);

/* Bytes of the token that begins at a start which is no segment's end. */
static inline uint32_t bpe_length(const struct bpe_words *words, uint64_t position)
{
    uint64_t starts = bpe_starts(words, position + 1);
    return starts ? (uint32_t)__builtin_ctzll(starts) + 1 : bpe_length_far(words, position);
}

/* Bytes of the token that ends before a start which is no piece's first. */
static inline uint32_t bpe_length_before(const struct bpe_words *words, uint64_t position)
{
    uint64_t starts = bpe_starts(words, position - 64);
    return starts ? (uint32_t)__builtin_clzll(starts) + 1 : bpe_length_before_far(words, position);
}

/* Whether exactly two tokens, of `left` and `right` bytes, stand at a position whose bytes are known to be theirs. */
static inline bool bpe_holds(const struct bpe_words *words, uint64_t position, uint32_t left, uint32_t right)
{
    uint32_t both = left + right;
    if (both < 64) {
        uint64_t pattern = 1 | 1ull << left | 1ull << both, mask = 1ull << both | ((1ull << both) - 1);
        return (bpe_starts(words, position) & mask) == pattern;
    }
    return bpe_is_start(words, position) && bpe_length(words, position) == left &&
           bpe_length(words, position + left) == right;
}

static inline uint64_t bpe_load8(const uint8_t *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof(word));
    return word;
}

/* Counts of rising positions. Zeroed is the start. */
struct bpe_cursor {
    uint64_t end; /* positions below it, from the last one asked on, have this count */
    uint64_t count;
    unsigned segment;
};

void bpe_cursor_seek(const struct bpe_words *words, struct bpe_cursor *cursor, uint64_t position);

static inline uint64_t bpe_count_at(const struct bpe_words *words, struct bpe_cursor *cursor, uint64_t position)
{
    if (position >= cursor->end)
        bpe_cursor_seek(words, cursor, position);
    return cursor->count;
}

#endif
