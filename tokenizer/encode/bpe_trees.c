#include "tokenizer/encode/bpe_trees.h"

#include "base/check.h"
#include "base/memory.h"
#include "tokenizer/encode/bpe_index.h"

void bpe_trees_release(struct bpe_trees *t)
{
    bpe_trie_release(&t->trie);
    *t = (struct bpe_trees){0};
}

/* What is known while the merges are gone through in the order of their ranks. */
struct growing {
    const struct tokenizer *tokenizer;
    struct bpe_trees *out;
    struct q_arena *tables;
    uint32_t *number; /* [size of the vocabulary]: of the token, so far; BPE_NO_TREE */
};

size_t bpe_trees_bytes(size_t merges)
{
    return (256 + merges) * (sizeof(struct bpe_tree) + sizeof(uint32_t)) + bpe_pairs_bytes(merges) +
           2 * 256 * 256 * sizeof(uint32_t) + sizeof(struct bpe_characters);
}

static uint8_t first_byte(const struct vocabulary *v, uint32_t id)
{
    return (uint8_t)v->tokens[id].data[0];
}

static q_status allocate(struct growing *g)
{
    uint32_t counts[256] = {0}; /* of merges, by the first byte of their right part */
    const struct vocabulary *v = &g->tokenizer->vocabulary;
    struct bpe_trees *t = g->out;
    const size_t capacity = 256 + v->merge_count;
    Q_TRY(q_arena_alloc(g->tables, capacity, sizeof(*t->trees), &t->trees));
    Q_TRY(q_arena_alloc(g->tables, capacity, sizeof(*t->ids), &t->ids));
    for (size_t rank = 0; rank < v->merge_count; rank++)
        counts[first_byte(v, v->merges[rank].right)]++;
    Q_TRY(bpe_pairs_create(&t->pairs, counts, g->tables));
    Q_TRY(q_alloc(v->size, sizeof(*g->number), &g->number));
    for (uint32_t id = 0; id < v->size; id++)
        g->number[id] = BPE_NO_TREE;
    return Q_OK;
}

static void add_tree(struct growing *g, uint32_t left, uint32_t right, uint32_t id, uint32_t size)
{
    struct bpe_trees *t = g->out;
    g->number[id] = t->count;
    t->ids[t->count] = id;
    t->longest = Q_MAX(t->longest, size);
    t->trees[t->count++] = (struct bpe_tree){{left, right}, BPE_NO_TREE, size};
}

/* A merge makes its token where its parts meet and no merge of a lower rank parts them; else it never takes place. */
static bool grow(struct growing *g)
{
    const struct vocabulary *v = &g->tokenizer->vocabulary;
    struct bpe_trees *t = g->out;
    for (uint32_t byte = 0; byte < 256; byte++)
        add_tree(g, 0, 0, v->byte_id[byte], 1);
    for (size_t rank = 0; rank < v->merge_count; rank++) {
        const struct vocabulary_merge *merge = &v->merges[rank];
        uint32_t left = g->number[merge->left], right = g->number[merge->right], number = t->count;
        uint8_t first = first_byte(v, merge->right);
        if (left == BPE_NO_TREE || right == BPE_NO_TREE || !bpe_trees_agree(t, first, left, right, 0) ||
            bpe_find_merge(g->tokenizer, merge->left, merge->right)->rank != rank)
            continue;
        if (g->number[merge->id] != BPE_NO_TREE || number == BPE_PAIRS_MAX)
            return false;
        add_tree(g, left, right, merge->id, t->trees[left].size + t->trees[right].size);
        bpe_pairs_add(&t->pairs, first, left, right, number);
    }
    return true;
}

