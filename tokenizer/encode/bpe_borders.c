#include "tokenizer/encode/bpe_borders.h"

#include "base/bytes.h"
#include "base/check.h"

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

/* The bit of a token that lies across the border, by the hashes of the characters 1 and 4 where it holds these, else 0. */
static inline uint64_t bit_of(uint64_t pair, uint64_t left, uint64_t right)
{
    return 1ull << (((pair >> 58) + (left >> 34) + (right >> 40)) & 63);
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
    uint64_t mixed[4] = {mix(codes[0]), mix(codes[1]), mix(codes[2]), mix(codes[3])}; /* of none, which is 0: 0 */
    uint64_t pair = mix_pair(mixed[1], mixed[2]);
    borders->words[word_of(mixed[1], mixed[2])] |= bit_of(pair, mixed[0], mixed[3]);
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
        borders->partial[token[k]] |= 1ull << (token[k - 1] & 63);
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

/* Whether four bytes, the first one lowest, begin with a character of three. */
static inline bool is_of_three(uint32_t word)
{
    return (word & 0xC0C0F0) == 0x8080E0;
}

/* As character_at, by four bytes at once. Most characters beyond ASCII have three bytes, or two, and so have their neighbours: patterns that the
 * processor foresees. */
static inline struct character next_character(const uint8_t *text, size_t at, size_t size)
{
    bool partial;
    if (at + 4 > size) {
        struct character c = character_at(text, size, at, &partial);
        return partial ? (struct character){0, 1} : c;
    }
    uint32_t word = q_load_u32(text + at);
    if (is_of_three(word))
        return (struct character){word & 0xFFFFFF, 3};
    if ((word & 0xC0E0) == 0x80C0)
        return (struct character){word & 0xFFFF, 2};
    if ((word & 0x80) == 0)
        return (struct character){word & 0xFF, 1};
    if ((word & 0xC0C0C0F8) == 0x808080F0)
        return (struct character){word, 4};
    return (struct character){0, 1};
}

/* Keeps the compiler from making a branch of what depends on a value that no processor foresees. */
static inline uint64_t unforeseen(uint64_t value)
{
    __asm__("" : "+r"(value));
    return value;
}

/* 1: some token may lie across the border between the characters 2 and 3 of the four whose hashes these are. */
static inline uint64_t is_crossed(const struct bpe_borders *borders, const uint64_t mixed[4], uint8_t last,
                                  uint8_t first)
{
    uint64_t pair = mix_pair(mixed[1], mixed[2]), word = borders->words[word_of(mixed[1], mixed[2])];
    uint64_t tokens =
        bit_of(pair, 0, 0) | bit_of(pair, 0, mixed[3]) | bit_of(pair, mixed[0], 0) | bit_of(pair, mixed[0], mixed[3]);
    return ((word & tokens) != 0) | (borders->partial[first] >> (last & 63) & 1);
}

/* What a cut goes through with: `here`, the border between `left` and `right`, and the hashes of the character before these, of these two, and of
 * the one behind. */
struct cutting {
    size_t here;
    struct character left, right;
    uint64_t mixed[4];
    size_t *ends, count;
};

/* The border between `left` and `right`, of which the one is beyond ASCII and the other well formed if `may_be_cut` is 1. */
static inline void cut_border(const struct bpe_borders *borders, const uint8_t *text, struct cutting *c,
                              uint64_t may_be_cut)
{
    uint64_t crossed = is_crossed(borders, c->mixed, text[c->here - 1], text[c->here]);
    uint64_t cut = unforeseen(may_be_cut & (crossed ^ 1));
    c->ends[c->count] = c->here;
    c->count += cut;
    c->mixed[0] = c->mixed[1] & (cut - 1); /* no token comes from behind a cut */
    c->mixed[1] = c->mixed[2];
    c->mixed[2] = c->mixed[3];
}

/* From a border between two characters of three bytes on, as long as such follow: what most text that is cut consists of. */
static inline void cut_threes(const struct bpe_borders *borders, const uint8_t *text, size_t text_size, size_t end,
                              size_t max, struct cutting *all)
{
    struct cutting c = *all;
    size_t room = c.here + 3 * (max - 1 - c.count), readable = text_size < 7 ? 0 : text_size - 6;
    size_t stop = Q_MIN(Q_MIN(room, end), readable);
    uint32_t word = 0;
    for (; c.here < stop && is_of_three(word = q_load_u32(text + c.here + 3)); c.here += 3) {
        c.mixed[3] = mix(word & 0xFFFFFF);
        cut_border(borders, text, &c, 1);
    }
    if (c.here > all->here) {
        c.left = next_character(text, c.here - 3, text_size);
        c.right = next_character(text, c.here, text_size);
    }
    *all = c;
}

size_t bpe_borders_cut(const struct bpe_borders *borders, const uint8_t *text, size_t text_size, size_t *at, size_t end,
                       size_t *ends, size_t max)
{
    struct cutting c = {.here = *at, .ends = ends};
    if (c.here == end)
        return 0;
    c.left = next_character(text, c.here, text_size);
    c.here += c.left.bytes;
    c.right = next_character(text, c.here, text_size);
    c.mixed[1] = mix(c.left.code);
    c.mixed[2] = mix(c.right.code);
    while (c.here < end && c.count < max - 1) {
        if (c.left.bytes == 3 && c.right.bytes == 3) {
            cut_threes(borders, text, text_size, end, max, &c);
            if (c.here >= end || c.count == max - 1)
                break;
        }
        size_t next = c.here + c.right.bytes;
        struct character behind = next_character(text, next, text_size);
        c.mixed[3] = mix(behind.code);
        cut_border(borders, text, &c, (c.left.code > 0x7F) & (c.right.code != 0));
        c.left = c.right;
        c.right = behind;
        c.here = next;
    }
    if (c.here >= end)
        ends[c.count++] = end;
    *at = ends[c.count - 1];
    return c.count;
}
