#include "tokenizer/encode/bpe_index.h"

#include "base/check.h"

enum {
    WINDOW = 16, /* bytes */
    FEW = 5,     /* tokens of a window: long ones, which are bpe_match's */
    SEAMS = 8,   /* in a row that do not agree */
};

void bpe_workspace_release(struct bpe_workspace *workspace)
{
    bpe_chain_release(&workspace->chain);
    q_release(workspace->dead);
    *workspace = (struct bpe_workspace){0};
}

size_t bpe_merge_plain(const struct tokenizer *tokenizer, const uint8_t *piece, size_t size, uint32_t *ids)
{
    size_t count = size;
    for (size_t i = 0; i < size; i++)
        ids[i] = tokenizer->vocabulary.byte_id[piece[i]];
    for (;;) {
        const struct bpe_merge_slot *best = NULL;
        size_t place = 0;
        for (size_t i = 0; i + 1 < count; i++) {
            const struct bpe_merge_slot *merge = bpe_find_merge(tokenizer, ids[i], ids[i + 1]);
            if (merge && (!best || merge->rank < best->rank)) {
                best = merge;
                place = i;
            }
        }
        if (!best)
            return count;
        ids[place] = best->id;
        count--;
        memmove(ids + place + 1, ids + place + 2, (count - place - 1) * sizeof(*ids));
    }
}

q_status bpe_merge_long(const struct tokenizer *tokenizer, struct bpe_workspace *workspace, const uint8_t *piece,
                        size_t size, uint32_t *ids, size_t *count)
{
    struct bpe_chain *chain = &workspace->chain;
    uint64_t merge;
    Q_TRY(bpe_chain_begin(chain, tokenizer, piece, size));
    while (bpe_chain_next(chain, &merge))
        bpe_chain_merge(chain, tokenizer, merge);
    *count = bpe_chain_ids(chain, ids);
    return Q_OK;
}

/* A long piece by windows. Each begins where the one before it is left, and is encoded as a short piece; its last two tokens, which its end may have made, are
 * left to the next. By fact 1 of bpe_trees.h that is the encoding, if the tokens at each seam agree. Where they do not, the next window begins a token earlier.
 * 0: bpe_match is to be asked, for seams do not come to agree, or a window begins with many tokens, or ends with few. */
static size_t merge_by_windows(const struct bpe_trees *t, const uint8_t *piece, size_t size, uint32_t *numbers)
{
    size_t at = 0, count = 0, furthest = 0, seams = 0;
    for (;;) {
        size_t window = Q_MIN(size - at, (size_t)WINDOW), found = bpe_short(t, piece + at, window, numbers + count);
        if (found == 0 || (window == WINDOW && found < FEW))
            return 0;
        if (count > 0 &&
            !bpe_trees_agree(t, piece[at], numbers[count - 1], numbers[count], bpe_lowest_across(t, piece + at))) {
            if (++seams == SEAMS)
                return 0;
            at -= t->trees[numbers[--count]].size;
            continue;
        }
        if (at + window == size)
            return count + found;
        for (size_t kept = found > 2 ? found - 2 : 1; kept > 0; kept--)
            at += t->trees[numbers[count++]].size;
        seams = at > furthest ? 0 : seams;
        furthest = Q_MAX(furthest, at);
    }
}

q_status bpe_merge(const struct tokenizer *tokenizer, struct bpe_workspace *workspace, const uint8_t *piece,
                   size_t size, uint32_t *ids, size_t *count)
{
    const struct bpe_trees *t = &tokenizer->trees;
    if (!t->ordered)
        return bpe_merge_long(tokenizer, workspace, piece, size, ids, count);
    *count = bpe_short(t, piece, size, ids);
    if (*count == 0 && size > WINDOW && piece[1] < 0x80) /* in other scripts the longest tokens mostly agree */
        *count = merge_by_windows(t, piece, size, ids);
    if (*count == 0)
        Q_TRY(bpe_match_numbers(t, workspace, BPE_NO_TREE, piece, size, ids, count));
    for (size_t i = 0; i < *count; i++)
        ids[i] = bpe_tree_id(t, ids[i]);
    return Q_OK;
}
