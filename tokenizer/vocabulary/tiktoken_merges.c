#include "tokenizer/vocabulary/tiktoken_merges.h"

#include "base/check.h"

enum { NONE = -1 };

/* The parts of a token's bytes while they are merged: part i is bytes[start[i], start[i + 1]). */
struct parts {
    q_string bytes;
    size_t count;
    uint32_t start[TIKTOKEN_TOKEN_BYTES_MAX + 1];
    int64_t rank[TIKTOKEN_TOKEN_BYTES_MAX]; /* of part i with part i + 1; NONE */
};

static int64_t rank_of(const struct token_table *table, const struct parts *parts, size_t i)
{
    if (i + 2 > parts->count)
        return NONE;
    uint32_t id = token_table_find(table, q_string_slice(parts->bytes, parts->start[i], parts->start[i + 2]));
    return id == UINT32_MAX ? NONE : (int64_t)id;
}

/* Merges until two parts are left, which only the token itself can join; false where it comes to a stop before. */
static bool merge_to_two(const struct token_table *table, struct parts *parts, q_string bytes)
{
    parts->bytes = bytes;
    parts->count = bytes.size;
    for (uint32_t i = 0; i <= parts->count; i++)
        parts->start[i] = i;
    for (size_t i = 0; i + 1 < parts->count; i++)
        parts->rank[i] = rank_of(table, parts, i);
    while (parts->count > 2) {
        size_t best = SIZE_MAX;
        for (size_t i = 0; i + 1 < parts->count; i++)
            if (parts->rank[i] != NONE && (best == SIZE_MAX || parts->rank[i] < parts->rank[best]))
                best = i;
        if (best == SIZE_MAX)
            return false;
        parts->count--;
        memmove(&parts->start[best + 1], &parts->start[best + 2], (parts->count - best) * sizeof(*parts->start));
        if (best + 2 < parts->count)
            memmove(&parts->rank[best + 1], &parts->rank[best + 2], (parts->count - best - 2) * sizeof(*parts->rank));
        parts->rank[best] = rank_of(table, parts, best);
        if (best > 0)
            parts->rank[best - 1] = rank_of(table, parts, best - 1);
    }
    return true;
}

static q_status merge_all(const struct token_table *table, struct parts *parts, uint32_t size,
                          struct vocabulary_merge **merges, size_t *count, size_t *capacity)
{
    for (uint32_t id = 0; id < size; id++) {
        q_string bytes = table->tokens[id];
        if (bytes.size < 2 || bytes.size > TIKTOKEN_TOKEN_BYTES_MAX || token_table_find(table, bytes) != id ||
            !merge_to_two(table, parts, bytes))
            continue;
        if (*count == *capacity)
            Q_TRY(q_grow(merges, capacity, *count + 1, sizeof(**merges)));
        uint32_t left = token_table_find(table, q_string_slice(bytes, 0, parts->start[1]));
        uint32_t right = token_table_find(table, q_string_slice(bytes, parts->start[1], bytes.size));
        (*merges)[(*count)++] = (struct vocabulary_merge){left, right, id};
    }
    return Q_OK;
}

q_status tiktoken_merges(const struct token_table *table, uint32_t size, struct vocabulary_merge **merges,
                         size_t *count, size_t *capacity)
{
    struct parts *parts;
    Q_TRY(q_alloc(1, sizeof(*parts), &parts));
    q_status status = merge_all(table, parts, size, merges, count, capacity);
    q_release(parts);
    return status;
}
