#include "tokenizer/bpe_borders.h"

#include "base/bytes.h"

static bool follows(uint8_t byte)
{
    return (byte & 0xC0) == 0x80;
}

static void set_bit(uint64_t *bits, uint64_t index)
{
    bits[index >> 6] |= 1ull << (index & 63);
}

static void add_pair(struct bpe_borders *borders, uint64_t word)
{
    set_bit(borders->pairs, (word * 0x9E3779B97F4A7C15ull) >> (64 - BPE_BORDERS_LOG));
}

/* One border, before token[k], which begins a character. In a text, the bytes of the token are those of the two characters or, at the token's ends, a part
 * of them. */
static void add_border(struct bpe_borders *borders, const uint8_t *token, size_t size, size_t k)
{
    size_t start = k;
    while (start > 0 && follows(token[start - 1]))
        start--;
    bool whole_left = start > 0;
    size_t left = k - start + whole_left, right = 1, needed = bpe_character_bytes(token[k]);
    if (needed == 0)
        return; /* never well formed in a text */
    if (whole_left && bpe_character_bytes(token[start - 1]) != left)
        return;
    while (right < needed && k + right < size && follows(token[k + right]))
        right++;
    if (right < needed && k + right < size)
        return;
    if (!whole_left || right + 1 < needed) {
        set_bit(borders->partial, token[k - 1] | (uint64_t)token[k] << 8);
        return;
    }
    uint64_t word = 0;
    memcpy(&word, token + k - left, left + right);
    if (right == needed) {
        add_pair(borders, word);
        return;
    }
    for (uint64_t last = 0x80; last < 0xC0; last++)
        add_pair(borders, word | last << (8 * (left + right)));
}

void bpe_borders_add(struct bpe_borders *borders, q_string token)
{
    const uint8_t *bytes = (const uint8_t *)token.data;
    for (size_t k = 1; k < token.size; k++)
        if (!follows(bytes[k]) && bytes[k - 1] >= 0x80)
            add_border(borders, bytes, token.size, k);
}

/* Eight bytes of text, zeros behind its end. */
static inline uint64_t load(const uint8_t *at, size_t readable)
{
    if (readable >= 8)
        return q_load_u64(at);
    uint8_t bytes[8] = {0};
    memcpy(bytes, at, readable);
    return q_load_u64(bytes);
}

/* The two characters at the start of `word` where both are well formed; else 0. */
static uint64_t two_characters(uint64_t word, unsigned left)
{
    static const uint64_t follow = 0x8080808080808080ull, high = 0xC0C0C0C0C0C0C0C0ull;
    unsigned right = left ? bpe_character_bytes((uint8_t)(word >> 8 * left)) : 0, all = left + right;
    if (right == 0)
        return 0;
    word = all < 8 ? word & ((1ull << 8 * all) - 1) : word;
    uint64_t rest = word & high, leads = 0xFFull | 0xFFull << 8 * left;
    uint64_t used = all < 8 ? (1ull << 8 * all) - 1 : UINT64_MAX;
    return (rest & ~leads) == (follow & used & ~leads) ? word : 0;
}

/* Most characters beyond ASCII have three bytes, or two, and so have their neighbours: two patterns in eight bytes, whose test the processor foresees; the
 * rest goes the general way. */
size_t bpe_borders_cut(const struct bpe_borders *borders, const uint8_t *text, size_t text_size, size_t *at, size_t end,
                       size_t *ends, size_t max)
{
    size_t here = *at, count = 0;
    if (here == end)
        return 0;
    while (count < max) {
        uint64_t word = load(text + here, text_size - here);
        unsigned left;
        if ((word & 0xC0C0F0C0C0F0) == 0x8080E08080E0) {
            word &= 0xFFFFFFFFFFFF;
            left = 3;
        } else if ((word & 0xC0E0C0E0) == 0x80C080C0) {
            word &= 0xFFFFFFFF;
            left = 2;
        } else {
            left = bpe_character_bytes((uint8_t)word);
            word = left > 1 ? two_characters(word, left) : 0;
            left = left ? left : 1;
        }
        here += left;
        if (here >= end) {
            ends[count++] = here = end;
            break;
        }
        ends[count] = here;
        count += word && !bpe_borders_hold(borders, word, left);
    }
    *at = count ? ends[count - 1] : here;
    return count;
}
