/* Characters that are tokens whatever stands beside them, so that merging can begin with these instead of bytes.
 *
 * A character c of several bytes that is a token T begins as T, if no token tears c or its neighbour at either border of c: a token tears two characters
 * where it lies across the border between them and does not hold the whole of both.
 *
 * Proof: take the first merge that joins bytes of c with others, across the border to d say. What it makes lies across that border, so it holds all of c; so
 * does its part on the side of c; and as nothing joined c's bytes with others before, that part is c alone, as a token: T, since a token comes about in one way
 * only. So c is T before anything outside has a say, or stays alone and is T in the end. To take T for its bytes beforehand changes no other merge: those
 * inside c touch nothing else, and those with T come later than T in any case.
 *
 * Which borders may be torn is known by the two bytes at the border alone, a bit for each two: few tokens tear (in DeepSeek-V3's vocabulary 736, at 155 kinds
 * of borders), but some scripts are full of these: Thai is hardly ever begun with characters.
 */
#ifndef QUERN_TOKENIZER_BPE_CHARACTERS_H
#define QUERN_TOKENIZER_BPE_CHARACTERS_H

#include "base/string.h"
#include "tokenizer/encode/bpe_pairs.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bpe_characters {
    uint32_t numbers[1 << 16];    /* by code point, of characters of two and three bytes; BPE_NO_NUMBER */
    uint64_t torn[1 << (16 - 6)]; /* bit left byte * 256 + right byte */
};

void bpe_characters_clear(struct bpe_characters *characters);
/* Enters a token. All that merging can give are to be entered. */
void bpe_characters_add(struct bpe_characters *characters, q_string token, uint32_t number);

static inline bool bpe_characters_are_torn(const struct bpe_characters *characters, uint8_t left, uint8_t right)
{
    return characters->torn[left << 2 | right >> 6] >> (right & 63) & 1;
}

/* The code point of a character of two or three bytes; 0: at[0, bytes) is none, well formed and as short as can be. */
static inline uint32_t bpe_character_code(const uint8_t *at, size_t bytes)
{
    uint32_t code;
    if (bytes == 2)
        return (at[0] & 0xE0) == 0xC0 && at[0] >= 0xC2 && (at[1] & 0xC0) == 0x80 ? (at[0] & 31u) << 6 | (at[1] & 63u)
                                                                                 : 0;
    if (bytes != 3 || (at[0] & 0xF0) != 0xE0 || (at[1] & 0xC0) != 0x80 || (at[2] & 0xC0) != 0x80)
        return 0;
    code = (at[0] & 15u) << 12 | (at[1] & 63u) << 6 | (at[2] & 63u);
    return code >= 0x800 ? code : 0;
}

/* The token that the character at piece[at] begins as, and its bytes; BPE_NO_NUMBER where bytes are to be begun with. The piece may be any bytes. */
static inline uint32_t bpe_characters_find(const struct bpe_characters *characters, const uint8_t *piece, size_t size,
                                           size_t at, size_t *bytes)
{
    size_t needed = piece[at] < 0xE0 ? 2 : 3, end = at + needed;
    if (piece[at] < 0xC2 || end > size || (at > 0 && bpe_characters_are_torn(characters, piece[at - 1], piece[at])))
        return BPE_NO_NUMBER;
    if (end < size && ((piece[end] & 0xC0) == 0x80 || bpe_characters_are_torn(characters, piece[end - 1], piece[end])))
        return BPE_NO_NUMBER;
    *bytes = needed;
    return characters->numbers[bpe_character_code(piece + at, needed)]; /* [0]: none */
}

#endif
