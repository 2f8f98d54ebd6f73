/* Hard cuts: borders between two characters that no merge can cross, because no token of the vocabulary lies across them.
 *
 * A piece of Chinese, Thai or Korean may be a whole clause, too rare to be seen twice. At most of the borders inside it no token has these characters
 * next to each other (DeepSeek-V3's 128,000 tokens know 36,000 pairs of characters beyond ASCII). Merging gives only tokens, so no merge reaches over such a
 * border, and the two sides can be encoded one by one: the result is exactly the same. What is left comes again and again: on average 4 bytes
 * of Korean, 5 of Chinese, 8 of Thai.
 *
 * With the characters 1 2 | 3 4 about a border, the tokens that may lie across it are of four kinds: those that begin with 2 or hold 1 too, and end with 3 or
 * hold 4 too. Each is entered under its kind and the characters that it names:
 *
 *     words    one word per pair (2, 3), by its hash: its bits stand for the kinds and the characters 1 and 4. A collision only hides a cut
 *     partial  last byte of 2, first byte of 3: tokens that begin within 2, or that end so early within 3 that many characters might follow. One that lacks
 *              the last byte of 3 alone is entered in `words` with all 64
 *
 * Only borders behind a character beyond ASCII are looked at, and only where 2 and 3 are well formed (a first byte and as many others as it says); so text that
 * is not UTF-8 is merely cut less.
 */
#ifndef QUERN_TOKENIZER_BPE_BORDERS_H
#define QUERN_TOKENIZER_BPE_BORDERS_H

#include "base/string.h"

#include <stddef.h>
#include <stdint.h>

enum {
    BPE_BORDERS_LOG = 16, /* words: 512 KiB */
};

struct bpe_borders {
    uint64_t words[1 << BPE_BORDERS_LOG];
    uint64_t partial[256]; /* [first byte of 3]: a bit for the last byte of 2, which is one of 64 */
};

/* Enters the borders inside a token. Every token that merging can give is to be entered. */
void bpe_borders_add(struct bpe_borders *borders, q_string token);

/* Fills ends[0..max) with the hard cuts inside text[*at, end), and with `end` as the last; moves *at behind the last one given. 0 when *at is at `end`.
 * *at begins a piece, or is where the call before left it. `text_size`: how far memory may be read. */
size_t bpe_borders_cut(const struct bpe_borders *borders, const uint8_t *text, size_t text_size, size_t *at, size_t end,
                       size_t *ends, size_t max);

#endif
