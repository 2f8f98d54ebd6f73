/* The cache of a thread: pieces that came before, with their ids. Of a fixed size, so that it never grows.
 *
 *     line, 32 bytes        | key (bpe_key.h), the count of ids in its four free bits | 4 ids |
 *     set, 64 bytes         | the later line | the earlier line |
 *     wide set              | the later line, with 8 more ids behind its own |
 *     long line, 128 bytes  | the piece, 16 to 63 bytes, zeros behind, the size in the last byte | count | 15 ids |
 *
 * A piece that is not in the later line of its set, whether it is in the earlier one or new, takes the place of the later line, which becomes the earlier one:
 * so nineteen of twenty pieces are found in the later line. One of more than 4 ids takes the whole set. A comparison has no loop and no branch. An empty line
 * has the size 0, which no piece has; nor have ids in the place of a key, for they are below 2^24.
 *
 * Of the pieces that are new, a third and more are tokens as they are. So a cache that is in use for some text is filled up with the vocabulary's tokens, the
 * commonest first, as far as there are empty lines.
 */
#ifndef QUERN_TOKENIZER_BPE_CACHE_H
#define QUERN_TOKENIZER_BPE_CACHE_H

#include "tokenizer/encode/bpe_key.h"
#include "tokenizer/vocabulary/vocabulary.h"

#include <string.h>

#include <stdbool.h>

enum {
    BPE_CACHE_LOG = 17, /* sets: 8 MiB, with room for the tokens of a vocabulary and as many words */
    BPE_CACHE_IDS = 4,
    BPE_WIDE_IDS = 12,
    BPE_LONG_LOG = 15, /* lines: 4 MiB */
    BPE_LONG_BYTES = 63,
    BPE_LONG_IDS = 15,
};

struct bpe_line {
    struct bpe_key key;
    uint32_t ids[BPE_CACHE_IDS];
};

struct bpe_set {
    union {
        struct bpe_line lines[2];
        struct {
            struct bpe_key key;
            uint32_t ids[BPE_WIDE_IDS];
        } wide;
    };
};

struct bpe_long_line {
    uint64_t words[8];
    uint32_t count;
    uint32_t ids[BPE_LONG_IDS];
};

_Static_assert(VOCABULARY_SIZE_MAX <= 1 << 24, "a wide set's second half looks as an empty line");
_Static_assert(sizeof(struct bpe_set) == 64 && sizeof(struct bpe_long_line) == 128, "lines of the processor's cache");

struct bpe_cache {
    struct bpe_set sets[1 << BPE_CACHE_LOG];
    struct bpe_long_line long_lines[1 << BPE_LONG_LOG];
};

static inline bool bpe_line_holds(const struct bpe_line *line, struct bpe_key key)
{
    return ((line->key.low ^ key.low) | (line->key.high ^ key.high) << 4) == 0;
}

static inline bool bpe_line_is_empty(const struct bpe_line *line)
{
    return line->key.high == 0;
}

static inline size_t bpe_line_count(const struct bpe_line *line)
{
    return line->key.high >> 60;
}

static inline bool bpe_set_is_wide(const struct bpe_set *set)
{
    return bpe_line_count(&set->lines[0]) > BPE_CACHE_IDS;
}

static inline bool bpe_long_line_holds(const struct bpe_long_line *line, const uint64_t words[8])
{
    uint64_t differ = 0;
    for (int i = 0; i < 8; i++)
        differ |= line->words[i] ^ words[i];
    return differ == 0;
}

#endif
