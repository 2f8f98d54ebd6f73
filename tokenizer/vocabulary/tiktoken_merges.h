/* The merges that the ranks of a .tiktoken file come to (vocabulary_tiktoken.h says why these and no others). */
#ifndef QUERN_TOKENIZER_TIKTOKEN_MERGES_H
#define QUERN_TOKENIZER_TIKTOKEN_MERGES_H

#include "base/status.h"
#include "tokenizer/vocabulary/token_table.h"
#include "tokenizer/vocabulary/vocabulary.h"

enum { TIKTOKEN_TOKEN_BYTES_MAX = 1024 /* of one token: what is done with it goes with the square */ };

/* The merges of the tokens in the table, in the order of their ids, appended to *merges (q_grow's, the caller's). A token that merging
 * never gives, since its bytes come to more than two parts, has none. */
q_status tiktoken_merges(const struct token_table *table, uint32_t size, struct vocabulary_merge **merges,
                         size_t *count, size_t *capacity) Q_MUST_USE;

#endif
