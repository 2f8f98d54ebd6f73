#include "tokenizer/encode/bpe_borders.h"

#include "base/bytes.h"

#include <stdbool.h>
#include <string.h>

/* A well-formed character as a number: its bytes, the first one lowest. 0: none, or none that is well formed. */
struct character {
    uint32_t code;
    uint32_t bytes; /* at least 1 */
};

/* A character's part in a hash. */
static inline uint64_t mix(uint32_t code)
{
    return code * 0x9E3779B97F4A7C15ull;
}

/* The word of the pair (2, 3), from their hashes: one of 256 near each other for each character 2, so that a script of few characters uses few lines of
 * memory. */
static inline size_t word_of(uint64_t left, uint64_t right)
{
    return left >> (64 - BPE_BORDERS_LOG) ^ right >> 56;
}

/* The hash of the pair, from their own: where in its word the bits are. */
static inline uint64_t mix_pair(uint64_t left, uint64_t right)
{
    return ((left >> 29 | left << 35) + right) * 0xD6E8FEB86659FD93ull;
}

/* The bits of the four kinds, as places 0..63 (modulo 64): tokens from 2 to 3, from 2 to beyond 3, from before 2 to 3, from before 2 to beyond 3. `left` and
 * `right`: what the neighbours add, 6 bits of their hashes. */
static inline uint64_t place_alone(uint64_t pair)
{
    return pair >> 20;
}

static inline uint64_t place_right(uint64_t pair, uint64_t right)
{
    return (pair >> 26) + right;
}

static inline uint64_t place_left(uint64_t pair, uint64_t left)
{
    return (pair >> 32) + left;
}

static inline uint64_t place_both(uint64_t pair, uint64_t left, uint64_t right)
{
    return (pair >> 38) + 4 * left + left + right;
}

static inline bool follows(uint8_t byte)
{
    return (byte & 0xC0) == 0x80;
}

static inline uint32_t character_bytes(uint8_t lead)
{
    return lead < 0x80 ? 1 : lead < 0xC0 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF8 ? 4 : 0;
}

/* The character that begins at bytes[at]; `partial`: it is the start of one whose other bytes lie beyond the end. */
static struct character character_at(const uint8_t *bytes, size_t size, size_t at, bool *partial)
{
    struct character c = {0, 1};
    uint32_t needed = at < size ? character_bytes(bytes[at]) : 0, have = 1;
    *partial = false;
    if (needed == 0)
        return c;
    c.code = bytes[at];
    while (have < needed && at + have < size && follows(bytes[at + have])) {
        c.code |= (uint32_t)bytes[at + have] << 8 * have;
        have++;
    }
    if (have < needed) {
        *partial = at + have == size;
        c.code = *partial ? c.code : 0;
    }
    c.bytes = have;
    return c;
}

/* The character that ends at bytes[at], 0 where it does not begin within the bytes or is not well formed. */
static uint32_t character_before(const uint8_t *bytes, size_t at)
{
    size_t start = at;
    bool partial;
    while (start > 0 && follows(bytes[start - 1]))
        start--;
    if (start == 0)
        return 0;
    struct character c = character_at(bytes, at, start - 1, &partial);
    return start - 1 + c.bytes == at && !partial ? c.code : 0;
}

static void set_bit(struct bpe_borders *borders, const uint32_t codes[4])
{
    uint64_t mixed[2] = {mix(codes[1]), mix(codes[2])}, pair = mix_pair(mixed[0], mixed[1]);
    uint64_t left = mix(codes[0]) >> 58, right = mix(codes[3]) >> 58;
    uint64_t place = codes[0]   ? codes[3] ? place_both(pair, left, right) : place_left(pair, left)
                       : codes[3] ? place_right(pair, right)
                                : place_alone(pair);
    borders->words[word_of(mixed[0], mixed[1])] |= 1ull << (place & 63);
}

