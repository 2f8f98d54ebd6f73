#include "tokenizer/encode/boundary_split.h"

#include "base/check.h"
#include "tokenizer/unicode/unicode_classes.h"
#include "tokenizer/unicode/utf8_decode.h"

enum { BITS = 64 };

void boundary_split_workspace_release(struct boundary_split_workspace *workspace)
{
    q_release(workspace->joined);
    bpe_workspace_release(&workspace->merging);
    q_release(workspace->cuts);
    tokenizer_ids_release(&workspace->parts);
    *workspace = (struct boundary_split_workspace){0};
}

static bool is_break(char byte)
{
    return byte == '\n' || byte == '\r';
}

/* Whether the bytes before `end` close with a whole character that is punctuation or a symbol. */
static bool punctuation_ends(const uint8_t *bytes, size_t end)
{
    size_t start = end - 1;
    while (start > 0 && end - start < 4 && utf8_is_tail(bytes[start]))
        start--;
    struct utf8_code code = utf8_decode(bytes + start, bytes + end);
    bool whole = code.bytes == end - start && (code.code != UTF8_REPLACEMENT || code.bytes == 3);
    return whole && (unicode_class(code.code) & (UNICODE_PUNCTUATION | UNICODE_SYMBOL)) != 0;
}

/* The first place at or behind `from`; the token's size where there is none. */
static size_t next_place(q_string token, size_t from)
{
    for (size_t at = from ? from : 1; at < token.size; at++)
        if (is_break(token.data[at]) && !is_break(token.data[at - 1]) &&
            punctuation_ends((const uint8_t *)token.data, at))
            return at;
    return token.size;
}

size_t boundary_split_places(q_string token)
{
    size_t count = 0;
    for (size_t at = next_place(token, 0); at < token.size; at = next_place(token, at + 1))
        count++;
    return count;
}

size_t boundary_split_place(q_string token, size_t which)
{
    size_t at = next_place(token, 0);
    while (which-- > 0)
        at = next_place(token, at + 1);
    return at;
}

/* Added tokens are found by their text and mean what they are: these are never split. */
static q_status find_joined(const struct vocabulary *vocabulary, uint64_t **out)
{
    uint64_t *joined;
    Q_TRY(q_alloc_zero(vocabulary->size / BITS + 1, sizeof(*joined), &joined));
    for (uint32_t id = 0; id < vocabulary->size; id++)
        if (next_place(vocabulary->tokens[id], 0) < vocabulary->tokens[id].size)
            joined[id / BITS] |= 1ull << id % BITS;
    for (size_t i = 0; i < vocabulary->added_count; i++)
        joined[vocabulary->added[i].id / BITS] &= ~(1ull << vocabulary->added[i].id % BITS);
    *out = joined;
    return Q_OK;
}

/* The ids of a part, as if the pretokenizer had cut it out. */
static q_status encode_part(const struct tokenizer *tokenizer, struct bpe_workspace *merging, const uint8_t *part,
                            size_t size, uint32_t *ids, size_t *count)
{
    uint32_t whole = bpe_wholes_find(tokenizer, part, size);
    if (whole == UINT32_MAX)
        return bpe_merge(tokenizer, merging, part, size, ids, count);
    ids[0] = whole;
    *count = 1;
    return Q_OK;
}

/* Appends the ids of the two parts. */
static q_status split_token(const struct tokenizer *tokenizer, struct boundary_split_workspace *workspace,
                            q_string token, size_t place)
{
    struct tokenizer_ids *parts = &workspace->parts;
    const uint8_t *bytes = (const uint8_t *)token.data;
    size_t first, second;
    Q_TRY(q_grow(&parts->ids, &parts->capacity, parts->count + token.size, sizeof(*parts->ids)));
    uint32_t *ids = parts->ids + parts->count;
    Q_TRY(encode_part(tokenizer, &workspace->merging, bytes, place, ids, &first));
    Q_TRY(encode_part(tokenizer, &workspace->merging, bytes + place, token.size - place, ids + first, &second));
    parts->count += first + second;
    return Q_OK;
}

/* Decides about each joined token, and encodes the parts of those to be split. */
static q_status draw_cuts(const struct tokenizer *tokenizer, struct boundary_split_workspace *workspace,
                          const struct boundary_split *split, uint64_t position, const uint32_t *ids, size_t count,
                          size_t *out_cuts)
{
    size_t cuts = 0;
    for (size_t i = 0; i < count; i++) {
        if (!(workspace->joined[ids[i] / BITS] >> ids[i] % BITS & 1))
            continue;
        uint64_t draw = 2 * (position + i);
        if (q_random_unit(split->key, draw) >= split->share)
            continue;
        q_string token = tokenizer->vocabulary.tokens[ids[i]];
        size_t which = q_random_below(split->key, draw + 1, boundary_split_places(token));
        size_t before = workspace->parts.count;
        Q_TRY(split_token(tokenizer, workspace, token, boundary_split_place(token, which)));
        Q_TRY(q_grow(&workspace->cuts, &workspace->cut_capacity, cuts + 1, sizeof(*workspace->cuts)));
        workspace->cuts[cuts++] = (struct boundary_cut){i, workspace->parts.count - before};
    }
    *out_cuts = cuts;
    return Q_OK;
}

/* From the last id to the first, so that each is moved once. */
static void put_parts(const struct boundary_split_workspace *workspace, size_t cuts, uint32_t *ids, size_t count)
{
    size_t from = count, to = count + workspace->parts.count - cuts, part = workspace->parts.count;
    while (cuts-- > 0) {
        struct boundary_cut cut = workspace->cuts[cuts];
        size_t behind = from - (cut.index + 1);
        to -= behind;
        memmove(ids + to, ids + cut.index + 1, behind * sizeof(*ids));
        to -= cut.count;
        part -= cut.count;
        memcpy(ids + to, workspace->parts.ids + part, cut.count * sizeof(*ids));
        from = cut.index;
    }
    q_check(from == to && part == 0);
}

q_status boundary_split_apply(const struct tokenizer *tokenizer, struct boundary_split_workspace *workspace,
                              const struct boundary_split *split, uint64_t position, size_t from,
                              struct tokenizer_ids *ids)
{
    size_t cuts, count = ids->count - from;
    if (!workspace->joined)
        Q_TRY(find_joined(&tokenizer->vocabulary, &workspace->joined));
    workspace->parts.count = 0;
    Q_TRY(draw_cuts(tokenizer, workspace, split, position, ids->ids + from, count, &cuts));
    if (cuts == 0)
        return Q_OK;
    size_t more = workspace->parts.count - cuts;
    Q_TRY(q_grow(&ids->ids, &ids->capacity, ids->count + more, sizeof(*ids->ids)));
    put_parts(workspace, cuts, ids->ids + from, count);
    ids->count += more;
    return Q_OK;
}
