/* A tree of losers (Knuth, The Art of Computer Programming 5.4.1): which of k sorted sources has the smallest piece, found anew with log2(k) comparisons.
 *
 * The user keeps the pieces. The tree knows the first eight bytes of each source's head as a big-endian number, which decides nearly always, and asks
 * `before` where they are equal.
 *
 *     tree.prefix[i] = ..., tree.ended[i] = false     for each source i
 *     merge_tree_build(&tree)
 *     merge_tree_first(&tree)                         the winner; where it has ended, all have
 *     tree.prefix[winner] = ...; merge_tree_play(&tree, winner)
 */
#ifndef QUERN_TOKENIZER_MERGE_TREE_H
#define QUERN_TOKENIZER_MERGE_TREE_H

#include "base/memory.h"
#include "base/status.h"
#include "base/string.h"

#include <stdbool.h>
#include <stdint.h>

struct merge_tree {
    size_t count;
    uint64_t *prefix;
    bool *ended;
    uint32_t *node; /* [0] the winner, [1, count) the losers of the games played there */
    const void *context;
    /* Whether a's head comes before b's, of sources that have not ended and whose prefixes are equal. */
    bool (*before)(const void *context, size_t a, size_t b);
};

/* context and before are the caller's to set. Release also after a failure. */
static inline q_status merge_tree_create(struct merge_tree *tree, size_t count)
{
    tree->count = count;
    Q_TRY(q_alloc_zero(count + 1, sizeof(*tree->prefix), &tree->prefix));
    Q_TRY(q_alloc_zero(count + 1, sizeof(*tree->ended), &tree->ended));
    return q_alloc_zero(count + 1, sizeof(*tree->node), &tree->node);
}

static inline void merge_tree_release(struct merge_tree *tree)
{
    q_release(tree->prefix);
    q_release(tree->ended);
    q_release(tree->node);
    *tree = (struct merge_tree){0};
}

static inline bool merge_tree_comes_first(const struct merge_tree *tree, size_t a, size_t b)
{
    if (tree->prefix[a] != tree->prefix[b])
        return tree->prefix[a] < tree->prefix[b];
    if (tree->ended[a] || tree->ended[b])
        return !tree->ended[a];
    return tree->before(tree->context, a, b);
}

/* Source `at` has a new head: it plays from its leaf up. Only the winner may. */
static inline void merge_tree_play(struct merge_tree *tree, size_t at)
{
    if (tree->ended[at])
        tree->prefix[at] = UINT64_MAX;
    for (size_t node = (at + tree->count) / 2; node > 0; node /= 2) {
        const size_t other = tree->node[node];
        if (merge_tree_comes_first(tree, other, at)) {
            tree->node[node] = (uint32_t)at;
            at = other;
        }
    }
    tree->node[0] = (uint32_t)at;
}

/* While the tree is built, whoever comes first to an empty node waits there for the other. */
static inline void merge_tree_build(struct merge_tree *tree)
{
    for (size_t i = 0; i < tree->count; i++)
        tree->node[i] = UINT32_MAX;
    for (size_t i = 0; i < tree->count; i++) {
        size_t at = i, node = (i + tree->count) / 2;
        if (tree->ended[i])
            tree->prefix[i] = UINT64_MAX;
        for (; node > 0 && tree->node[node] != UINT32_MAX; node /= 2) {
            const size_t other = tree->node[node];
            if (merge_tree_comes_first(tree, other, at)) {
                tree->node[node] = (uint32_t)at;
                at = other;
            }
        }
        tree->node[node] = (uint32_t)at; /* node 0: the winner */
    }
}

static inline size_t merge_tree_first(const struct merge_tree *tree)
{
    return tree->node[0];
}

static inline uint64_t merge_tree_prefix(q_string piece)
{
    uint64_t prefix = 0;
    if (piece.size >= 8) {
        memcpy(&prefix, piece.data, 8);
        return __builtin_bswap64(prefix);
    }
    for (size_t i = 0; i < piece.size; i++)
        prefix |= (uint64_t)(uint8_t)piece.data[i] << (56 - 8 * i);
    return prefix;
}

#endif
