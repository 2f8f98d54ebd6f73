/* Tokens that say the same but for a leading space or the case of their letters: ids that a model has to learn twice. */
#include "base/json.h"
#include "tokenizer/inspect/audit.h"
#include "tokenizer/unicode/unicode_scripts.h"
#include "tokenizer/unicode/utf8_decode.h"

#include <stdlib.h>

static int by_bytes(const void *left, const void *right)
{
    return q_string_compare(*(const q_string *)left, *(const q_string *)right);
}

/* The token without what is to be ignored. Only whole UTF-8 has case. */
static q_status key_of(q_string token, bool spaces, bool cases, struct q_buffer *out)
{
    if (spaces && token.size > 1 && token.data[0] == ' ')
        token = q_string_slice(token, 1, token.size);
    if (!cases || !q_utf8_valid(token))
        return q_buffer_append_string(out, token);
    const uint8_t *at = (const uint8_t *)token.data, *end = at + token.size;
    while (at < end) {
        struct utf8_code decoded = utf8_decode(at, end);
        uint8_t bytes[4];
        Q_TRY(q_buffer_append(out, bytes, utf8_encode(unicode_lower(decoded.code), bytes)));
        at += decoded.bytes;
    }
    return Q_OK;
}

/* How many tokens have the key of another one: all of a kind but one. */
static q_status count_twins(const struct audit *audit, bool spaces, bool cases, uint32_t *out)
{
    uint32_t size = tokenizer_size(audit->tokenizer), count = 0;
    struct q_arena arena = {0};
    struct q_buffer key = {0};
    q_string *keys = NULL;
    q_status status = q_alloc(size, sizeof(*keys), &keys);
    for (uint32_t id = 0; id < size && !status; id++) {
        if (audit->reach[id] == TOKEN_ADDED || audit->reach[id] == TOKEN_MISSING)
            continue;
        q_buffer_clear(&key);
        status = key_of(tokenizer_bytes(audit->tokenizer, id), spaces, cases, &key);
        if (!status)
            status = q_arena_string(&arena, q_buffer_string(&key), &keys[count++]);
    }
    *out = 0;
    if (!status && count)
        qsort(keys, count, sizeof(*keys), by_bytes);
    for (uint32_t i = 1; i < count && !status; i++)
        *out += q_string_equal(keys[i], keys[i - 1]);
    q_release(keys);
    q_buffer_release(&key);
    q_arena_release(&arena);
    return status;
}

q_status audit_twins(struct audit *audit)
{
    Q_TRY(count_twins(audit, true, false, &audit->space_twins));
    Q_TRY(count_twins(audit, false, true, &audit->case_twins));
    return count_twins(audit, true, true, &audit->either_twins);
}
