/* .tiktoken files, in and out (docs/formats/tokenizer.md).
 *
 * A line is a token in base64 and its rank, which is both its id and its place in the order of merges. What the file does not say, the pattern and
 * the special tokens, is in FILE.json beside it (FILE.tiktoken.json), or known from the file's name (those that OpenAI has published).
 *
 * tiktoken's encoding of a piece: the token that is the whole piece; else merge the two neighbours whose bytes together have the lowest
 * rank, the leftmost of equals. As merges this is: for each token the two parts that its own bytes come to just before it, in the order of
 * ids. No other two neighbours ever make it: what happens inside a token's bytes is the same wherever they stand, and its own two parts
 * would have been merged before any later rank made others of them.
 *
 * Source: tiktoken 0.14, src/lib.rs (byte_pair_encode) and load.py.
 */
#ifndef QUERN_TOKENIZER_VOCABULARY_TIKTOKEN_H
#define QUERN_TOKENIZER_VOCABULARY_TIKTOKEN_H

#include "base/memory.h"
#include "base/status.h"
#include "base/string.h"
#include "tokenizer/vocabulary/vocabulary.h"

/* Whether the name ends in ".tiktoken". */
bool vocabulary_is_tiktoken(const char *path);

/* Reads FILE.tiktoken. `pattern` is a built-in pretokenizer's name or a regular expression, and comes before what FILE.tiktoken.json says;
 * NULL: not given. Q_ERR_INPUT names file and line, or says that the pattern is not known. */
q_status vocabulary_read_tiktoken(const char *path, const char *pattern, struct vocabulary *out) Q_MUST_USE;
/* The ranks alone, from the bytes of the file: tokens and merges, no pretokenizer, no special tokens. */
q_status vocabulary_parse_tiktoken(q_string text, const char *name, struct vocabulary *out) Q_MUST_USE;
/* The members of FILE.tiktoken.json, into a vocabulary that has its ranks; those of a known file where `text` is empty. */
q_status vocabulary_parse_tiktoken_companion(q_string text, const char *name, const char *pattern,
                                             struct vocabulary *out) Q_MUST_USE;

/* Appends the ranks to `ranks`, and FILE.tiktoken.json to `companion`. Tokens that no text can give are left out, where only whole pieces
 * could give them and the vocabulary does not ignore merges; *left_out counts them. Q_ERR_INPUT says why tiktoken cannot express it: a
 * normalizer, a prefix space, flags of added tokens, merges in another order than their ids'. */
q_status vocabulary_write_tiktoken(const struct vocabulary *vocabulary, const char *name, struct q_buffer *ranks,
                                   struct q_buffer *companion, size_t *left_out) Q_MUST_USE;

#endif
