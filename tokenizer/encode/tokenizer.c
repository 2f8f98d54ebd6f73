#include "tokenizer/tokenizer.h"

#include "base/check.h"
#include "tokenizer/encode/bpe_index.h"

void tokenizer_release(struct tokenizer *tokenizer)
{
    if (!tokenizer)
        return;
    vocabulary_release(&tokenizer->vocabulary);
    q_release(tokenizer->pairs);
    q_release(tokenizer->byte_pairs);
    bpe_trees_release(&tokenizer->trees);
    q_arena_release(&tokenizer->tables);
    bpe_wholes_release(&tokenizer->wholes);
    added_tokens_release(tokenizer->added[0]);
    added_tokens_release(tokenizer->added[1]);
    q_release(tokenizer->is_special);
    q_release(tokenizer);
}

/* A power of two that `count` entries fill to a half at most. */
static size_t capacity_for(size_t count)
{
    size_t capacity = 16;
    while (capacity < 2 * count)
        capacity *= 2;
    return capacity;
}

/* Of two merges of one pair the later one counts, as in Hugging Face's reader. */
static q_status index_pairs(struct tokenizer *t)
{
    const struct vocabulary *v = &t->vocabulary;
    t->pairs_capacity = capacity_for(v->merge_count);
    Q_TRY(q_alloc(t->pairs_capacity, sizeof(*t->pairs), &t->pairs));
    for (size_t i = 0; i < t->pairs_capacity; i++)
        t->pairs[i].pair = UINT64_MAX;
    for (size_t rank = 0; rank < v->merge_count; rank++) {
        uint64_t pair = (uint64_t)v->merges[rank].left << 32 | v->merges[rank].right;
        uint64_t mixed = (pair ^ pair >> 29) * 0x9E3779B97F4A7C15ull; /* as in bpe_find_merge */
        size_t at = (size_t)(mixed >> 32) & (t->pairs_capacity - 1);
        while (t->pairs[at].pair != UINT64_MAX && t->pairs[at].pair != pair)
            at = (at + 1) & (t->pairs_capacity - 1);
        t->pairs[at] = (struct bpe_merge_slot){pair, (uint32_t)rank, v->merges[rank].id};
    }
    return Q_OK;
}

static q_status index_byte_pairs(struct tokenizer *t)
{
    const uint32_t *byte_id = t->vocabulary.byte_id;
    Q_TRY(q_alloc(256 * 256, sizeof(*t->byte_pairs), &t->byte_pairs));
    for (unsigned i = 0; i < 256 * 256; i++) {
        const struct bpe_merge_slot *merge = bpe_find_merge(t, byte_id[i >> 8], byte_id[i & 255]);
        t->byte_pairs[i] = merge ? (uint64_t)merge->rank << 32 | merge->id : BPE_NO_MERGE;
    }
    return Q_OK;
}

/* So that the tables lie in huge pages, which a processor finds where it would lose its way among small ones. */
static q_status reserve_tables(struct tokenizer *t)
{
    return q_arena_reserve_pages(&t->tables, bpe_trees_bytes(t->vocabulary.merge_count) + sizeof(*t->borders));
}

/* Where the trees are not ordered, any token may come about. */
static q_status index_borders(struct tokenizer *t)
{
    const struct vocabulary *v = &t->vocabulary;
    Q_TRY(q_arena_alloc(&t->tables, 1, sizeof(*t->borders), &t->borders));
    if (t->trees.ordered)
        for (uint32_t i = 0; i < t->trees.count; i++)
            bpe_borders_add(t->borders, v->tokens[t->trees.ids[i]]);
    else
        for (size_t i = 0; i < v->merge_count; i++)
            bpe_borders_add(t->borders, v->tokens[v->merges[i].id]);
    return Q_OK;
}

static q_status index_special(struct tokenizer *t)
{
    const struct vocabulary *v = &t->vocabulary;
    Q_TRY(q_alloc_zero(v->size, sizeof(*t->is_special), &t->is_special));
    for (int i = 0; i < TOKENIZER_SPECIAL_COUNT; i++)
        t->special_id[i] = UINT32_MAX;
    for (size_t k = 0; k < v->added_count; k++) {
        t->is_special[v->added[k].id] = true;
        for (int i = 0; i < TOKENIZER_SPECIAL_COUNT; i++)
            if (q_string_is(v->added[k].text, tokenizer_special_texts[i]))
                t->special_id[i] = v->added[k].id;
    }
    return Q_OK;
}

q_status tokenizer_create(struct vocabulary *vocabulary, struct tokenizer **out)
{
    struct tokenizer *t;
    q_status status = q_alloc_zero(1, sizeof(*t), &t);
    if (status) {
        vocabulary_release(vocabulary);
        return status;
    }
    t->vocabulary = *vocabulary;
    *vocabulary = (struct vocabulary){0};
    status = index_pairs(t);
    if (!status)
        status = index_byte_pairs(t);
    if (!status)
        status = reserve_tables(t);
    if (!status)
        status = bpe_trees_create(t);
    if (!status)
        status = index_borders(t);
    if (!status)
        status = bpe_wholes_create(t, &t->wholes);
    for (int normalized = 0; normalized < 2 && !status; normalized++)
        status = added_tokens_create(&t->vocabulary, normalized == 1, &t->added[normalized]);
    if (!status)
        status = index_special(t);
    if (status)
        tokenizer_release(t);
    else
        *out = t;
    return status;
}

q_status tokenizer_load(const char *path, struct tokenizer **out)
{
    struct vocabulary vocabulary = {0};
    q_status status = vocabulary_read(path, &vocabulary);
    if (status) {
        vocabulary_release(&vocabulary);
        return q_context(status, "tokenizer");
    }
    return tokenizer_create(&vocabulary, out);
}

uint32_t tokenizer_size(const struct tokenizer *tokenizer)
{
    return tokenizer->vocabulary.size;
}

uint32_t tokenizer_special_id(const struct tokenizer *tokenizer, enum tokenizer_special special)
{
    return tokenizer->special_id[special];
}

bool tokenizer_is_special(const struct tokenizer *tokenizer, uint32_t id)
{
    return id < tokenizer->vocabulary.size && tokenizer->is_special[id];
}

q_string tokenizer_bytes(const struct tokenizer *tokenizer, uint32_t id)
{
    return id < tokenizer->vocabulary.size ? tokenizer->vocabulary.tokens[id] : (q_string){NULL, 0};
}
