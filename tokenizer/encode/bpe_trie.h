/* A trie over bytes as a double array: for the longest token that a text begins with, one load a byte.
 *
 *     unit (64 bits)   | value (32) | base (23) | label (9) |
 *
 * The child of a unit by byte b is units[base ^ b], if its label is b. No two units have the same base, so that the label alone tells whose child it is.
 * A free unit has the label 256, which is no byte. The children of a unit lie in one block of 256 units; block 0 is empty and the base of
 * all units without children.
 *
 * Source: J. Aoe, An Efficient Digital Search Algorithm by Using a Double-Array Structure, 1989; base ^ b and the unique bases are from Yata's darts-clone.
 */
#ifndef QUERN_TOKENIZER_BPE_TRIE_H
#define QUERN_TOKENIZER_BPE_TRIE_H

#include "base/status.h"
#include "base/string.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BPE_TRIE_NONE UINT32_MAX

enum { BPE_TRIE_UNITS_MAX = 1 << 23 };

struct bpe_trie {
    uint64_t *units;
    size_t count;
    uint32_t root; /* the base of the root */
};

struct bpe_trie_key {
    q_string text;  /* not empty */
    uint32_t value; /* not BPE_TRIE_NONE */
};

/* Sorts the keys, which are to differ. *full: it would not fit BPE_TRIE_UNITS_MAX, and nothing was made. */
q_status bpe_trie_create(struct bpe_trie_key *keys, size_t count, struct bpe_trie *out, bool *full) Q_MUST_USE;
void bpe_trie_release(struct bpe_trie *trie);

/* The value of the longest key that bytes[0, size) begins with; BPE_TRIE_NONE where there is none. */
static inline uint32_t bpe_trie_longest(const struct bpe_trie *trie, const uint8_t *bytes, size_t size)
{
    uint32_t base = trie->root, found = BPE_TRIE_NONE;
    for (size_t i = 0; i < size; i++) {
        uint64_t unit = trie->units[base ^ bytes[i]];
        if ((unit & 511) != bytes[i])
            break;
        uint32_t value = (uint32_t)(unit >> 32);
        found = value == BPE_TRIE_NONE ? found : value;
        base = (uint32_t)unit >> 9;
    }
    return found;
}

#endif
