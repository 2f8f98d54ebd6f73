#include "tokenizer/encode/bpe_wholes.h"

#include "base/check.h"
#include "tokenizer/encode/bpe_index.h"
#include "tokenizer/pretokenize/piece_hash.h"

void bpe_wholes_release(struct bpe_wholes *wholes)
{
    q_release(wholes->ids);
    *wholes = (struct bpe_wholes){0};
}

static size_t place_of(const struct tokenizer *tokenizer, const struct bpe_wholes *wholes, q_string bytes)
{
    size_t at = (size_t)piece_hash((const uint8_t *)bytes.data, bytes.size) & (wholes->capacity - 1);
    while (wholes->ids[at] != UINT32_MAX && !q_string_equal(tokenizer->vocabulary.tokens[wholes->ids[at]], bytes))
        at = (at + 1) & (wholes->capacity - 1);
    return at;
}

/* Which tokens merging does not give, of those that are bytes: `is_whole` by id. */
static q_status find_wholes(const struct tokenizer *tokenizer, uint8_t *is_whole, size_t *count)
{
    const struct vocabulary *v = &tokenizer->vocabulary;
    struct bpe_workspace workspace = {0};
    struct tokenizer_ids ids = {0};
    q_status status = Q_OK;
    for (uint32_t id = 0; id < v->size && !status; id++) {
        size_t size = v->tokens[id].size, merged = 0;
        if (!(v->kinds[id] & VOCABULARY_BYTES))
            continue;
        status = q_grow(&ids.ids, &ids.capacity, size, sizeof(*ids.ids));
        if (!status)
            status = bpe_merge(tokenizer, &workspace, (const uint8_t *)v->tokens[id].data, size, ids.ids, &merged);
        is_whole[id] = merged != 1 || ids.ids[0] != id;
        *count += is_whole[id];
    }
    bpe_workspace_release(&workspace);
    tokenizer_ids_release(&ids);
    return status;
}

static q_status fill(const struct tokenizer *tokenizer, const uint8_t *is_whole, struct bpe_wholes *out)
{
    const struct vocabulary *v = &tokenizer->vocabulary;
    for (out->capacity = 16; out->capacity < 2 * out->count;)
        out->capacity *= 2;
    Q_TRY(q_alloc(out->capacity, sizeof(*out->ids), &out->ids));
    for (size_t i = 0; i < out->capacity; i++)
        out->ids[i] = UINT32_MAX;
    for (uint32_t id = 0; id < v->size; id++) {
        if (!is_whole[id])
            continue;
        out->ids[place_of(tokenizer, out, v->tokens[id])] = id;
        out->bytes_max = Q_MAX(out->bytes_max, v->tokens[id].size);
    }
    return Q_OK;
}

q_status bpe_wholes_create(const struct tokenizer *tokenizer, struct bpe_wholes *out)
{
    uint8_t *is_whole;
    *out = (struct bpe_wholes){0};
    if (!tokenizer->vocabulary.ignore_merges)
        return Q_OK;
    Q_TRY(q_alloc_zero(tokenizer->vocabulary.size, 1, &is_whole));
    q_status status = find_wholes(tokenizer, is_whole, &out->count);
    if (!status && out->count)
        status = fill(tokenizer, is_whole, out);
    q_release(is_whole);
    return status;
}

uint32_t bpe_wholes_find(const struct tokenizer *tokenizer, const uint8_t *piece, size_t size)
{
    const struct bpe_wholes *wholes = &tokenizer->wholes;
    if (!wholes->count || size > wholes->bytes_max)
        return UINT32_MAX;
    return wholes->ids[place_of(tokenizer, wholes, (q_string){(const char *)piece, size})];
}