/* One border, before token[k], which begins a character. A neighbour that is not whole is left open: the token is entered as if it ended at 2 or 3. */
static void add_border(struct bpe_borders *borders, const uint8_t *token, size_t size, size_t k)
{
    bool partial, beyond;
    size_t start = k;
    while (start > 0 && follows(token[start - 1]))
        start--;
    uint32_t needed = character_bytes(token[k]), left = character_before(token, k);
    struct character right = character_at(token, size, k, &partial);
    if (needed == 0 || right.code == 0 || (start > 0 && left == 0))
        return; /* never well formed in a text */
    if (start == 0 || (partial && right.bytes + 1 < needed)) {
        uint32_t index = token[k - 1] | (uint32_t)token[k] << 8;
        borders->partial[index >> 6] |= 1ull << (index & 63);
        return;
    }
    uint32_t before = character_before(token, start - 1);
    uint32_t behind = character_at(token, size, k + right.bytes, &beyond).code;
    uint32_t codes[4] = {before, left, right.code, beyond ? 0 : behind};
    if (!partial)
        set_bit(borders, codes);
    for (uint32_t last = 0x80; partial && last < 0xC0; last++) {
        codes[2] = right.code | last << 8 * right.bytes;
        set_bit(borders, codes);
    }
}

void bpe_borders_add(struct bpe_borders *borders, q_string token)
{
    const uint8_t *bytes = (const uint8_t *)token.data;
    for (size_t k = 1; k < token.size; k++)
        if (!follows(bytes[k]) && bytes[k - 1] >= 0x80)
            add_border(borders, bytes, token.size, k);
}

/* The same by four bytes at once. Most characters beyond ASCII have three bytes, or two, and so have their neighbours: patterns that the processor foresees. */
static inline struct character next_character(const uint8_t *text, size_t at, size_t size)
{
    bool partial;
    if (at + 4 > size) {
        struct character c = character_at(text, size, at, &partial);
        return partial ? (struct character){0, 1} : c;
    }
    uint32_t word = q_load_u32(text + at);
    if ((word & 0xC0C0F0) == 0x8080E0)
        return (struct character){word & 0xFFFFFF, 3};
    if ((word & 0xC0E0) == 0x80C0)
        return (struct character){word & 0xFFFF, 2};
    if ((word & 0x80) == 0)
        return (struct character){word & 0xFF, 1};
    if ((word & 0xC0C0C0F8) == 0x808080F0)
        return (struct character){word, 4};
    return (struct character){0, 1};
}

/* Some token may lie across the border between the characters 2 and 3 of the four whose hashes these are. */
static inline bool is_crossed(const struct bpe_borders *borders, const uint64_t mixed[4], uint8_t last, uint8_t first)
{
    uint64_t pair = mix_pair(mixed[1], mixed[2]), left = mixed[0] >> 58, right = mixed[3] >> 58;
    uint64_t word = borders->words[word_of(mixed[1], mixed[2])];
    uint32_t index = last | (uint32_t)first << 8;
    return (word >> (place_alone(pair) & 63) | word >> (place_right(pair, right) & 63) |
            word >> (place_left(pair, left) & 63) | word >> (place_both(pair, left, right) & 63) |
            borders->partial[index >> 6] >> (index & 63)) &
           1;
}

size_t bpe_borders_cut(const struct bpe_borders *borders, const uint8_t *text, size_t text_size, size_t *at, size_t end,
                       size_t *ends, size_t max)
{
    size_t here = *at, count = 0;
    if (here == end)
        return 0;
    struct character left = next_character(text, here, text_size);
    here += left.bytes;
    struct character right = next_character(text, here, text_size);
    uint64_t mixed[4] = {0, mix(left.code), mix(right.code)};
    while (here < end && count < max - 1) { /* `here`: the border between `left` and `right` */
        size_t next = here + right.bytes;
        struct character behind = next_character(text, next, text_size);
        mixed[3] = mix(behind.code);
        bool cut = left.code > 0x7F && right.code && !is_crossed(borders, mixed, text[here - 1], text[here]);
        ends[count] = here;
        count += cut;
        mixed[0] = cut ? 0 : mixed[1]; /* no token comes from behind a cut */
        mixed[1] = mixed[2];
        mixed[2] = mixed[3];
        left = right;
        right = behind;
        here = next;
    }
    if (here >= end)
        ends[count++] = end;
    *at = ends[count - 1];
    return count;
}
