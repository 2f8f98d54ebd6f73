/* Short pieces by their merges, as the definition of merging has it, in numbers of trees, which are in the order of ranks (bpe_trees.h).
 *
 *     places    0       1       2       3       4            what the piece begins with: bytes, characters
 *     tokens    t       h       i       s                    of the places that are left
 *     starts    1       1       1       1       1            a bit for each of these, and one for the end
 *     merges    th<<4   hi<<4   is<<4   none                 of a token with the next: number << 4 | place. The least is the merge that is next.
 *
 * That costs a load or two of cold memory for a merge, and no step back. bpe_match.c, which goes by the longest token, loads several for each token that it
 * tries, and half of these prove wrong in Latin letters; it is the better one where many merges make few tokens: in long pieces, and where the tokens of a
 * script begin and end within characters, so that a piece begins with bytes (Thai).
 */
#include "base/check.h"
#include "tokenizer/encode/bpe_index.h"

enum {
    PLACES = 16,
    PLACE_BITS = 4,
    TORN_MAX = 6, /* bytes of characters that a piece may begin with */
};

#define NO_MERGE UINT32_MAX

/* What the piece begins with; how many places, 0: too many. */
static unsigned begin(const struct bpe_trees *t, const uint8_t *piece, size_t size, uint32_t tokens[PLACES],
                      uint8_t firsts[PLACES])
{
    unsigned count = 0, torn = 0;
    size_t bytes;
    for (size_t at = 0; at < size; at += bytes) {
        uint32_t number =
            piece[at] < 0x80 ? BPE_NO_NUMBER : bpe_characters_find(t->characters, piece, size, at, &bytes);
        if (number == BPE_NO_NUMBER) {
            torn += piece[at] >= 0x80;
            number = piece[at];
            bytes = 1;
        }
        if (count == PLACES || torn > TORN_MAX)
            return 0;
        firsts[count] = piece[at];
        tokens[count++] = number;
    }
    return count;
}

static inline uint32_t merge_at(uint32_t number, unsigned place)
{
    return number == BPE_NO_NUMBER ? NO_MERGE : number << PLACE_BITS | place;
}

static inline uint32_t lesser(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* As a tree, which the compiler would make a chain of. */
static inline uint32_t least_of_4(const uint32_t *merges)
{
    uint32_t a = lesser(merges[0], merges[1]), b = lesser(merges[2], merges[3]);
    __asm__("" : "+r"(a), "+r"(b));
    return lesser(a, b);
}

/* Without a loop, whose end would not be foreseen. */
static inline uint32_t least(const uint32_t merges[PLACES], unsigned count)
{
    uint32_t low = least_of_4(merges), high = least_of_4(merges + 4);
    __asm__("" : "+r"(low), "+r"(high));
    low = lesser(low, high);
    return count <= 8 ? low : lesser(low, lesser(least_of_4(merges + 8), least_of_4(merges + 12)));
}

static void find_first_merges(const struct bpe_trees *t, const uint32_t *tokens, const uint8_t *firsts, unsigned count,
                              uint32_t merges[PLACES])
{
    for (unsigned i = 0; i < PLACES; i++)
        merges[i] = NO_MERGE;
    for (unsigned i = 0; i + 1 < count; i++) {
        uint32_t left = tokens[i], right = tokens[i + 1];
        bool are_bytes = (left | right) < 256;
        merges[i] = merge_at(
            are_bytes ? t->byte_pairs[left << 8 | right] : bpe_pairs_find(&t->pairs, firsts[i + 1], left, right), i);
    }
}

size_t bpe_short(const struct bpe_trees *t, const uint8_t *piece, size_t size, uint32_t *numbers)
{
    uint32_t tokens[PLACES + 1] = {0}, merges[PLACES], next; /* [places]: behind the end, any token */
    uint8_t firsts[PLACES + 1] = {0};                        /* the first byte of each */
    unsigned places = size <= BPE_SHORT_BYTES ? begin(t, piece, size, tokens, firsts) : 0;
    uint32_t starts = (2u << places) - 1;
    size_t count = 0;
    if (places == 0)
        return 0;
    find_first_merges(t, tokens, firsts, places, merges);
    while ((next = least(merges, places)) != NO_MERGE) {
        unsigned place = next % PLACES;
        uint32_t made = next / PLACES, behind = starts & -(2u << place), before = starts & ((1u << place) - 1);
        unsigned taken = (unsigned)__builtin_ctz(behind), after = (unsigned)__builtin_ctz(behind & (behind - 1));
        unsigned left = 31 - (unsigned)__builtin_clz(before | 1);
        bpe_pairs_fetch(&t->pairs, firsts[after], made, tokens[after]);
        bpe_pairs_fetch(&t->pairs, firsts[place], tokens[left], made);
        starts ^= 1u << taken;
        tokens[place] = made;
        merges[taken] = merges[place] = NO_MERGE;
        if (after < places)
            merges[place] = merge_at(bpe_pairs_find(&t->pairs, firsts[after], made, tokens[after]), place);
        if (before)
            merges[left] = merge_at(bpe_pairs_find(&t->pairs, firsts[place], tokens[left], made), left);
    }
    for (starts ^= 1u << places; starts; starts &= starts - 1)
        numbers[count++] = tokens[__builtin_ctz(starts)];
    return count;
}
