/* Encoding without merging: the longest token that agrees with the one before it, and a step back where there is none (bpe_trees.h has the two facts).
 *
 * The tokens chosen so far are always the encoding of the bytes they cover. So there is one token at most that can end at a place, and a place that
 * was left once, because no token from there on led further, is dead for good: each place is entered once, and the work is the bytes times the
 * tokens that begin at a place, whatever the text.
 */
#include "base/check.h"
#include "tokenizer/encode/bpe_index.h"

/* Whether `token` may stand at piece[at], behind `last`. */
static inline bool agree(const struct bpe_trees *t, uint32_t last, uint32_t token, const uint8_t *piece, size_t at)
{
    uint32_t lowest = at ? bpe_lowest_across(t, piece + at) : 0;
    return last == BPE_NO_TREE || bpe_trees_agree(t, piece[at], last, token, lowest);
}

/* dead: a bit per byte of the piece, zeros. stack: where the numbers of the tokens go. `before`: the token that the piece follows and that is to stay;
 * BPE_NO_TREE at the start. 0: there are no such tokens (only where there is a token before). */
static size_t match(const struct bpe_trees *t, uint32_t before, const uint8_t *piece, size_t size, uint64_t *dead,
                    uint32_t *stack)
{
    size_t at = 0, count = 0;
    uint32_t token = bpe_trie_longest(&t->trie, piece, size);
    for (;;) {
        size_t end = at + t->trees[token].size;
        uint32_t last = count ? stack[count - 1] : before;
        if (!(dead[end >> 6] >> (end & 63) & 1) && agree(t, last, token, piece, at)) {
            stack[count++] = token;
            at = end;
            if (at == size)
                return count;
            token = bpe_trie_longest(&t->trie, piece + at, size - at);
            continue;
        }
        token = t->trees[token].shorter;
        if (token == BPE_NO_TREE) { /* back to the token before, for a shorter one in its place: its end is dead now */
            dead[at >> 6] |= 1ull << (at & 63);
            if (count == 0)
                return 0;
            token = stack[--count];
            at -= t->trees[token].size;
        }
    }
}

q_status bpe_match_numbers(const struct bpe_trees *trees, struct bpe_workspace *workspace, uint32_t before,
                           const uint8_t *piece, size_t size, uint32_t *numbers, size_t *count)
{
    uint64_t few[4] = {0}, *dead = few;
    size_t words = size / 64 + 1;
    if (words > Q_COUNT_OF(few)) {
        Q_TRY(q_grow(&workspace->dead, &workspace->dead_capacity, words, sizeof(*dead)));
        dead = workspace->dead;
        memset(dead, 0, words * sizeof(*dead));
    }
    *count = match(trees, before, piece, size, dead, numbers);
    return Q_OK;
}

/* Whether the encodings of piece[0, end) have a border at `from` for each end that is at most a token before `size`. */
static q_status is_settled(const struct bpe_trees *t, struct bpe_workspace *workspace, uint32_t before,
                           const uint8_t *piece, size_t from, size_t size, uint32_t *numbers, bool *settled)
{
    *settled = true;
    for (size_t end = size - 1; *settled && end + t->longest > size; end--) {
        size_t count;
        Q_TRY(bpe_match_numbers(t, workspace, before, piece + from, end - from, numbers, &count));
        *settled = count > 0;
    }
    return Q_OK;
}

/* However the piece goes on, its encoding has a border in the last `longest` bytes, at `end` say, and begins with the encoding of what lies before
 * that. If all encodings of such beginnings have a border in common, so has the whole; and they have, if matching can begin there anew for all of them. */
q_status bpe_match_settled(const struct bpe_trees *t, struct bpe_workspace *workspace, uint32_t before,
                           const uint8_t *piece, size_t size, uint32_t *numbers, size_t *count, size_t *bytes)
{
    size_t all, at = size, k, back = 16 * (size_t)t->longest;
    Q_TRY(bpe_match_numbers(t, workspace, before, piece, size, numbers, &all));
    *count = *bytes = 0;
    for (k = all; k > 0; back *= 8) {
        bool settled;
        while (k > 0 && (at + back > size || (piece[at] & 0xC0) == 0x80))
            at -= t->trees[numbers[--k]].size;
        if (k == 0)
            break;
        Q_TRY(is_settled(t, workspace, numbers[k - 1], piece, at, size, numbers + all, &settled));
        if (settled) {
            *count = k;
            *bytes = at;
            break;
        }
    }
    return Q_OK;
}
