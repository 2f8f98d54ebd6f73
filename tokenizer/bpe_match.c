/* Encoding without merging: the longest token that agrees with the one before it, and a step back where there is none (bpe_trees.h has the two facts).
 *
 * The tokens chosen so far are always the encoding of the bytes they cover. So there is one token at most that can end at a place, and a place that was left once,
 * because no token from there on led further, is dead for good: each place is entered once, and the work is the bytes times the tokens that begin at a
 * place, whatever the text.
 */
#include "base/check.h"
#include "tokenizer/bpe_index.h"

/* dead: a bit per byte of the piece, zeros. stack: where the numbers of the tokens go. */
static size_t match(const struct bpe_trees *t, const uint8_t *piece, size_t size, uint64_t *dead, uint32_t *stack)
{
    size_t at = 0, count = 0;
    uint32_t token = bpe_trie_longest(&t->trie, piece, size);
    for (;;) {
        size_t end = at + t->trees[token].size;
        if (!(dead[end >> 6] >> (end & 63) & 1) && (count == 0 || bpe_trees_agree(t, stack[count - 1], token))) {
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
            token = stack[--count];
            at -= t->trees[token].size;
        }
    }
}

q_status bpe_match(const struct tokenizer *tokenizer, struct bpe_workspace *workspace, const uint8_t *piece,
                   size_t size, uint32_t *ids, size_t *count)
{
    const struct bpe_trees *t = &tokenizer->trees;
    uint64_t few[4] = {0}, *dead = few;
    size_t words = size / 64 + 1;
    if (words > Q_COUNT_OF(few)) {
        Q_TRY(q_grow(&workspace->dead, &workspace->dead_capacity, words, sizeof(*dead)));
        dead = workspace->dead;
        memset(dead, 0, words * sizeof(*dead));
    }
    *count = match(t, piece, size, dead, ids);
    for (size_t i = 0; i < *count; i++)
        ids[i] = t->ids[ids[i]];
    return Q_OK;
}
