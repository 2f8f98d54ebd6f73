/* Tokens by their bytes: open addressing over ids, for reading and writing vocabularies. */
#ifndef QUERN_TOKENIZER_TOKEN_TABLE_H
#define QUERN_TOKENIZER_TOKEN_TABLE_H

#include "base/memory.h"
#include "base/string.h"
#include "tokenizer/pretokenize/piece_hash.h"

#include <stdint.h>

struct token_table {
    const q_string *tokens; /* by id; not owned */
    uint32_t *slots;        /* id + 1; 0: empty */
    size_t capacity;        /* a power of two, more than the entries */
};

static inline q_status token_table_create(size_t count, struct token_table *out)
{
    for (out->capacity = 1024; out->capacity < 2 * count;)
        out->capacity *= 2;
    return q_alloc_zero(out->capacity, sizeof(*out->slots), &out->slots);
}

static inline void token_table_release(struct token_table *table)
{
    q_release(table->slots);
    table->slots = NULL;
}

/* The slot of these bytes: empty where no token has them. */
static inline uint32_t *token_table_slot(const struct token_table *table, q_string bytes)
{
    size_t at = (size_t)piece_hash((const uint8_t *)bytes.data, bytes.size) & (table->capacity - 1);
    while (table->slots[at] && !q_string_equal(table->tokens[table->slots[at] - 1], bytes))
        at = (at + 1) & (table->capacity - 1);
    return &table->slots[at];
}

/* The id; UINT32_MAX where there is none. */
static inline uint32_t token_table_find(const struct token_table *table, q_string bytes)
{
    return *token_table_slot(table, bytes) - 1;
}

#endif