/* Whether all merges that take place have been found: of the others, none has parts that meet. One whose parts came about after its turn may. */
static bool is_ordered(const struct growing *g)
{
    const struct vocabulary *v = &g->tokenizer->vocabulary;
    const struct bpe_trees *t = g->out;
    for (size_t rank = 0; rank < v->merge_count; rank++) {
        uint32_t left = g->number[v->merges[rank].left], right = g->number[v->merges[rank].right];
        uint8_t first = first_byte(v, v->merges[rank].right);
        if (left != BPE_NO_TREE && right != BPE_NO_TREE &&
            bpe_pairs_find(&t->pairs, first, left, right) == BPE_NO_TREE && bpe_trees_agree(t, first, left, right, 0))
            return false;
    }
    return true;
}

static q_status index_bytes(const struct vocabulary *v, struct bpe_trees *t)
{
    struct bpe_trie_key *keys;
    bool full;
    Q_TRY(q_alloc(t->count, sizeof(*keys), &keys));
    for (uint32_t i = 0; i < t->count; i++)
        keys[i] = (struct bpe_trie_key){v->tokens[t->ids[i]], i};
    q_status status = bpe_trie_create(keys, t->count, &t->trie, &full);
    q_release(keys);
    if (status)
        return status;
    for (uint32_t i = 0; i < t->count && !full; i++) {
        q_string token = v->tokens[t->ids[i]];
        t->trees[i].shorter = bpe_trie_longest(&t->trie, (const uint8_t *)token.data, token.size - 1);
    }
    t->ordered = !full;
    return Q_OK;
}

static uint32_t find_even_from(const struct bpe_trees *t)
{
    uint32_t number = t->count - 1;
    while (number > 0 && t->ids[number - 1] == t->ids[number] - 1)
        number--;
    return number;
}

/* For each border of two bytes the first merge across it: with a lower limit, two tokens agree (fact 2). */
static q_status index_lowest(const struct vocabulary *v, struct bpe_trees *t, struct q_arena *tables)
{
    Q_TRY(q_arena_alloc(tables, 256 * 256, sizeof(*t->lowest), &t->lowest));
    for (uint32_t i = 0; i < 256 * 256; i++)
        t->lowest[i] = BPE_NO_TREE;
    for (uint32_t number = t->count; number-- > 256;) {
        const uint8_t *bytes = (const uint8_t *)v->tokens[t->ids[number]].data;
        size_t border = t->trees[t->trees[number].parts[0]].size;
        t->lowest[bytes[border - 1] << 8 | bytes[border]] = number;
    }
    return Q_OK;
}

/* What short pieces begin with. */
static q_status index_short(const struct vocabulary *v, struct bpe_trees *t, struct q_arena *tables)
{
    Q_TRY(q_arena_alloc(tables, 256 * 256, sizeof(*t->byte_pairs), &t->byte_pairs));
    Q_TRY(q_arena_alloc(tables, 1, sizeof(*t->characters), &t->characters));
    for (uint32_t i = 0; i < 256 * 256; i++)
        t->byte_pairs[i] = bpe_pairs_find(&t->pairs, (uint8_t)i, i >> 8, i & 255);
    bpe_characters_clear(t->characters);
    for (uint32_t number = 0; number < t->count; number++)
        bpe_characters_add(t->characters, v->tokens[t->ids[number]], number);
    return Q_OK;
}

q_status bpe_trees_create(struct tokenizer *tokenizer)
{
    struct bpe_trees *out = &tokenizer->trees;
    struct growing g = {.tokenizer = tokenizer, .out = out, .tables = &tokenizer->tables};
    q_status status = allocate(&g);
    bool ordered = !status && grow(&g) && is_ordered(&g);
    q_release(g.number);
    if (ordered)
        out->even_from = find_even_from(out);
    if (ordered)
        status = index_short(&tokenizer->vocabulary, out, &tokenizer->tables);
    if (ordered && !status)
        status = index_lowest(&tokenizer->vocabulary, out, &tokenizer->tables);
    if (ordered && !status)
        status = index_bytes(&tokenizer->vocabulary, out);
    if (status || !out->ordered)
        bpe_trees_release(out);
    return status;
}
