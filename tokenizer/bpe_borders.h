/* Hard cuts: borders between two characters that no merge can cross, because no token holds the two side by side.
 *
 * A piece of Chinese, Thai or Korean may be a whole clause, too rare to be seen twice. Of the borders inside it most are such that no token of the
 * vocabulary has their two characters next to each other (DeepSeek-V3's 128,000 tokens know 36,000 such pairs, in a script of 20,000 characters). Merging
 * gives only tokens, so none of its merges reaches over such a border, and the two sides can be encoded one by one: the result is exactly the same.
 * What is left is 3 to 13 bytes long on average, and comes again and again.
 *
 *     pairs    the pairs of characters that stand in some token, hashed to one bit each: a collision only hides a cut
 *     partial  last byte of the left, first byte of the right character: for tokens that begin or end within a character. A token that lacks
 *              the last byte of its last character is entered in `pairs` with all 64 bytes that may follow
 *
 * Only borders behind a character beyond ASCII are looked at, and only where both characters are well formed (a first byte and as many others as it says);
 * so text that is not UTF-8 is merely cut less.
 */
#ifndef QUERN_TOKENIZER_BPE_BORDERS_H
#define QUERN_TOKENIZER_BPE_BORDERS_H

#include "base/string.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    BPE_BORDERS_LOG = 19, /* bits in `pairs`: 64 KiB */
};

struct bpe_borders {
    uint64_t pairs[1 << (BPE_BORDERS_LOG - 6)];
    uint64_t partial[1 << (16 - 6)];
};

/* Enters the borders inside a token. Every token that merging can give is to be entered. */
void bpe_borders_add(struct bpe_borders *borders, q_string token);

/* The bytes of the character that `lead` begins; 0 for one that begins none. */
static inline unsigned bpe_character_bytes(uint8_t lead)
{
    return lead < 0x80 ? 1 : lead < 0xC0 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF8 ? 4 : 0;
}

/* `word`: the two characters' bytes, the first one lowest; none above. `left`: bytes of the first character. */
static inline bool bpe_borders_hold(const struct bpe_borders *borders, uint64_t word, unsigned left)
{
    uint64_t pair = (word * 0x9E3779B97F4A7C15ull) >> (64 - BPE_BORDERS_LOG);
    uint64_t both = word >> (8 * left - 8) & 0xFFFF;
    return (borders->pairs[pair >> 6] >> (pair & 63) | borders->partial[both >> 6] >> (both & 63)) & 1;
}

/* Fills ends[0..max) with the hard cuts inside text[*at, end), and with `end` as the last; moves *at behind the last one given. 0 when *at is at `end`.
 * `text_size`: how far memory may be read. */
size_t bpe_borders_cut(const struct bpe_borders *borders, const uint8_t *text, size_t text_size, size_t *at, size_t end,
                       size_t *ends, size_t max);

#endif
